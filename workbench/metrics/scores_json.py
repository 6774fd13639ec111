"""``scores.json``: scores for programs, with the raw values they were computed from.

Format history:
    1: ``scores``, ``intervals``, ``counts``, ``notes`` and ``sessions``; ``docs/metrics.md`` describes them.
    2: ``prices``; ``losses`` and ``reasons`` of each session.
"""

import dataclasses
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from workbench.errors import WorkbenchError
from workbench.files import canonical_json, pretty_json, read_json, write_text
from workbench.metrics.definitions import BY_KEY
from workbench.metrics.loss import DEFAULT, Prices
from workbench.metrics.rows import ROWS, SessionScores, TurnRow, Waterfall
from workbench.metrics.summary import Summary

FORMAT = 2


def to_json(sessions: Sequence[SessionScores], summary: Summary, prices: Prices) -> dict[str, Any]:
    """The content of ``scores.json``."""
    return {
        "format": FORMAT,
        "prices": dataclasses.asdict(prices),
        "scores": summary.scores,
        "intervals": {key: list(span) for key, span in summary.intervals.items()},
        "counts": {key: list(count) for key, count in summary.counts.items()},
        "notes": list(summary.notes),
        "sessions": [_plain(session) for session in sessions],
    }


def _plain(value: Any) -> Any:
    """A value of a row for JSON; unlike ``dataclasses.asdict`` it copies nothing, which takes half the time."""
    if isinstance(value, str | int | float) or value is None:
        return value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def write_scores(path: Path, sessions: Sequence[SessionScores], summary: Summary, prices: Prices = DEFAULT) -> None:
    """Write ``scores.json``, whole or not at all: what people read spread out, the raw values a session a line."""
    data = to_json(sessions, summary, prices)
    lines = ",\n".join(f"    {canonical_json(session)}" for session in data.pop("sessions"))
    head = pretty_json(data).removesuffix("\n}\n")
    write_text(path, f'{head},\n  "sessions": [\n{lines}\n  ]\n}}\n')


def read_scores(path: Path) -> tuple[tuple[SessionScores, ...], Summary]:
    """Read ``scores.json``; what :func:`write_scores` was given comes back.

    Raises:
        WorkbenchError: names the file and what in it is wrong.
    """
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise WorkbenchError(f"{path}: format is {found!r}, this version reads {FORMAT}; score the run again")
    if missing := sorted({"scores", "intervals", "counts", "notes", "sessions"} - set(data)):
        raise WorkbenchError(f"{path}: {missing[0]!r} is missing; score the run again")
    try:
        sessions = tuple(_session(item, str(path)) for item in data["sessions"])
        summary = Summary(
            dict(data["scores"]),
            {key: (low, high) for key, (low, high) in data["intervals"].items()},
            {key: (k, n) for key, (k, n) in data["counts"].items()},
            tuple(data["notes"]),
        )
    except (AttributeError, TypeError, ValueError):
        raise WorkbenchError(f"{path}: not in the form of scores.json; score the run again") from None
    if unknown := sorted(set(summary.scores) - set(BY_KEY)):
        raise WorkbenchError(f"{path}: unknown score {unknown[0]!r}; score the run again")
    return sessions, summary


def pack(scores: SessionScores) -> bytes:
    """Scores of a session for the cache: values in the order of their fields, without names."""
    return json.dumps(_values(scores), separators=(",", ":"), ensure_ascii=False).encode()


def unpack(data: bytes) -> SessionScores:
    """The inverse of :func:`pack`."""
    values = dict(zip(_types(SessionScores), json.loads(data), strict=True))
    for row in values["turns"]:
        row[_WATERFALL] = row[_WATERFALL] and Waterfall(*row[_WATERFALL])
    for name, value in values.items():
        if name in ROWS:
            values[name] = tuple(ROWS[name](*row) for row in value)
        elif isinstance(value, list):
            values[name] = tuple(map(tuple, value) if value and isinstance(value[0], list) else value)
    return SessionScores(**values)


_WATERFALL = [field.name for field in dataclasses.fields(TurnRow)].index("waterfall")


def _values(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_values(item) for item in value]
    if dataclasses.is_dataclass(value):
        return [_values(getattr(value, field.name)) for field in dataclasses.fields(value)]
    return value


def _session(data: dict[str, Any], where: str) -> SessionScores:
    values = {
        name: tuple(_row(ROWS[name], item, f"{where}: {name}") for item in value)
        if name in ROWS
        else tuple(tuple(item) if isinstance(item, list) else item for item in value)
        if isinstance(value, list)
        else value
        for name, value in data.items()
    }
    built: SessionScores = _build(SessionScores, values, where)
    return built


def _row(kind: type, data: dict[str, Any], where: str) -> Any:
    values = dict(data)
    if values.get("waterfall"):
        values["waterfall"] = _build(Waterfall, values["waterfall"], where)
    return _build(kind, values, where)


@cache
def _types(kind: type) -> dict[str, tuple[type, ...]]:
    return {
        name: tuple(get_origin(item) or item for item in (get_args(hint) if isinstance(hint, UnionType) else (hint,)))
        for name, hint in get_type_hints(kind).items()
    }


def _build(kind: type, values: dict[str, Any], where: str) -> Any:
    types = _types(kind)
    if wrong := sorted(set(values) ^ set(types)):
        raise WorkbenchError(f"{where}: {wrong[0]!r} is {'unknown' if wrong[0] in values else 'missing'}")
    for name, value in values.items():
        if not isinstance(value, types[name]):
            raise WorkbenchError(f"{where}: {name} is {value!r}, which is not of its type")
    return kind(**values)
