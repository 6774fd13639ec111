"""Kyutai's published models, by their real configurations: sizes, loading, and the tokens that moshi_mlx says.

The judge is moshi_mlx's own loader and loop. Weights are random and small, keys, names and types are the real ones.
"""

import json
import shutil

import mlx.core as mx
import numpy as np
import pytest
import rustymimi
import sentencepiece
from click.testing import CliRunner
from moshi_mlx import models, utils
from moshi_mlx.models.tts import TTSModel

from tests.moshi import scaled_models
from tests.moshi.scaled_models import bits, build, config, facts, file_name, kind, mlx_named, names, shrink
from workbench.cli import cli
from workbench.errors import WorkbenchError
from workbench.moshi import checkpoint, sizes, spm, voices
from workbench.moshi.checkpoint import find
from workbench.moshi.duplex import Duplex
from workbench.moshi.generate import Recipe, lm_specs, write_voice
from workbench.moshi.layout import MIMI_202407, lm_table, mimi_table
from workbench.moshi.load import lm_shapes, mimi_config
from workbench.moshi.model import load
from workbench.moshi.repository import FALLBACKS, published
from workbench.moshi.stream import Drawing, TokenStream
from workbench.moshi.stt import DsmStt
from workbench.moshi.tts import DsmTts, TtsOptions
from workbench.sessions.session import write_manifest
from workbench.sessions.tracks import write_track
from workbench.stages.recorded_lm import RecordedReply, add_reply

REFUSED = {"hibiki-1b-pytorch-bf16", "tts-0.75b-en-public"}
"""What moshi_mlx 0.3.0 itself does not load."""

LOADED = [name for name in names() if name not in REFUSED]
FRAMES = 5
QUICKLY = ["--step-costs", "fixed", "--no-page"]


def table(name):
    """Tensor → (dtype, shape) of the published file, from the workbench's own tables."""
    c = config(name)
    if mlx_named(name):
        return lm_shapes(c, bits(name))
    wide = "F32" if kind(c) == "tts" else "BF16"  # the published TTS has its eight tensors of conditions in float32
    return {n: (wide if n.startswith("condition_provider") else "BF16", s) for n, s in lm_table(c).items()}


SIZES = {
    "hibiki-1b-mlx-bf16": 3_600_043_224,
    "moshiko-mlx-bf16": 15_375_697_208,
    "stt-1b-en_fr-candle": 1_978_522_200,
    "stt-2.6b-en": 5_234_275_128,
    "tts-1.6b-en_fr": 3_683_719_712,
}
"""Bytes of published files, from public sources; the header's included."""


def test_sizes_that_are_known_are_all_tested():
    assert {name: facts(name)["bytes"] for name in names() if "bytes" in facts(name)} == SIZES


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_tables_give_the_published_size_byte_for_byte(name, size):
    shapes = table(name)
    assert len(shapes) == facts(name).get("tensors", len(shapes))
    assert scaled_models.header(shapes)[1] == size


def test_the_codec_and_a_voice_have_the_published_sizes(tmp_path):
    mimi = {n: ("F32", s) for n, s in mimi_table(MIMI_202407).items()}
    assert scaled_models.header(mimi)[1] == 384_644_900
    assert write_voice(tmp_path, "v", config("tts-1.6b-en_fr"), 0).stat().st_size == 256_136


FULL = {"stt": "stt-1b-en_fr-candle", "tts": "tts-1.6b-en_fr", "duplex": "moshiko-mlx-bf16"}


@pytest.mark.parametrize(("role", "name"), FULL.items())
def test_generated_full_size_is_the_real_configuration(role, name):
    assert published(role) == config(name)
    assert sizes.lm_config(role, "full") == {k: v for k, v in config(name).items() if k not in FALLBACKS}
    assert set(sizes.lm_config(role, "tiny")) == set(sizes.lm_config(role, "full"))
    specs = lm_specs(sizes.lm_config(role, "full"), Recipe(role, "full"))
    assert {s.name: (s.dtype, s.shape) for s in specs} == table(name)


