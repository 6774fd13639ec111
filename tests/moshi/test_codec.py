"""rustymimi's two defects, shown and put right; moshi_mlx's growing cache bounded without a change."""

import json

import mlx.core as mx
import numpy as np
import pytest
import rustymimi
from moshi_mlx import models

from workbench.errors import WorkbenchError
from workbench.moshi import generate, layout, sizes
from workbench.moshi.checkpoint import find
from workbench.moshi.codec import MlxCodec, NumpyCodec, RustyCodec
from workbench.moshi.generate import Recipe
from workbench.moshi.load import build_mimi, mimi_config
from workbench.moshi.model import open_codec
from workbench.moshi.tensors import TensorSpec, write
from workbench.units import FRAME_SAMPLES

BOOKS = 8


@pytest.fixture(scope="module")
def mimi(zoo):
    """The published size, as the STT's tests have it."""
    return zoo(Recipe("stt", mimi="full"))


def encode(codec, pcm):
    return np.concatenate([codec.encode(f) for f in pcm.reshape(-1, FRAME_SAMPLES)])


def test_rustymimi_needs_the_reset_put_right(mimi, sound):
    """If this fails because reset() became exact, RustyCodec can use it and save the time of a new object."""
    frames = [f[None, None] for f in sound[: 4 * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)]
    raw = rustymimi.Tokenizer(str(mimi.mimi), num_codebooks=BOOKS)
    fresh = np.concatenate([raw.encode_step(f) for f in frames], -1)
    raw.reset()
    again = np.concatenate([raw.encode_step(f) for f in frames], -1)
    assert not np.array_equal(fresh[..., 0], again[..., 0])
    np.testing.assert_array_equal(fresh[..., 1:], again[..., 1:])

    codec = RustyCodec(mimi.mimi, BOOKS)
    first = encode(codec, sound[: 4 * FRAME_SAMPLES])
    np.testing.assert_array_equal(first, fresh[0].T)
    said = [codec.decode(c) for c in first]
    codec.reset()
    np.testing.assert_array_equal(encode(codec, sound[: 4 * FRAME_SAMPLES]), first)
    np.testing.assert_array_equal([codec.decode(c) for c in first], said)


def test_known_frames_can_be_encoded_in_chunks(mimi, sound):
    codec = RustyCodec(mimi.mimi, BOOKS)
    one_by_one = encode(codec, sound)
    codec.reset()
    size = codec.chunk_frames * FRAME_SAMPLES
    chunks = [codec.encode(sound[i : i + size]) for i in range(0, len(sound), size)]
    np.testing.assert_array_equal(np.concatenate(chunks), one_by_one)


def test_the_rotary_table_ends_and_a_stream_does_not(mimi, sound):
    table, sound = 16, sound[: 13 * FRAME_SAMPLES]  # positions: 8 frames
    raw = rustymimi.Tokenizer(str(mimi.mimi), num_codebooks=BOOKS, max_seq_len=table)
    frames = sound.reshape(-1, FRAME_SAMPLES)
    for f in frames[:8]:
        raw.encode_step(f[None, None])
    with pytest.raises(ValueError, match="narrow invalid args"):
        raw.encode_step(frames[8][None, None])

    short = RustyCodec(mimi.mimi, BOOKS, positions=table, reach=5)
    endless = RustyCodec(mimi.mimi, BOOKS)
    got, wanted = encode(short, sound), encode(endless, sound)
    assert short.rollovers == 2  # after 8 frames, then every 3: 5 of the 8 are heard again
    # Codes are those of the unbroken stream: with generated weights attention adds little beyond the reach.
    assert (got == wanted).mean() > 0.98
    for codes in wanted:
        short.decode(codes)
    assert short.rollovers == 4


class Counter:
    """rustymimi's bookkeeping alone: positions used up, and the failure when there are no more."""

    def __init__(self, path, *, num_codebooks, max_seq_len):
        self.left = {"encode": max_seq_len, "decode": max_seq_len}
        self.books = num_codebooks

    def _use(self, side, frames):
        self.left[side] -= 2 * frames
        assert self.left[side] >= 0, "narrow invalid args"

    def encode_step(self, pcm):
        frames = pcm.shape[-1] // FRAME_SAMPLES
        self._use("encode", frames)
        return np.zeros((1, self.books, frames), np.uint32)

    def decode_step(self, codes):
        self._use("decode", 1)
        return np.zeros((1, 1, FRAME_SAMPLES), np.float32)


