"""A trace sorted by what its events belong to, and checked for what no replay can do.

Everything the metrics ask about an answer is in :class:`ReplyEvents`; the rest of the trace is in
:class:`IndexedTrace`.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, TypeVar

from workbench.errors import WorkbenchError
from workbench.trace import (
    BargeIn,
    Cancel,
    Chunk,
    Commit,
    Done,
    Dropped,
    Event,
    Header,
    Heard,
    Moved,
    Pause,
    Pcm,
    Play,
    Resume,
    SharedModel,
    Steps,
    Tokens,
    Trace,
    Transcript,
    Underrun,
    Xrun,
)
from workbench.units import FRAME_SAMPLES

Span = tuple[int, int]
Histogram = tuple[tuple[int, int], ...]
"""(value, how often), ascending: every value kept, in little room."""
_E = TypeVar("_E")
_VOICED = re.compile("1+")


@lru_cache(maxsize=4096)
def _voiced(flags: str) -> tuple[Span, ...]:
    """[first, last) frames of each run of audible ones; the same chunk is played in many traces."""
    return tuple(match.span() for match in _VOICED.finditer(flags))


@dataclass
class ReplyEvents:
    """All events of one answer."""

    number: int
    playout: int
    commit: Commit | None = None
    transcript: Transcript | None = None
    tokens: Tokens | None = None
    chunks: list[Chunk] = field(default_factory=list)
    pcm: dict[int, Pcm] = field(default_factory=dict)
    plays: list[Play] = field(default_factory=list)
    underruns: list[Underrun] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    resumes: list[Resume] = field(default_factory=list)
    done: Done | None = None
    cancel: Cancel | None = None

    @cached_property
    def speaking(self) -> Span | None:
        """From the first played sample to the marker (or the cancellation); None if nothing was played."""
        if not self.plays:
            return None
        last = self.plays[-1]
        # An answer that was given up in a pause has been silent since the pause began.
        stop = self.pauses[-1] if len(self.pauses) > len(self.resumes) else self.cancel or self.done
        return self.plays[0].t, max(last.t + last.samples, stop.t if stop else 0)

    @cached_property
    def silences(self) -> tuple[Span, ...]:
        """From each pause to where the agent went on."""
        return tuple((pause.t, resume.t) for pause, resume in zip(self.pauses, self.resumes, strict=False))

    @cached_property
    def audible(self) -> tuple[tuple[int, int, int], ...]:
        """(start, end, chunk) of each run of audible frames as played.

        The first start of a chunk is exact (``lead``); every other edge is a frame's.
        """
        runs = []
        for play in self.plays:
            pcm = self.pcm[play.chunk]
            first, stop = play.offset, play.offset + play.samples
            for begun, ended in _voiced(pcm.voiced):
                start = max(begun * FRAME_SAMPLES, pcm.lead, first)
                end = min(ended * FRAME_SAMPLES, stop)
                if start < end:
                    runs.append((play.t + start - first, play.t + end - first, play.chunk))
        return tuple(runs)


@dataclass
class IndexedTrace:
    """A checked trace, grouped.

    Attributes:
        replies: by number, ascending.
        commits: in order of the frame that decided.
        heard: union of what the STT heard, ascending and apart.
        stt_steps, tts_steps: (cost of a step, how often), ascending.
    """

    header: Header
    replies: dict[int, ReplyEvents]
    commits: list[Commit]
    heard: list[Span]
    barge_ins: list[BargeIn]
    stt_steps: Histogram
    tts_steps: Histogram
    xruns: list[Xrun]
    dropped: int
    shared_model: int
    moved: list[Moved]


def first_within(spans: Sequence[Span], start: int, end: int) -> int | None:
    """First sample of ``[start, end)`` that lies in one of some intervals, ascending and apart."""
    i = bisect_left(spans, (start, start))
    if i and spans[i - 1][1] > start:
        return start
    return spans[i][0] if i < len(spans) and spans[i][0] < end else None


class _Groups:
    """Events by class, each class in order of time."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._groups: dict[type, list[Any]] = defaultdict(list)
        for event in events:
            self._groups[event.__class__].append(event)

    def of(self, kind: type[_E]) -> list[_E]:
        return self._groups.get(kind, [])


def index(trace: Trace) -> IndexedTrace:
    """Group a trace.

    Raises:
        WorkbenchError: two events where there can be one, audio played that was not made, two plays at once, an
            answer whose steps are out of order; names session and reply.
    """
    groups = _Groups(trace.events)
    where = trace.header.session
    replies = _replies(groups, trace.header)
    _check_plays(groups.of(Play), where)
    for reply in replies.values():
        _check(reply, where)
    heard, steps = groups.of(Heard), groups.of(Steps)
    return IndexedTrace(
        header=trace.header,
        replies=dict(sorted(replies.items())),
        commits=sorted(groups.of(Commit), key=lambda commit: commit.frame_end),
        heard=union([(item.start, item.end) for item in heard]),
        barge_ins=groups.of(BargeIn),
        stt_steps=_steps(steps, "stt"),
        tts_steps=_steps(steps, "tts"),
        xruns=groups.of(Xrun),
        dropped=sum(item.end - item.start for item in groups.of(Dropped)),
        shared_model=len(groups.of(SharedModel)),
        moved=groups.of(Moved),
    )


