"""Tracks of a tape on one clock: where the agent track lies, where samples are missing, and what is put there."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np

from workbench.recording.resample import Pcm24, dequantise, quantise
from workbench.recording.tape import Tape, zeros
from workbench.units import SAMPLE_RATE

_LEAST_DRIFT_SECONDS, _LEAST_STAMPS = 60, 50
"""A drift is not claimed of a shorter recording: time stamps shake by a millisecond."""
_STAMP_AGE_SECONDS = 1.0
"""An offset is the median of the last 2 s."""


def alignment(tape: Tape) -> dict[str, Any]:
    """How the agent track lies on the microphone's clock, from the time stamps of both streams.

    Returns:
        ``agent_offset``: microphone sample at which the agent's first sample sounded; ``agent_offset_spread``: how far
        the per-second figures lie apart, in samples; ``drift_ppm`` between the two converters' clocks (over a minute
        at least). For an agent track that another device recorded, ``drift_ppm`` is taken out of the track
        (``drift_removed``), and the offset is that of its first sample. Empty without an agent track or without stamps.
    """
    both = zip(tape.offsets.get("mic", []), tape.offsets.get("agent", []), strict=False)
    apart = [agent - mic for mic, agent in both]
    if not apart:
        return {}
    found: dict[str, Any] = {
        "agent_offset": round(median(apart)),
        "agent_offset_spread": round(max(apart) - min(apart), 1),
    }
    if len(apart) >= _LEAST_STAMPS and tape.samples["mic"] >= _LEAST_DRIFT_SECONDS * SAMPLE_RATE:
        seconds = np.asarray(tape.ends["agent"][: len(apart)], dtype=np.float64) / SAMPLE_RATE - _STAMP_AGE_SECONDS
        slope, start = np.polyfit(seconds, apart, 1)
        found["drift_ppm"] = round(float(slope) / SAMPLE_RATE * 1e6, 1)
        if "agent_input" in tape.header.get("device", {}):
            found |= {"agent_offset": round(float(start)), "drift_removed": True}
    return found


def holes_of(tape: Tape, track: str) -> list[tuple[int, int]]:
    """Holes of a track as (tape sample before which it lies, samples missing), in order."""
    found = [e for e in tape.events if e["event"] == "hole" and e["track"] == track]
    return sorted((event["sample"], event["samples"]) for event in found)


def resampled(blocks: Iterator[Pcm24], drift_ppm: float) -> Iterator[Pcm24]:
    """A track on a clock that is faster by so many parts per million."""
    import soxr

    stream = soxr.ResampleStream(SAMPLE_RATE, SAMPLE_RATE * (1 + drift_ppm * 1e-6), 1, dtype="float32", quality="VHQ")
    for block in blocks:
        yield quantise(stream.resample_chunk(dequantise(block)))
    yield quantise(stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True))


def filled(blocks: Iterator[Pcm24], holes: Sequence[tuple[int, int]]) -> Iterator[Pcm24]:
    """A track with zeros where samples are missing.

    >>> [part.tolist() for part in filled(iter([np.array([1, 2], np.int32), np.array([3], np.int32)]), [(1, 2)])]
    [[1], [0, 0], [2], [3]]
    """
    here, left = 0, list(holes)
    for block in blocks:
        start = 0
        while left and left[0][0] < here + len(block):
            at, missing = left.pop(0)
            yield block[start : at - here]
            yield from zeros(missing)
            start = at - here
        yield block[start:]
        here += len(block)
    for _, missing in left:
        yield from zeros(missing)


def placed(blocks: Iterator[Pcm24], offset: int, samples: int) -> Iterator[Pcm24]:
    """A track moved by ``offset`` samples, cut or filled with zeros to ``samples``.

    >>> [part.tolist() for part in placed(iter([np.array([1, 2, 3], np.int32)]), 1, 6)]
    [[0], [1, 2, 3], [0, 0]]
    """
    here = min(max(0, offset), samples)
    yield from zeros(here)
    skip = max(0, -offset)
    for block in blocks:
        kept = block[skip:][: samples - here]
        skip = max(0, skip - len(block))
        here += len(kept)
        yield kept
    yield from zeros(samples - here)