@pytest.mark.parametrize("name", LOADED)
def test_full_size_files_pass_check(name, codec, tmp_path):
    """The published header over a file of which nothing else is written; no config.json where none is published."""
    c, listed = config(name), facts(name).get("files")
    if listed is None or "config.json" in listed:
        (tmp_path / "config.json").write_text(json.dumps(c, indent=2))
    quantised = bits(name) is not None
    weights = tmp_path / file_name(c, "moshi_name")
    scaled_models.write_hole(weights, table(name), padded=not quantised, null=quantised)
    (tmp_path / file_name(c, "mimi_name")).symlink_to(codec / "mimi-generated.safetensors")
    (tmp_path / file_name(c, "tokenizer_name")).write_bytes(spm.model(c["text_card"]))
    if listed:
        assert {p.name for p in tmp_path.iterdir()} == set(listed) - {"README.md", ".gitattributes"}
    found = find(tmp_path)
    lines = checkpoint.check(found)
    assert found.kind == kind(c)
    assert found.bits == bits(name)
    assert not [line for line in lines if line.startswith("note")]
    if name == "moshiko-mlx-q4":
        assert any("1247 tensors, 4805.4 MB BF16/U32, MLX-named, 4 bits" in line for line in lines)


@pytest.fixture(scope="module")
def small_codec(tmp_path_factory):
    """Directory of a Mimi with the published codebooks and 1/16 of the filters: fast enough to replay with."""
    folder = tmp_path_factory.mktemp("small")
    return scaled_models.small_mimi(folder)


@pytest.fixture(scope="module")
def codec(zoo):
    """Directory of a Mimi of the published size."""
    return zoo.directory(Recipe("mimi", size="full"))


@pytest.fixture(scope="module")
def scaled(codec, tmp_path_factory):
    """``scaled(name)`` → directory of the scaled-down model, made once."""
    root, made = tmp_path_factory.mktemp("scaled"), set()

    def get(name):
        if name not in made:
            build(root / name, name, codec)
            made.add(name)
        return root / name

    return get


def reference(root, name, file=None, mlx=None):
    """Configuration, as read and as moshi_mlx has it, and moshi_mlx's model, loaded as its own scripts do."""
    c = json.loads((root / "config.json").read_text())
    cfg = models.LmConfig.from_config_dict(c)
    # As the workbench and Kyutai's own scripts: the ring is no longer than the context.
    cfg.transformer.max_seq_len = cfg.transformer.context
    mx.random.seed(299792458)
    lm = models.Lm(cfg)
    lm.set_dtype(mx.bfloat16)
    weights = str(root / (file or file_name(c, "moshi_name")))
    for width, group in scaled_models.GROUPS.items():
        if weights.endswith(f".q{width}.safetensors"):
            scaled_models.nn.quantize(lm, bits=width, group_size=group)
    if mlx_named(name) if mlx is None else mlx:
        lm.load_weights(weights, strict=True)
    else:
        lm.load_pytorch_weights(weights, cfg, strict=True)
    return c, cfg, lm


def noise():
    random = np.random.default_rng(5)
    return [(random.standard_normal(1920) * 0.1).astype(np.float32) for _ in range(FRAMES)]


def reference_steps(root, name):
    """The loop of moshi_mlx's ``run_inference``: text and audio tokens of each frame."""
    c, cfg, lm = reference(root, name)
    mimi = rustymimi.Tokenizer(
        str(root / file_name(c, "mimi_name")), num_codebooks=max(cfg.generated_codebooks, cfg.other_codebooks)
    )
    provider = lm.condition_provider
    ct = None if provider is None else provider.condition_tensor("description", "very_good")
    lm.warmup(ct)
    temp = 0.8 if cfg.generated_codebooks else 0.0
    gen = models.LmGen(lm, FRAMES, utils.Sampler(top_k=25, temp=temp), utils.Sampler(top_k=250, temp=temp), check=False)
    steps = []
    for frame in noise():
        codes = mx.array(mimi.encode_step(frame[None, None])).transpose(0, 2, 1)[:, :, : cfg.other_codebooks]
        text = gen.step(codes[0], ct)[0].item()
        audio = gen.last_audio_tokens() if cfg.generated_codebooks else None
        steps.append((text, None if audio is None else np.array(audio).reshape(-1).tolist()))
    return steps


