"""A recording on disk: its reader, writer and checks. The format is documented in ``docs/session.md``.

Format history:
    1: ``session.json`` with tracks, samples, SHA-256, device, calibration, echo path and provenance; ``live`` where an
       assistant ran live.
"""

import fcntl
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.files import RECORDINGS, pretty_json, read_json, replacing, sha256_file, write_text
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

FORMAT = 1
MANIFEST = "session.json"
LABELS = "labels.csv"
EVENTS = "events.jsonl"
LIVE_TRACE = "live.trace.jsonl"
PARTIAL = ".recording"
"""Folder inside a session that is still being recorded, or was cut off: ``record --recover`` finishes it."""
LOCK = "lock"
"""File in there that the recording process has locked."""

_KEYS = {
    "format", "name", "sample_rate", "samples", "tracks", "device", "calibration", "echo", "labels", "live",
    "provenance",
}  # fmt: skip
LABEL_SOURCES = ("human", "constructed", "auto")
_STREAM_FRAMES = 750
"""Frames read at once when a track is streamed: one minute, 5.8 MB as float32."""


@dataclass(frozen=True)
class Track:
    """One audio file of a session: mono FLAC at 24 kHz."""

    name: str
    path: Path
    samples: int
    sha256: str


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

    def read(self, start: int, stop: int, track: str = "mic") -> Audio:
        """Samples ``[start, stop)`` of a track, float32 in [-1, 1); zeros beyond either end.

        Raises:
            WorkbenchError: the file cannot be decoded there.
        """
        out = np.zeros(max(0, stop - start), dtype=np.float32)
        first, last = max(0, start), min(stop, self.samples)
        if first >= last:
            return out
        path = self.tracks[track].path
        try:
            with soundfile.SoundFile(path) as file:
                file.seek(first)
                block = file.read(last - first, dtype="float32")
        except (OSError, soundfile.SoundFileError) as error:
            raise WorkbenchError(f"{path}: cannot be decoded ({error}); restore the file") from None
        if len(block) != last - first:
            raise WorkbenchError(f"{path}: ends early, at sample {first + len(block)}; restore the file")
        out[first - start : first - start + len(block)] = block
        return out

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


