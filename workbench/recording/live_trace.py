"""Live trace of a session, from the log of the live assistant.

While the recording runs, moments are counted on the tapes: what was heard and thought on the microphone's, what was
played on the agent's. Only when it is finished is it known where samples are missing and how the two tapes lie, so only
then are the moments put on the session's clock, as the tracks and ``events.jsonl`` are.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.recording.observer import LIVE
from workbench.trace import (
    BargeIn,
    Commit,
    Done,
    Dropped,
    Event,
    Header,
    Heard,
    Onset,
    Pcm,
    Play,
    Tokens,
    Trace,
    Underrun,
    Word,
    Xrun,
    in_order,
)
from workbench.trace_file import parse_event
from workbench.units import FRAME_SAMPLES

Holes = Sequence[tuple[int, int]]
Move = Callable[[int], int]

_MOMENTS: dict[type, tuple[str, ...]] = {
    Onset: ("fed_from",),
    Heard: ("start", "end"),
    Dropped: ("start", "end"),
    Word: ("at",),
    Commit: ("frame_end", "silence_from"),
    BargeIn: ("onset", "frame_end"),
    Tokens: ("times",),
    Pcm: ("ready",),
}
"""Fields besides ``t`` that hold moments, not lengths."""


@dataclass(frozen=True)
class LiveLog:
    """What a live assistant wrote down.

    Attributes:
        header: of the trace, as far as it was known at the start.
        config: it ran with.
        events: in the order they were written; their moments are the tapes'.
    """

    header: Header
    config: dict[str, Any]
    events: tuple[Event, ...]


def read_log(tape: Path) -> LiveLog | None:
    """The log in a tape's folder; None where the recording was not a live one.

    Raises:
        WorkbenchError: the log is damaged.
    """
    path = tape / LIVE
    if not path.exists():
        return None
    # A process that was killed may leave half a line.
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    if not lines:
        return None
    try:
        first = json.loads(lines[0])
        header, config = Header(**first["header"]), dict(first["config"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise WorkbenchError(f"{path}: line 1: must hold header and config") from None
    events = tuple(parse_event(line, path, number) for number, line in enumerate(lines[1:], 2))
    frames = {(e.reply, e.chunk): min(len(e.ready), len(e.voiced)) for e in events if isinstance(e, Pcm)}
    for number, event in enumerate(events, 2):
        if isinstance(event, Play):
            made = frames.get((event.reply, event.chunk), 0) * FRAME_SAMPLES
            if not 0 <= event.offset < event.offset + event.samples <= made:
                raise WorkbenchError(f"{path}: line {number}: plays what no line made")
    return LiveLog(header, config, events)


def causal_offset(log: LiveLog, holes: Mapping[str, Holes], agent_offset: int) -> int:
    """Where the agent tape must lie so that no sound comes before its making, though time stamps that shake say so.

    The agent track and the trace must both be laid by it, or one sound is at two moments.

    Args:
        log: of the live run.
        holes: (tape sample before which samples are missing, how many) per track.
        agent_offset: session sample of the agent tape's first sample, by the time stamps.

    Returns:
        ``agent_offset``, or the least above it that will do.
    """
    return agent_offset + max([0, *(-slack for slack in _slack(log, holes, agent_offset))])


def live_trace(
    log: LiveLog, events: Sequence[Mapping[str, Any]], holes: Mapping[str, Holes], agent_offset: int, samples: int
) -> Trace:
    """The trace of the live run.

    Args:
        log: of the live run.
        events: of the session, on its clock.
        holes: (tape sample before which samples are missing, how many) per track.
        agent_offset: session sample of the agent tape's first sample; see :func:`causal_offset`.
        samples: length of the session.
    """
    heard = _mover(holes.get("mic", ()))
    moved = [_moved(event, heard) for event in log.events if not isinstance(event, Play | Underrun)]
    played = _played(log, holes.get("agent", ()), agent_offset)
    faults = [
        Xrun(event["sample"], event["track"], event["samples"])
        for event in events
        if event["event"] in ("hole", "xrun") and event["sample"] < samples
    ]
    latency = log.header.playout
    left = max(0, min([latency, *_slack(log, holes, agent_offset)]))
    header = replace(log.header, samples=samples, playout=left)
    return Trace(header, in_order([*_inside(_ended([*moved, *played]), samples), *faults]))


def _slack(log: LiveLog, holes: Mapping[str, Holes], agent_offset: int) -> list[int]:
    """Samples from the making of each frame that was played to its sound."""
    heard, laid = _mover(holes.get("mic", ())), _layer(holes.get("agent", ()), agent_offset)
    made = {(e.reply, e.chunk): e.ready for e in log.events if isinstance(e, Pcm)}
    slack = []
    for event in log.events:
        if isinstance(event, Play):
            ready, first = made[event.reply, event.chunk], event.offset // FRAME_SAMPLES
            for frame in range(event.samples // FRAME_SAMPLES):
                slack.append(laid(event.t + frame * FRAME_SAMPLES) - heard(ready[first + frame]))
    return slack


def _mover(holes: Holes) -> Move:
    """Moments on the microphone's tape to the session's clock."""

    def move(moment: int) -> int:
        return moment + sum(missing for at, missing in holes if at < moment)

    return move


def _layer(holes: Holes, offset: int) -> Move:
    """Samples of the agent tape to the session's clock, as ``finish`` lays the track: a hole is before its sample."""

    def lay(sample: int) -> int:
        return sample + sum(missing for at, missing in holes if at <= sample) + offset

    return lay