def our_steps(root):
    found = find(root)
    if found.kind == "stt":
        stt = DsmStt(found)
        stt.open()
        codes = stt.codec.encode(np.concatenate(noise()))
        return [(stt._tokens.step(frame), None) for frame in codes]
    stream, steps = Duplex(found).open(), []
    for frame in noise():
        stream.step(frame)
        audio = stream._tokens.audio()
        steps.append((stream._tokens.text, None if audio is None else audio.tolist()))
    return steps


SPOKEN = [name for name in LOADED if kind(config(name)) != "tts"]


SLOW = ["stt-2.6b-en-candle"]
"""Equal to another in configuration, naming and so in bytes."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in SPOKEN])
def test_tokens_equal_moshi_mlx_loader_and_loop(name, scaled):
    root = scaled(name)
    wanted = reference_steps(root, name)
    assert our_steps(root) == wanted
    assert len({text for text, _ in wanted}) > FRAMES // 3


@pytest.fixture(scope="module")
def tts_root(small_codec, tmp_path_factory):
    """The TTS, with a small codec: tokens are said before it decodes them."""
    root = tmp_path_factory.mktemp("tts") / "model"
    build(root, "tts-1.6b-en_fr", small_codec)
    return root


def test_tts_tokens_equal_ttsmodel(tts_root):
    name, root = "tts-1.6b-en_fr", tts_root
    c, cfg, lm = reference(root, name)
    voice = next(root.glob("voices/described*"))
    # Building a codec draws, so it is the size that the workbench builds too.
    mimi = models.mimi.Mimi(mimi_config(find(root).mimi_config, cfg.generated_codebooks))
    text = sentencepiece.SentencePieceProcessor(str(root / file_name(c, "tokenizer_name")))
    padding = {"max_padding": 1, "initial_padding": 1, "final_padding": 2}
    tts = TTSModel(lm, mimi, text, temp=0.6, cfg_coef=1, raw_config=c, **padding)
    wanted = []
    tts.generate(
        [tts.prepare_script(["hi"], padding_between=0)],
        [tts.make_condition_attributes([voice], 1.0)],
        on_frame=lambda frame: wanted.append(np.array(frame).reshape(-1).tolist()),
    )
    speech = DsmTts(find(root), TtsOptions(voice=str(voice), **padding)).synthesize("hi", seed=None)
    assert sum(pcm is not None for pcm in speech) == len(wanted) > 2
    assert [tokens.tolist() for tokens in speech.tokens] == wanted


def test_voices_with_and_without_metadata_pass(tts_root):
    tts = find(tts_root)
    assert len(voices.available(tts)) == 3
    for path in voices.available(tts):
        assert voices.check(path, tts).frames == 125


def refused(root):
    with pytest.raises(WorkbenchError) as error:
        checkpoint.check(find(root))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_moshi_mlx_does_not_load_is_refused_with_its_reason(codec, tmp_path):
    cut = shrink(config("tts-0.75b-en-public"))
    build(tmp_path / "tts", "tts-0.75b-en-public", codec, cut)
    whole = scaled_models.to_pytorch(scaled_models.random_lm(cut), cut)
    rows = {"text_linear.weight": mx.zeros((5, cut["dim"]), mx.bfloat16)}
    scaled_models.save_pytorch(tmp_path / "tts" / cut["moshi_name"], whole | rows)
    with pytest.raises(ValueError, match="text_linear"):
        reference(tmp_path / "tts", "tts-0.75b-en-public")
    said = refused(tmp_path / "tts")
    assert "text_linear.weight has 5 rows, as text_card_out in config.json says" in said
    assert "moshi_mlx 0.3.0 does not know that key and builds 320 (kyutai-labs/moshi#422)" in said

    hibiki = shrink(config("hibiki-1b-pytorch-bf16"))
    with pytest.raises(TypeError):
        models.LmConfig.from_config_dict(hibiki) and models.Lm(models.LmConfig.from_config_dict(hibiki))
    build(tmp_path / "hibiki", "hibiki-1b-pytorch-bf16", codec, hibiki | {"depformer_dim_feedforward": 1056})
    (tmp_path / "hibiki/config.json").write_text(json.dumps(hibiki))
    assert "config.json: depformer_dim_feedforward is null, must be a whole number" in refused(tmp_path / "hibiki")


def run(*arguments):
    result = CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False, catch_exceptions=False)
    return result.return_value or 0, result.output


@pytest.fixture
def session(tmp_path):
    """Two seconds with a burst of noise."""
    folder = tmp_path / "session"
    folder.mkdir()
    random = np.random.default_rng(3)
    pcm = random.standard_normal(2 * 24_000).astype(np.float32) * 0.001
    pcm[9_600:28_800] += random.standard_normal(19_200).astype(np.float32) * 0.1
    write_track(folder / "mic.flac", iter([pcm]))
    write_manifest(folder, tracks={"mic": "mic.flac"})
    return folder


def replay(root, session, out, monkeypatch):
    """``models check``, ``doctor`` and ``replay`` of what is in ``root``."""
    options, more = ["--stack", "moshi-duplex"], []
    if (root / "tts").exists():
        options = ["--stack", "moshi", "--set", f"tts_voice_path={next((root / 'tts/voices').iterdir())}"]
        add_reply(root.parent / "replies.jsonl", RecordedReply(("Hello",), ("It", " is."), (100.0, 110.0)))
        more = ["--set", f"lm=recorded:{root.parent / 'replies.jsonl'}"]
    code, said = run("models", "check", *sorted(root.iterdir()))
    assert code == 0, said
    monkeypatch.setattr("workbench.moshi.headroom.FRAME_MS", 60_000)  # how loaded this machine is must not matter
    code, said = run("doctor", "--models", root, "--steps", 10, *options[2:])
    assert code == 0, said
    code, said = run("replay", session, *options, *more, "--models", root, "--out", out, *QUICKLY)
    assert code == 0, said


def test_check_doctor_and_replay_take_the_2_6b(small_codec, zoo, session, tmp_path, monkeypatch):
    build(tmp_path / "models/stt", "stt-2.6b-en", small_codec)
    shutil.copytree(zoo.directory(Recipe("tts")), tmp_path / "models/tts")
    replay(tmp_path / "models", session, tmp_path / "out", monkeypatch)


def test_check_doctor_and_replay_take_hibiki(small_codec, session, tmp_path, monkeypatch):
    build(tmp_path / "models/duplex", "hibiki-1b-mlx-bf16", small_codec)
    replay(tmp_path / "models", session, tmp_path / "out", monkeypatch)


REPLAYED = ["stt-1b-en_fr-candle", "moshiko-mlx-q4"]
"""Models that are replayed too, a minute each: with pause heads and Kyutai's TTS, and quantised."""


