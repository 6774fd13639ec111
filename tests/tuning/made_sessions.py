"""Sessions put together by number, for tests with known answers: noise at known levels under known labels."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.sessions.labels import Label, validate, write_labels
from workbench.sessions.session import Session, write_manifest
from workbench.sessions.tracks import write_track
from workbench.units import seconds_to_samples

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Sound:
    """A stretch of noise: seconds, RMS in linear full scale, and what its label says (no label for an empty kind)."""

    start: float
    end: float
    rms: float
    kind: str = "speech"
    turn: int | None = None
    text: str = ""


def make_session(
    folder: Path,
    sounds: Sequence[Sound],
    seconds: float,
    *,
    noise: float = 0.001,
    seed: int = 0,
    echo: list[list[float]] | None = None,
) -> Session:
    """Write a session whose every stretch has exactly the RMS it is given in each of its samples' neighbourhood."""
    generator = np.random.default_rng(seed)
    # Random signs have the same RMS over any stretch, so that a frame's level is known to the last bit.
    signs = generator.integers(0, 2, seconds_to_samples(seconds)) * 2.0 - 1.0
    level = np.full(len(signs), noise)
    for sound in sounds:
        level[seconds_to_samples(sound.start) : seconds_to_samples(sound.end)] = sound.rms
    folder.mkdir(parents=True)
    write_track(folder / "mic.flac", iter([(signs * level).astype(np.float32)]), "PCM_24")
    labels = [
        Label(seconds_to_samples(s.start), seconds_to_samples(s.end), s.kind, s.turn, s.text) for s in sounds if s.kind
    ]
    write_labels(folder / "labels.csv", validate(labels, len(signs), str(folder)))
    return write_manifest(
        folder, tracks={"mic": "mic.flac"}, labels_source="constructed", echo={"taps": echo} if echo else None
    )


def conversation(
    generator: np.random.Generator,
    turns: int,
    *,
    hold: tuple[float, float] = (0.3, 0.6),
    speech: float = 0.05,
    gap: tuple[float, float] = (16.0, 20.0),
    start: float = 1.0,
) -> tuple[list[Sound], float]:
    """Turns of two parts with a pause between them, long enough apart for the canned answers."""
    sounds: list[Sound] = []
    now = start
    for turn in range(1, turns + 1):
        for part, words in enumerate(("what can you tell me", "about the time of day")):
            length = generator.uniform(0.9, 1.5)
            sounds.append(Sound(now, now + length, speech * generator.uniform(0.7, 1.4), "speech", turn, words))
            now += length + (generator.uniform(*hold) if part == 0 else 0.0)
        now += generator.uniform(*gap)
    return sounds, now


def with_noises(sounds: Iterable[Sound], generator: np.random.Generator, rms: float, every: float) -> list[Sound]:
    """Short knocks between the sounds, where there is room."""
    out = sorted(sounds, key=lambda sound: sound.start)
    free = [(a.end + 2.5, b.start - 1.0) for a, b in itertools.pairwise(out) if b.start - a.end > 5.0]
    for first, last in free:
        at = first
        while at + 0.4 < last:
            at += generator.uniform(0.5, 1.5) * every
            if at + 0.4 < last:
                out.append(Sound(at, at + generator.uniform(0.1, 0.3), rms, "noise"))
    return sorted(out, key=lambda sound: sound.start)


def with_room(folder: Path, sessions: int) -> list[Path]:
    """Sessions with room to keep the shipped budget: about one in ten points of the shipped space does.

    Pauses up to 0.56 s, an interruption, knocks that are softer than speech or shorter than an interruption, and in
    every fourth an echo under both. None of the limits is kept by the baseline's neighbourhood for nothing.
    """
    for number in range(sessions):
        generator = np.random.default_rng(100 + number)
        sounds: list[Sound] = []
        now = 1.0
        for turn in (1, 2, 3):
            for part in range(2):
                length = generator.uniform(0.9, 1.5)
                level = generator.uniform(0.03, 0.08)
                sounds.append(Sound(now, now + length, level, "speech", turn, "what can you tell me about it"))
                now += length + (generator.uniform(0.3, 0.56) if part == 0 else 0.0)
            if turn == 2:
                # A user who interrupts, two to three seconds into the answer: the turn that follows.
                now += generator.uniform(3.5, 4.5)
                continue
            knocks = now + generator.uniform(3.0, 5.0)
            sounds.append(Sound(knocks, knocks + generator.uniform(0.1, 0.2), 0.05, "noise"))
            sounds.append(Sound(knocks + 2.0, knocks + 2.6, generator.uniform(0.008, 0.014), "noise"))
            now += generator.uniform(17.0, 20.0)
        echo = [[40.0, -36.0]] if number % 4 == 0 else None
        make_session(folder / f"made{number}", sounds, now, noise=0.002, seed=number, echo=echo)
    return sorted(folder.iterdir())
