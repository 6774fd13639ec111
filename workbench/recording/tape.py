"""A recording in progress on disk: what a crash leaves behind is whole up to the last second.

The folder ``.recording`` inside the session holds

- ``header.json``: name, device, calibration; written before the first sample;
- ``mic.s24`` (and ``agent.s24``): 24-bit little-endian samples, appended;
- ``journal.jsonl``: a line per second and track set, written after the samples are on the disk:
  ``{"tracks": {"mic": [end, crc32 of the samples since the line before]}, "offsets": {"mic": 0.0, ...}}``;
- ``events.jsonl``: a line per event, appended;
- ``lock``: locked by the process that records, so that no other one "recovers" a living recording.

Reading trusts what the journal's checksums confirm, plus the samples after the last line (a process that was killed
between the two); a segment with a wrong checksum ends the tape there.
"""

import fcntl
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from workbench.errors import WorkbenchError
from workbench.files import pretty_json, read_json, write_text
from workbench.recording.fit import Pcm24
from workbench.session import EVENTS, PARTIAL, check_name
from workbench.units import SAMPLE_RATE

FORMAT = 1
HEADER, JOURNAL, LOCK = "header.json", "journal.jsonl", "lock"
_WIDTH = 3
"""Bytes per sample."""
_READ = 10 * SAMPLE_RATE


def pack(pcm: Pcm24) -> bytes:
    """24-bit little-endian bytes."""
    return pcm.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :_WIDTH].tobytes()


