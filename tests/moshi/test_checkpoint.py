"""Model directories: the layout is moshi_mlx's own, the bytes are fixed, and what does not fit is named."""

import dataclasses
import json
import math
import shutil

import pytest
from moshi_mlx import models

from workbench.errors import WorkbenchError
from workbench.moshi import checkpoint, layout, load, model, sizes, spm
from workbench.moshi.generate import Recipe, init
from workbench.moshi.tensors import read_header

ALL = [
    Recipe("stt"),
    Recipe("stt", bits=8),
    Recipe("tts"),
    Recipe("tts", bits=8),
    Recipe("duplex"),
    Recipe("duplex", bits=4),
    Recipe("mimi"),
]


@pytest.mark.parametrize("recipe", ALL, ids=str)
def test_what_init_writes_passes_check(zoo, recipe):
    c = zoo(recipe)
    assert c.kind == recipe.kind
    assert c.generated
    assert len(checkpoint.check(c)) == (1 if recipe.kind == "mimi" else 3)


@pytest.mark.parametrize("recipe", ALL, ids=str)
def test_the_same_seed_gives_the_same_bytes(zoo, tmp_path, recipe):
    files = init(tmp_path / "again", recipe)
    first = zoo.directory(recipe)
    for path in files:
        assert path.read_bytes() == (first / path.relative_to(tmp_path / "again")).read_bytes()
    other = init(tmp_path / "other", dataclasses.replace(recipe, seed=1))
    weights = next(p for p in other if p.name == "mimi-generated.safetensors")
    assert weights.read_bytes() != (first / weights.name).read_bytes()


def test_published_mimi_is_moshi_mlx_own():
    assert load.mimi_fields() == layout.MIMI_202407
    assert len(layout.mimi_table(layout.MIMI_202407)) == 318
    assert sum(math.prod(s) for s in layout.mimi_table(layout.MIMI_202407).values()) * 4 == 384_605_572


@pytest.mark.parametrize("kind", ["stt", "tts", "duplex"])
def test_full_size_names_and_shapes_are_what_moshi_mlx_loads(kind, monkeypatch):
    """No weights: shapes go through moshi_mlx's own conversion of names and must match its lazy module tree."""
    import mlx.core as mx

    config = sizes.lm_config(kind, "full")
    lazy = {n: mx.zeros(s, dtype=mx.bfloat16) for n, s in layout.lm_table(config).items()}
    monkeypatch.setattr(mx, "load", lambda path: lazy)
    lm = load.build_lm(config, None)
    lm.load_pytorch_weights("unread", lm.cfg, strict=True)


def test_full_duplex_is_config_v0_1():
    ours, theirs = models.LmConfig.from_config_dict(sizes.lm_config("duplex", "full")), models.config_v0_1()
    # The published file writes the depformer's width as 33/8 of its size, moshi_mlx as 4: both make 2816.
    assert layout.hidden(1024, ours.depformer.transformer.dim_feedforward) == 2816
    assert layout.hidden(1024, theirs.depformer.transformer.dim_feedforward) == 2816
    theirs.depformer.transformer.dim_feedforward = ours.depformer.transformer.dim_feedforward
    theirs.depformer.transformer.bias_attn = None  # what "depformer_layer_scale": null amounts to
    assert ours == theirs


def test_tokenizer_has_kyutais_special_ids(zoo):
    import sentencepiece

    c = zoo(Recipe("stt"))
    text = sentencepiece.SentencePieceProcessor(str(c.tokenizer))
    assert (text.get_piece_size(), text.unk_id(), text.pad_id()) == (320, 0, 3)
    assert text.decode(text.encode("Hello, my friend!")) == "Hello, my friend!"
    assert spm.pieces(8000)[:4] == ["<unk>", "<s>", "</s>", "<pad>"]
    assert len(set(spm.pieces(48_000))) == 48_000


@pytest.fixture
def broken(zoo, tmp_path):
    """A copy of an STT that may be damaged."""
    shutil.copytree(zoo.directory(Recipe("stt")), tmp_path / "stt")
    return tmp_path / "stt"


def refused(root):
    with pytest.raises(WorkbenchError) as error:
        checkpoint.check(checkpoint.find(root))
    assert "\n" not in str(error.value)
    return str(error.value)


