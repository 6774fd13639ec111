"""From a tape to a session: FLAC tracks on one clock, events, notes, manifest. Also after a crash."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile

from workbench import __version__
from workbench.errors import WorkbenchError
from workbench.files import sha256_file, write_text
from workbench.labels import Label, write_labels
from workbench.recording.fit import Pcm24
from workbench.recording.levels import DEAD
from workbench.recording.livetrace import causal_offset, live_trace, read_log
from workbench.recording.roundtrip import round_trip
from workbench.recording.tape import Tape, open_tape
from workbench.session import (
    EVENTS,
    LABELS,
    LIVE_TRACE,
    MANIFEST,
    PARTIAL,
    Session,
    find_sessions,
    open_session,
    write_manifest,
    write_track,
)
from workbench.trace import write_trace
from workbench.units import SAMPLE_RATE, samples_to_ms, samples_to_seconds

_LITTLE_BYTES = 1 << 18
_SURE_WINDOWS = 2
"""Windows that must hear the loudspeaker: one may be chance, since two voices of one pitch correlate as well."""
_STEADY_MS = 10.0
"""Windows that agree on the echo's delay to this are one path; a frame's level hardly feels less."""


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
    except (OSError, soundfile.SoundFileError) as error:
        full = shutil.disk_usage(folder).free < _LITTLE_BYTES  # libsndfile has other words for it
        why = "No space left on the disk" if full else getattr(error, "strerror", None) or str(error)
        raise WorkbenchError(
            f"{folder}: the recording is safe but could not be finished ({why}); "
            "free some space, then 'workbench record --recover'"
        ) from None
    finally:
        tape.close()


def _make(folder: Path, tape: Tape, device: Mapping[str, Any]) -> tuple[Session, tuple[str, ...]]:
    if not tape.samples["mic"]:
        shutil.rmtree(folder)
        raise WorkbenchError(f"{folder}: nothing was recorded before it was cut off; the empty folder is removed")
    for left in folder.glob(".*.tmp*"):
        left.unlink()
    align = alignment(tape)
    holes = {track: holes_of(tape, track) for track in tape.samples}
    samples = tape.samples["mic"] + sum(missing for _, missing in holes["mic"])
    samples = min(samples, tape.header.get("limit") or samples)
    log = read_log(tape.folder)
    offsets = {"mic": 0, "agent": align.get("agent_offset", 0)}
    if log is not None and (late := causal_offset(log, holes, offsets["agent"]) - offsets["agent"]):
        offsets["agent"] += late
        align |= {"agent_offset": offsets["agent"], "agent_offset_raised": late}
    tracks = {track: f"{track}.flac" for track in tape.samples}
    heard = {
        track: _write(folder / file, placed(filled(tape.read(track), holes[track]), offsets[track], samples))
        for track, file in tracks.items()
    }
    events = _events(tape, holes, offsets, samples)
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
    dead = () if heard["mic"] else (f"mic.flac holds nothing but digital zeros: the microphone {DEAD}",)
    return session, (*dead, *_remarks(tape, events, offsets["agent"]), *_echo_remarks(about.get("round_trip")))


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
        found["drift_ppm"] = round(float(np.polyfit(seconds, apart, 1)[0]) / SAMPLE_RATE * 1e6, 1)
    return found


def holes_of(tape: Tape, track: str) -> list[tuple[int, int]]:
    """Holes of a track as (tape sample before which it lies, samples missing), in order."""
    found = [e for e in tape.events if e["event"] == "hole" and e["track"] == track]
    return sorted((event["sample"], event["samples"]) for event in found)


def filled(blocks: Iterator[Pcm24], holes: Sequence[tuple[int, int]]) -> Iterator[Pcm24]:
    """A track with zeros where samples are missing.

    >>> [part.tolist() for part in filled(iter([np.array([1, 2], np.int32), np.array([3], np.int32)]), [(1, 2)])]
    [[1], [0, 0], [2], [3]]
    """
    here, left = 0, list(holes)
    for block in blocks:
        start = 0
        while left and left[0][0] < here + len(block):
            at, missing = left.pop(0)
            yield block[start : at - here]
            yield from _zeros(missing)
            start = at - here
        yield block[start:]
        here += len(block)
    for _, missing in left:
        yield from _zeros(missing)


def placed(blocks: Iterator[Pcm24], offset: int, samples: int) -> Iterator[Pcm24]:
    """A track moved by ``offset`` samples, cut or filled with zeros to ``samples``.

    >>> [part.tolist() for part in placed(iter([np.array([1, 2, 3], np.int32)]), 1, 6)]
    [[0], [1, 2, 3], [0, 0]]
    """
    here = min(max(0, offset), samples)
    yield from _zeros(here)
    skip = max(0, -offset)
    for block in blocks:
        kept = block[skip:][: samples - here]
        skip = max(0, skip - len(block))
        here += len(kept)
        yield kept
    yield from _zeros(samples - here)


def _zeros(count: int) -> Iterator[Pcm24]:
    """Zeros in blocks of ten seconds at most: a hole can be long."""
    while count > 0:
        part = min(count, 10 * SAMPLE_RATE)
        yield np.zeros(part, dtype=np.int32)
        count -= part


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
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return heard


def _events(
    tape: Tape, holes: Mapping[str, list[tuple[int, int]]], offsets: Mapping[str, int], samples: int
) -> list[dict[str, Any]]:
    """Events on the session's clock, in order, inside the session."""
    out = []
    for event in tape.events:
        track = event.get("track", "mic")
        before = sum(missing for at, missing in holes[track] if at < event["sample"])
        out.append({**event, "sample": min(max(0, event["sample"] + before + offsets[track]), samples)})
    if tape.problem:
        out.append({"sample": samples, "event": "cut", "cause": tape.problem})
    return sorted(out, key=lambda event: event["sample"])


