"""Loudspeaker and ways of playing: a device asks for 1920 samples every 80 ms and plays silence where there are none.

``ready`` says when each PCM frame was there. The device asks on a fixed grid; a frame is played at the first request at
which it is there and its predecessor has been played.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from workbench.arrays import Times
from workbench.units import FRAME_SAMPLES, ms_to_samples

CLOSE_DELAY = ms_to_samples(100)
"""MLX-Harmony sleeps 0.1 s after the last step of a chunk, then closes its stream, whatever is still queued."""


@dataclass(frozen=True)
class Playout:
    """When each PCM frame was asked for by the device, and which were lost.

    Attributes:
        at: request time of each played frame, shape (played,); the loudspeaker follows after the device latency.
        lost: frames that were never played because the stream was closed before.
    """

    at: Times
    lost: int = 0


def continuous(ready: Times, prebuffer: int) -> Playout:
    """One stream that stays open: the grid is the session's own, frames of all chunks queue in one line.

    Args:
        ready: shape (n,), non-decreasing.
        prebuffer: frames that must be there before the first is played; all of them, if there are fewer.
    """
    if not len(ready):
        return Playout(ready)
    start = int(ready[min(max(prebuffer, 1), len(ready)) - 1])
    return Playout(_requests(np.maximum(ready, start), 0))


class OpenStream:
    """:func:`continuous`, frame by frame: when each is asked for, as soon as that is known.

    Args:
        prebuffer: frames that must be there before the first is played.
    """

    def __init__(self, prebuffer: int) -> None:
        self._prebuffer = prebuffer
        self._waiting = 0
        self._ready = 0
        self._free = 0
        """The first request that no frame has taken; 0 before the first frame is played."""

    def queue(self, ready: int) -> list[int]:
        """A frame is there; returns the requests that have become known, of the next frames in order."""
        self._waiting += 1
        self._ready = ready
        return self.flush() if self._free or self._waiting >= self._prebuffer else []

    def flush(self) -> list[int]:
        """Nothing more will come that could be waited for."""
        first = max(-(-self._ready // FRAME_SAMPLES) * FRAME_SAMPLES, self._free)
        at = [first + number * FRAME_SAMPLES for number in range(self._waiting)]
        self._free = at[-1] + FRAME_SAMPLES if at else self._free
        self._waiting = 0
        return at


def per_chunk(ready: Times, opened: int, closed: int) -> Playout:
    """A stream per chunk: opened with it, closed after its last step.

    What has not been asked for by then is lost.

    Args:
        ready: shape (n,), non-decreasing.
        opened: where the grid begins.
        closed: no request from here on.
    """
    at = _requests(ready, opened)
    played = int(np.searchsorted(at, closed))
    return Playout(at[:played], len(ready) - played)


def _requests(ready: Times, grid: int) -> Times:
    slot = -((grid - ready) // FRAME_SAMPLES)
    order = np.arange(len(ready))
    taken: Times = (np.maximum.accumulate(slot - order) + order) * FRAME_SAMPLES + grid
    return taken


def held(at: Times, silences: Sequence[tuple[int, int]]) -> Times:
    """Requests on the session's grid if the agent is silent now and then, and goes on where it was heard.

    Args:
        at: when each frame is asked for without a silence.
        silences: (from, until), in order of time.

    >>> held(np.array([0, 1920, 3840, 5760]), [(1921, 4000)]).tolist()
    [0, 1920, 5760, 7680]
    """
    for since, until in silences:
        first = int(at.searchsorted(since))
        at = np.concatenate((at[:first], _requests(np.maximum(at[first:], until), 0)))
    return at


class ChunkTimes(NamedTuple):
    """When the PCM frames of a chunk were there, its audio stream could open, and its last step ended."""

    ready: Times
    opened: int
    ended: int


class PlayoutRule(Protocol):
    """A way of playing the chunks of an answer.

    Attributes:
        closes_streams: whether each chunk has an audio stream of its own.
    """

    closes_streams: bool

    def requests(self, chunks: Sequence[ChunkTimes], prebuffer: int) -> list[Times]:
        """When the device asked for each frame that is played, by chunk; those that are lost are the last of it."""
        ...

    def freed(self, chunk: ChunkTimes) -> int:
        """When the chunk after this one can be spoken."""
        ...


class OneStream:
    """See :class:`PlayoutRule`: one stream that stays open."""

    closes_streams = False

    def requests(self, chunks: Sequence[ChunkTimes], prebuffer: int) -> list[Times]:
        """See :class:`PlayoutRule`."""
        at = continuous(np.concatenate([chunk.ready for chunk in chunks]), prebuffer).at
        return np.split(at, np.cumsum([len(chunk.ready) for chunk in chunks])[:-1])

    def freed(self, chunk: ChunkTimes) -> int:
        """See :class:`PlayoutRule`: at once."""
        return chunk.ended


class StreamPerChunk:
    """See :class:`PlayoutRule`: a stream per chunk, closed 0.1 s after its last step, as MLX-Harmony has it."""

    closes_streams = True

    def requests(self, chunks: Sequence[ChunkTimes], prebuffer: int) -> list[Times]:
        """See :class:`PlayoutRule`."""
        return [per_chunk(chunk.ready, chunk.opened, chunk.ended + CLOSE_DELAY).at for chunk in chunks]

    def freed(self, chunk: ChunkTimes) -> int:
        """See :class:`PlayoutRule`: when the stream is closed, which lets a frame that is playing end."""
        closed = chunk.ended + CLOSE_DELAY
        at = per_chunk(chunk.ready, chunk.opened, closed).at
        return max(closed, int(at[-1]) + FRAME_SAMPLES) if len(at) else closed


def runs(at: Times, chunk: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Cut played frames where the device had nothing, or where another chunk begins: [first, last) pairs.

    >>> runs(np.array([0, 1920, 5760]), np.array([0, 0, 0]))
    [(0, 2), (2, 3)]
    """
    if not len(at):
        return []
    borders = np.flatnonzero((at[1:] - at[:-1] != FRAME_SAMPLES) | (chunk[1:] != chunk[:-1])) + 1
    edges = [0, *borders.tolist(), len(at)]
    return list(itertools.pairwise(edges))
