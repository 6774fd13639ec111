"""The trace: everything that happened on the virtual clock, as a closed set of events.

One JSON object a line; the first is the header, the last holds a digest over the lines before it. The trace is the
bridge between models and metrics: a trace written by hand, or by another program, scores like a replayed one.
``docs/trace.md`` describes each event for people who write their own.

Format history:
    1: first published.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args

from workbench.errors import WorkbenchError
from workbench.files import parse_json, write_text
from workbench.units import SAMPLE_RATE

FORMAT = 1

Ints = Sequence[int]


@dataclass(frozen=True, slots=True)
class Listen:
    """A listen cycle opens: the listener waits for speech from here."""

    t: int


@dataclass(frozen=True, slots=True)
class Onset:
    """The gate opened. ``fed_from`` is the first microphone sample of this cycle that the STT gets."""

    t: int
    fed_from: int


@dataclass(frozen=True, slots=True)
class Heard:
    """Microphone samples ``[start, end)`` reached the STT in the cycle that ends at ``t``."""

    t: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """Microphone samples ``[start, end)`` were lost because the listener's queue was full."""

    t: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Word:
    """The STT said a word. ``at`` is where the model puts its end on the session clock."""

    t: int
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The endpointer decided that the user's turn is over.

    Attributes:
        t: when the decision was there, computing included.
        frame_end: end of the frame that decided it.
        reply: number of the answer that follows, from 0.
        reason: ``silence``, ``pause`` (the model's head), ``limit`` (longest speech reached) or ``model`` (a duplex
            model began to speak).
        silence_from: where the silence that was counted began; ``frame_end`` where none was.
    """

    t: int
    frame_end: int
    reply: int
    reason: str
    silence_from: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """The final transcript of the turn is there, flush included."""

    t: int
    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """The LM answered: ``times`` holds when each token was there, ``t`` is the first."""

    t: int
    reply: int
    text: str
    times: Ints


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the answer was handed to the TTS. ``midword`` says that its end cuts a word in two."""

    t: int
    reply: int
    chunk: int
    text: str
    midword: bool = False


@dataclass(frozen=True, slots=True)
class Pcm:
    """The PCM frames (1920 samples each) of one chunk.

    Attributes:
        t: when the first was ready.
        ready: when each was ready, in order.
        voiced: one character per frame, ``1`` where it holds an audible sample.
        lead: samples before the first audible one of the chunk; -1 if there is none.
    """

    t: int
    reply: int
    chunk: int
    ready: Ints
    voiced: str
    lead: int


@dataclass(frozen=True, slots=True)
class Play:
    """``samples`` of a chunk's PCM, from its sample ``offset`` on, left the loudspeaker without a gap from ``t`` on."""

    t: int
    reply: int
    chunk: int
    offset: int
    samples: int


@dataclass(frozen=True, slots=True)
class Underrun:
    """The device wanted samples of an utterance that were not there. ``voiced`` says that speech surrounds the hole."""

    t: int
    reply: int
    samples: int
    voiced: bool


@dataclass(frozen=True, slots=True)
class Done:
    """End-of-speech marker: the last sample of the answer has been played."""

    t: int
    reply: int


@dataclass(frozen=True, slots=True)
class BargeIn:
    """The listener decided that the user interrupts. ``onset`` is where the sound began that did it."""

    t: int
    reply: int
    onset: int
    frame_end: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """The answer was stopped. ``reason`` is ``barge_in``; samples after ``t`` are not played."""

    t: int
    reply: int
    reason: str


@dataclass(frozen=True, slots=True)
class Steps:
    """What a run of model steps cost. ``t`` is when the first began; a cost is in samples of the clock."""

    t: int
    stage: str
    costs: Ints


@dataclass(frozen=True, slots=True)
class Xrun:
    """The audio device reported an over- or underrun of its own (live and recorded sessions only)."""

    t: int
    device: str
    samples: int


@dataclass(frozen=True, slots=True)
class Remark:
    """What must be said of a reply that is not what it seems: the LM's answer was cut off, or empty."""

    t: int
    reply: int
    text: str


Event = (
    Listen
    | Onset
    | Heard
    | Dropped
    | Word
    | Commit
    | Transcript
    | Tokens
    | Chunk
    | Pcm
    | Play
    | Underrun
    | Done
    | BargeIn
    | Cancel
    | Steps
    | Xrun
    | Remark
)


@dataclass(frozen=True)
class Header:
    """What a trace is of.

    Attributes:
        session: name of the session.
        samples: length of the session.
        playout: device latency in samples, already contained in the times of ``play``.
        stack, listener, executors, costs, timing, fingerprint: how it was made; free text for a trace made elsewhere.
        profile: digest of the cost profile, or empty.
        echo: whether the agent's own sound reached the microphone.
    """

    session: str
    samples: int
    playout: int = 0
    stack: str = ""
    listener: str = ""
    executors: str = ""
    costs: str = ""
    profile: str = ""
    timing: str = "fixed"
    fingerprint: str = ""
    echo: bool = False


@dataclass(frozen=True)
class Trace:
    """A header and events in order of time."""

    header: Header
    events: tuple[Event, ...] = field(default_factory=tuple)

    @property
    def digest(self) -> str:
        """SHA-256 over every line but the last."""
        return hashlib.sha256("".join(_lines(self)).encode()).hexdigest()


