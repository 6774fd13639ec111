"""A recording on disk: its reader, writer and checks. The format is documented in ``docs/session.md``.

Format history:
    1: ``session.json`` with tracks, samples, SHA-256, device, calibration, echo path and provenance; ``live`` where an
       assistant ran live.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt
import soundfile

from workbench.arrays import Audio
from workbench.errors import WorkbenchError, quoted
from workbench.files import check_file, pretty_json, read_json, sha256_file, write_text
from workbench.sessions.echo_path import check_echo
from workbench.sessions.folders import LABELS, LIVE_TRACE, MANIFEST, PARTIAL, check_name, why_unfinished
from workbench.sessions.manifest import LiveEntry, TrackEntry, parse_manifest
from workbench.sessions.tracks import Track, frame_rms, read_part
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

FORMAT = 1
LABEL_SOURCES = ("human", "constructed", "auto")
_STREAM_FRAMES = 750
"""Frames read at once when a track is streamed: one minute, 5.8 MB as float32."""


@dataclass(frozen=True)
class Live:
    """What an assistant did that ran live: its trace, and its config (section → knob → value)."""

    path: Path
    sha256: str
    config: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Session:
    """An opened session. Opening reads the manifest and the audio headers, never the audio.

    Attributes:
        samples: length of every track; sample 0 of all tracks is the same moment.
        echo: ``{"taps": [[delay_ms, gain_db], ...]}``: how the loudspeaker reaches the microphone, or None.
        labels_source: ``human``, ``constructed`` or ``auto``; None where there are no labels.
        live: trace of the assistant that ran live while this was recorded, and its config; None where none did.
    """

    folder: Path
    name: str
    samples: int
    tracks: Mapping[str, Track]
    device: Mapping[str, Any] | None = None
    calibration: Mapping[str, Any] | None = None
    echo: Mapping[str, Any] | None = None
    labels_source: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    live: "Live | None" = None

    @property
    def frames(self) -> int:
        """Whole 80 ms frames: a trailing part of a frame never reaches a model."""
        return self.samples // FRAME_SAMPLES

    @property
    def mic(self) -> Track:
        """The microphone track: every session has one."""
        return self.tracks["mic"]

    @property
    def labels_path(self) -> Path:
        """Where the reference labels are, whether or not there are any."""
        return self.folder / LABELS

    @property
    def has_labels(self) -> bool:
        """Whether there is a label file; a link to nothing counts, so that reading it says so."""
        return os.path.lexists(self.labels_path)

    def read(self, start: int, stop: int, track: str = "mic") -> Audio:
        """Samples ``[start, stop)`` of a track, float32 in [-1, 1); zeros beyond either end.

        Raises:
            WorkbenchError: the file cannot be decoded there.
        """
        return read_part(self.tracks[track].path, start, stop, self.samples)

    def stream(self, track: str = "mic") -> Iterator[Audio]:
        """The whole frames of a track in order, as arrays of shape (n, 1920), a minute at a time."""
        for first in range(0, self.frames, _STREAM_FRAMES):
            last = min(first + _STREAM_FRAMES, self.frames)
            yield self.read(first * FRAME_SAMPLES, last * FRAME_SAMPLES, track).reshape(-1, FRAME_SAMPLES)

    @cached_property
    def levels(self) -> npt.NDArray[np.float32]:
        """RMS of each whole microphone frame, linear full scale, shape (frames,)."""
        parts = [frame_rms(block) for block in self.stream()]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def know_levels(self, levels: npt.NDArray[np.float32]) -> None:
        """Take :attr:`levels` from where they were kept, so that the recording is not decoded for them."""
        self.__dict__["levels"] = levels

    def verify(self) -> list[str]:
        """Check every file against its checksum; one line per file that differs, none if all is well."""
        problems = [
            f"{track.path}: checksum differs from {MANIFEST}; restore the file or import it again"
            for _, track in sorted(self.tracks.items())
            if sha256_file(track.path) != track.sha256
        ]
        if self.live is not None and sha256_file(self.live.path) != self.live.sha256:
            problems.append(f"{self.live.path}: checksum differs from {MANIFEST}; restore the file")
        return problems


def open_session(folder: Path) -> Session:
    """Open a session folder and check all that can be checked without reading the audio.

    Raises:
        WorkbenchError: not a session, a cut-off recording, an unknown format or key, a track that leaves the
            folder, has another rate, channel count or length than the manifest says.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise WorkbenchError(f"{folder}: no such session folder ('workbench sessions' lists them)")
    if not os.path.lexists(folder / MANIFEST):
        if (folder / PARTIAL).exists():
            raise WorkbenchError(why_unfinished(folder))
        raise WorkbenchError(f"{folder}: not a session, {MANIFEST} is missing ('workbench import' makes one)")
    return _parse(folder, read_json(folder / MANIFEST))


def _parse(folder: Path, data: Any) -> Session:
    where = folder / MANIFEST
    form = parse_manifest(data, str(where))
    if "mic" not in form.tracks:
        raise WorkbenchError(f"{where}: tracks must hold 'mic'")
    return Session(
        folder=folder,
        name=check_name(data.get("name", folder.name), str(where)),
        samples=form.samples,
        tracks={key: _track(folder, key, value, form.samples) for key, value in form.tracks.items()},
        device=form.device,
        calibration=form.calibration,
        echo=check_echo(form.echo, str(where)),
        labels_source=form.labels,
        provenance=form.provenance or {},
        live=_live(folder, form.live),
    )


