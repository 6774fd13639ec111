"""No configuration that moshi_mlx builds and loads is refused: key by key on the real ones, and random ones."""

import copy
import itertools
import json
import shutil

import mlx.core as mx
import mlx.nn as nn
import pytest
import sentencepiece
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from moshi_mlx import models
from moshi_mlx.models.tts import TTSModel

from tests.moshi import scaled_models
from tests.moshi.scaled_models import bits, build, config, file_name, mlx_named, names, shrink
from workbench.errors import WorkbenchError
from workbench.moshi import checkpoint, spm
from workbench.moshi.checkpoint import find
from workbench.moshi.generate import Recipe
from workbench.moshi.repository import FALLBACKS
from workbench.moshi.tts import DsmTts

PIECES = spm.model(320)
DISTINCT = [
    "hibiki-1b-mlx-bf16",
    "moshiko-mlx-q4",
    "moshiko-pytorch-bf16",
    "stt-1b-en_fr-candle",
    "stt-1b-en_fr-mlx",
    "stt-2.6b-en",
    "tts-1.6b-en_fr",
]
"""The published configurations without those that are equal to one of these, and without those moshi_mlx refuses."""


def test_the_distinct_configurations_stand_for_all():
    refused = {"hibiki-1b-pytorch-bf16", "tts-0.75b-en-public"}
    known = [{k: v for k, v in config(name).items() if k != "moshi_name"} for name in DISTINCT]
    for name in set(names()) - refused:
        assert {k: v for k, v in config(name).items() if k != "moshi_name"} in known


def moshi_mlx_takes(c, weights, tokenizer, *, mlx, width=None):
    """Whether moshi_mlx builds a model of this configuration and loads these weights, without computing them."""
    c = copy.deepcopy(c)
    try:
        cfg = models.LmConfig.from_config_dict(c)
        lm = models.Lm(cfg)
        lm.set_dtype(mx.bfloat16)
        if width:
            nn.quantize(lm, bits=width, group_size=scaled_models.GROUPS[width])
        lm.load_weights(str(weights), strict=True) if mlx else lm.load_pytorch_weights(str(weights), cfg, strict=True)
        if c.get("tts_config") is not None:
            mimi = models.mimi.Mimi(models.mimi_202407(1))
            TTSModel(lm, mimi, sentencepiece.SentencePieceProcessor(str(tokenizer)), raw_config=c)
        stt = c.get("stt_config")
        if stt is not None:  # run_inference reads it without from_config_dict
            stt.get("audio_delay_seconds", 0.0), stt.get("audio_silence_prefix_seconds", 0.0)
    except Exception as error:  # it has no error type of its own
        return f"{type(error).__name__}: {error}"
    return None


def refusal(root):
    """What the workbench says against a model; None if it takes it."""
    try:
        checkpoint.check(find(root))
    except WorkbenchError as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def small_codec(tmp_path_factory):
    return scaled_models.small_mimi(tmp_path_factory.mktemp("small"))


@pytest.mark.parametrize("name", DISTINCT)
def test_each_key_null_or_left_out_is_judged_as_moshi_mlx_does(name, small_codec, tmp_path):
    root = tmp_path / name
    c = build(root, name, small_codec, shrink(config(name), dim=256 if bits(name) else 64))
    weights, tokenizer = root / file_name(c, "moshi_name"), root / file_name(c, "tokenizer_name")
    verdicts = set()
    for key, null in itertools.product([k for k in c if k not in FALLBACKS], (True, False)):
        changed = {k: v for k, v in c.items() if k != key} | ({key: None} if null else {})
        (root / "config.json").write_text(json.dumps(changed))
        theirs = moshi_mlx_takes(changed, weights, tokenizer, mlx=mlx_named(name), width=bits(name))
        ours = refusal(root)
        if key == "dim" and not null:
            continue  # without it the folder is a codec alone
        assert (ours is None) == (theirs is None), (key, null, theirs, ours)
        verdicts.add(ours is None)
    assert verdicts == {True, False}


@pytest.mark.parametrize("null", [True, False])
def test_files_that_are_not_named_have_moshi_mlx_own_names(null, small_codec, tmp_path):
    root = tmp_path / "model"
    c = build(root, "moshiko-mlx-bf16", small_codec)
    bare = {k: v for k, v in c.items() if k not in FALLBACKS} | (dict.fromkeys(FALLBACKS) if null else {})
    (root / "config.json").write_text(json.dumps(bare))
    assert refusal(root) is None
    found = find(root)
    assert [p.name for p in (found.weights, found.mimi, found.tokenizer)] == [
        "model.safetensors",
        "tokenizer-e351c8d8-checkpoint125.safetensors",
        "tokenizer_spm_32k_3.model",
    ]