def _remarks(tape: Tape, events: list[dict[str, Any]], agent_offset: int) -> tuple[str, ...]:
    remarks = []
    if tape.problem:
        remarks.append(f"{tape.problem}: the session ends there")
    holes = [event for event in events if event["event"] == "hole"]
    if holes:
        lost = samples_to_seconds(sum(event["samples"] for event in holes))
        remarks.append(f"{len(holes)} holes, {lost:.3f} s in all, are filled with zeros and marked in {EVENTS}")
    starved = [event["samples"] for event in events if event["event"] == "starved"]
    if starved:
        times = "once" if len(starved) == 1 else f"{len(starved)} times"
        remarks.append(
            f"{times} nothing was ready to be played in time: {samples_to_seconds(sum(starved)):.2f} s of "
            f"silence inside what was played, marked in {EVENTS}"
        )
    for event in events:
        if event["event"] == "stalled":
            stopped = "stopped" in event["cause"]
            what = "the program was stopped for" if stopped else "the disk kept the writer waiting for"
            remarks.append(f"{what} {event['seconds']:g} s; no sample is missing unless a hole says so")
    if "agent" in tape.samples and not tape.offsets["agent"]:
        remarks.append(
            f"too short to tell how the agent track lies on the microphone's clock: it starts at sample {agent_offset}"
        )
    return tuple(remarks)


def _echo_remarks(found: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The way from loudspeaker to microphone as the knobs that put it into a replay."""
    if found is None:
        return ()
    delay, gain, windows = samples_to_ms(found["lag_samples"]), found["gain_db"], found["windows"]
    counted = "1 window" if windows == 1 else f"{windows} windows"
    when = "later" if delay >= 0 else "earlier"
    heard = f"the loudspeaker is heard {abs(delay):.1f} ms {when} at {gain:.1f} dB ({counted} of 4 s"
    shake = samples_to_ms(found["lag_spread_samples"])
    if windows < _SURE_WINDOWS:
        return (f"{heard}): too little of it to be replayed as an echo path",)
    if shake > _STEADY_MS or not 0 <= delay <= 2000 or not -120 <= gain <= 20:
        return (f"{heard}, {shake:.1f} ms apart): too unsteady to be replayed as an echo path",)
    knobs = f'echo = "config", echo_delay_ms = {delay:.1f}, echo_gain_db = {gain:.1f}'
    return (f"{heard}); for replays of recordings in this room, in the config: {knobs}",)


def cut_off(recordings: Path) -> list[Path]:
    """Sessions in a folder whose recording was not finished, sorted by name."""
    if not recordings.is_dir():
        return []
    return [path for path in find_sessions(recordings) if (path / PARTIAL).exists()]