def _track(folder: Path, key: str, entry: TrackEntry, samples: int) -> Track:
    where = f"{folder / MANIFEST}: tracks.{key}"
    path = folder / _inside(folder, entry.file, where)
    if not path.exists():
        raise WorkbenchError(f"{path}: track {key!r} is missing")
    check_file(path)
    try:
        info = soundfile.info(path)
    except (OSError, soundfile.SoundFileError):
        raise WorkbenchError(f"{path}: track {key!r} cannot be decoded; restore it") from None
    if info.samplerate != SAMPLE_RATE:
        raise WorkbenchError(f"{path}: {info.samplerate} Hz, must be {SAMPLE_RATE} ('workbench import' converts)")
    if info.channels != 1:
        raise WorkbenchError(f"{path}: {info.channels} channels, must be mono ('workbench import' converts)")
    if info.frames != entry.samples or info.frames != samples:
        raise WorkbenchError(f"{path}: {info.frames} samples, {MANIFEST} says {entry.samples} of {samples}")
    return Track(key, path, samples, entry.sha256)


def _inside(folder: Path, file: str, where: str) -> PurePosixPath:
    """A file's path inside the session folder, without a link in any part of it: a link may lead to anybody's audio."""
    if not file or "\0" in file:
        raise WorkbenchError(f"{where}: file is {quoted(file)}, must be a path")
    inside = PurePosixPath(file)
    links = [part for part in (inside, *inside.parents) if part.name and (folder / part).is_symlink()]
    if inside.is_absolute() or ".." in inside.parts or links:
        raise WorkbenchError(f"{where}: file {quoted(file)} leaves the session folder")
    return inside


def _live(folder: Path, entry: LiveEntry | None) -> Live | None:
    if entry is None:
        return None
    _inside(folder, LIVE_TRACE, f"{folder / MANIFEST}: live")
    if not (folder / LIVE_TRACE).is_file():
        raise WorkbenchError(f"{folder / LIVE_TRACE}: the live trace is missing; restore it")
    return Live(folder / LIVE_TRACE, entry.sha256, entry.config)


class ManifestFacts(TypedDict, total=False):
    """What a manifest may say of its session besides the tracks; what is left out is None or empty.

    Attributes:
        name: name of the session; the folder's name by default.
        device: device that recorded it.
        calibration: noise and speech levels measured there.
        echo: echo path, see :func:`check_echo`.
        labels_source: one of :data:`LABEL_SOURCES`; None where there are no labels.
        live: ``{"file", "sha256", "config"}`` of the assistant that ran live; None where none did.
        provenance: where the audio comes from, and its licence.
    """

    name: str
    device: Mapping[str, Any] | None
    calibration: Mapping[str, Any] | None
    echo: Mapping[str, Any] | None
    labels_source: str | None
    live: Mapping[str, Any] | None
    provenance: Mapping[str, Any]


def write_manifest(folder: Path, tracks: Mapping[str, str], **facts: Unpack[ManifestFacts]) -> Session:
    """Write ``session.json`` over tracks that are already in the folder, and open the result.

    Args:
        folder: folder of the session.
        tracks: track name → file name inside the folder, ``mic`` among them.
        facts: see :class:`ManifestFacts`.

    Raises:
        WorkbenchError: a track is missing, or lengths differ.
    """
    entries: dict[str, Any] = {}
    for key, file in sorted(tracks.items()):
        try:
            samples = soundfile.info(folder / file).frames
        except (OSError, soundfile.SoundFileError):
            raise WorkbenchError(f"{folder / file}: track {key!r} is missing or not audio") from None
        entries[key] = {"file": file, "samples": samples, "sha256": sha256_file(folder / file)}
    live = facts.get("live")
    data = {
        "format": FORMAT,
        "name": facts.get("name", folder.name),
        "sample_rate": SAMPLE_RATE,
        "samples": entries["mic"]["samples"],
        "tracks": entries,
        "device": facts.get("device"),
        "calibration": facts.get("calibration"),
        "echo": facts.get("echo"),
        "labels": facts.get("labels_source"),
        **({"live": dict(live)} if live is not None else {}),
        "provenance": dict(facts.get("provenance", {})),
    }
    session = _parse(folder, data)
    write_text(folder / MANIFEST, pretty_json(data))
    return session


def update_manifest(session: Session, **changes: Any) -> Session:
    """Change some of ``device``, ``calibration``, ``echo`` and ``labels`` in place; the audio stays as it is.

    Raises:
        WorkbenchError: the result would not open.
    """
    if wrong := sorted(set(changes) - {"device", "calibration", "echo", "labels"}):
        raise TypeError(f"not a field that may change: {wrong[0]}")
    path = session.folder / MANIFEST
    data = read_json(path) | changes
    updated = _parse(session.folder, data)
    write_text(path, pretty_json(data))
    return updated
