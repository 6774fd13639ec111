"""Data of a timeline, from trace, labels and audio; nothing is drawn here.

Conventions:
    Samples at 24 kHz. What lies beyond ``stop`` is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workbench.arrays import Floats
from workbench.metrics import SessionScores
from workbench.metrics.index import IndexedTrace, ReplyEvents, Span, index
from workbench.reports.material import cutins, idle
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.heard_levels import Filtering, heard_levels
from workbench.sessions.session import Session
from workbench.trace import Listen, Onset, Trace
from workbench.units import FRAME_SAMPLES

FLOOR_DBFS = -80.0
"""Levels below this are drawn here."""


@dataclass(frozen=True)
class Marker:
    """A moment worth a name. ``bad`` says that it should not have happened."""

    t: int
    name: str
    bad: bool = False


@dataclass(frozen=True)
class TimelineData:
    """One session as a timeline shows it.

    Attributes:
        level: dBFS of each microphone frame, echo included, shape (frames,).
        gates: stretches in which the listener's gate was open.
        plays: each run of agent audio.
        captions: (start, latest end, text) of each answer that was played.
        audible: the stretches of it that are sound, not silence.
        thinks: from each commit to the first sample of its answer.
        underruns: holes in the agent's speech.
        buffer: (moment, PCM frames in the playback buffer from there on), ascending.
        markers: commits, cut-ins, commits that ended no turn, missed ends and barge-ins, in order of time.
    """

    level: Floats
    gates: tuple[Span, ...]
    plays: tuple[Span, ...]
    captions: tuple[tuple[int, int, str], ...]
    audible: tuple[Span, ...]
    thinks: tuple[Span, ...]
    underruns: tuple[Span, ...]
    buffer: tuple[tuple[int, int], ...]
    markers: tuple[Marker, ...]


def timeline_data(
    session: Session,
    trace: Trace,
    scores: SessionScores,
    agent: Path,
    path: EchoPath,
    stop: int,
    filters: Filtering | None = None,
) -> TimelineData:
    """Gather what a timeline shows.

    Args:
        session: opened.
        trace: of it.
        scores: of the trace.
        agent: what the agent played in the replay, on the session clock.
        path: the echo path; false where the microphone does not hear the agent.
        stop: last sample to show.
        filters: cancellers and filters of the replay; None where there were none.
    """
    found = index(trace)
    replies = list(found.replies.values())
    return TimelineData(
        level=dbfs(heard_levels(session, agent, path, filters)[: stop // FRAME_SAMPLES]),
        gates=tuple(_gates(trace, found)),
        plays=tuple((play.t, play.t + play.samples) for reply in replies for play in reply.plays),
        captions=tuple(_captions(replies, trace.header.samples)),
        audible=tuple((start, end) for reply in replies for start, end, _ in reply.audible),
        thinks=tuple(
            (reply.commit.t, reply.plays[0].t if reply.plays else reply.cancel.t if reply.cancel else reply.commit.t)
            for reply in replies
            if reply.commit
        ),
        underruns=tuple((row.t, row.t + row.samples) for row in scores.underruns),
        buffer=tuple(buffer_levels(replies)),
        markers=tuple(sorted(_markers(found, scores), key=lambda marker: marker.t)),
    )


def dbfs(levels: npt.NDArray[np.floating]) -> Floats:
    """Linear RMS as dB of full scale, not below :data:`FLOOR_DBFS`.

    >>> dbfs(np.array([1.0, 0.01, 0.0])).tolist()
    [0.0, -40.0, -80.0]
    """
    out: Floats = 20 * np.log10(np.maximum(levels.astype(np.float64), 10 ** (FLOOR_DBFS / 20)))
    return out


def _gates(trace: Trace, found: IndexedTrace) -> Iterator[Span]:
    """From each onset to the commit that ends its cycle, or to the next cycle where none does."""
    opened = [event.t for event in trace.events if isinstance(event, Listen)]
    closes = sorted([*opened, *(commit.frame_end for commit in found.commits)])
    for event in trace.events:
        if isinstance(event, Onset):
            yield event.t, next((t for t in closes if t > event.t), trace.header.samples)


def _captions(replies: Sequence[ReplyEvents], samples: int) -> Iterator[tuple[int, int, str]]:
    """The text of each answer; one that was stopped may not run on beyond what was heard of it."""
    for number, reply in enumerate(replies):
        if reply.speaking is None:
            continue
        start, end = reply.speaking
        if reply.cancel is None:
            commits = [later.commit.t for later in replies[number + 1 :] if later.commit]
            end = max(end, min(commits, default=samples))
        yield start, end, reply.tokens.text if reply.tokens else " ".join(chunk.text for chunk in reply.chunks)


def buffer_levels(replies: Sequence[ReplyEvents]) -> list[tuple[int, int]]:
    """PCM frames that are ready and not yet taken by the device, at each moment that changes it.

    Frames that will never be taken leave with the last that is, or when the answer is cancelled.
    """
    changes: dict[int, int] = {}

    def change(t: int, by: int) -> None:
        changes[t] = changes.get(t, 0) + by

    for reply in replies:
        for chunk, pcm in reply.pcm.items():
            if not pcm.ready:
                continue
            taken = [t for play in reply.plays if play.chunk == chunk for t in _requests(reply, play.t, play.samples)]
            for t in pcm.ready:
                change(t, 1)
            for t in taken:
                change(t, -1)
            last = max([pcm.ready[-1], *taken[-1:], *([reply.cancel.t] if reply.cancel else [])])
            change(last, len(taken) - len(pcm.ready))
    level, out = 0, []
    for t, by in sorted(changes.items()):
        level += by
        out.append((t, level))
    return out


def _requests(reply: ReplyEvents, t: int, samples: int) -> range:
    return range(t - reply.playout, t - reply.playout + samples, FRAME_SAMPLES)


def _markers(found: IndexedTrace, scores: SessionScores) -> Iterator[Marker]:
    wrong = dict.fromkeys((commit.reply for commit in idle(found.commits, scores)), "ended no turn")
    for row in scores.turns:
        wrong |= dict.fromkeys((commit.reply for commit in cutins(found.commits, row)), "cut-in")
    for commit in found.commits:
        yield Marker(commit.t, wrong.get(commit.reply, "commit"), commit.reply in wrong)
    for row in scores.turns:
        if row.missed:
            yield Marker(row.end, "end missed", True)
    for take in scores.floor:
        if take.missed:
            yield Marker(take.start, "barge-in missed", True)
    causes = {(row.t, row.reply): row.cause for row in scores.barge_ins}
    for event in found.barge_ins:
        cause = causes.get((event.t, event.reply), "")
        yield Marker(event.t, f"barge-in: {cause}" if cause else "barge-in", cause not in ("", "speech"))