def frame_rms(frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Root mean square of each frame, shape (n, 1920) → (n,), in float32 as the consumer computes it.

    >>> frame_rms(np.full((1, 1920), 0.5, dtype=np.float32)).tolist()
    [0.5]
    """
    means: npt.NDArray[np.float32] = np.square(frames).mean(axis=1, dtype=np.float32)
    # One scalar power a frame, as the consumer takes it: numpy's root and its power of arrays differ in the last bit.
    return np.fromiter((mean**0.5 for mean in means), dtype=np.float32, count=len(means))


def open_session(folder: Path) -> Session:
    """Open a session folder and check all that can be checked without reading the audio.

    Raises:
        WorkbenchError: not a session, a cut-off recording, an unknown format or key, a track that leaves the
            folder, has another rate, channel count or length than the manifest says.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise WorkbenchError(f"{folder}: no such session folder ('workbench sessions' lists them)")
    if not (folder / MANIFEST).exists():
        if (folder / PARTIAL).exists():
            raise WorkbenchError(why_unfinished(folder))
        raise WorkbenchError(f"{folder}: not a session, {MANIFEST} is missing ('workbench import' makes one)")
    return _parse(folder, read_json(folder / MANIFEST))


def is_recording(folder: Path) -> bool:
    """Whether a process records or finishes this session right now."""
    try:
        with (folder / PARTIAL / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def why_unfinished(folder: Path) -> str:
    """Why a folder with a tape is no session, and what to do about it."""
    if is_recording(folder):
        return f"{folder}: is being recorded right now; stop that recording first"
    return f"{folder}: recording was cut off; finish it with '{recover_command(folder)}'"


def recover_command(folder: Path) -> str:
    """The command that finishes this session.

    >>> recover_command(Path("recordings/a")), recover_command(Path("other/a"))
    ('workbench record --recover', 'workbench record --recover --dir other')
    """
    parent = folder.parent if folder.name not in ("", "..") else folder.resolve().parent
    if parent.resolve() == RECORDINGS.resolve():
        return "workbench record --recover"
    is_plain = shlex.quote(str(parent)) == str(parent)
    return f"workbench record --recover --dir {parent if is_plain else json.dumps(str(parent), ensure_ascii=False)}"


def _parse(folder: Path, data: Any) -> Session:
    where = folder / MANIFEST
    if not isinstance(data, dict):
        raise WorkbenchError(f"{where}: must hold a JSON object")
    if data.get("format") != FORMAT:
        raise WorkbenchError(f"{where}: format is {data.get('format')!r}, this version reads {FORMAT}")
    if unknown := sorted(set(data) - _KEYS):
        raise WorkbenchError(f"{where}: unknown key {unknown[0]!r}")
    if data.get("sample_rate") != SAMPLE_RATE:
        raise WorkbenchError(f"{where}: sample_rate is {data.get('sample_rate')!r}, must be {SAMPLE_RATE}")
    samples = data.get("samples")
    if not isinstance(samples, int) or samples <= 0:
        raise WorkbenchError(f"{where}: samples is {samples!r}, must be a whole number above 0")
    tracks = data.get("tracks")
    if not isinstance(tracks, dict) or "mic" not in tracks:
        raise WorkbenchError(f"{where}: tracks must hold 'mic'")
    source = data.get("labels")
    if source is not None and source not in LABEL_SOURCES:
        raise WorkbenchError(f"{where}: labels is {source!r}, must be one of {', '.join(LABEL_SOURCES)}")
    name = check_name(data.get("name", folder.name), str(where))
    return Session(
        folder=folder,
        name=name,
        samples=samples,
        tracks={key: _track(folder, key, value, samples) for key, value in sorted(tracks.items())},
        device=data.get("device"),
        calibration=data.get("calibration"),
        echo=check_echo(data.get("echo"), str(where)),
        labels_source=source,
        provenance=data.get("provenance") or {},
        live=_live(folder, data.get("live")),
    )


def check_name(name: Any, where: str) -> str:
    """A session's name is also the stem of its output files: letters, digits, dot, dash and underscore.

    Raises:
        WorkbenchError: names ``where``.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        raise WorkbenchError(f"{where}: name {name!r} must be letters, digits, '.', '-' and '_'")
    return name


def check_echo(echo: Any, where: str) -> Mapping[str, Any] | None:
    """Check an echo path: ``{"taps": [[delay_ms, gain_db], ...]}``, delays from 0 to 2000 ms.

    Raises:
        WorkbenchError: names ``where`` and the tap that is wrong.
    """
    if echo is None:
        return None
    taps = echo.get("taps") if isinstance(echo, dict) else None
    if not isinstance(taps, list) or set(echo) != {"taps"}:
        raise WorkbenchError(f'{where}: echo must be {{"taps": [[delay_ms, gain_db], ...]}}')
    for tap in taps:
        good = isinstance(tap, list) and len(tap) == 2 and all(type(v) in (int, float) for v in tap)
        if not good or not 0 <= tap[0] <= 2000 or not -120 <= tap[1] <= 20:
            raise WorkbenchError(f"{where}: echo tap {tap!r} must be [0–2000 ms, -120–20 dB]")
    return {"taps": taps}


def _track(folder: Path, key: str, entry: Any, samples: int) -> Track:
    where = f"{folder / MANIFEST}: tracks.{key}"
    if not isinstance(entry, dict) or set(entry) != {"file", "samples", "sha256"}:
        raise WorkbenchError(f"{where} must hold file, samples and sha256")
    file = PurePosixPath(str(entry["file"]))
    if file.is_absolute() or ".." in file.parts or (folder / file).is_symlink():
        raise WorkbenchError(f"{where}: file {str(file)!r} leaves the session folder")
    path = folder / file
    try:
        info = soundfile.info(path)
    except (OSError, soundfile.SoundFileError):
        problem = "cannot be decoded; restore it" if path.exists() else "is missing"
        raise WorkbenchError(f"{path}: track {key!r} {problem}") from None
    if info.samplerate != SAMPLE_RATE:
        raise WorkbenchError(f"{path}: {info.samplerate} Hz, must be {SAMPLE_RATE} ('workbench import' converts)")
    if info.channels != 1:
        raise WorkbenchError(f"{path}: {info.channels} channels, must be mono ('workbench import' converts)")
    if info.frames != entry["samples"] or info.frames != samples:
        raise WorkbenchError(f"{path}: {info.frames} samples, {MANIFEST} says {entry['samples']} of {samples}")
    return Track(key, path, samples, str(entry["sha256"]))


def _live(folder: Path, entry: Any) -> Live | None:
    if entry is None:
        return None
    where = f"{folder / MANIFEST}: live"
    good = isinstance(entry, dict) and set(entry) == {"file", "sha256", "config"} and isinstance(entry["config"], dict)
    if not good or not all(isinstance(section, dict) for section in entry["config"].values()):
        raise WorkbenchError(f"{where} must hold file, sha256 and config")
    if entry["file"] != LIVE_TRACE:
        raise WorkbenchError(f"{where}: file is {entry['file']!r}, must be {LIVE_TRACE}")
    if not (folder / LIVE_TRACE).is_file():
        raise WorkbenchError(f"{folder / LIVE_TRACE}: the live trace is missing; restore it")
    return Live(folder / LIVE_TRACE, str(entry["sha256"]), entry["config"])


def write_track(path: Path, blocks: Iterator[npt.NDArray[Any]], subtype: str = "PCM_16") -> int:
    """Write mono blocks to a FLAC file, whole or not at all.

    Args:
        path: ends in ``.flac``.
        blocks: 1-D, concatenated. Whole numbers are taken as they are, at full scale of their type. Floats in [-1, 1)
            are rounded to the nearest step here, by the scale at which they are read, so that a sample that came from
            a track goes back as it was; libsndfile would write floats by another scale, one step less than that.
        subtype: ``PCM_16`` or ``PCM_24``.

    Returns:
        Samples written.
    """
    samples = 0
    with (
        replacing(path) as beside,
        soundfile.SoundFile(beside, "w", SAMPLE_RATE, 1, subtype=subtype, format="FLAC") as file,
    ):
        for block in blocks:
            file.write(_whole(block, 16 if subtype == "PCM_16" else 24) if block.dtype.kind == "f" else block)
            samples += len(block)
    return samples


def _whole(pcm: npt.NDArray[Any], bits: int) -> npt.NDArray[np.int32]:
    """Floats to whole numbers of so many bits, in the upper bits of 32; clipped, and 0 for what is no number."""
    full = 1 << (bits - 1)
    scaled = np.nan_to_num(np.rint(pcm.astype(np.float64) * full), posinf=full, neginf=-full)
    return np.clip(scaled, -full, full - 1).astype(np.int32) << (32 - bits)


def read_track(path: Path, samples: int) -> Audio:
    """The first ``samples`` of a mono audio file, fewer if it is shorter, float32 in [-1, 1).

    Raises:
        WorkbenchError: the file is missing or cannot be decoded.
    """
    try:
        with soundfile.SoundFile(path) as file:
            pcm: Audio = file.read(samples, dtype="float32")
    except (OSError, soundfile.SoundFileError) as error:
        raise WorkbenchError(f"{path}: cannot be decoded ({error}); make it again") from None
    return pcm


def write_manifest(
    folder: Path,
    *,
    tracks: Mapping[str, str],
    device: Mapping[str, Any] | None = None,
    calibration: Mapping[str, Any] | None = None,
    echo: Mapping[str, Any] | None = None,
    labels_source: str | None = None,
    provenance: Mapping[str, Any] | None = None,
    name: str | None = None,
    live: Mapping[str, Any] | None = None,
) -> Session:
    """Write ``session.json`` over tracks that are already in the folder, and open the result.

    Args:
        folder: the session.
        tracks: track name → file name inside the folder, ``mic`` among them.
        device: what recorded it.
        calibration: noise and speech levels measured there.
        echo: see :func:`check_echo`.
        labels_source: where ``labels.csv`` comes from.
        provenance: where the audio comes from, and its licence.
        name: defaults to the folder's name.
        live: ``{"file", "sha256", "config"}`` of the assistant that ran live, where one did.

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
    data = {
        "format": FORMAT,
        "name": name or folder.name,
        "sample_rate": SAMPLE_RATE,
        "samples": entries["mic"]["samples"],
        "tracks": entries,
        "device": device,
        "calibration": calibration,
        "echo": echo,
        "labels": labels_source,
        **({"live": dict(live)} if live is not None else {}),
        "provenance": dict(provenance or {}),
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


def find_sessions(folder: Path) -> list[Path]:
    """Folders directly inside ``folder`` that are sessions, cut-off recordings included, sorted by name."""
    if not folder.is_dir():
        raise WorkbenchError(f"{folder}: no such folder of sessions")
    return sorted(path for path in folder.iterdir() if (path / MANIFEST).exists() or (path / PARTIAL).exists())
