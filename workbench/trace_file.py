"""Trace files: JSON lines, read and written.

The first line is the header, each further one an event, the last holds a digest over the lines before it.
``docs/trace.md`` describes the format for people who write their own.

Format history:
    1: first published.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_args

from workbench.errors import WorkbenchError, quoted
from workbench.files import parse_json, read_text, write_text
from workbench.trace import Event, Header, Ints, Trace
from workbench.units import SAMPLE_RATE

FORMAT = 1
MOST_BYTES = 1 << 29
"""Largest trace that is read: 537 MB. An hour of talk takes some 10 MB."""

EVENTS: dict[str, type[Event]] = {kind.__name__.lower(): kind for kind in get_args(Event)}
"""Name in the file → class."""

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def trace_digest(trace: Trace) -> str:
    """SHA-256 over every line but the last."""
    return hashlib.sha256("".join(_lines(trace)).encode()).hexdigest()


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
    if not path.exists():
        raise WorkbenchError(f"{path}: no such trace")
    text = read_text(path, MOST_BYTES)
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
        raise WorkbenchError(f"{path}: format is {quoted(found)}, this version reads {FORMAT}")
    if (rate := data.pop("sample_rate", SAMPLE_RATE)) != SAMPLE_RATE:
        raise WorkbenchError(f"{path}: sample_rate is {quoted(rate)}, must be {SAMPLE_RATE}")
    header: Header = _build(Header, data, f"{path}: line 1")
    return header


def _parse_event(data: dict[str, Any], where: str) -> Event:
    name = data.pop("event", None)
    if not isinstance(name, str) or name not in EVENTS:
        raise WorkbenchError(f"{where}: unknown event {quoted(name)}; there are {', '.join(sorted(EVENTS))}")
    event: Event = _build(EVENTS[name], data, f"{where}: {name}")
    return event


def _is_whole(value: Any) -> bool:
    return type(value) is int and -(2**53) < value < 2**53


_CHECKS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    int: (lambda value: _is_whole(value), "a whole number below 2**53"),
    str: (lambda value: type(value) is str, "text"),
    bool: (lambda value: type(value) is bool, "true or false"),
    Ints: (
        lambda value: isinstance(value, list) and all(_is_whole(item) for item in value),
        "a list of whole numbers below 2**53",
    ),
}


@cache
def _fields(kind: type) -> dict[str, tuple[Callable[[Any], bool], str, bool]]:
    return {item.name: (*_CHECKS[item.type], item.default is dataclasses.MISSING) for item in dataclasses.fields(kind)}


def _build(kind: type, data: dict[str, Any], where: str) -> Any:
    fields = _fields(kind)
    if unknown := sorted(set(data) - set(fields)):
        raise WorkbenchError(f"{where}: unknown field {quoted(unknown[0])}")
    for name, (good, words, required) in fields.items():
        if name not in data:
            if required:
                raise WorkbenchError(f"{where}: field {name!r} is missing")
        elif not good(data[name]):
            raise WorkbenchError(f"{where}: {name} is {quoted(data[name])}, must be {words}")
    if "t" in data and data["t"] < 0:
        raise WorkbenchError(f"{where}: t is {data['t']}, must be 0 or more")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})
