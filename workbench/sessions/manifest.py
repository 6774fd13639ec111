"""``session.json`` as it is read: checked, and otherwise as it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_KEYS = {
    "format", "name", "sample_rate", "samples", "tracks", "device", "calibration", "echo", "labels", "live",
    "provenance",
}  # fmt: skip
_LONGEST = 86_400 * 24_000
"""Samples: no session is longer than a day."""


@dataclass(frozen=True)
class TrackEntry:
    """One track: its file inside the folder, its length, and the SHA-256 of the file."""

    file: str
    samples: int
    sha256: str


@dataclass(frozen=True)
class LiveEntry:
    """The live run: file and SHA-256 of its trace, and its config (section → knob → value)."""

    file: str
    sha256: str
    config: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Manifest:
    """What a manifest says besides the session's name; the echo path is checked where it is used."""

    samples: int
    tracks: Mapping[str, TrackEntry]
    device: Mapping[str, Any] | None
    calibration: Mapping[str, Any] | None
    echo: Any
    labels: str | None
    live: LiveEntry | None
    provenance: Mapping[str, Any] | None


def parse_manifest(data: Any, where: str) -> Manifest:
    """Check a manifest.

    Args:
        data: parsed JSON.
        where: names the file in errors.

    Raises:
        WorkbenchError: names the file and the key that is wrong.
    """
    if not is_usual(data):  # pydantic, which takes longer to load than all else here, says what is wrong
        from workbench.file_forms import SessionForm, check_form

        data = check_form(SessionForm, data, where, "restore it, or import the audio again").model_dump()
    live = data.get("live")
    return Manifest(
        samples=data["samples"],
        tracks={key: TrackEntry(**entry) for key, entry in sorted(data["tracks"].items())},
        device=data.get("device"),
        calibration=data.get("calibration"),
        echo=data.get("echo"),
        labels=data.get("labels"),
        live=None if live is None else LiveEntry(**live),
        provenance=data.get("provenance"),
    )


def is_usual(data: Any) -> bool:
    """Whether a manifest certainly has the form that :class:`workbench.file_forms.SessionForm` describes."""
    return (
        isinstance(data, dict)
        and data.keys() <= _KEYS
        and all(type(data.get(key)) is int for key in ("format", "sample_rate", "samples"))
        and (data["format"], data["sample_rate"]) == (1, 24_000)
        and 0 < data["samples"] <= _LONGEST
        and isinstance(data.get("tracks"), dict)
        and all(map(_is_usual_track, data["tracks"].values()))
        and all(isinstance(data.get(key), dict | None) for key in ("device", "calibration", "provenance"))
        and data.get("labels") in (None, "human", "constructed", "auto")
        and data.get("live") is None
    )


def _is_usual_track(entry: Any) -> bool:
    return isinstance(entry, dict) and {key: type(value) for key, value in entry.items()} == TrackEntry.__annotations__