def unpack(data: bytes) -> Pcm24:
    """Inverse of :func:`pack`.

    >>> unpack(pack(np.array([-8388608, -1, 0, 8388607], dtype=np.int32))).tolist()
    [-8388608, -1, 0, 8388607]
    """
    wide = np.zeros((len(data) // _WIDTH, 4), dtype=np.uint8)
    wide[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, _WIDTH)
    pcm: Pcm24 = wide.reshape(-1).view("<i4") >> 8
    return pcm


class TapeWriter:
    """Writes a tape. One thread at a time.

    Args:
        session: the session's folder; made here, so that two recordings cannot take one name.
        tracks: names of the tracks, ``mic`` first.
        header: what is known before the first sample.

    Raises:
        WorkbenchError: the name is taken, or the folder cannot be written.
    """

    def __init__(self, session: Path, tracks: tuple[str, ...], header: Mapping[str, Any]) -> None:
        check_name(session.name, "record --name")
        self.session = session
        self.samples = dict.fromkeys(tracks, 0)
        self._crc = dict.fromkeys(tracks, 0)
        folder = session / PARTIAL
        try:
            session.parent.mkdir(parents=True, exist_ok=True)
            session.mkdir()
            folder.mkdir()
            self._lock = _locked(folder)
            write_text(folder / HEADER, pretty_json({"format": FORMAT, "tracks": list(tracks), **header}))
            self._files: dict[str, BinaryIO] = {t: (folder / f"{t}.s24").open("ab", buffering=0) for t in tracks}
            self._journal = (folder / JOURNAL).open("ab", buffering=0)
            self._events = (folder / EVENTS).open("ab", buffering=0)
            _sync_folder(folder)
            _sync_folder(session)
        except FileExistsError:
            raise WorkbenchError(f"{session}: the name is taken; choose another with --name") from None
        except OSError as error:
            raise WorkbenchError(f"{session}: cannot be written ({error.strerror})") from None

    def append(self, track: str, pcm: Pcm24) -> None:
        """Add samples to a track.

        Raises:
            OSError: the disk is full or failed; what was committed stays good.
        """
        data = memoryview(pack(pcm))
        self._crc[track] = zlib.crc32(data, self._crc[track])
        while data:
            data = data[self._files[track].write(data) :]
        self.samples[track] += len(pcm)

    def event(self, event: Mapping[str, Any]) -> None:
        """Add a line to ``events.jsonl``."""
        self._events.write((json.dumps(event, ensure_ascii=False) + "\n").encode())

    def commit(self, offsets: Mapping[str, float]) -> None:
        """Put everything on the disk, then say so in the journal.

        Args:
            offsets: per track, the moment of its sample 0 in samples on the stream's clock (see ``holes``).

        Raises:
            OSError: the disk is full or failed.
        """
        for file in (*self._files.values(), self._events):
            os.fsync(file.fileno())
        ends = {track: [end, self._crc[track]] for track, end in self.samples.items()}
        line = json.dumps({"tracks": ends, "offsets": {k: round(v, 2) for k, v in offsets.items()}})
        self._journal.write((line + "\n").encode())
        os.fsync(self._journal.fileno())
        self._crc = dict.fromkeys(self._crc, 0)

    def close(self) -> None:
        """Close all files and give the lock back."""
        for file in (*self._files.values(), self._journal, self._events, self._lock):
            file.close()


@dataclass(frozen=True)
class Tape:
    """What can be trusted of a tape.

    Attributes:
        samples: per track.
        offsets: per track, the journal's offsets in order.
        events: in order.
        unchecked: microphone samples after the last journal line.
        problem: why the tape ends early, if it does.
    """

    folder: Path
    header: Mapping[str, Any]
    samples: Mapping[str, int]
    offsets: Mapping[str, list[float]]
    events: list[dict[str, Any]]
    unchecked: int
    problem: str = ""
    _lock: BinaryIO | None = field(default=None, repr=False)

    def read(self, track: str) -> Iterator[Pcm24]:
        """The track in blocks of ten seconds."""
        left = self.samples[track]
        with (self.folder / f"{track}.s24").open("rb") as file:
            while left:
                pcm = unpack(file.read(min(left, _READ) * _WIDTH))
                left -= len(pcm)
                yield pcm

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.close()


def open_tape(session: Path) -> Tape:
    """Open the tape of a recording that was stopped or cut off, check it, and lock it.

    Raises:
        WorkbenchError: there is none, it is being recorded right now, or its header cannot be read.
    """
    folder = session / PARTIAL
    if not folder.is_dir():
        raise WorkbenchError(f"{session}: no recording to finish here")
    lock = _locked(folder)
    header = read_json(folder / HEADER)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise WorkbenchError(f"{folder / HEADER}: not a header this version reads (format {FORMAT})")
    tracks = [str(track) for track in header["tracks"]]
    sizes = {t: _size(folder / f"{t}.s24") // _WIDTH for t in tracks}
    good, offsets, problem = _check(folder, tracks, sizes)
    samples = good if problem else sizes
    return Tape(
        folder=folder,
        header=header,
        samples=samples,
        offsets=offsets,
        events=list(_json_lines(folder / EVENTS)),
        unchecked=samples["mic"] - good["mic"],
        problem=problem,
        _lock=lock,
    )


def _check(
    folder: Path, tracks: list[str], sizes: Mapping[str, int]
) -> tuple[dict[str, int], dict[str, list[float]], str]:
    good = dict.fromkeys(tracks, 0)
    offsets: dict[str, list[float]] = {track: [] for track in tracks}
    files = {track: (folder / f"{track}.s24").open("rb") for track in tracks if sizes[track]}
    try:
        for line in _json_lines(folder / JOURNAL):
            for track, (end, crc) in line["tracks"].items():
                count = end - good[track]
                if count and (end > sizes[track] or _crc(files[track], count * _WIDTH) != crc):
                    return good, offsets, f"{track}.s24 differs from its checksum after sample {good[track]}"
            for track, (end, _) in line["tracks"].items():
                good[track] = end
                offsets[track] += [line["offsets"][track]] if track in line["offsets"] else []
    finally:
        for file in files.values():
            file.close()
    return good, offsets, ""


def _crc(file: BinaryIO, size: int) -> int:
    crc = 0
    while size > 0 and (data := file.read(min(size, 1 << 20))):
        crc = zlib.crc32(data, crc)
        size -= len(data)
    return crc


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Whole lines of a file that may end in half a line."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            return
        if isinstance(value, dict):
            yield value


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _locked(folder: Path) -> BinaryIO:
    lock = (folder / LOCK).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise WorkbenchError(f"{folder.parent}: is being recorded right now; stop that recording first") from None
    return lock


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
