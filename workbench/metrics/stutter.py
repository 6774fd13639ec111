"""Stutter: holes in the agent's speech, and how near the next one was.

Conventions:
    Samples at 24 kHz. Inside one answer means after its first played sample and before its end-of-speech marker or
    its cancellation. What the audio device reports of itself (xruns) is kept apart from starvation.

Metrics:
    Underruns are maximal runs of missing samples. A chunk gap is the silence between the last audible frame of one
    chunk and the first audible sample of the next, as played. The reserve is the number of PCM frames left in the
    buffer when one has been taken; it counts only while more of the answer is still to come, because a buffer that
    runs dry at the end of an answer has served.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from workbench.errors import WorkbenchError
from workbench.metrics.index import Index, Reply, Times
from workbench.metrics.rows import UnderrunRow
from workbench.units import FRAME_SAMPLES

Histogram = tuple[tuple[int, int], ...]

_APART = 1 << 44
"""Samples: 23 years."""


def underruns(reply: Reply) -> list[UnderrunRow]:
    """Maximal runs of missing samples inside the answer."""
    if reply.speaking is None:
        return []
    first, last = reply.speaking
    rows: list[UnderrunRow] = []
    for event in reply.underruns:
        start, end = max(event.t, first), min(event.t + event.samples, last)
        if start >= end:
            continue
        if rows and rows[-1].t + rows[-1].samples >= start:
            before = rows.pop()
            end, voiced = max(end, before.t + before.samples), before.voiced or event.voiced
            rows.append(UnderrunRow(before.t, reply.number, end - before.t, voiced))
        else:
            rows.append(UnderrunRow(start, reply.number, end - start, event.voiced))
    return rows


def chunk_gaps(reply: Reply) -> list[int]:
    """Silence at each border between two chunks that were both audible."""
    runs = reply.audible
    return [b[0] - a[1] for a, b in pairwise(runs) if a[2] != b[2]]


def reserve(index: Index) -> Histogram:
    """How many PCM frames were left when one was taken, over all answers.

    All answers are looked up at once: each is shifted by a span longer than any session, so that the place of a frame
    among all frames made is also the number of frames made and taken before it.

    Raises:
        WorkbenchError: a frame was played before it was ready.
    """
    replies = [reply for reply in index.replies.values() if reply.plays]
    if not replies:
        return ()
    ready: list[int] = []
    made, runs = [], []
    for number, reply in enumerate(replies):
        runs += [(number, *run) for run in _runs(reply, ready)]
        made.append(len(ready))
    answer, begin, first, count = np.array(runs, dtype=np.int64).T
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    taken = np.repeat(begin + answer * _APART, count) + step * FRAME_SAMPLES
    ends = np.array(made, dtype=np.int64)
    times = np.array(ready, dtype=np.int64) + np.repeat(np.arange(len(replies)) * _APART, np.diff(ends, prepend=0))
    times = np.maximum.accumulate(times)  # a frame is of use when all before it are there
    left: Times = np.searchsorted(times, taken, side="right") - 1 - (np.repeat(first, count) + step)
    if len(left) and left.min() < 0:
        late, at = divmod(int(taken[left.argmin()]), _APART)
        where = f"{index.header.session}: reply {replies[late].number}"
        raise WorkbenchError(f"{where}: a frame is taken at {at}, before it is ready")
    return histogram(left[taken < np.repeat(times[ends - 1][answer], count)])


def _runs(reply: Reply, ready: list[int]) -> list[tuple[int, int, int]]:
    """Append when each frame of an answer was ready.

    Returns:
        (when its first frame was taken, that frame's place in ``ready``, frames) of each run of plays.
    """
    base: dict[int, int] = {}
    for chunk in sorted(reply.pcm):
        base[chunk] = len(ready)
        ready.extend(reply.pcm[chunk].ready)
    runs = []
    for play in reply.plays:
        first, stop = -(-play.offset // FRAME_SAMPLES), -(-(play.offset + play.samples) // FRAME_SAMPLES)
        taken = play.t - reply.playout - play.offset + first * FRAME_SAMPLES
        runs.append((taken, base[play.chunk] + first, stop - first))
    return runs


def histogram(values: npt.NDArray[np.int64]) -> Histogram:
    """(value, how often), ascending: every value kept, in little room.

    >>> histogram(np.array([3, 1, 3]))
    ((1, 1), (3, 2))
    """
    if len(values) == 0:
        return ()
    found, times = np.unique(values, return_counts=True)
    return tuple(zip(found.tolist(), times.tolist(), strict=True))


def pcm_samples(replies: Iterable[Reply]) -> int:
    """Samples that the TTS made."""
    return sum(len(pcm.ready) for reply in replies for pcm in reply.pcm.values()) * FRAME_SAMPLES
