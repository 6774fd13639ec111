"""The voice of nano's TTS: every word spoken once, on its own, and sentences put together from them frame by frame.

A word begins with a frame, so its tokens depend on little but itself: a small model learns to say all of the
vocabulary from few hours on a CPU, where fluent speech takes many times as much data. It sounds like a speaking clock.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from training.kokoro import RATE, TTS_VOICE, Kokoro
from training.vocabulary import LEXICON, WORDS

FRAME = 1920
SPEED = 1.2
PEAK = 0.7
QUIET = 0.03  # of a word's loudest 10 ms: where it begins and ends
VOWELS = "AIOWYaeiouæɐɑɔəɛɜɪʊʌᵊ"
REDUCED = ("a", "the")  # said without stress on their own as well

Unit = tuple[np.ndarray, list[tuple[str, int, int, int]]]  # whole frames of samples; phonemes as in `kokoro.Speech`


def _stressed(word: str) -> str:
    """The phonemes of a word said on its own: with stress, if only on its first vowel."""
    phones = LEXICON[word]
    if word in REDUCED or "ˈ" in phones:
        return phones
    plain = phones.replace("ˌ", "")
    at = next(index for index, phone in enumerate(plain) if phone in VOWELS)
    return f"{plain[:at]}ˈ{plain[at:]}"


def _unit(kokoro: Kokoro, word: str) -> Unit:
    speech = kokoro.say_phones([_stressed(word)], {TTS_VOICE: 1.0}, SPEED, ".", set())
    level = np.sqrt(np.convolve(speech.audio**2, np.ones(240) / 240, "same"))
    loud = np.flatnonzero(level > QUIET * level.max())
    begin, end = max(0, int(loud[0]) - 240), min(len(speech.audio), int(loud[-1]) + 480)
    wave = speech.audio[begin:end] / np.abs(speech.audio).max() * PEAK
    wave[:120] *= np.linspace(0, 1, 120)
    wave[-240:] *= np.linspace(1, 0, 240)
    edges = np.clip([start - begin for _, index, start, _ in speech.phones if index == 0], 0, len(wave)).tolist()
    edges = [0, *edges[1:], len(wave)]
    phones = [(phone, 0, edges[at], edges[at + 1]) for at, phone in enumerate(_stressed(word))]
    return (np.pad(wave, (0, -len(wave) % FRAME)) * 32767).astype(np.int16), phones


def make(path: Path, voices: dict[str, np.ndarray]) -> None:
    """Speak every word into `path`, which appears whole or not at all."""
    if path.exists():
        return
    kokoro = Kokoro(1, voices)
    units = [_unit(kokoro, word) for word in WORDS]
    part = path.with_suffix(".part.npz")
    sizes = [len(wave) for wave, _ in units]
    phones = json.dumps([phones for _, phones in units])
    np.savez(part, audio=np.concatenate([wave for wave, _ in units]), sizes=sizes, phones=phones)
    os.replace(part, path)
    print(f"{path.name}: {len(units)} words, {np.mean(sizes) / RATE:.2f} s each", flush=True)


@lru_cache(maxsize=1)
def _load(path: Path) -> dict[str, Unit]:
    with np.load(path) as file:
        waves = np.split(file["audio"], np.cumsum(file["sizes"])[:-1])
        phones = [[tuple(phone) for phone in unit] for unit in json.loads(str(file["phones"]))]
    return {word: (wave, unit) for word, wave, unit in zip(WORDS, waves, phones, strict=True)}


def say(path: Path, text: str) -> tuple[np.ndarray, list[tuple[str, int, int, int]]]:
    """A sentence in the words of `path`: int16 samples from three silent frames on, and its phonemes."""
    parts, phones, at = [np.zeros(3 * FRAME, np.int16)], [], 3 * FRAME
    for index, word in enumerate(text.split()):
        wave, spoken = _load(path)[word]
        phones += [(phone, index, at + begin, at + end) for phone, _, begin, end in spoken]
        parts.append(wave)
        at += len(wave)
    return np.concatenate([*parts, np.zeros(4 * FRAME, np.int16)]), phones
