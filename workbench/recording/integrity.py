"""Integrity of a tape's files: what of them can be used after a crash, a bad disk or an editor.

Damage raises nothing here. What fails its checksum is named, so that zeros can stand in its place; what only cannot
be checked is kept: the samples after the journal's last line (the process was killed between the two), and those whose
own line is damaged.
"""

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from workbench.errors import WorkbenchError
from workbench.files import read_json
from workbench.units import SAMPLE_RATE

FORMAT = 1
HEADER = "header.json"
TRACKS = ("mic", "agent")
WIDTH = 3
"""Bytes per sample."""
_LONGEST = 86_400 * SAMPLE_RATE
"""No recording is longer than a day, so no hole is."""
_HEADER: Mapping[str, Any] = {
    "tracks": list,
    "limit": int | None,
    "device": dict,
    "calibration": dict | None,
    "provenance": dict,
}
_WHOLE, _NUMBER = (int,), (int, float)
_FIELDS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "hole": {"track": (str,), "samples": _WHOLE, "cause": (str,)},
    "xrun": {"track": (str,), "samples": _WHOLE},
    "starved": {"track": (str,), "samples": _WHOLE},
    "stalled": {"seconds": _NUMBER, "cause": (str,)},
    "pause": {"samples": _WHOLE},
    "mark": {"text": (str,)},
    "moved": {"source": (str,), "rate": _WHOLE},
}
"""What is read of each kind of event, and of what type it must be."""

JournalLine = dict[str, Any] | None
"""A JSON object; None for a line that is none."""
TapeEvent = dict[str, Any]
Spans = list[tuple[int, int]]
"""(first sample, sample after the last), in order."""


@dataclass(frozen=True)
class TapeCommit:
    """A line of the journal.

    Attributes:
        ends: per track, samples on the disk by then, and the checksum of those since the line before.
        offsets: per track, the moment of its sample 0 in samples on the stream's clock.
        undecided: events that the recording gets if it ends here.
    """

    ends: Mapping[str, tuple[int, int]]
    offsets: Mapping[str, float]
    undecided: Sequence[JournalLine]


def read_header(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The header, completed from the track files where it is damaged, and its problems.

    Raises:
        WorkbenchError: a later version wrote it.
    """
    header: Any = None
    with suppress(WorkbenchError):
        header = read_json(folder / HEADER)
    if not isinstance(header, dict):
        header = {}
    version = header.get("format", FORMAT)
    if isinstance(version, int) and version > FORMAT:
        raise WorkbenchError(f"{folder / HEADER}: not a header this version reads (format {FORMAT})")
    good = {name: header[name] for name, kind in _HEADER.items() if name in header and isinstance(header[name], kind)}
    named = good.get("tracks", [])
    good["tracks"] = [t for t in TRACKS if t in named or t == "mic" or (folder / f"{t}.s24").exists()]
    is_whole = named == good["tracks"] and good.keys() == _HEADER.keys() & header.keys()
    return good, [] if is_whole else [f"{HEADER} is damaged: what it said of devices and calibration may be gone"]


def read_lines(path: Path) -> list[JournalLine]:
    """The whole lines of a file that may end in half a line; none if it is not there."""
    if not path.exists():
        return []
    return [_object(line) for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]]


def _object(line: str) -> JournalLine:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_commit(line: JournalLine) -> TapeCommit | None:
    """A line of the journal; None where it cannot be one."""
    try:
        ends = {track: (end, crc) for track, (end, crc) in (line or {})["tracks"].items()}
        offsets = dict((line or {})["offsets"])
        undecided = (line or {}).get("undecided", [])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    whole = all(type(end) is type(crc) is int and end >= 0 for end, crc in ends.values())
    known = all(type(value) in _NUMBER and math.isfinite(value) for value in offsets.values())
    return TapeCommit(ends, offsets, undecided) if whole and known and isinstance(undecided, list) else None


def check_track(path: Path, size: int, segments: Sequence[tuple[int, int] | None]) -> Spans:
    """Where the samples of a track fail their checksums.

    Args:
        path: of the samples.
        size: how many there are.
        segments: for each line of the journal where the track ended and the checksum since the line before; None where
            the line cannot be read.
    """
    damaged: Spans = []
    if not size:
        return damaged
    here, sure = 0, True
    with path.open("rb") as file:
        for segment in segments:
            if segment is None or not here <= segment[0] <= size:
                sure = False  # the next checksum begins nobody knows where
                continue
            end, crc = segment
            if sure and end > here and _crc(file, here, end) != crc:
                joined = damaged.pop()[0] if damaged and damaged[-1][1] == here else here
                damaged.append((joined, end))
            here, sure = end, True
    return damaged


def _crc(file: BinaryIO, start: int, end: int) -> int | None:
    """Checksum of these samples; None where the disk does not give them."""
    crc, left = 0, (end - start) * WIDTH
    try:
        file.seek(start * WIDTH)
        while left > 0 and (data := file.read(min(left, 1 << 20))):
            crc = zlib.crc32(data, crc)
            left -= len(data)
    except OSError:
        return None
    return crc


def is_event(event: JournalLine, tracks: Sequence[str]) -> bool:
    """Whether an event can be what the recorder wrote."""
    if event is None or type(event.get("sample")) is not int or event["sample"] < 0:
        return False
    if not isinstance(event.get("event"), str) or event.get("track", "mic") not in tracks:
        return False
    if not all(type(event.get(name)) in types for name, types in _FIELDS.get(event["event"], {}).items()):
        return False
    samples = event.get("samples", 0)
    return type(samples) is int and 0 <= samples <= _LONGEST


def read_events(path: Path, tracks: Sequence[str]) -> tuple[list[TapeEvent], list[str]]:
    """The events that can be read, and what is wrong with the others."""
    lines = read_lines(path)
    good = [event for event in lines if event is not None and is_event(event, tracks)]
    bad = [n for n, event in enumerate(lines, 1) if not is_event(event, tracks)]
    return good, [f"line {number} of {path.name} cannot be read" for number in bad]


def closed(events: Sequence[TapeEvent], undecided: Sequence[TapeEvent], end: int) -> list[TapeEvent]:
    """The events of a tape, as they would be had the recording ended in order where it was cut off.

    Args:
        events: as written.
        undecided: what the journal's last line would have added; it may have been decided since.
        end: samples of the microphone track.
    """
    decided = {(event["sample"], event.get("track")) for event in events if event["event"] in ("hole", "xrun")}
    over = {event["sample"] for event in events if event["event"] == "pause"}
    found = [event for event in events if event["event"] != "paused"]
    found += [event for event in undecided if (event["sample"], event.get("track")) not in decided]
    for event in events:
        at = event["sample"]
        if event["event"] == "paused" and at not in over and at < end:
            found.append({"sample": at, "event": "pause", "samples": end - at})
    return found
