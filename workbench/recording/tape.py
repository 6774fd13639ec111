"""A recording in progress on disk: what a crash leaves behind is whole up to the last second.

The folder ``.recording`` inside the session holds

- ``header.json``: name, device, calibration; written before the first sample;
- ``mic.s24`` (and ``agent.s24``): 24-bit little-endian samples, appended;
- ``journal.jsonl``: a line per second and track set, written after the samples are on the disk:
  ``{"tracks": {"mic": [end, crc32 of the samples since the line before]}, "offsets": {"mic": 0.0, ...},
  "undecided": [events that there will be if the recording ends here]}``;
- ``events.jsonl``: a line per event, appended before the samples that it speaks of; ``paused`` begins a pause, and the
  ``pause`` of the same sample ends it;
- ``lock``: locked by the process that records, until the session is finished, so that no other one "recovers" it.

``integrity`` says what of it can be trusted afterwards.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from workbench.errors import WorkbenchError
from workbench.files import pretty_json, sync, write_text
from workbench.recording.integrity import (
    FORMAT,
    HEADER,
    WIDTH,
    Spans,
    TapeEvent,
    check_track,
    closed,
    is_event,
    read_commit,
    read_events,
    read_header,
    read_lines,
)
from workbench.recording.resample import Pcm24
from workbench.recording.tape_folder import lock_tape, make_folder, remove_empty
from workbench.sessions.folders import EVENTS, PARTIAL, check_name
from workbench.units import SAMPLE_RATE, samples_to_seconds

JOURNAL = "journal.jsonl"
_READ = 10 * SAMPLE_RATE
_APART = 10 * SAMPLE_RATE
"""Tracks of one recording do not end further apart than this; a journal that says so is damaged."""
_UNCHECKED_SECONDS = 3.0
"""More than this cannot come after the journal's last line unless the disk was slow, or the journal is not whole."""


def pack(pcm: Pcm24) -> bytes:
    """24-bit little-endian bytes."""
    return pcm.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :WIDTH].tobytes()