def optional(key, values):
    """A key left out, or with one of the values."""
    return st.one_of(st.just({}), values.map(lambda value: {key: value}))


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.floats(allow_nan=False)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
LUT = st.fixed_dictionaries(
    {
        "n_bins": st.integers(0, 3),
        "dim": st.sampled_from([1, 16, 32, 64]),
        "tokenizer": st.sampled_from(["noop", "noop", "noop", "other"]),
        "possible_values": st.lists(st.text(max_size=3), max_size=3),
    }
)
CONDITIONER = st.one_of(
    LUT.map(lambda spec: {"type": "lut", "lut": spec}),
    st.sampled_from([1, 64]).map(lambda dim: {"type": "tensor", "tensor": {"dim": dim}}),
)
NUMBERS = st.fixed_dictionaries(
    {
        "dim": st.sampled_from([64, 96, 256, 256]),
        "num_heads": st.sampled_from([1, 2, 4, 3]),
        "num_layers": st.integers(0, 2),
        "causal": st.sampled_from([True, False, None]),
        "layer_scale": st.sampled_from([None, None, 0.01]),
        "context": st.sampled_from([0, 1, 16, 750, -1, 12.0]),
        "max_period": st.sampled_from([10_000, 100_000.0, 0, None]),
        "positional_embedding": st.sampled_from(["rope", "none", "sin", None]),
        "depformer_dim": st.sampled_from([64, 256]),
        "depformer_num_heads": st.sampled_from([1, 2, 3]),
        "depformer_num_layers": st.integers(0, 2),
        "depformer_dim_feedforward": st.sampled_from([None, 96, 1024, 256, 100, 264]),
        "depformer_pos_emb": st.sampled_from(["none", "rope", None]),
        "dep_q": st.integers(0, 4),
        "text_card": st.sampled_from([1, 5, 200]),
        "card": st.sampled_from([1, 2048, 2000, 3000]),
        "n_q": st.integers(0, 6),
        "delays": st.lists(st.integers(0, 3), max_size=8),
    }
)
OPTIONS = st.tuples(
    optional("cross_attention", st.sampled_from([True, False, None])),
    optional("demux_second_stream", st.sampled_from([True, False, None])),
    optional("depformer_weights_per_step_schedule", st.none() | st.lists(st.integers(0, 3), max_size=5)),
    optional("depformer_low_rank_embeddings", st.sampled_from([None, 32, 16])),
    optional("depformer_layer_scale", st.sampled_from([None, None, 0.1])),
    optional("depformer_causal", st.sampled_from([True, None])),
    optional("depformer_context", st.sampled_from([8, None])),
    optional("extra_heads_num_heads", st.integers(0, 4)),
    optional("extra_heads_dim", st.integers(1, 6)),
    optional(
        "conditioners", st.dictionaries(st.sampled_from(["control", "description", "x"]), CONDITIONER, max_size=2)
    ),
    optional(
        "stt_config", st.sampled_from([None, {}, {"audio_delay_seconds": 2.5}, {"audio_silence_prefix_seconds": 1}])
    ),
    optional("tts_config", st.sampled_from([None, {"audio_delay": 1.28}])),
    optional("text_card_out", st.sampled_from([None, 5])),
    optional("hidden_scale", JUNK),
    optional("fuser", JUNK),
    optional("lm_gen_config", JUNK),
    optional("model_id", JUNK | st.just({"sig": "a", "epoch": 1})),
    optional("gating", JUNK),
)


RANDOM = settings(
    max_examples=40, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None
)


def test_a_random_config_that_moshi_mlx_takes_is_not_refused(small_codec, tmp_path):
    numbered, taken = itertools.count(), []

    @RANDOM
    @given(NUMBERS, OPTIONS, st.booleans(), st.sampled_from([None, None, 4, 8]))
    def check(numbers, options, mlx, width):
        c = numbers | {k: v for option in options for k, v in option.items()}
        mlx, root = mlx or bool(width), tmp_path / str(next(numbered))
        root.mkdir()
        weights, tokenizer = root / f"model{f'.q{width}' if width else ''}.safetensors", root / "t.model"
        try:
            lm = models.Lm(models.LmConfig.from_config_dict(copy.deepcopy(c)))
            lm.set_dtype(mx.bfloat16)
            scaled_models.save_lm(weights, lm, c, mlx=mlx, bits=width)
        except Exception:  # whatever moshi_mlx refuses with
            assume(False)
        for path in small_codec.iterdir():
            (root / path.name).symlink_to(path)
        tokenizer.write_bytes(PIECES)
        files = {"moshi_name": weights.name, "mimi_name": "mimi-generated.safetensors", "tokenizer_name": "t.model"}
        (root / "config.json").write_text(json.dumps(c | files))
        theirs, ours = moshi_mlx_takes(c, weights, tokenizer, mlx=mlx, width=width), refusal(root)
        assert theirs is not None or ours is None, c
        assert "\n" not in (ours or "")
        if theirs is None:
            taken.append(c)

    check()
    assert len(taken) > 20
    assert len({json.dumps(c, default=str) for c in taken}) > 20


def test_quantised_cross_attention_equals_its_plain_weights(zoo, tmp_path):
    """moshi_mlx's scripts quantise it and its cross-attention cannot compute with it; here it is made plain again."""
    tokens = []
    for folder in ("quantised", "plain"):
        root = tmp_path / folder
        shutil.copytree(zoo.directory(Recipe("tts", bits=8)), root)
        path = root / "model.q8.safetensors"
        weights = dict(mx.load(str(path)))
        for name in [n for n in weights if n.endswith("cross_attention.in_proj.weight")]:
            parts = mx.quantize(weights[name], group_size=64, bits=8)
            whole = dict(zip(("weight", "scales", "biases"), parts, strict=True))
            if folder == "plain":
                whole = {"weight": mx.dequantize(*parts, group_size=64, bits=8)}
            weights |= {name.replace("weight", part): value for part, value in whole.items()}
        mx.eval(weights)
        mx.save_safetensors(str(path), weights)
        speech = DsmTts(find(root)).synthesize("hello you")
        assert any(pcm is not None for pcm in speech)
        tokens.append([frame.tolist() for frame in speech.tokens])
    assert tokens[0] == tokens[1]
