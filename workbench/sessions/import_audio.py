"""Import: sessions from recordings made elsewhere.

A block of audio at a time is converted: a recording of many hours is never held in memory. A session is put together
in a hidden folder next to its place and renamed into it, so that it is whole or not there.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.files import sha256_file
from workbench.new_folder import new_folder
from workbench.sessions.audio_files import AudioFile, open_audio
from workbench.sessions.conversion import TrackSource, convert_track
from workbench.sessions.folders import LABELS, check_name
from workbench.sessions.label_files import FoundLabels, check_source, read_label_file
from workbench.sessions.label_formats import WHOLE_FILE, Choice
from workbench.sessions.labels import write_labels
from workbench.sessions.session import Session, open_session, write_manifest
from workbench.units import SAMPLE_RATE

_WORK = ".work"
"""Folder inside the new session for what ffmpeg makes; gone when the session is there."""


@dataclass(frozen=True)
class ImportOptions:
    """What goes into a session besides the microphone's file.

    Attributes:
        agent: file of what the loudspeaker played, as long as the microphone's.
        mic_channel: channel of the microphone's file to take alone, from 1; the mean of all by default.
        agent_channel: channel of the same file that is the agent's.
        labels: ``.csv``, ``.txt`` (Audacity), ``.rttm`` or ``.stm`` file.
        choice: part of the label file to take.
        labels_source: one of :data:`workbench.sessions.session.LABEL_SOURCES`.
        truncated: whether a file that was cut off is taken as far as it goes.
    """

    agent: Path | None = None
    mic_channel: int | None = None
    agent_channel: int | None = None
    labels: Path | None = None
    choice: Choice = WHOLE_FILE
    labels_source: str = "human"
    truncated: bool = False

    def check(self) -> None:
        """Refuse options that contradict each other.

        Raises:
            WorkbenchError: names the option.
        """
        check_source(self.labels_source)
        if self.agent_channel is None:
            return
        if self.agent is not None:
            raise WorkbenchError("--agent-channel: the agent comes from --agent already; leave one of them out")
        if self.mic_channel is None:
            raise WorkbenchError("--agent-channel: name the user's channel too, with --mic-channel")
        if self.mic_channel == self.agent_channel:
            raise WorkbenchError(f"--agent-channel: {self.agent_channel} is the microphone's channel already")


@dataclass(frozen=True)
class Imported:
    """A new session, what was done to its audio and labels, a line each, and its labels."""

    session: Session
    notes: tuple[str, ...]
    labels: FoundLabels | None = None


def import_session(audio: Path, folder: Path, options: ImportOptions | None = None) -> Imported:
    """Make a session of a recording.

    Args:
        audio: file of what the microphone heard.
        folder: the session to be; its last part is the name.
        options: what else goes into it.

    Raises:
        WorkbenchError: names the file that is missing, not audio, empty, damaged, not finite or of another length,
            the label row that is wrong, or the name that is taken. Nothing is left behind.
    """
    options = options or ImportOptions()
    check_name(folder.name, f"{folder}")
    options.check()
    if folder.exists():
        raise WorkbenchError(f"{folder}: name is taken; choose another with --name")
    notes: list[str] = []
    with _decoders_complaints(notes), new_folder(folder) as hidden:
        labels = _fill(hidden, folder.name, audio, options, notes)
        shutil.rmtree(hidden / _WORK, ignore_errors=True)
    return Imported(open_session(folder), tuple(notes), labels)


def _fill(folder: Path, name: str, audio: Path, options: ImportOptions, notes: list[str]) -> FoundLabels | None:
    """Put tracks, labels and manifest into a new folder."""
    sources = _sources(audio, options, folder / _WORK, notes)
    if options.labels:
        read_label_file(options.labels, None, options.choice)  # a wrong row is found before hours are converted
    samples = 0
    for track, source in sources.items():
        samples = convert_track(source, folder / f"{track}.flac", samples or None, notes)
    labels = None
    if options.labels:
        labels = read_label_file(options.labels, samples, options.choice)
        write_labels(folder / LABELS, labels.labels)
        notes += labels.notes
    write_manifest(
        folder,
        tracks={track: f"{track}.flac" for track in sources},
        labels_source=options.labels_source if options.labels else None,
        provenance={f"{track}_imported_from": _origin(source) for track, source in sources.items()},
        name=name,
    )
    return labels


def _sources(audio: Path, options: ImportOptions, work: Path, notes: list[str]) -> dict[str, TrackSource]:
    """Track name → where it comes from."""
    mic = open_audio(audio, work, options.truncated, notes)
    sources = {"mic": TrackSource(mic, _checked(mic, options.mic_channel, "--mic-channel"))}
    if options.agent_channel is not None:
        sources["agent"] = TrackSource(mic, _checked(mic, options.agent_channel, "--agent-channel"))
    if options.agent is not None:
        agent = open_audio(options.agent, work, options.truncated, notes)
        _check_lengths(mic, agent)
        sources["agent"] = TrackSource(agent, None)
    return sources


def _checked(audio: AudioFile, channel: int | None, option: str) -> int | None:
    if channel is not None and not 1 <= channel <= audio.channels:
        has = "1 channel" if audio.channels == 1 else f"{audio.channels} channels"
        raise WorkbenchError(f"{audio.path}: {option} {channel}: the file has {has}, counted from 1")
    return channel


def _check_lengths(mic: AudioFile, agent: AudioFile) -> None:
    """Both tracks must last equally long: to the sample, or within one at 24 kHz where rates differ."""
    apart = abs(mic.seconds - agent.seconds) * SAMPLE_RATE
    if (mic.rate == agent.rate and mic.samples != agent.samples) or apart > 1:
        lengths = f"{mic.seconds:.6f} s, {agent.path} {agent.seconds:.6f} s"
        raise WorkbenchError(f"{mic.path}: {lengths}; both must start at one moment and be equally long")


@contextmanager
def _decoders_complaints(notes: list[str]) -> Iterator[None]:
    """What libmpg123 writes to the terminal past Python, made one note."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
        kept.seek(0)
        lines = [line.split("] ")[-1] for line in kept.read().decode(errors="replace").splitlines() if line.strip()]
    if lines:
        notes.append(f"damaged in places: the decoder complains {len(lines)} times, first of '{lines[0]}'")


def name_from(audio: Path) -> str:
    """A session name from a file's: what a name may not hold becomes a dash.

    >>> name_from(Path("My call (2).wav"))
    'My-call-2'
    """
    return re.sub(r"[^A-Za-z0-9._]+", "-", audio.stem).strip("-.") or "session"


def _origin(source: TrackSource) -> dict[str, Any]:
    audio = source.audio
    origin: dict[str, Any] = {
        "file": audio.path.name,
        "sha256": sha256_file(audio.path),
        "sample_rate": audio.rate,
        "channels": audio.channels,
        "encoding": audio.encoding,
    }
    return origin if source.channel is None else origin | {"channel": source.channel}