@pytest.mark.slow
@pytest.mark.parametrize("name", REPLAYED)
def test_check_doctor_and_replay_take_other_kinds(name, small_codec, session, tmp_path, monkeypatch):
    c = build(tmp_path / "models/model", name, small_codec)
    (tmp_path / "models/model").rename(tmp_path / "models" / kind(c))
    if kind(c) == "stt":
        build(tmp_path / "models/tts", "tts-1.6b-en_fr", small_codec)
    replay(tmp_path / "models", session, tmp_path / "out", monkeypatch)


LAYOUTS = [(True, None), (False, None), (True, 4), (True, 8)]
"""MLX-named or not, bits."""


@pytest.mark.parametrize(("mlx", "width"), LAYOUTS)
def test_every_naming_and_width_loads_with_moshi_mlx_tokens(mlx, width, small_codec, tmp_path):
    """With a name for the weights in config.json or the one moshi_mlx falls back to; tokens on fixed codes."""
    name, root = "stt-1b-en_fr-candle", tmp_path / "model"
    file = f"model{f'.q{width}' if width else ''}.safetensors"
    c = build(root, name, small_codec, shrink(config(name)))
    (root / file_name(c, "moshi_name")).unlink()
    scaled_models.save_lm(root / file, scaled_models.random_lm(c), c, mlx=mlx, bits=width)
    for key in ({"moshi_name": file}, {}):
        (root / "config.json").write_text(json.dumps({k: v for k, v in c.items() if k != "moshi_name"} | key))
        assert not [line for line in checkpoint.check(find(root)) if line.startswith("note")]
    codes = np.random.default_rng(1).integers(0, 2048, (4, c["n_q"] - c["dep_q"])).tolist()

    _, _, lm = reference(root, name, file, mlx)
    lm.warmup()
    text, audio = utils.Sampler(top_k=25, temp=0.8), utils.Sampler(top_k=250, temp=0.8)
    gen = models.LmGen(lm, len(codes), text, audio)
    wanted = [gen.step(mx.array([frame]))[0].item() for frame in codes]

    ours = load(find(root), kind(c))
    stream = TokenStream(ours.steps, ours.key.copy(), Drawing((text, audio)))
    assert [stream.step(frame) for frame in codes] == wanted