def unpack(data: bytes) -> Pcm24:
    """Inverse of :func:`pack`.

    >>> unpack(pack(np.array([-8388608, -1, 0, 8388607], dtype=np.int32))).tolist()
    [-8388608, -1, 0, 8388607]
    """
    wide = np.zeros((len(data) // WIDTH, 4), dtype=np.uint8)
    wide[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, WIDTH)
    pcm: Pcm24 = wide.reshape(-1).view("<i4") >> 8
    return pcm


class TapeWriter:
    """Writes a tape. One thread at a time.

    Args:
        session: the session's folder; made here, so that two recordings cannot take one name.
        tracks: names of the tracks, ``mic`` first.
        header: what is known before the first sample.

    Attributes:
        lock: keeps other processes off the tape until it is closed.

    Raises:
        WorkbenchError: the name is taken, or the folder cannot be written.
    """

    def __init__(self, session: Path, tracks: tuple[str, ...], header: Mapping[str, Any]) -> None:
        check_name(session.name, "record --name")
        self.session = session
        self.samples = dict.fromkeys(tracks, 0)
        self._crc = dict.fromkeys(tracks, 0)
        make_folder(session)
        folder = session / PARTIAL
        try:
            folder.mkdir()
            self.lock = lock_tape(session)
            write_text(folder / HEADER, pretty_json({"format": FORMAT, "tracks": list(tracks), **header}))
            self._files: dict[str, BinaryIO] = {t: (folder / f"{t}.s24").open("ab", buffering=0) for t in tracks}
            self._journal = (folder / JOURNAL).open("ab", buffering=0)
            self._events = (folder / EVENTS).open("ab", buffering=0)
            for path in (folder / HEADER, folder, session):
                sync(path)
        except OSError as error:
            remove_empty(session)
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

    def commit(self, offsets: Mapping[str, float], undecided: Sequence[TapeEvent] = ()) -> None:
        """Put everything on the disk, then say so in the journal.

        Args:
            offsets: per track, the moment of its sample 0 in samples on the stream's clock (see ``holes``).
            undecided: events that there will be if the recording ends here.

        Raises:
            OSError: the disk is full or failed.
        """
        for file in (*self._files.values(), self._events):
            os.fsync(file.fileno())
        ends = {track: [end, self._crc[track]] for track, end in self.samples.items()}
        line = {"tracks": ends, "offsets": {k: round(v, 2) for k, v in offsets.items()}}
        line |= {"undecided": list(undecided)} if undecided else {}
        self._journal.write((json.dumps(line) + "\n").encode())
        os.fsync(self._journal.fileno())
        self._crc = dict.fromkeys(self._crc, 0)

    def end(self) -> None:
        """Close all files but the lock: a recording is not over before it is a session."""
        for file in (*self._files.values(), self._journal, self._events):
            file.close()

    def close(self) -> None:
        """Close all files and give the lock back."""
        self.end()
        self.lock.close()


@dataclass(frozen=True)
class Tape:
    """Content of a tape.

    Attributes:
        samples: per track, those that are damaged or gone included.
        damaged: per track, where zeros stand for samples that fail their checksum or are gone.
        offsets: per track, the journal's offsets in order.
        events: of the tape, as if the recording had ended in order.
        problems: what is not as it was written, in words.
        ends: per track, its samples at each of its offsets.
    """

    folder: Path
    header: Mapping[str, Any]
    samples: Mapping[str, int]
    damaged: Mapping[str, Spans]
    offsets: Mapping[str, list[float]]
    events: list[TapeEvent]
    problems: tuple[str, ...] = ()
    ends: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def read(self, track: str) -> Iterator[Pcm24]:
        """The track in blocks of ten seconds at most."""
        here = 0
        for start, end in [*self.damaged[track], (self.samples[track], self.samples[track])]:
            yield from self._read(track, here, start)
            yield from zeros(end - start)
            here = end

    def _read(self, track: str, start: int, end: int) -> Iterator[Pcm24]:
        if start == end:
            return
        with (self.folder / f"{track}.s24").open("rb") as file:
            file.seek(start * WIDTH)
            for at in range(start, end, _READ):
                yield unpack(file.read(min(end - at, _READ) * WIDTH))


def zeros(count: int) -> Iterator[Pcm24]:
    """Zeros in blocks of ten seconds at most: a hole can be long."""
    while count > 0:
        part = min(count, _READ)
        yield np.zeros(part, dtype=np.int32)
        count -= part


def open_tape(session: Path) -> Tape:
    """Open the tape of a recording that was stopped or cut off, and check it. It should be locked (:func:`lock_tape`).

    Raises:
        WorkbenchError: a later version wrote it.
        OSError: the disk does not give it.
    """
    folder = session / PARTIAL
    header, problems = read_header(folder)
    tracks: list[str] = header["tracks"]
    sizes = {track: _size(folder / f"{track}.s24") for track in tracks}
    lines = [read_commit(line) for line in read_lines(folder / JOURNAL)]
    problems += [f"line {n} of {JOURNAL} cannot be read" for n, line in enumerate(lines, 1) if line is None]
    commits = [line for line in lines if line is not None]
    if not commits and max(sizes.values()) > _UNCHECKED_SECONDS * SAMPLE_RATE:
        problems.append(f"{JOURNAL} is empty or gone, so that no sample can be checked")
    damaged = {
        track: check_track(
            folder / f"{track}.s24",
            sizes[track],
            [None if line is None else line.ends.get(track, (0, 0)) for line in lines],
        )
        for track in tracks
    }
    samples = {}
    for track, size in sizes.items():
        journaled = max((line.ends[track][0] for line in commits if track in line.ends), default=0)
        samples[track] = _length(track, sizes, journaled)
        if samples[track] > size:
            damaged[track].append((size, samples[track]))
        if journaled > samples[track]:
            problems.append(f"{track}.s24 ends {samples_to_seconds(journaled - size):.2f} s before its journal does")
    events, wrong = read_events(folder / EVENTS, tracks)
    problems += wrong
    undecided = [event for event in (commits[-1].undecided if commits else []) if is_event(event, tracks)]
    return Tape(
        folder=folder,
        header=header,
        samples=samples,
        damaged=damaged,
        offsets={t: [line.offsets[t] for line in commits if t in line.offsets] for t in tracks},
        ends={t: [line.ends.get(t, (0, 0))[0] for line in commits if t in line.offsets] for t in tracks},
        events=closed(events, [event for event in undecided if event is not None], samples["mic"]),
        problems=tuple(problems),
    )


def _length(track: str, sizes: Mapping[str, int], journaled: int) -> int:
    """Samples of a track: a file that was cut short keeps its length in the journal, up to the end of the other track.

    So what is on the other track keeps its place.
    """
    most = max(sizes.values())
    if track == "mic" and not (journaled or sizes[track]):
        return most
    return max(sizes[track], min(journaled, most + _APART if most > sizes[track] else most))


def _size(path: Path) -> int:
    """Whole samples of a track."""
    return path.stat().st_size // WIDTH if path.exists() else 0
