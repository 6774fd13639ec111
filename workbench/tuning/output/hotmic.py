"""Suggestions of MLX-Harmony's ``hotmic`` for a recording: its rule, on the same audio.

``hotmic`` listens at 16 kHz in blocks of 500 ms. The first 3 s are silence by assumption: their median block RMS is the
noise. The 90th percentile of the last 400 blocks, silent ones included, is the speech level. It suggests
``max(0.002, (noise + speech) / 2, 2 noise)`` as ``stt_silence_threshold``, and for ``stt_silence_ms`` its own release
setting, 300, whatever was heard.
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from workbench.arrays import Audio
from workbench.cache import Store, code_version, key_of
from workbench.config import Config, override
from workbench.recording.calibrate import hotmic_rule
from workbench.sessions.session import Session
from workbench.units import SAMPLE_RATE

RATE = 16_000
BLOCK = RATE // 2
CALIBRATION_BLOCKS = 6
RELEASE_MS = 300


@dataclass(frozen=True)
class Suggestion:
    """One session's.

    Attributes:
        noise, speech: block RMS, linear full scale.
        threshold: suggested ``stt_silence_threshold``.
    """

    session: str
    noise: float
    speech: float
    threshold: float


def suggest(session: Session) -> Suggestion:
    """Apply the rule to a session's microphone."""
    import soxr

    stream = soxr.ResampleStream(SAMPLE_RATE, RATE, 1, dtype="float32")
    levels: list[float] = []
    rest: Audio = np.zeros(0, dtype=np.float32)
    for block in session.stream():
        rest = np.concatenate((rest, stream.resample_chunk(block.ravel())))
        whole = len(rest) // BLOCK * BLOCK
        levels += np.sqrt(np.mean(np.square(rest[:whole].reshape(-1, BLOCK), dtype=np.float64), axis=1)).tolist()
        rest = rest[whole:]
    rule = hotmic_rule(levels[:CALIBRATION_BLOCKS], levels[CALIBRATION_BLOCKS:])
    return Suggestion(session.name, *rule)


def kept_suggestion(session: Session, store: Store) -> Suggestion:
    """The same, kept in the store."""
    key = key_of("hotmic", code_version(), session.name, session.mic.sha256)
    found = store.get(key, lambda data: Suggestion(*json.loads(data)))
    if found is None:
        found = suggest(session)
        store.put(key, found, lambda value: json.dumps(astuple(value)).encode())
    return found


def by_rule(config: Config, suggestions: Sequence[Suggestion]) -> Config:
    """The config with what the rule suggests: the median threshold over sessions, and its release setting."""
    threshold = statistics.median(item.threshold for item in suggestions)
    return override(config, {"stt_silence_threshold": min(1.0, threshold), "stt_silence_ms": RELEASE_MS})