def _replies(groups: _Groups, header: Header) -> dict[int, ReplyEvents]:
    replies: dict[int, ReplyEvents] = {}

    def reply(number: int) -> ReplyEvents:
        found = replies.get(number)
        if found is None:
            found = replies[number] = ReplyEvents(number, header.playout)
        return found

    for name, kind in _SINGLE.items():
        for event in groups.of(kind):
            target = reply(event.reply)
            if getattr(target, name) is not None:
                raise WorkbenchError(f"{header.session}: reply {target.number} has two {name} events")
            setattr(target, name, event)
    for chunk in groups.of(Chunk):
        reply(chunk.reply).chunks.append(chunk)
    for pcm in groups.of(Pcm):
        if reply(pcm.reply).pcm.setdefault(pcm.chunk, pcm) is not pcm:
            raise WorkbenchError(f"{header.session}: reply {pcm.reply} has two pcm events for chunk {pcm.chunk}")
    for play in groups.of(Play):
        if play.samples:
            reply(play.reply).plays.append(play)
    for underrun in groups.of(Underrun):
        reply(underrun.reply).underruns.append(underrun)
    for pause in groups.of(Pause):
        reply(pause.reply).pauses.append(pause)
    for resume in groups.of(Resume):
        reply(resume.reply).resumes.append(resume)
    return replies


_SINGLE: dict[str, type[Any]] = {
    "commit": Commit,
    "transcript": Transcript,
    "tokens": Tokens,
    "done": Done,
    "cancel": Cancel,
}


def union(spans: list[Span]) -> list[Span]:
    """Merge intervals that overlap or touch; empty ones vanish.

    >>> union([(5, 9), (0, 3), (3, 4), (7, 8)])
    [(0, 4), (5, 9)]
    """
    merged: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def _steps(steps: list[Steps], stage: str) -> Histogram:
    counted: Counter[int] = Counter()
    for item in steps:
        if item.stage == stage:
            counted.update(item.costs)
    return tuple(sorted(counted.items()))


def _check_plays(plays: list[Play], where: str) -> None:
    end = 0
    for play in plays:
        if play.t < end:
            raise WorkbenchError(f"{where}: reply {play.reply}: plays at {play.t} while other audio plays to {end}")
        end = play.t + play.samples


def _check(reply: ReplyEvents, where: str) -> None:
    name = f"{where}: reply {reply.number}"
    for chunk, pcm in reply.pcm.items():
        if not pcm.ready or pcm.ready[0] != pcm.t or sorted(pcm.ready) != list(pcm.ready):
            raise WorkbenchError(f"{name}: chunk {chunk}: ready must begin with t ({pcm.t}) and never run backwards")
        if len(pcm.voiced) != len(pcm.ready):
            raise WorkbenchError(f"{name}: chunk {chunk} has {len(pcm.ready)} frames but {len(pcm.voiced)} in voiced")
        first = pcm.voiced.find("1")
        if (pcm.lead // FRAME_SAMPLES if pcm.lead >= 0 else -1) != first:
            raise WorkbenchError(f"{name}: chunk {chunk}: lead {pcm.lead} is not in the first voiced frame ({first})")
    moments = [event.t for pair in zip(reply.pauses, reply.resumes, strict=False) for event in pair]
    if not 0 <= len(reply.pauses) - len(reply.resumes) <= 1 or moments != sorted(moments):
        raise WorkbenchError(f"{name}: each resume must follow a pause, and each pause but the last have a resume")
    played: dict[int, int] = {}
    for play in reply.plays:
        if play.chunk not in reply.pcm:
            raise WorkbenchError(f"{name}: plays chunk {play.chunk}, which has no pcm event")
        made = len(reply.pcm[play.chunk].ready) * FRAME_SAMPLES
        if play.offset < played.get(play.chunk, 0) or play.offset + play.samples > made:
            raise WorkbenchError(f"{name}: chunk {play.chunk} plays from sample {play.offset} twice or beyond its end")
        played[play.chunk] = play.offset + play.samples
    _check_order(reply, name)


def _check_order(reply: ReplyEvents, name: str) -> None:
    steps: list[tuple[str, int]] = []
    if reply.commit:
        steps += [("frame that decided", reply.commit.frame_end), ("commit", reply.commit.t)]
    if reply.transcript:
        steps.append(("transcript", reply.transcript.t))
    if reply.tokens:
        steps.append(("tokens", reply.tokens.t))
    if reply.chunks:
        steps.append(("chunk", reply.chunks[0].t))
    if reply.pcm:
        steps.append(("pcm", min(pcm.t for pcm in reply.pcm.values())))
    if reply.plays:
        steps.append(("play (less playout)", reply.plays[0].t - reply.playout))
    for (before, a), (after, b) in pairwise(steps):
        if b < a:
            raise WorkbenchError(f"{name}: {after} at {b} is before its {before} at {a}")
