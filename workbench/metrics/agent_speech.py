"""Agent speech in the replay and in the recording, and the moment from which the two differ.

Conventions:
    Samples at 24 kHz. Both sides are compared by their audible stretches with gaps under 0.5 s bridged: silence inside
    the PCM is played but not heard, and a recording cannot tell it from none.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from workbench.metrics.index import Span, union
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

BRIDGE = SAMPLE_RATE // 2
"""Shorter silences between two stretches of agent speech do not part them."""

DIFFERENCE = SAMPLE_RATE // 2
"""The replay has left the recording once the two differ for more than this in total."""

AUDIBLE_RMS = 0.001
"""-60 dBFS: the level from which a frame of an agent track counts as sound."""


def agent_intervals(
    blocks: Iterable[npt.NDArray[np.float32]], threshold: float = AUDIBLE_RMS
) -> tuple[tuple[int, int], ...]:
    """Find when the recorded agent spoke, block by block.

    Args:
        blocks: whole frames in order, arrays of shape (n, 1920), as ``Session.stream("agent")`` gives them.
        threshold: frame RMS, linear full scale.

    Returns:
        Intervals in samples, on frame borders, gaps under 0.5 s bridged.
    """
    spans: list[Span] = []
    first = 0
    for block in blocks:
        power = np.einsum("ij,ij->i", block, block, dtype=np.float64) / FRAME_SAMPLES
        for frame in np.flatnonzero(power >= threshold**2).tolist():
            start = (first + frame) * FRAME_SAMPLES
            if spans and start - spans[-1][1] < BRIDGE:
                spans[-1] = spans[-1][0], start + FRAME_SAMPLES
            else:
                spans.append((start, start + FRAME_SAMPLES))
        first += len(block)
    return tuple(spans)


def bridge(spans: Iterable[Span]) -> list[Span]:
    """Union of intervals with gaps under 0.5 s closed.

    >>> bridge([(0, 10), (11_999, 20_000), (32_001, 32_002)])
    [(0, 20000), (32001, 32002)]
    """
    merged: list[Span] = []
    for start, end in union(list(spans)):
        if merged and start - merged[-1][1] < BRIDGE:
            merged[-1] = merged[-1][0], end
        else:
            merged.append((start, end))
    return merged


def parting(replayed: Sequence[Span], recorded: Sequence[Span]) -> int | None:
    """The first moment at which replay and recording have differed for more than 0.5 s in total.

    Differences shorter than one frame are the grain of the measurement and do not count.

    Args:
        replayed, recorded: agent speech; an empty ``recorded`` means that no agent was recorded, and then the first
            replayed sample is already a difference.

    Returns:
        A sample, or None where they never part.
    """
    if not recorded:
        return min((start for start, _ in replayed), default=None)
    edges = [0, 0]
    changes = sorted(
        (moment, side)
        for side, spans in enumerate((bridge(replayed), bridge(recorded)))
        for span in spans
        for moment in span
    )
    total = 0
    for (moment, side), (following, _) in pairwise(changes):
        edges[side] ^= 1
        length = following - moment
        if edges[0] != edges[1] and length >= FRAME_SAMPLES:
            if total + length > DIFFERENCE:
                return moment + DIFFERENCE - total
            total += length
    return None