EVENTS: dict[str, type[Event]] = {kind.__name__.lower(): kind for kind in get_args(Event)}
"""Name in the file → class."""

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def format_trace(trace: Trace) -> str:
    """The trace file as text, digest included."""
    body = "".join(_lines(trace))
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{body}{{"event":"end","digest":"{digest}"}}\n'


def write_trace(path: Path, trace: Trace) -> str:
    """Write a trace, whole or not at all; returns its digest."""
    text = format_trace(trace)
    write_text(path, text)
    return text[-67:-3]


def format_event(event: Event) -> str:
    """One event as a line of JSON, without its end."""
    return _ENCODE(_as_dict(event))


def parse_event(line: str, path: Path, number: int) -> Event:
    """One event of a line as :func:`format_event` wrote it.

    Raises:
        WorkbenchError: names the file and the line.
    """
    return _parse_event(_parse_line(path, number, line), f"{path}: line {number}")


def _lines(trace: Trace) -> list[str]:
    header = {"event": "header", "format": FORMAT, "sample_rate": SAMPLE_RATE} | dataclasses.asdict(trace.header)
    return [_ENCODE(header) + "\n", *(format_event(event) + "\n" for event in trace.events)]


def _as_dict(event: Event) -> dict[str, Any]:
    data: dict[str, Any] = {"event": type(event).__name__.lower()}
    for name in type(event).__slots__:
        value = getattr(event, name)
        data[name] = [int(item) for item in value] if not isinstance(value, str | int | float) else value
    return data


def read_trace(path: Path) -> Trace:
    """Read and check a trace.

    The digest is checked where there is one; a trace written by hand may leave the ``end`` line out.

    Raises:
        WorkbenchError: names the file and the line: not JSON, an unknown event or field, a wrong type, a time that
            runs backwards, a digest that differs.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WorkbenchError(f"{path}: no such trace") from None
    except (OSError, UnicodeDecodeError):
        raise WorkbenchError(f"{path}: cannot be read as UTF-8 text") from None
    # Not splitlines(): JSON may hold line separators of other alphabets as they are.
    lines = text.removesuffix("\n").split("\n") if text else []
    lines = [line + "\n" for line in lines]
    if not lines:
        raise WorkbenchError(f"{path}: empty; the first line must be the header")
    header = _parse_header(_parse_line(path, 1, lines[0]), path)
    events: list[Event] = []
    last = 0
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        data = _parse_line(path, number, line)
        if data.get("event") == "end":
            digest = hashlib.sha256("".join(lines[: number - 1]).encode()).hexdigest()
            if data.get("digest") != digest:
                raise WorkbenchError(f"{path}: digest differs, the trace was changed; replay the session again")
            if any(rest.strip() for rest in lines[number:]):
                raise WorkbenchError(f"{path}: line {number + 1}: nothing may follow the end")
            break
        event = _parse_event(data, f"{path}: line {number}")
        if event.t < last:
            raise WorkbenchError(f"{path}: line {number}: time runs backwards, from {last} to {event.t}")
        last = event.t
        events.append(event)
    return Trace(header, tuple(events))


def _parse_line(path: Path, number: int, line: str) -> dict[str, Any]:
    data = parse_json(line, f"{path}: line {number}")
    if not isinstance(data, dict):
        raise WorkbenchError(f"{path}: line {number}: must be a JSON object")
    return data


def _parse_header(data: dict[str, Any], path: Path) -> Header:
    if data.pop("event", None) != "header":
        raise WorkbenchError(f"{path}: line 1: must be the header")
    if (found := data.pop("format", None)) != FORMAT:
        raise WorkbenchError(f"{path}: format is {found!r}, this version reads {FORMAT}")
    if (rate := data.pop("sample_rate", SAMPLE_RATE)) != SAMPLE_RATE:
        raise WorkbenchError(f"{path}: sample_rate is {rate!r}, must be {SAMPLE_RATE}")
    header: Header = _build(Header, data, f"{path}: line 1")
    return header


def _parse_event(data: dict[str, Any], where: str) -> Event:
    name = data.pop("event", None)
    if name not in EVENTS:
        raise WorkbenchError(f"{where}: unknown event {name!r}; there are {', '.join(sorted(EVENTS))}")
    event: Event = _build(EVENTS[name], data, f"{where}: {name}")
    return event


_CHECKS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    int: (lambda value: type(value) is int, "a whole number"),
    str: (lambda value: type(value) is str, "text"),
    bool: (lambda value: type(value) is bool, "true or false"),
    Ints: (
        lambda value: isinstance(value, list) and all(type(item) is int for item in value),
        "a list of whole numbers",
    ),
}


@cache
def _fields(kind: type) -> dict[str, tuple[Callable[[Any], bool], str, bool]]:
    return {item.name: (*_CHECKS[item.type], item.default is dataclasses.MISSING) for item in dataclasses.fields(kind)}


def _build(kind: type, data: dict[str, Any], where: str) -> Any:
    fields = _fields(kind)
    if unknown := sorted(set(data) - set(fields)):
        raise WorkbenchError(f"{where}: unknown field {unknown[0]!r}")
    for name, (good, words, required) in fields.items():
        if name not in data:
            if required:
                raise WorkbenchError(f"{where}: field {name!r} is missing")
        elif not good(data[name]):
            raise WorkbenchError(f"{where}: {name} is {data[name]!r}, must be {words}")
    if "t" in data and data["t"] < 0:
        raise WorkbenchError(f"{where}: t is {data['t']}, must be 0 or more")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


def in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    """Sort by time; events of one moment keep the order they were given in."""
    return tuple(sorted(events, key=lambda event: event.t))
