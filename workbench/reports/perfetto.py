"""A run as a trace for ui.perfetto.dev: stages, devices, playback, listener and events as tracks, a process a session.

The format is the JSON of Chrome's trace viewer ("Trace Event Format", Google 2016), which Perfetto reads: events of
length (``X``), moments (``i``), counters (``C``) and names (``M``). Its times are microseconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.files import canonical_json, write_text
from workbench.metrics.index import index
from workbench.reports.session_data import listener_states, played_chunks
from workbench.reports.timeline_data import buffer_levels
from workbench.runs import Run, SessionRun
from workbench.trace import (
    BargeIn,
    Cancel,
    Commit,
    Dropped,
    Heard,
    Listen,
    Pause,
    Pcm,
    Remark,
    Resume,
    Steps,
    Trace,
    Word,
    Xrun,
)
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE, samples_to_ms

TRACKS = (
    "user (labels)", "listener", "heard by the recognition", "recognition steps", "language model",
    "synthesis steps", "playback", "loudspeaker ran dry", "words and events",
)  # fmt: skip
"""Tracks of a session in order. On one track nothing overlaps, unless one lies inside the other."""

_MOMENTS = (Word, Commit, BargeIn, Pause, Resume, Cancel, Dropped, Xrun, Remark)


def write_perfetto(run: Run) -> Iterator[Path]:
    """Write ``run.perfetto.json`` into the folder of a run; the same run gives the same bytes."""
    sessions = sorted(run.sessions, key=lambda item: item.session.name)
    events = [event for number, item in enumerate(sessions, 1) for event in session_events(item, number)]
    path = run.folder / "run.perfetto.json"
    lines = ",\n".join(canonical_json(event) for event in events)
    write_text(path, f'{{"displayTimeUnit":"ms","traceEvents":[\n{lines}\n]}}\n')
    yield path


def session_events(item: SessionRun, process: int) -> Iterator[dict[str, Any]]:
    """Events of one session.

    Args:
        item: session, labels and trace.
        process: its number in the trace, from 1.
    """
    yield _name("process_name", process, 0, item.session.name)
    for order, title in enumerate(TRACKS, 1):
        yield _name("thread_name", process, order, title)
        yield {"ph": "M", "pid": process, "tid": order, "name": "thread_sort_index", "args": {"sort_index": order}}
    for track, start, stop, name, details in _lengths(item):
        yield {
            "ph": "X", "pid": process, "tid": TRACKS.index(track) + 1, "name": name, "ts": _us(start),
            "dur": round(_us(stop) - _us(start), 3), "args": details,
        }  # fmt: skip
    for event in item.trace.events:
        if isinstance(event, _MOMENTS):
            name = event.text if isinstance(event, Word) else type(event).__name__
            where = {"pid": process, "tid": len(TRACKS), "ts": _us(event.t), "s": "t"}
            yield {"ph": "i", "name": name, **where, "args": asdict(event)}
    for t, level in buffer_levels(list(index(item.trace).replies.values())):
        yield {"ph": "C", "pid": process, "name": "playback buffer", "ts": _us(t), "args": {"frames": level}}


_Length = tuple[str, int, int, str, dict[str, Any]]


def _lengths(item: SessionRun) -> Iterator[_Length]:
    """(track, start, end, name, details) of all that has a length."""
    trace, replies = item.trace, list(index(item.trace).replies.values())
    for label in item.labels:
        if label.kind == "speech":
            yield "user (labels)", label.start, label.end, f"turn {label.turn}", {"words": label.text}
    for start, stop, state in listener_states(trace, replies, trace.header.samples):
        yield "listener", start, stop, state, {}
    yield from _recognition(trace)
    for reply in replies:
        if reply.tokens and reply.transcript:
            tokens = reply.tokens
            yield (
                "language model",
                reply.transcript.t,
                tokens.times[-1],
                f"answer {reply.number}",
                {"text": tokens.text},
            )
        for hole in reply.underruns:
            yield "loudspeaker ran dry", hole.t, hole.t + hole.samples, "underrun", {"voiced": hole.voiced}
    yield from _synthesis(trace)
    for start, stop, number, chunk, text in played_chunks(trace, replies):
        yield "playback", start, stop, f"answer {number}, chunk {chunk}", {"text": text}


def _recognition(trace: Trace) -> Iterator[_Length]:
    """What was heard, and each run of steps as far as its listen cycle goes: single steps have no times in a trace."""
    ends = [event.t for event in trace.events if isinstance(event, Listen | Commit)]
    for event in trace.events:
        if isinstance(event, Heard):
            yield "heard by the recognition", event.start, event.end, "heard", {}
        elif isinstance(event, Steps) and event.stage == "stt":
            stop = next((t for t in ends if t > event.t), trace.header.samples)
            costs = {"cost_ms": samples_to_ms(sum(event.costs)), "over_80_ms": _late(event.costs)}
            yield "recognition steps", event.t, stop, f"{len(event.costs)} steps", costs


def _synthesis(trace: Trace) -> Iterator[_Length]:
    """Each frame of speech from the begin of its step to the moment at which it is ready."""
    costs: Sequence[int] = ()
    free = 0
    for event in trace.events:
        if isinstance(event, Steps) and event.stage == "tts":
            costs = event.costs
        elif isinstance(event, Pcm):
            # A chunk's first steps give no frame yet.
            for frame, (ready, cost) in enumerate(zip(event.ready[::-1], costs[::-1], strict=False)):
                number = len(event.ready) - 1 - frame
                before = event.ready[number - 1] if number else free
                name = f"answer {event.reply}, chunk {event.chunk}, frame {number}"
                start = max(min(before, ready), ready - cost)
                yield "synthesis steps", start, ready, name, {"cost_ms": samples_to_ms(cost)}
            free = event.ready[-1]


def _late(costs: Sequence[int]) -> int:
    return sum(cost > FRAME_SAMPLES for cost in costs)


def _name(what: str, process: int, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": process, "tid": track, "name": what, "args": {"name": name}}


def _us(samples: int) -> float:
    return round(samples * 1_000_000 / SAMPLE_RATE, 3)
