"""From the log of a live assistant to the trace beside the session.

While the recording runs, moments are counted on the tapes: what was heard and thought on the microphone's, what was
played on the agent's. Only when it is finished is it known where samples are missing and how the two tapes lie, so only
then are the moments put on the session's clock, as the tracks and ``events.jsonl`` are.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.recording.follow import LIVE
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
    parse_event,
)
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
"""Fields, beside ``t``, that hold moments and not lengths."""


def live_trace(
    tape: Path, events: Sequence[Mapping[str, Any]], holes: Mapping[str, Holes], agent_offset: int, samples: int
) -> tuple[Trace, dict[str, Any]] | None:
    """The trace of the live run and the config it ran with; None where the recording was not a live one.

    Args:
        tape: folder of the tape.
        events: of the session, on its clock.
        holes: (tape sample before which samples are missing, how many) per track.
        agent_offset: session sample of the agent tape's first sample.
        samples: length of the session.

    Raises:
        WorkbenchError: the log is damaged.
    """
    path = tape / LIVE
    if not path.exists():
        return None
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # a process that was killed may leave half a line
    if not lines:
        return None
    try:
        first = json.loads(lines[0])
        header, config = Header(**first["header"]), dict(first["config"])
    except (ValueError, KeyError, TypeError):
        raise WorkbenchError(f"{path}: line 1: must hold header and config") from None
    heard = _mover(holes.get("mic", ()), 0)
    played = _mover(holes.get("agent", ()), agent_offset)
    raw = [parse_event(line, path, number) for number, line in enumerate(lines[1:], 2)]
    moved = [_moved(event, played if isinstance(event, Play | Underrun) else heard) for event in raw]
    placed, playout = _after_made(moved, header.playout)
    faults = [
        Xrun(event["sample"], event["track"], event["samples"])
        for event in events
        if event["event"] in ("hole", "xrun") and event["sample"] < samples
    ]
    header = replace(header, samples=samples, playout=playout)
    return Trace(header, in_order([*_inside(_ended(placed), samples), *faults])), config


def _mover(holes: Holes, offset: int) -> Move:
    def move(moment: int) -> int:
        return max(0, moment + sum(missing for at, missing in holes if at < moment) + offset)

    return move


def _moved(event: Event, move: Move) -> Event:
    changes: dict[str, Any] = {"t": move(event.t)}
    for name in _MOMENTS.get(type(event), ()):
        value = getattr(event, name)
        changes[name] = move(value) if isinstance(value, int) else tuple(move(item) for item in value)
    return replace(event, **changes)


def _after_made(events: Sequence[Event], latency: int) -> tuple[list[Event], int]:
    """Put sound after its making, where time stamps that shake say otherwise; also what is left of the latency.

    Every sound moves by the same, so that none is torn from another.
    """
    made = {(e.reply, e.chunk): e.ready for e in events if isinstance(e, Pcm)}
    slack = []
    for event in events:
        if isinstance(event, Play):
            ready, frame = made[event.reply, event.chunk], event.offset // FRAME_SAMPLES
            frames = range(frame, frame + event.samples // FRAME_SAMPLES)
            slack += [event.t + (index - frame) * FRAME_SAMPLES - ready[index] for index in frames]
    least = min(slack, default=latency)
    late = max(0, -least)
    out = [replace(e, t=e.t + late) if isinstance(e, Play | Underrun) else e for e in events]
    return out, max(0, min(latency, least))


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
