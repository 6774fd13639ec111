"""From a tape to a session: FLAC tracks on one clock, events, notes, manifest. Also after a crash."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from workbench import __version__
from workbench.errors import WorkbenchError
from workbench.files import write_text
from workbench.labels import Label, write_labels
from workbench.recording.fit import Pcm24
from workbench.recording.roundtrip import round_trip
from workbench.recording.tape import Tape, open_tape
from workbench.session import (
    EVENTS,
    LABELS,
    MANIFEST,
    PARTIAL,
    Session,
    find_sessions,
    open_session,
    write_manifest,
    write_track,
)
from workbench.units import samples_to_seconds


@dataclass(frozen=True)
class Finished:
    """A session made from a tape, and what there is to say about it."""

    session: Session
    remarks: tuple[str, ...]


def finish(folder: Path, device: Mapping[str, Any] | None = None) -> Finished:
    """Turn the tape in ``folder`` into a session, then remove the tape.

    Nothing is removed before the session is whole on the disk, so this can be cut off and started again.

    Args:
        folder: the session.
        device: what the recorder learned while recording, added to the tape's header.

    Raises:
        WorkbenchError: there is no tape, it holds no microphone audio, or the disk is full (the tape stays).
    """
    tape = open_tape(folder)
    try:
        if (folder / MANIFEST).exists():  # cut off between the manifest and the removal of the tape
            session = open_session(folder)
        else:
            session, remarks = _make(folder, tape, device or {})
            shutil.rmtree(folder / PARTIAL)
            return Finished(session, remarks)
        shutil.rmtree(folder / PARTIAL)
        return Finished(session, ("it was complete already",))
    except OSError as error:
        raise WorkbenchError(
            f"{folder}: the recording is safe but could not be finished ({error.strerror or error}); "
            "free some space, then 'workbench record --recover'"
        ) from None
    finally:
        tape.close()


def _make(folder: Path, tape: Tape, device: Mapping[str, Any]) -> tuple[Session, tuple[str, ...]]:
    samples = tape.samples["mic"]
    if not samples:
        shutil.rmtree(folder)
        raise WorkbenchError(f"{folder}: nothing was recorded before it was cut off; the empty folder is removed")
    for left in folder.glob(".*.tmp*"):
        left.unlink()
    align = alignment(tape)
    tracks = {"mic": "mic.flac"}
    _write(folder / "mic.flac", tape.read("mic"))
    if "agent" in tape.samples:
        tracks["agent"] = "agent.flac"
        _write(folder / "agent.flac", _placed(tape.read("agent"), align.get("agent_offset", 0), samples))
    events = _events(tape, align.get("agent_offset", 0), samples)
    write_text(folder / EVENTS, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events))
    notes = [Label(e["sample"], e["sample"], "note", None, e.get("text", "")) for e in events if e["event"] == "mark"]
    if notes:
        write_labels(folder / LABELS, notes)
    about: dict[str, Any] = {**tape.header.get("device", {}), **align, **device}
    if "agent" in tracks:
        about["round_trip"] = round_trip(folder / "mic.flac", folder / "agent.flac")
    session = write_manifest(
        folder,
        tracks=tracks,
        device=about,
        calibration=tape.header.get("calibration"),
        labels_source="human" if notes else None,
        provenance={"recorded_by": f"moshi-workbench {__version__}", **tape.header.get("provenance", {})},
    )
    return session, _remarks(tape, events)


def alignment(tape: Tape) -> dict[str, Any]:
    """How the agent track lies on the microphone's clock, from the time stamps of both streams.

    Returns:
        ``agent_offset``: microphone sample at which the agent's first sample sounded; ``agent_offset_spread``: how far
        the per-second figures lie apart, in samples; ``drift_ppm`` between the two converters' clocks (over a minute
        at least). Empty without an agent track or without time stamps.
    """
    both = zip(tape.offsets.get("mic", []), tape.offsets.get("agent", []), strict=False)
    apart = [agent - mic for mic, agent in both]
    if not apart:
        return {}
    found: dict[str, Any] = {
        "agent_offset": round(median(apart)),
        "agent_offset_spread": round(max(apart) - min(apart), 1),
    }
    if len(apart) >= 60:
        seconds = np.linspace(0.0, samples_to_seconds(tape.samples["mic"]), len(apart))
        found["drift_ppm"] = round(float(np.polyfit(seconds, apart, 1)[0]) / 24_000 * 1e6, 1)
    return found


def _placed(blocks: Iterator[Pcm24], offset: int, samples: int) -> Iterator[Pcm24]:
    """A track moved by ``offset`` samples, cut or filled with zeros to ``samples``."""
    here = 0
    if offset > 0:
        here = min(offset, samples)
        yield np.zeros(here, dtype=np.int32)
    skip = max(0, -offset)
    for block in blocks:
        kept = block[skip:][: samples - here]
        skip = max(0, skip - len(block))
        here += len(kept)
        yield kept
    yield np.zeros(samples - here, dtype=np.int32)


def _write(path: Path, blocks: Iterator[Pcm24]) -> None:
    """Write 24-bit FLAC. libsndfile takes the upper 24 of 32 bits, so that nothing is rounded on the way."""
    write_track(path, (block << 8 for block in blocks), subtype="PCM_24")
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _events(tape: Tape, offset: int, samples: int) -> list[dict[str, Any]]:
    """Events on the session's clock, in order, inside the session."""
    out = []
    for event in tape.events:
        sample = event["sample"] + (offset if event.get("track") == "agent" else 0)
        out.append({**event, "sample": min(max(0, sample), samples)})
    if tape.problem:
        out.append({"sample": samples, "event": "cut", "cause": tape.problem})
    return sorted(out, key=lambda event: event["sample"])


def _remarks(tape: Tape, events: list[dict[str, Any]]) -> tuple[str, ...]:
    remarks = []
    if tape.problem:
        remarks.append(f"{tape.problem}: the session ends there")
    holes = [event for event in events if event["event"] == "hole"]
    if holes:
        lost = samples_to_seconds(sum(event["samples"] for event in holes))
        remarks.append(f"{len(holes)} holes, {lost:.3f} s in all, are filled with zeros and marked in {EVENTS}")
    if "agent" in tape.samples and not tape.offsets["agent"]:
        remarks.append("too short to tell how the agent track lies on the microphone's clock: it starts at sample 0")
    return tuple(remarks)


def cut_off(recordings: Path) -> list[Path]:
    """Sessions in a folder whose recording was not finished, sorted by name."""
    if not recordings.is_dir():
        return []
    return [path for path in find_sessions(recordings) if (path / PARTIAL).exists()]