def test_delays_in_whole_frames(zoo, small_codec, tmp_path):
    """2.5 s are 31.25 frames and 1 s is 12.5: docs/moshi.md says why 31 and 13."""
    build(tmp_path / "model", "stt-2.6b-en", small_codec)
    stt = DsmStt(find(tmp_path / "model"))
    assert (stt.delay_frames, stt.prefix_frames, stt.flush_frames) == (31, 13, 33)
    stt = DsmStt(zoo(Recipe("stt")))
    assert (stt.delay_frames, stt.prefix_frames, stt.flush_frames) == (6, 0, 8)


def test_tensors_that_the_loader_passes_over_are_a_note(small_codec, tmp_path):
    c = build(tmp_path / "model", "stt-2.6b-en", small_codec)
    lm = scaled_models.random_lm(c)
    more = {"depformer_emb.31.weight": mx.zeros((3, 3), mx.bfloat16), "linears.0.weight": mx.zeros((1,), mx.bfloat16)}
    scaled_models.save_pytorch(tmp_path / "model/model.safetensors", scaled_models.to_pytorch(lm, c) | more)
    reference(tmp_path / "model", "stt-2.6b-en")
    (note,) = (line for line in checkpoint.check(find(tmp_path / "model")) if line.startswith("note"))
    assert note.endswith("model.safetensors: 2 tensors are not read, the first is depformer_emb.31.weight")


WRONG_NAMES = [
    ("model.q8.safetensors", None, "its tensors are not quantised, its name says 8 bits"),
    ("model.safetensors", 8, "its tensors are quantised to 8 bits, its name says nothing of it"),
    ("model.q8.safetensors", 4, "its tensors are quantised to 4 bits, its name says 8 bits"),
]


@pytest.mark.parametrize(("file", "width", "said"), WRONG_NAMES)
def test_bits_of_the_name_are_held_against_the_tensors(file, width, said, small_codec, tmp_path):
    name = "stt-1b-en_fr-mlx"
    c = build(tmp_path / "model", name, small_codec, shrink(config(name)))
    (tmp_path / "model" / file_name(c, "moshi_name")).unlink()
    scaled_models.save_lm(tmp_path / "model" / file, scaled_models.random_lm(c), c, mlx=True, bits=width)
    (tmp_path / "model/config.json").write_text(json.dumps(c | {"moshi_name": file}))
    with pytest.raises(ValueError, match=r"parameters|shape"):
        reference(tmp_path / "model", name, file)
    assert said in refused(tmp_path / "model")