GONE = object()


def edit(path, **changes):
    config = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in (config | changes).items() if v is not GONE}))


def test_wrong_shape_names_the_tensor(broken):
    edit(broken / "config.json", text_card=321)
    assert "model.safetensors: tensor text_emb.weight has shape [321, 256], config.json asks for [322, 256]" in refused(
        broken
    )


def test_missing_tensor_is_named(broken):
    edit(broken / "config.json", num_layers=3)
    message = refused(broken)
    assert "tensor transformer.layers.2.gating.linear_in.weight is missing (and 5 more)" in message


def test_surplus_tensor_is_named(broken):
    edit(broken / "config.json", extra_heads_num_heads=3)
    assert "tensor extra_heads.3.weight is not part of this model" in refused(broken)


@pytest.mark.parametrize(
    ("keep", "said"), [(-1, "1 bytes are missing"), (500, "truncated inside its header"), (3, "too short")]
)
def test_truncated_file_is_named(broken, keep, said):
    path = broken / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert said in refused(broken)


OTHER_FORMATS = {
    "a Python pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c",
    "PyTorch/zip archive": b"PK\x03\x04aaaaaaaa",
    "a wav file": b"RIFF\x00\x00\x00\x00WAVE",
    "git-lfs pointer": b"version https://git-lfs",
    "header is not readable": b"\x08\x00\x00\x00\x00\x00\x00\x00notjson!",
}


@pytest.mark.parametrize(("said", "start"), OTHER_FORMATS.items())
def test_other_formats_are_recognised(broken, said, start):
    (broken / "model.safetensors").write_bytes(start)
    assert said in refused(broken)


def test_a_pickle_protocol_byte_as_header_length_is_no_pickle(broken):
    """A header of 128 bytes begins with byte 0x80 too."""
    import struct

    text = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode().ljust(128)
    (broken / "x.safetensors").write_bytes(struct.pack("<Q", 128) + text + bytes(4))
    assert read_header(broken / "x.safetensors").shapes == {"a": (1,)}


CONFIG_ERRORS = [
    ({"n_q": "8"}, 'n_q is "8", must be a whole number'),
    ({"num_layers": 1.5}, "num_layers is 1.5, must be a whole number"),
    ({"num_heads": 0}, "config.json: moshi_mlx cannot build it (ZeroDivisionError"),
    ({"dim": None}, "dim is null, must be a whole number"),
    ({"extra_heads_num_heads": "x"}, 'extra_heads_num_heads is "x", must be a whole number'),
    ({"num_layers": 10**9}, "num_layers is 1000000000, but model.safetensors has only"),
    ({"n_q": 10**9}, "n_q is 1000000000, but"),
    ({"dim": 10**10}, "moshi_mlx cannot build it"),
    ({"dim": [256] * 999}, "must be a whole number"),
    ({"conditioners": None}, "conditioners is null, moshi_mlx needs an object; leave the key out"),
    ({"conditioners": 3}, "conditioners is 3, moshi_mlx needs an object"),
    ({"conditioners": {"a": {}}}, "conditioners.a must be an object of type lut or tensor, not {}"),
    ({"conditioners": {"a": {"type": "lut", "lut": {"dim": 1}}}}, "conditioners.a: lut.n_bins is missing"),
    ({"stt_config": 3}, "stt_config is 3, must be an object"),
    ({"stt_config": {"audio_delay_seconds": "x"}}, 'stt_config.audio_delay_seconds is "x", must be seconds'),
    ({"tts_config": {"audio_delay": 1}, "model_id": None}, "model_id with sig and epoch is missing"),
    ({"tts_config": {}}, "tts_config.audio_delay is missing"),
    ({"context": GONE}, "context is missing"),
    ({"moshi_name": "gone.safetensors"}, "gone.safetensors is missing"),
    ({"tokenizer_name": GONE}, "has no tokenizer_name"),
    ({"mimi_name": "../x"}, "must name a file inside"),
    ({"mimi_name": "/x"}, "must name a file inside"),
    ({"mimi_name": 3}, "mimi_name must be a file name, not 3"),
    ({"mimi_name": "a\x1b[2Jb"}, 'must be a file name, not "a\\u001b[2Jb"'),
    ({"mimi_name": "\ud800"}, "must be a file name"),
    ({"mimi_name": "x" * 300}, "must name a file inside"),
]


