"""What must hold of a recording on any machine, however busy: what was played is there bit for bit, and what is not
there is marked.

The noise that is played holds no zero. A zero in the track is therefore silence of the sound server's (the player was
late) or the recorder's filling for lost samples; either way the noise goes on behind it where it stopped, or, where
samples were lost, further on.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .conftest import RATE, Noise, find, track

_NEEDLE = 240
"""Samples that identify a place in the noise: 10 ms."""
_NEAR = 5 * RATE
"""A loss is noticed after the fact; the event that marks it lies this near."""
_SHAKEN = RATE // 2
"""Time stamps of a busy sound server are off by so much for a while, and lengths that are taken from them."""


@dataclass(frozen=True)
class Loss:
    """Samples of the noise that are not in the track.

    Attributes:
        at: the track's sample before which they are missing.
        samples: how many.
    """

    at: int
    samples: int


@dataclass(frozen=True)
class Heard:
    """Where in the noise a track begins and ends, and what it lost between."""

    first: int
    end: int
    losses: tuple[Loss, ...]

    @property
    def lost(self) -> int:
        """Samples lost in all."""
        return sum(loss.samples for loss in self.losses)


def compare(mic: Noise, played: Noise) -> Heard:
    """Follow the noise through a track; fails where the track holds what was never played.

    >>> played = np.arange(1, 5001, dtype=np.int16)
    >>> compare(np.concatenate([played[100:1000], np.zeros(30, np.int16), played[1000:2000]]), played)
    Heard(first=100, end=2000, losses=())
    >>> compare(np.concatenate([played[100:1000], np.zeros(30, np.int16), played[1030:2000]]), played)
    Heard(first=100, end=2000, losses=(Loss(at=930, samples=30),))
    """
    at = np.flatnonzero(mic)
    heard = mic[at]
    first = place = find(heard[:_NEEDLE], played)
    assert len(heard), "nothing was heard"
    assert first >= 0, "the first samples were not played"
    done, losses = 0, []
    while True:
        length = min(len(heard) - done, len(played) - place)
        differ = np.flatnonzero(heard[done : done + length] != played[place : place + length])
        same = int(differ[0]) if len(differ) else length
        done, place = done + same, place + same
        if done == len(heard):
            return Heard(first, place, tuple(losses))
        lost = find(heard[done : done + _NEEDLE], played[place:])
        assert lost > 0, f"sample {at[done]} of the track was not played, or not after what is before it"
        losses.append(Loss(int(at[done]), lost))
        place += lost


def events(folder: Path, *kinds: str) -> list[dict[str, Any]]:
    """A session's events; of these kinds, if any are given."""
    found = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [event for event in found if not kinds or event["event"] in kinds]


def assert_marked(mic: Noise, played: Noise, found: list[dict[str, Any]]) -> Heard:
    """Every loss has a hole near it, and no hole stands where nothing is missing."""
    heard = compare(mic, played)
    holes = [event for event in found if event["event"] == "hole" and event["track"] == "mic"]
    for loss in heard.losses:
        assert any(_near(hole, loss) for hole in holes), f"{loss} is not marked"
    for hole in holes:
        missing = sum(loss.samples for loss in heard.losses if _near(hole, loss))
        assert hole["samples"] - missing <= _SHAKEN, f"{missing} are missing at {hole}"
    return heard


def _near(hole: dict[str, Any], loss: Loss) -> bool:
    return bool(hole["sample"] - _NEAR <= loss.at <= hole["sample"] + hole["samples"] + _NEAR)


def assert_heard(folder: Path, played: Noise) -> Heard:
    """What :func:`assert_marked` says, of a session's microphone track."""
    return assert_marked(track(folder), played, events(folder))  # type: ignore[arg-type]
