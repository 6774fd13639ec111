"""Speech as codec tokens: augmented takes for the STT, clean ones for the TTS voice, with word times."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from training import checkpoint, speech
from training.codec import Codec, CodecConfig
from training.settings import CHECKPOINTS, SEED, SPEECH, STREAMS

RATE, FRAME = 24_000, 1920
NOISES = (0.0, 1e-4, 4e-4, 1.2e-3, 4e-3)  # r.m.s. of the background, full scale 1
LEAD, TAIL = 8, 10  # frames of background kept before and after the speech of a take
BEGINS = (2, 3, 3, 4, 5)  # as LEAD, of takes that begin streams: a listen cycle hears three frames before the speech


Style = Literal["clean", "later", "begin"]
"""What a take is for: the TTS; anywhere in the STT's conversations; the first words after a codec's reset."""


@dataclass(frozen=True)
class Take:
    """Codes (codebooks, T) of one utterance, its words as (word, start, end) in s, and its noise's index."""

    codes: np.ndarray
    words: list[tuple[str, float, float]]
    noise: int


def codec_step() -> int:
    """How far the codec has been trained: tokens of different steps do not mix."""
    state = checkpoint.load(CHECKPOINTS / "codec.pt")
    assert state, "train the codec first"
    return int(state["step"])


def folder() -> Path:
    """Where the tokens of the codec as it is now are kept."""
    return STREAMS / f"codec-{codec_step()}"


def load_codec() -> Codec:
    """The trained codec, rounded to float16 as it is shipped, so that its tokens are those of the package."""
    state = checkpoint.load(CHECKPOINTS / "codec.pt")
    assert state, "train the codec first"
    phones = state["model"]["heads.0.2.bias"].shape[0] // 2
    model = Codec(CodecConfig(phones=phones))
    model.load_state_dict({name: value.half().float() for name, value in state["model"].items()})
    return model.eval()


def _background(samples: int, kind: int, rng: np.random.Generator) -> np.ndarray:
    white = rng.standard_normal(samples).astype(np.float32)
    if rng.random() < 0.5:  # darker noise, as of a room
        white = np.convolve(white, np.ones(8, np.float32) / np.sqrt(8), "same")
    return (white * NOISES[kind] * float(np.exp(rng.uniform(-0.35, 0.35)))).astype(np.float32)


def _room(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    length = int(rng.uniform(0.05, 0.25) * RATE)
    decay = np.exp(-np.arange(length) / length * 5).astype(np.float32)
    tail = rng.standard_normal(length).astype(np.float32) * decay
    size = 2 ** (len(audio) + length).bit_length()
    wet = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(tail, size))[: len(audio)].astype(np.float32)
    return audio + wet * rng.uniform(0.05, 0.25) * np.abs(audio).max() / max(1e-6, np.abs(wet).max())


def _holds(
    audio: np.ndarray, words: list[tuple[str, int, int]], rng: np.random.Generator
) -> tuple[np.ndarray, list[tuple[str, int, int]]]:
    """Put a pause between two words of some utterances: mostly 0.2-0.8 s, a few up to 1.5 s."""
    if len(words) < 3 or rng.random() > 0.3:
        return audio, words
    at = int(rng.integers(1, len(words)))
    cut = (words[at - 1][2] + words[at][1]) // 2
    pause = int((rng.uniform(0.15, 0.75) if rng.random() < 0.85 else rng.uniform(0.75, 1.5)) * RATE)
    fade = np.linspace(0, 1, 240, dtype=np.float32)
    before, after = audio[:cut].copy(), audio[cut:].copy()
    before[-240:] *= fade[::-1][-len(before) :]
    after[:240] *= fade[: len(after)]
    moved = [(w, b + pause * (i >= at), e + pause * (i >= at)) for i, (w, b, e) in enumerate(words)]
    return np.concatenate([before, np.zeros(pause, np.float32), after]), moved


def _cut(item: speech.Utterance, lead: float, tail: float) -> tuple[np.ndarray, list[tuple[str, int, int]]]:
    """The speech with `lead` and `tail` seconds of what surrounds it, faded in and out, peak 1."""
    begin = max(0, item.words[0][1] - int(lead * RATE))
    wave = item.audio[begin : item.words[-1][2] + int(tail * RATE)].astype(np.float32)
    wave /= max(1.0, float(np.abs(wave).max()))
    wave[:120] *= np.linspace(0, 1, 120, dtype=np.float32)
    wave[-480:] *= np.linspace(1, 0, 480, dtype=np.float32)
    return wave, [(word, start - begin, end - begin) for word, start, end in item.words]