@pytest.mark.parametrize(("changes", "said"), CONFIG_ERRORS)
def test_config_errors_name_the_key(broken, changes, said):
    edit(broken / "config.json", **changes)
    assert said in refused(broken)


TAKEN = [
    ({"delays": [0]}, "delays must list 9 numbers, one for text and one per codebook, not 1"),
    ({"delays": "x"}, "delays must list whole numbers"),
    ({"num_heads": 7}, "dim 256 is not divisible by num_heads 7"),
]


@pytest.mark.parametrize(("changes", "said"), TAKEN)
def test_what_moshi_mlx_loads_but_cannot_step_is_a_note(broken, changes, said):
    edit(broken / "config.json", **changes)
    c = checkpoint.find(broken)
    (note,) = (line for line in checkpoint.check(c) if line.startswith("note"))
    assert said in note
    with pytest.raises(WorkbenchError, match="moshi_mlx cannot step this model"):
        model.load(c, "stt")


def test_a_model_that_fails_at_its_first_step_is_named(broken):
    edit(broken / "config.json", max_period=None)
    c = checkpoint.find(broken)
    checkpoint.check(c)
    with pytest.raises(WorkbenchError, match="moshi_mlx loads this model but cannot step it"):
        model.load(c, "stt")


def test_a_config_nested_too_deeply(broken):
    (broken / "config.json").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    assert "config.json: " in refused(broken)


def test_a_config_without_an_lm_is_a_codec(broken):
    edit(broken / "config.json", dim=GONE)
    assert checkpoint.find(broken).kind == "mimi"


MIMI_ERRORS = [
    ({"transformer": {"num_layers": 10**9}}, "transformer.num_layers is 1000000000, more than"),
    ({"transformer": {"num_layers": 1.5}}, "transformer.num_layers is 1.5, must be like 8"),
    ({"transformer": {"gating": True}}, "moshi_mlx cannot load it"),
    ({"seanet": {"compress": 0}}, "seanet.compress is 0, must be like 2"),
    ({"seanet": {"ratios": [8, 6, 5]}}, "seanet.ratios is [8, 6, 5], must be like [8, 6, 5, 4]"),
    ({"seanet": 3}, "seanet must be an object"),
    ({"frame_rate": "x"}, 'frame_rate is "x", must be like 12.5'),
]


@pytest.mark.parametrize(("changes", "said"), MIMI_ERRORS)
def test_errors_in_mimi_config_name_the_key(broken, changes, said):
    path = broken / "mimi_config.json"
    given = json.loads(path.read_text())
    for key, value in changes.items():
        given[key] = given[key] | value if isinstance(value, dict) else value
    path.write_text(json.dumps(given))
    assert said in refused(broken)


def test_a_config_with_a_number_that_is_none_can_be_run(broken):
    edit(broken / "config.json", hidden_scale=math.nan, gating="\ud800")
    assert len(model.fingerprint(checkpoint.find(broken), {}, ())) == 64


def test_unknown_key_in_mimi_config(broken):
    edit(broken / "mimi_config.json", colour="red")
    assert "mimi_config.json: unknown key colour" in refused(broken)


def test_wrong_tokenizer(broken, tmp_path):
    c = checkpoint.find(broken)
    c.tokenizer.write_bytes(spm.model(200))
    assert "has 200 pieces, config.json's text_card is 320" in checkpoint.check(c)[-1]
    c.tokenizer.write_bytes(b"no model")
    assert "not a sentencepiece model" in refused(broken)


def test_directories_that_are_none(tmp_path):
    assert "no such model directory" in refused(tmp_path / "gone")
    assert "has no config.json" in refused(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    with pytest.raises(WorkbenchError, match="not empty"):
        init(tmp_path / "full", Recipe("mimi"))


def test_codec_too_small_for_the_lm(broken, zoo):
    shutil.copy(zoo(Recipe("duplex")).mimi, broken / "mimi-generated.safetensors")
    assert "has 4 codebooks, config.json needs 8" in refused(broken)
