"""Session from a tape, after a recording or a crash: FLAC tracks on one clock, events, notes, manifest."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import soundfile

from workbench import __version__
from workbench.errors import WorkbenchError
from workbench.files import sha256_file, sync, write_text
from workbench.recording.alignment import alignment, filled, holes_of, placed, resampled
from workbench.recording.bandwidth import Stretch, stretches
from workbench.recording.levels import DEAD
from workbench.recording.live_trace import LiveLog, causal_offset, live_trace, read_log
from workbench.recording.notes import echo_remarks, microphone_remarks, remarks
from workbench.recording.resample import Pcm24
from workbench.recording.tape import Tape, open_tape
from workbench.recording.tape_folder import lock_tape, remove_empty
from workbench.sessions.echo_path import round_trip
from workbench.sessions.folders import (
    EVENTS,
    LABELS,
    LIVE_TRACE,
    MANIFEST,
    PARTIAL,
    recover_command,
)
from workbench.sessions.labels import Label, write_labels
from workbench.sessions.session import Session, open_session, write_manifest
from workbench.sessions.tracks import write_track
from workbench.trace_file import write_trace
from workbench.units import SAMPLE_RATE

_LITTLE_BYTES = 1 << 18

DAMAGED = ".damaged"
"""Folder inside a session: its tape, where that was not as it was written."""


class NothingRecordedError(WorkbenchError):
    """A tape without a single sample."""


@dataclass(frozen=True)
class FinishedRecording:
    """A session made from a tape, and what there is to say about it."""

    session: Session
    remarks: tuple[str, ...]


def finish(folder: Path, device: Mapping[str, Any] | None = None, lock: BinaryIO | None = None) -> FinishedRecording:
    """Turn the tape in ``folder`` into a session, then remove the tape; one that is not as it was written is kept.

    Nothing is removed before the session is whole on the disk, so this can be cut off and started again.

    Args:
        folder: the session.
        device: what the recorder learned while recording, added to the tape's header.
        lock: of the tape, if this process has it; it is given back.

    Raises:
        NothingRecordedError: the tape holds no audio; it is removed.
        WorkbenchError: there is no tape, or the disk is full or fails (the tape stays).
    """
    try:
        with lock or lock_tape(folder):
            if session := _already(folder):
                _remove_tape(folder)
                return FinishedRecording(session, ("it was complete already",))
            tape = open_tape(folder)
            if not any(tape.samples.values()):
                remove_empty(folder)
                raise NothingRecordedError(
                    f"{folder}: nothing was recorded before it was cut off; the empty folder is removed"
                )
            session, said, is_whole = _make(folder, tape, device or {})
            _sync_all(folder)
            if is_whole:
                _remove_tape(folder)
                return FinishedRecording(session, said)
            return FinishedRecording(session, (*said, f"the damaged tape is kept in {_keep(folder)}"))
    except (OSError, soundfile.SoundFileError) as error:
        full = folder.is_dir() and shutil.disk_usage(folder).free < _LITTLE_BYTES  # libsndfile has other words for it
        why = "No space left on the disk" if full else getattr(error, "strerror", None) or str(error)
        raise WorkbenchError(
            f"{folder}: the recording is safe but could not be finished ({why}); "
            f"{'free some space' if full else 'solve that'}, then '{recover_command(folder)}'"
        ) from None


def _already(folder: Path) -> Session | None:
    """The session, where only the removal of the tape was cut off.

    Raises:
        WorkbenchError: there is one, it is damaged, and the tape holds nothing to make it anew from.
    """
    if not (folder / MANIFEST).exists():
        return None
    try:
        session = open_session(folder)
        problems = session.verify()
    except WorkbenchError as error:
        problems = [str(error)]
    if not problems:
        return session
    if not any(open_tape(folder).samples.values()):
        raise WorkbenchError(problems[0])
    return None


def _remove_tape(folder: Path) -> None:
    """Remove the tape; another process that found the session complete may do so at the same time."""
    shutil.rmtree(folder / PARTIAL, ignore_errors=True)
    if (folder / PARTIAL).exists():
        shutil.rmtree(folder / PARTIAL)


def _keep(folder: Path) -> Path:
    """Put a tape out of the way that did not become the session as a whole."""
    names = (folder / f"{DAMAGED}{number or ''}" for number in count())
    kept = next(path for path in names if not path.exists())
    (folder / PARTIAL).rename(kept)
    return kept


def _sync_all(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_file():
            sync(path)
    sync(folder)


def _make(folder: Path, tape: Tape, device: Mapping[str, Any]) -> tuple[Session, tuple[str, ...], bool]:
    """The session, what there is to say about it, and whether all of the tape is in it."""
    for left in folder.glob(".*.tmp*"):
        left.unlink()
    align = alignment(tape)
    holes = {track: holes_of(tape, track) for track in tape.samples}
    samples = tape.samples["mic"] + sum(missing for _, missing in holes["mic"])
    samples = min(samples, tape.header.get("limit") or samples)
    log, problems = _read_log(tape)
    offsets = {"mic": 0, "agent": align.get("agent_offset", 0)}
    if log is not None and (late := causal_offset(log, holes, offsets["agent"]) - offsets["agent"]):
        offsets["agent"] += late
        align |= {"agent_offset": offsets["agent"], "agent_offset_raised": late}
    tracks = {track: f"{track}.flac" for track in tape.samples}
    whole = {track: filled(tape.read(track), holes[track]) for track in tracks}
    if align.get("drift_removed"):
        whole["agent"] = resampled(whole["agent"], align["drift_ppm"])
    heard = {
        track: _write(folder / file, placed(whole[track], offsets[track], samples)) for track, file in tracks.items()
    }
    bands = stretches(folder / tracks["mic"])
    scale = 1 + align["drift_ppm"] * 1e-6 if align.get("drift_removed") else 1.0
    events = sorted(
        _events(tape, holes, (offsets, scale), samples) + _band_events(bands), key=lambda event: event["sample"]
    )
    write_text(folder / EVENTS, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events))
    notes = [Label(e["sample"], e["sample"], "note", None, e.get("text", "")) for e in events if e["event"] == "mark"]
    if notes:
        write_labels(folder / LABELS, notes)
    about: dict[str, Any] = {**tape.header.get("device", {}), **align, **device}
    if "agent" in tracks:
        about["round_trip"] = round_trip(folder / "mic.flac", folder / "agent.flac")
    live = None
    if log is not None:
        write_trace(folder / LIVE_TRACE, live_trace(log, events, holes, offsets["agent"], samples))
        live = {"file": LIVE_TRACE, "sha256": sha256_file(folder / LIVE_TRACE), "config": log.config}
    session = write_manifest(
        folder,
        tracks=tracks,
        live=live,
        device=about,
        calibration=tape.header.get("calibration"),
        provenance={"recorded_by": f"moshi-workbench {__version__}", **tape.header.get("provenance", {})},
    )
    muted = not (heard["mic"] or tape.damaged["mic"])
    dead = (f"mic.flac holds nothing but digital zeros: the microphone {DEAD}",) if muted else ()
    said = (
        *dead,
        *microphone_remarks(bands, events, device.get("source")),
        *remarks(tape, events, offsets["agent"]),
        *problems,
        *echo_remarks(about.get("round_trip")),
    )
    return session, said, not (tape.problems or problems or any(tape.damaged.values()))


def _read_log(tape: Tape) -> tuple[LiveLog | None, tuple[str, ...]]:
    """The log of a live assistant; a damaged one gives a remark and does not hold up the audio."""
    try:
        return read_log(tape.folder), ()
    except WorkbenchError as error:
        what = str(error).removeprefix(f"{tape.folder}{os.sep}")
        return None, (f"{what}: the session is made without the live trace",)


def _write(path: Path, blocks: Iterator[Pcm24]) -> bool:
    """Write 24-bit FLAC; returns whether it holds anything but zeros.

    libsndfile takes the upper 24 of 32 bits, so that nothing is rounded on the way.
    """
    heard = False

    def shifted() -> Iterator[Pcm24]:
        nonlocal heard
        for block in blocks:
            heard = heard or bool(block.any())
            yield block << 8

    write_track(path, shifted(), subtype="PCM_24")
    return heard


def _events(
    tape: Tape, holes: Mapping[str, list[tuple[int, int]]], clock: tuple[Mapping[str, int], float], samples: int
) -> list[dict[str, Any]]:
    """Events on the session's clock, in order, inside the session; ``clock``: offsets, and stretch of the agent."""
    offsets, stretch = clock

    def place(sample: int, track: str) -> int:
        before = sample + sum(missing for at, missing in holes[track] if at < sample)
        whole = round(before * stretch) if track == "agent" else before
        return min(max(0, whole + offsets[track]), samples)

    out = []
    for event in [*tape.events, *_damaged(tape)]:
        track = event.get("track", "mic")
        placed_event = {**event, "sample": place(event["sample"], track)}
        if event["event"] in ("pause", "damaged"):  # a hole in between makes them longer
            placed_event["samples"] = place(event["sample"] + event["samples"], track) - placed_event["sample"]
        out.append(placed_event)
    return sorted(out, key=lambda event: event["sample"])


def _band_events(bands: Sequence[Stretch]) -> list[dict[str, Any]]:
    """Where the bandwidth changes, or is short of the whole from the beginning."""
    return [
        {"sample": band.start, "event": "bandwidth", "hz": band.limit or SAMPLE_RATE // 2}
        for number, band in enumerate(bands)
        if number or band.limit
    ]


def _damaged(tape: Tape) -> list[dict[str, Any]]:
    return [
        {"sample": start, "event": "damaged", "track": track, "samples": end - start}
        for track, spans in tape.damaged.items()
        for start, end in spans
    ]
