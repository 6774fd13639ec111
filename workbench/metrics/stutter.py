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

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from workbench.arrays import Times
from workbench.errors import WorkbenchError
from workbench.metrics.index import Histogram, IndexedTrace, ReplyEvents
from workbench.metrics.rows import UnderrunRow
from workbench.units import FRAME_SAMPLES


def underruns(reply: ReplyEvents) -> list[UnderrunRow]:
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


def chunk_gaps(reply: ReplyEvents) -> list[int]:
    """Silence at each border between two chunks that were both audible, without a barge-in in between."""
    runs, silences = reply.audible, reply.silences
    borders = [(a[1], b[0]) for a, b in pairwise(runs) if a[2] != b[2]]
    if silences:
        borders = [(a, b) for a, b in borders if not any(since < b and until > a for since, until in silences)]
    return [b - a for a, b in borders]


def reserve(index: IndexedTrace) -> Histogram:
    """How many PCM frames were left when one was taken, over all answers.

    Raises:
        WorkbenchError: a frame was played before it was ready.
    """
    counted: Counter[int] = Counter()
    for reply in index.replies.values():
        if reply.plays:
            counted.update(_left(reply, f"{index.header.session}: reply {reply.number}"))
    return tuple(sorted(counted.items()))


def _left(reply: ReplyEvents, where: str) -> list[int]:
    """Frames left each time one of an answer was taken, while more of it was still to come."""
    base: dict[int, int] = {}
    ready: list[int] = []
    for chunk in sorted(reply.pcm):
        base[chunk] = len(ready)
        ready.extend(reply.pcm[chunk].ready)
    times = np.maximum.accumulate(np.array(ready, dtype=np.int64))  # a frame is of use when all before it are there
    taken, places = [], []
    for play in reply.plays:
        first, stop = -(-play.offset // FRAME_SAMPLES), -(-(play.offset + play.samples) // FRAME_SAMPLES)
        at = play.t - reply.playout - play.offset + first * FRAME_SAMPLES
        taken.append(np.arange(at, at + (stop - first) * FRAME_SAMPLES, FRAME_SAMPLES))
        places.append(np.arange(base[play.chunk] + first, base[play.chunk] + stop))
    moments, place = (np.concatenate(taken), np.concatenate(places)) if len(taken) > 1 else (taken[0], places[0])
    left: Times = times.searchsorted(moments, side="right") - 1 - place
    if len(left) and left.min() < 0:
        raise WorkbenchError(f"{where}: a frame is taken at {int(moments[left.argmin()])}, before it is ready")
    counted: list[int] = left[moments < times[-1]].tolist()
    return counted


def late_frames(replies: Iterable[ReplyEvents]) -> tuple[int, int]:
    """PCM frames that came more than 80 ms after the one before them in their chunk, and all that could."""
    late = frames = 0
    for reply in replies:
        for pcm in reply.pcm.values():
            frames += len(pcm.ready) - 1
            late += sum(after - before > FRAME_SAMPLES for before, after in pairwise(pcm.ready))
    return late, frames


def pcm_samples(replies: Iterable[ReplyEvents]) -> int:
    """Samples that the TTS made."""
    return sum(len(pcm.ready) for reply in replies for pcm in reply.pcm.values()) * FRAME_SAMPLES
