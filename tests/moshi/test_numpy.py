"""Codec and LM in NumPy against moshi_mlx's: the same codes, samples and tokens."""

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
import soundfile
import threadpoolctl
from moshi_mlx import utils

from workbench.moshi import sizes
from workbench.moshi.checkpoint import find
from workbench.moshi.codec import MlxCodec, NumpyCodec, fits_frames
from workbench.moshi.doctor import probe
from workbench.moshi.generate import Recipe
from workbench.moshi.load import PrivateKey, build_mimi
from workbench.moshi.model import load, open_codec
from workbench.moshi.nano import folder
from workbench.moshi.numpy_lm import NumpyLm, suits
from workbench.moshi.numpy_mimi import NumpyMimi
from workbench.moshi.stream import Drawing, MlxLmSteps, TokenStream
from workbench.moshi.stt import DsmStt
from workbench.moshi.tts import DsmTts, TtsOptions
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

NEAR = 1e-5
"""How far samples may lie apart; full scale is 1."""

TEXT = "a quarter past nine"
SPOKEN = Path(__file__).parents[2] / "demo_sessions" / "sources"


@pytest.fixture(scope="module")
def nano():
    return find(folder() / "stt")


@pytest.fixture(scope="module")
def heard():
    """Speech and bursts of noise, some 250 frames of 1920 samples."""
    files = sorted(SPOKEN.glob("*.flac"))
    parts = []
    for path in files:
        pcm, rate = soundfile.read(path, dtype="float32")
        assert rate == SAMPLE_RATE
        parts.append(pcm)
    pcm = np.concatenate([*parts, probe(60)])[: 250 * FRAME_SAMPLES]
    return pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)


def both(c):
    return [kind(c.mimi, c.mimi_config, c.codebooks) for kind in (MlxCodec, NumpyCodec)]


def compare(codecs, frames):
    """Share of equal codes, and the largest distance of samples decoded from the same codes."""
    mlx, ours = codecs
    wanted = np.stack([mlx.encode(frame)[0] for frame in frames])
    found = np.stack([ours.encode(frame)[0] for frame in frames])
    assert found.dtype == wanted.dtype
    apart = [np.abs(mlx.decode(row) - ours.decode(row)).max() for row in wanted]
    return (found == wanted).mean(), max(apart)


def test_nanos_codec_gives_moshi_mlx_codes_and_samples(nano, heard):
    same, apart = compare(both(nano), heard[:120])
    assert same >= 0.9995
    assert apart <= NEAR


