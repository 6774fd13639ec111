"""Spoken sentences with word and phoneme times, in shards that can be made, kept and resumed one by one."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training import units
from training.kokoro import RATE, SEEN, TTS_VOICE, UNSEEN, Kokoro
from training.settings import SHARD
from training.vocabulary import held_out, spoken_reply, utterance


@dataclass(frozen=True)
class Utterance:
    """Audio (int16, 24 kHz) with its words and phonemes as (label, start, end) in samples."""

    text: str
    voice: str
    audio: np.ndarray
    words: list[tuple[str, int, int]]
    phones: list[tuple[str, int, int]]


def _mix(rng: random.Random, kind: str) -> dict[str, float]:
    if kind.startswith("tts"):
        return {TTS_VOICE: 1.0}
    if kind == "unseen-test":
        return {rng.choice(UNSEEN): 1.0}
    if kind == "seen-test":
        return {rng.choice([v for v in SEEN if v != TTS_VOICE]): 1.0}
    # Blends of two voices fill the space between them, so that a new voice is less of a surprise.
    first, second = rng.sample(SEEN, 2)
    share = rng.choice((1.0, round(rng.uniform(0.3, 0.7), 2)))
    return {first: share, second: 1.0 - share} if share < 1.0 else {first: 1.0}


def _sentence(kind: str, rng: random.Random) -> str:
    if kind == "units":
        return spoken_reply(rng, 0.6)  # the TTS must follow its text, not guess what the grammar says next
    return spoken_reply(rng) if kind == "tts" else utterance(rng)


Speaker = Callable[[str], tuple[np.ndarray, dict[str, Any]]]  # a sentence to int16 samples and their labels


def _from_units(out: Path) -> Speaker:
    def speak(text: str) -> tuple[np.ndarray, dict[str, Any]]:
        wave, phones = units.say(out / "units.npz", text)
        return wave, {"voice": "units", "speed": units.SPEED, "phones": phones}

    return speak


def _by_kokoro(kind: str, rng: random.Random, voices: dict[str, np.ndarray]) -> Speaker:
    kokoro, own = Kokoro(rng.randrange(2**31), voices), kind.startswith("tts")

    def speak(text: str) -> tuple[np.ndarray, dict[str, Any]]:
        words = text.split()
        commas = {at for at in range(len(words) - 1) if rng.random() < (0.02 if own else 0.08)}
        mix = _mix(rng, kind)
        speed = 1.0 if own else rng.choice((0.85, 0.95, 1.0, 1.0, 1.1, 1.2))
        speech = kokoro.say(text, mix, speed, rng.choice((".",) if own else (".", ".", "?")), commas)
        voice = "+".join(f"{name}:{share:.2f}" if share < 1 else name for name, share in mix.items())
        wave = (np.clip(speech.audio, -1, 1) * 32767).astype(np.int16)
        return wave, {"voice": voice, "speed": speed, "phones": speech.phones}

    return speak


def make_shard(out: Path, kind: str, index: int, voices: dict[str, np.ndarray]) -> None:
    """Synthesize shard `index` of `kind` (units, tts, many, and tests of them) into `out`.

    The file holds the audio of all utterances in one int16 array and their labels as JSON; it appears whole
    or not at all, and depends on nothing but `kind` and `index`.
    """
    path = out / f"{kind}-{index:04d}.npz"
    if path.exists():
        return
    rng = random.Random(f"{kind}/{index}")
    test = kind.endswith("-test")
    speak = _from_units(out) if kind.startswith("units") else _by_kokoro(kind, rng, voices)
    audio, meta, seen = [], [], set()
    while len(meta) < SHARD:
        text = _sentence(kind, rng)
        if held_out(text) != test or (test and text in seen):
            continue
        seen.add(text)
        wave, item = speak(text)
        audio.append(wave)
        meta.append({"text": text, **item})
    sizes = np.array([len(a) for a in audio])
    part = path.with_suffix(".part.npz")
    np.savez(part, audio=np.concatenate(audio), sizes=sizes, meta=json.dumps(meta))
    os.replace(part, path)
    print(f"{path.name}: {sizes.sum() / RATE / 60:.1f} min", flush=True)


def load(out: Path, kind: str, limit: int | None = None) -> Iterator[Utterance]:
    """The utterances of all shards of `kind`, in order."""
    for path in sorted(out.glob(f"{kind}-[0-9][0-9][0-9][0-9].npz"))[:limit]:
        with np.load(path) as shard:
            audio, sizes, meta = shard["audio"], shard["sizes"], json.loads(str(shard["meta"]))
        start = 0
        for size, item in zip(sizes, meta, strict=True):
            texts = item["text"].split()
            spans: list[tuple[str, int, int]] = []
            for at, word in enumerate(texts):
                times = [(begin, end) for _, index, begin, end in item["phones"] if index == at]
                spans.append((word, times[0][0], times[-1][1]))
            phones = [(phone, begin, end) for phone, index, begin, end in item["phones"] if index >= 0]
            yield Utterance(item["text"], item["voice"], audio[start : start + size], spans, phones)
            start += size