def test_a_day_of_frames_never_runs_out_of_positions(monkeypatch):
    """24 hours on the counters; the real object needs hours for it."""
    monkeypatch.setattr(rustymimi, "Tokenizer", Counter)
    codec = RustyCodec("none", 1)
    block, codes = np.zeros(codec.chunk_frames * FRAME_SAMPLES, np.float32), np.zeros(1, np.uint32)
    day = 24 * 3600 * 25 // 2
    for _ in range(day // codec.chunk_frames):
        codec.encode(block)
        codec.decode(codes)
    # 8192 frames fit; every later object hears 1024 of them again. It takes whole chunks.
    fresh = (8192 - 1024) // 24 * 24
    assert codec.rollovers == -(-(day - 8192 // 24 * 24) // fresh)


def test_moshi_mlx_mimi_in_a_ring_equals_its_growing_cache(zoo, sound):
    c = zoo(Recipe("stt"))
    assert c.mimi_config["transformer"]["context"] == 50  # 25 frames: the ring is full by the end of two passes
    twice = np.concatenate([sound, sound[::-1]])
    codec = MlxCodec(c.mimi, c.mimi_config, BOOKS)
    growing = models.mimi.Mimi(mimi_config(c.mimi_config, BOOKS))
    growing.load_pytorch_weights(str(c.mimi))
    for f in twice.reshape(-1, FRAME_SAMPLES):
        codes = codec.encode(f)[0]
        np.testing.assert_array_equal(codes, np.array(growing.encode_step(mx.array(f)[None, None]))[0, :, 0])
        wanted = np.array(growing.decode_step(mx.array(codes)[None, :, None]))[0, 0]
        np.testing.assert_array_equal(codec.decode(codes), wanted)
    ring, grown = codec.mimi.encoder_cache[0].self_attn, growing.encoder_cache[0].self_attn
    assert ring.offset == grown.offset == 100
    assert ring.keys.shape[2] <= 52 < grown.keys.shape[2]


def test_fewer_codebooks_than_the_file_has(zoo, sound):
    c = zoo(Recipe("stt"))
    whole, part = MlxCodec(c.mimi, c.mimi_config, 8), MlxCodec(c.mimi, c.mimi_config, 3)
    pcm = sound[: 3 * FRAME_SAMPLES]
    np.testing.assert_array_equal(part.encode(pcm), whole.encode(pcm)[:, :3])
    assert part.decode(part.encode(pcm)[0]).shape == (FRAME_SAMPLES,)


def test_building_a_mimi_computes_nothing_of_the_published_size(zoo):
    c = zoo(Recipe("stt"))
    assert build_mimi(c.mimi_config, 8).cfg.quantizer_nq == 8


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small Mimi without a transformer, as nano's: the sort that can be written in the published size."""
    root = tmp_path_factory.mktemp("small")
    config = sizes.mimi_config("tiny", BOOKS)
    config["transformer"]["num_layers"] = 0
    specs = [TensorSpec(n, "F32", s) for n, s in sorted(layout.mimi_table(config).items())]
    write(root / "mimi.safetensors", specs, generate._values(specs, 5), {})
    (root / "mimi_config.json").write_text(json.dumps(config))
    (root / "config.json").write_text('{"mimi_name": "mimi.safetensors"}')
    return find(root)


def test_a_small_codec_in_the_published_size_gives_its_own_codes(small, sound, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own, large = open_codec(small), open_codec(small, "rustymimi")
    assert (type(own), type(large)) == (NumpyCodec, RustyCodec)
    pcm = sound[: 8 * FRAME_SAMPLES]
    codes = own.encode(pcm)
    np.testing.assert_array_equal(large.encode(pcm), codes)
    assert len(np.unique(codes[:, 0])) > 3
    for row in codes:
        wanted = own.decode(row)
        np.testing.assert_allclose(large.decode(row), wanted, atol=1e-5 * np.abs(wanted).max())
    assert len(list((tmp_path / "workbench" / "mimi").iterdir())) == 1


def test_a_codec_that_cannot_be_expanded_is_refused(zoo):
    with pytest.raises(WorkbenchError, match=r"published size \(its transformer\), which is all rustymimi loads"):
        open_codec(zoo(Recipe("stt")), "rustymimi")


def test_rustymimi_decodes_nearly_but_not_what_moshi_mlx_does(mimi, sound):
    """Why the TTS decodes with moshi_mlx: if this fails because both agree, take rustymimi on a CPU."""
    rusty, mlx = RustyCodec(mimi.mimi, BOOKS), MlxCodec(mimi.mimi, mimi.mimi_config, BOOKS)
    codes = rusty.encode(sound[: 4 * FRAME_SAMPLES])
    a = np.concatenate([rusty.decode(row) for row in codes])
    b = np.concatenate([mlx.decode(row) for row in codes])
    apart = np.abs(a - b).max() / np.abs(b).max()
    assert 1e-5 < apart < 0.05
