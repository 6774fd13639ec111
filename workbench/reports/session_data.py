"""One session as the page's timeline shows it: a value made of trace, labels, scores and audio.

Conventions:
    Times are samples at 24 kHz. Waveforms and levels are uint8 arrays, one byte a step.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from workbench.arrays import Audio, Bytes
from workbench.assistants import knobs_of
from workbench.errors import WorkbenchError
from workbench.files import read_json
from workbench.metrics import SessionScores
from workbench.metrics.index import ReplyEvents, index
from workbench.replay.engine import echo_path
from workbench.reports.timeline_data import FLOOR_DBFS, dbfs, timeline_data
from workbench.run_folders import pauses_path
from workbench.runs import Run, SessionRun
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.tracks import read_track
from workbench.simulation.filters import FilterChain
from workbench.trace import Chunk, Commit, Listen, Onset, Trace, Word
from workbench.units import SAMPLE_RATE

PEAK_SAMPLES = SAMPLE_RATE // 50
"""Samples that one peak of a waveform stands for: 20 ms, a pixel where 20 s fill a screen."""
LEVEL_STEPS = 255 / -FLOOR_DBFS
"""Steps of a level byte in one dB: 0 is :data:`FLOOR_DBFS`, 255 full scale."""


def session_data(run: Run, item: SessionRun, scores: SessionScores, agent: Path) -> tuple[dict[str, Any], Audio, Audio]:
    """The session as JSON and uint8 arrays, and the microphone and the replayed agent as float32 at 24 kHz.

    Args:
        run: that the session belongs to.
        item: session, labels and trace.
        scores: of the trace.
        agent: what the agent played; an empty track where the file is missing.
    """
    session, assistant = item.session, run.config.assistant
    played = read_track(agent, MOST_TRACK) if agent.exists() else np.zeros(0, dtype=np.float32)
    recorded = session.read(0, session.samples)
    heard = item.trace.header.echo and agent.exists()
    echo = echo_path(knobs_of(run.config).echo, session) if heard else EchoPath()
    named = knobs_of(run.config).filters
    filters = FilterChain(named).step if named else None
    shown = timeline_data(session, item.trace, scores, agent, echo, session.samples, filters)
    found = index(item.trace)
    replies = list(found.replies.values())
    end = max([session.samples, *(play.t + play.samples for reply in replies for play in reply.plays)])
    data = {
        "name": session.name,
        "samples": end,
        "recorded": session.samples,
        "mic": peaks(recorded),
        "agent": peaks(played),
        "level": np.rint((shown.level - FLOOR_DBFS) * LEVEL_STEPS).astype(np.uint8),
        "pauses": _pause_heads(run, item),
        "pauseThreshold": assistant.stt_vad_threshold if assistant.stt_vad else None,
        "threshold": round(float(dbfs(np.array(assistant.stt_silence_threshold))), 2)
        if assistant.stt_silence
        else None,
        "echo": bool(echo),
        "labels": [[label.start, label.end, label.kind, label.turn, label.text] for label in item.labels],
        "labelSource": session.labels_source or "",
        "states": [list(state) for state in listener_states(item.trace, replies, end)],
        "gates": [list(span) for span in shown.gates],
        "words": [[event.at, event.t, event.text] for event in item.trace.events if isinstance(event, Word)],
        "chunks": [list(chunk) for chunk in played_chunks(item.trace, replies)],
        "buffer": lowest(shown.buffer, end),
        "underruns": [list(span) for span in shown.underruns],
        "markers": [[marker.t, marker.name, int(marker.bad)] for marker in shown.markers],
        "holds": [[row.start, row.end, int(row.cut)] for row in scores.holds],
    }
    return data, recorded, played


MOST_TRACK = 2 * 86_400 * SAMPLE_RATE
"""An agent track goes on for the last answer after its session, which lasts a day at most."""


def peaks(pcm: Audio) -> Bytes:
    """Largest magnitude in each :data:`PEAK_SAMPLES`, 0 to 255.

    >>> peaks(np.full(PEAK_SAMPLES + 1, -1.0, dtype=np.float32)).tolist()
    [255, 255]
    """
    steps = -(-len(pcm) // PEAK_SAMPLES)
    padded = np.zeros(steps * PEAK_SAMPLES, dtype=np.float32)
    padded[: len(pcm)] = np.abs(pcm)
    largest = padded.reshape(steps, PEAK_SAMPLES).max(axis=1) if steps else padded
    found: Bytes = np.rint(np.minimum(largest, 1.0) * 255).astype(np.uint8)
    return found


NOT_HEARD = 255
"""Byte of a frame that the STT did not hear; 0 to 254 are probabilities of a pause."""


def _pause_heads(run: Run, item: SessionRun) -> Bytes:
    """Byte a frame; empty where the STT has no pause heads.

    Raises:
        WorkbenchError: the file of pause heads cannot be read.
    """
    path = pauses_path(run.folder, item.session.name)
    if not path.exists():
        return np.zeros(0, dtype=np.uint8)
    values = np.full(item.session.frames, NOT_HEARD, dtype=np.uint8)
    try:
        for frame, value in read_json(path):
            values[frame] = round(min(max(value, 0.0), 1.0) * (NOT_HEARD - 1))
    except (TypeError, ValueError, IndexError):
        raise WorkbenchError(f"{path}: not in the form of pause heads; replay the session again") from None
    return values


def lowest(changes: Sequence[tuple[int, int]], end: int) -> Bytes:
    """Least fill of the playback buffer in each :data:`PEAK_SAMPLES`, at most 255 frames.

    Args:
        changes: (moment, frames from there on), ascending.
        end: length of the session.

    >>> lowest([(0, 2), (PEAK_SAMPLES, 3), (PEAK_SAMPLES + 9, 1)], 3 * PEAK_SAMPLES).tolist()
    [2, 1, 1]
    """
    levels = np.zeros(-(-end // PEAK_SAMPLES), dtype=np.uint8)
    for (start, level), (stop, _) in pairwise([*changes, (end, 0)]):
        first, last = start // PEAK_SAMPLES, -(-stop // PEAK_SAMPLES)
        begun = levels[first : first + 1].copy() if start % PEAK_SAMPLES else None
        levels[first:last] = min(level, 255)
        if begun is not None:  # what was there in the first part of the step
            levels[first : first + 1] = np.minimum(begun, min(level, 255))
    return levels


def listener_states(trace: Trace, replies: list[ReplyEvents], end: int) -> Iterator[tuple[int, int, str]]:
    """(start, end, state) of the listener, and of the agent where it does not listen.

    ``waiting`` for speech, ``hearing`` a turn, ``thinking`` from commit to first sound, ``speaking``.
    """
    changes: list[tuple[int, str]] = []
    for event in trace.events:
        if isinstance(event, Listen):
            changes.append((event.t, "waiting"))
        elif isinstance(event, Onset):
            changes.append((event.t, "hearing"))
        elif isinstance(event, Commit):
            changes.append((event.t, "thinking"))
    changes += [(reply.speaking[0], "speaking") for reply in replies if reply.speaking]
    changes.sort(key=lambda change: change[0])
    for (start, state), (stop, _) in zip(changes, [*changes[1:], (end, "")], strict=True):
        if start < stop:
            yield start, stop, state


def played_chunks(trace: Trace, replies: list[ReplyEvents]) -> Iterator[tuple[int, int, int, int, str]]:
    """(start, end, answer, chunk, text) of each chunk as it is played; one that is never heard has no length."""
    plays: dict[tuple[int, int], tuple[int, int]] = {}
    for reply in replies:
        for play in reply.plays:
            first, _ = plays.get((reply.number, play.chunk), (play.t, 0))
            plays[reply.number, play.chunk] = first, play.t + play.samples
    for event in trace.events:
        if isinstance(event, Chunk):
            start, stop = plays.get((event.reply, event.chunk), (event.t, event.t))
            yield start, stop, event.reply, event.chunk, event.text