def test_a_codec_with_attention_equals_moshi_mlx_beyond_its_reach(zoo, sound):
    """80 frames are 160 positions; attention reaches back 50, and the caches move their past to the front."""
    c = zoo(Recipe("stt"))
    assert c.mimi_config["transformer"]["context"] == 50
    frames = np.concatenate([sound, sound[::-1], sound, -sound])[: 80 * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    same, apart = compare(both(c), frames)
    assert same >= 0.9995
    assert apart <= NEAR


def test_the_published_size_equals_moshi_mlx(zoo, sound):
    same, apart = compare(both(zoo(Recipe("stt", mimi="full"))), sound[: 3 * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES))
    assert same == 1
    assert apart <= NEAR


def test_frames_after_a_reset_equal_a_new_codecs(nano, heard):
    _, codec = both(nano)
    _, fresh = both(nano)
    frames = heard[20:28]
    wanted = [fresh.encode(frame) for frame in frames]
    said = [fresh.decode(codes[0]) for codes in wanted]
    for frame in heard[:5]:
        codec.decode(codec.encode(frame)[0])
    codec.reset()
    np.testing.assert_array_equal([codec.encode(frame) for frame in frames], wanted)
    np.testing.assert_array_equal([codec.decode(codes[0]) for codes in wanted], said)


SHAPES = {
    "two dilated blocks a scale": ({"nresidual_layers": 2}, {}),
    "other kernels": ({"ksize": 5, "residual_ksize": 5, "last_ksize": 7, "compress": 1}, {}),
    "shortcuts with weights": ({"true_skip": False}, {}),
    "edges repeated": ({"pad_mode": "edge"}, {}),
    "other ratios": ({"ratios": [4, 8, 6, 5]}, {}),
    "three scales, stride 4": ({"ratios": [8, 6, 10]}, {}),
    "root mean square, gated": ({}, {"norm": "rms_norm", "gating": True, "layer_scale": None}),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_codec_of_any_shape_equals_moshi_mlx(name, sound):
    seanet, transformer = SHAPES[name]
    config = sizes.mimi_config("tiny", 4)
    config["seanet"] |= seanet
    config["transformer"] |= transformer
    assert fits_frames(config)
    with PrivateKey(3).use():
        mimi = build_mimi(config, 4)
        for module in mimi.modules():
            if hasattr(module, "embedding_sum"):
                module.embedding_sum = mx.random.normal(module.embedding_sum.shape)
                module.cluster_usage = mx.ones(module.cluster_usage.shape)
                module.update_in_place()
            if getattr(module, "bias", None) is not None:
                module.bias = 0.1 * mx.random.normal(module.bias.shape)
        for conv in (mimi.upsample.convtr.convtr.convtr,):
            conv.update_in_place()
        mx.eval(mimi.parameters())
    ours = NumpyMimi(mimi)
    frames = sound[: 6 * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    for frame in frames:
        wanted = np.array(mimi.encode_step(mx.array(frame)[None, None]))
        np.testing.assert_array_equal(ours.encode(frame), wanted[0].T)
        said = np.array(mimi.decode_step(mx.array(wanted)))[0, 0]
        assert np.abs(said).max() > 0
        np.testing.assert_allclose(ours.decode(wanted[0].T), said, atol=NEAR * max(1, np.abs(said).max()))


def test_a_codec_whose_frames_are_not_whole_strides_stays_with_mlx():
    config = sizes.mimi_config("tiny", 4)
    assert not fits_frames(config | {"frame_rate": 25.0})
    assert not fits_frames(config | {"seanet": config["seanet"] | {"ratios": [8, 6, 5, 3]}})
    assert not fits_frames(config | {"seanet": config["seanet"] | {"causal": False}})


@pytest.mark.parametrize("kind", ["stt", "duplex"])
@pytest.mark.parametrize("bits", [None, 8])
def test_an_lm_step_equals_moshi_mlx_beyond_the_ring(zoo, kind, bits):
    """130 steps with a context of 96, in single precision, quantised and not."""
    model = load(zoo(Recipe(kind, bits=bits)), kind, lm_backend="mlx")
    lm = model.lm
    lm.set_dtype(mx.float32)
    assert suits(lm)
    likeliest = Drawing((utils.Sampler(temp=0), utils.Sampler(temp=0)))
    heard = np.random.default_rng(2).integers(0, 512, (130, lm.cfg.other_codebooks))
    streams = [TokenStream(steps, PrivateKey(0), likeliest) for steps in (MlxLmSteps(lm), NumpyLm(lm))]
    for row in heard:
        (text, hidden, heads), found = [(s.step(row), np.array(s.hidden), s.heads()) for s in streams]
        assert found[0] == text
        np.testing.assert_allclose(found[1], hidden, atol=1e-4 * np.abs(hidden).max())
        np.testing.assert_allclose(found[2], heads, atol=1e-5)
        if lm.dep_q and streams[0].audio() is not None:
            np.testing.assert_array_equal(streams[1].audio(), streams[0].audio())


def test_only_small_models_in_single_precision_are_stepped_in_numpy(zoo, nano, monkeypatch):
    published = load(zoo(Recipe("stt")), "stt")
    assert type(published.steps) is MlxLmSteps  # bfloat16
    assert type(load(nano, "stt").steps) is NumpyLm
    assert type(load(find(folder() / "tts"), "tts").steps) is NumpyLm
    lm = load(zoo(Recipe("tts")), "tts").lm
    lm.set_dtype(mx.float32)
    assert not suits(lm)  # two texts in one token
    monkeypatch.setattr("workbench.moshi.numpy_lm.MOST_PARAMETERS", 1 << 20)
    assert type(load(nano, "stt").steps) is MlxLmSteps


@pytest.mark.parametrize("temperature", [0.0, 0.6])
def test_nano_says_the_same_with_either(temperature):
    tts = find(folder() / "tts")
    spoken = []
    for how in ("mlx", "numpy"):
        options = TtsOptions(temperature=temperature, decoder=how, lm=how)
        speech = DsmTts(tts, options).synthesize(TEXT, 0)
        pcm = np.concatenate([frame for frame in speech if frame is not None])
        spoken.append((np.stack(speech.tokens), pcm, speech.words))
    (tokens, pcm, words), ours = spoken
    np.testing.assert_array_equal(ours[0], tokens)
    np.testing.assert_allclose(ours[1], pcm, atol=NEAR)
    assert ours[2] == words


def test_nano_hears_the_same_with_either(nano, heard):
    wanted, found = (DsmStt(nano, codec=how, lm=how).open().steps(heard[:120].reshape(-1)) for how in ("mlx", "numpy"))
    assert [s.piece for s in found] == [s.piece for s in wanted]
    assert len({s.piece for s in wanted}) > 5
    np.testing.assert_allclose([s.pause for s in found], [s.pause for s in wanted], atol=1e-4)


@pytest.mark.parametrize("kept", [1, 7, 140])
def test_nano_resumes_bit_for_bit(nano, heard, kept):
    """Also where its caches have moved their past to the front since, which is at 191 steps."""
    whole = heard[:200] if kept > 100 else heard[:30]
    stt, pcm, other = DsmStt(nano), whole.reshape(-1), heard[-60:].reshape(-1)
    stream = stt.open()
    stream.steps(pcm[: kept * FRAME_SAMPLES])
    stt.keep("here")
    wanted = stream.steps(pcm[kept * FRAME_SAMPLES :])
    for _ in range(2):
        assert stt.resume("here").steps(pcm[kept * FRAME_SAMPLES :]) == wanted
        stt.resume("here").steps(other)


def test_the_path_is_part_of_what_outputs_are_kept_under(nano):
    names = {DsmStt(nano, codec=c, lm=steps).fingerprint for c in ("mlx", "numpy") for steps in ("mlx", "numpy")}
    assert len(names) == 4
    assert DsmStt(nano).fingerprint == DsmStt(nano, codec="numpy", lm="numpy").fingerprint
    tts = find(folder() / "tts")
    spoken = {DsmTts(tts, TtsOptions(decoder=how)).fingerprint for how in ("mlx", "numpy", "rustymimi")}
    assert len(spoken) == 3


def test_small_products_run_on_one_thread(nano):
    open_codec(nano)
    assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"} == {1}