def _augment(item: speech.Utterance, rng: np.random.Generator, style: Style) -> tuple[np.ndarray, Take]:
    wave, words = _cut(item, 0.06, 0.12)
    factor = rng.uniform(0.87, 1.16) if rng.random() < 0.6 else 1.0
    if factor != 1.0:
        wave = np.interp(np.arange(0, len(wave) - 1, factor), np.arange(len(wave)), wave).astype(np.float32)
        words = [(word, int(start / factor), int(end / factor)) for word, start, end in words]
    wave, words = _holds(wave, words, rng)
    noise = int(rng.integers(len(NOISES)))
    if rng.random() < 0.25:
        wave = _room(wave, rng)
    peak = 10 ** rng.uniform(-0.9 if noise > 3 else -1.2, -0.02)
    lead = (LEAD if style == "later" else int(rng.choice(BEGINS))) * FRAME + int(rng.integers(FRAME))
    total = -(-(lead + len(wave)) // FRAME) + TAIL
    audio = np.zeros(total * FRAME, np.float32)
    audio[lead : lead + len(wave)] = wave * peak
    audio += _background(len(audio), noise, rng)
    return audio, Take(np.zeros(0), [(w, (s + lead) / RATE, (e + lead) / RATE) for w, s, e in words], noise)


def _clean(item: speech.Utterance, rng: np.random.Generator) -> tuple[np.ndarray, Take]:
    """As the TTS learns it: the first word begins with a frame."""
    wave, words = _cut(item, 0.03, 0.15)
    lead = int(rng.integers(2, 4)) * FRAME - words[0][1]
    audio = np.zeros((-(-(lead + len(wave)) // FRAME) + 6) * FRAME, np.float32)
    audio[lead : lead + len(wave)] = wave * 0.7
    return audio, Take(np.zeros(0), [(w, (s + lead) / RATE, (e + lead) / RATE) for w, s, e in words], 0)


def _encode(codec: Codec, pairs: list[tuple[np.ndarray, Take]], batch: int = 12) -> list[Take]:
    pairs = sorted(pairs, key=lambda pair: len(pair[0]))
    takes = []
    for at in range(0, len(pairs), batch):
        some = pairs[at : at + batch]
        longest = len(some[-1][0])
        audio = np.stack([np.pad(wave, (0, longest - len(wave))) for wave, _ in some])
        codes = codec.encode(torch.from_numpy(audio.astype(np.float32))[:, None]).numpy().astype(np.int16)
        takes += [Take(c[:, : len(w) // FRAME], t.words, t.noise) for c, (w, t) in zip(codes, some, strict=True)]
    return takes


def takes(path: Path, kinds: dict[str, int | None], index: int, style: Style) -> list[Take]:
    """One pass over the utterances of `kinds` (of so many shards each; all for None), kept in `path`.

    Each `index` augments them (or places them, if clean) anew.
    """
    if path.exists():
        with np.load(path, allow_pickle=True) as file:
            return list(file["takes"])
    # What the STT learns from may be rounded to bfloat16 on its way: few tokens change, in half the time.
    clean = style == "clean"
    rng, codec = np.random.default_rng((SEED, index, clean)), load_codec().train(not clean)
    made: list[Take] = []
    for kind, shards in kinds.items():
        waiting = []
        for item in speech.load(SPEECH, kind, shards):
            waiting.append(_clean(item, rng) if clean else _augment(item, rng, style))
            if len(waiting) == 400:
                made += _encode(codec, waiting)
                waiting = []
        made += _encode(codec, waiting) if waiting else []
    backgrounds = _encode(codec, [_silence(kind, rng) for kind in range(len(NOISES)) for _ in range(6)])
    path.parent.mkdir(parents=True, exist_ok=True)
    table = np.empty(len(made) + len(backgrounds), object)
    table[:] = made + backgrounds
    part = path.with_suffix(".part.npz")
    np.savez(part, takes=table)
    os.replace(part, path)
    return list(table)


def _silence(kind: int, rng: np.random.Generator) -> tuple[np.ndarray, Take]:
    """Ten seconds of nothing but a background: a take without words."""
    return _background(125 * FRAME, kind, rng), Take(np.zeros(0), [], kind)