def _played(log: LiveLog, holes: Holes, offset: int) -> list[Event]:
    """What was played, split where samples are missing, and the silence between: as the agent track holds it."""
    lay = _layer(holes, offset)
    voiced = {(e.reply, e.chunk): e.voiced for e in log.events if isinstance(e, Pcm)}
    parts: list[Play] = []
    for play in log.events:
        if isinstance(play, Play):
            end = play.t + play.samples
            borders = sorted({play.t, end, *(at for at, _ in holes if play.t < at < end)})
            parts += [
                replace(play, t=lay(start), offset=play.offset + start - play.t, samples=stop - start)
                for start, stop in pairwise(borders)
            ]

    def sounds(play: Play, sample: int) -> bool:
        return voiced[play.reply, play.chunk][(play.offset + sample) // FRAME_SAMPLES] == "1"

    out: list[Event] = list(parts)
    for one, two in pairwise(sorted(parts, key=lambda play: play.t)):
        end = one.t + one.samples
        if one.reply == two.reply and two.t > end:
            both = sounds(one, one.samples - 1) and sounds(two, 0)
            out.append(Underrun(end, one.reply, two.t - end, both))
    return out


def _moved(event: Event, move: Move) -> Event:
    changes: dict[str, Any] = {"t": move(event.t)}
    for name in _MOMENTS.get(type(event), ()):
        value = getattr(event, name)
        changes[name] = move(value) if isinstance(value, int) else tuple(move(item) for item in value)
    return replace(event, **changes)


def _inside(events: Sequence[Event], samples: int) -> list[Event]:
    """Cut off what would have sounded after the end of the session: the agent track does not hold it."""
    out: list[Event] = []
    for event in events:
        if isinstance(event, Play | Underrun):
            if event.t >= samples:
                continue
            event = replace(event, samples=min(event.samples, samples - event.t))
        out.append(event)
    return out


def _ended(events: Sequence[Event]) -> list[Event]:
    """The end of each answer, known by the speaker's estimate, put where its last sound ends on the agent track."""
    last = {event.reply: event.t + event.samples for event in events if isinstance(event, Play)}
    return [replace(e, t=last.get(e.reply, e.t)) if isinstance(e, Done) else e for e in events]
