"""Microphone level of each frame, and what the listener would decide on it."""

from collections import deque

import numpy as np
import numpy.typing as npt

from workbench.sessions.tracks import frame_rms
from workbench.units import FRAME_SAMPLES, frames_for_ms

CLIP = 0.95
"""From this magnitude on a sample counts as clipped: hotmic's figure."""

DEAD = (
    "is muted, or the system does not let this program hear it (macOS: System Settings, Privacy & Security, Microphone)"
)
"""Why a microphone gives nothing but zeros: a real one always has noise of its own."""

_HOLD_FRAMES = 25
"""Peak hold: 2 s."""


class GateMeter:
    """SPEAK or SILENT as the listener's energy gate decides it, from frame levels alone.

    Speech starts after ``min_speech_ms`` at or above the threshold and ends after ``silence_ms`` below it, both in
    whole 80 ms frames.

    Args:
        threshold: frame RMS, linear full scale.
    """

    def __init__(self, threshold: float, silence_ms: float, min_speech_ms: float) -> None:
        self.threshold = threshold
        self._to_end = max(1, frames_for_ms(silence_ms))
        self._to_start = max(1, frames_for_ms(min_speech_ms))
        self._run = 0
        self.speaking = False

    def add(self, rms: float) -> bool:
        """Hear one frame; returns whether the listener takes it as speech.

        >>> gate = GateMeter(0.1, silence_ms=160, min_speech_ms=160)
        >>> [gate.add(rms) for rms in (0.2, 0.2, 0.0, 0.2, 0.0, 0.0)]
        [False, True, True, True, True, False]
        """
        contrary = (rms < self.threshold) if self.speaking else (rms >= self.threshold)
        self._run = self._run + 1 if contrary else 0
        if self._run >= (self._to_end if self.speaking else self._to_start):
            self.speaking = not self.speaking
            self._run = 0
        return self.speaking


class LevelMeter:
    """Levels of the microphone so far: what the meter shows.

    Written by the writer thread, read by the meter: single values that may be one frame apart.
    """

    def __init__(self, gate: GateMeter) -> None:
        self.gate = gate
        self.rms = 0.0
        self.peak = 0.0
        self.clipped = 0
        self.samples = 0
        self.frames = 0
        self.speech_frames = 0
        self._rest: npt.NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._peaks: deque[float] = deque(maxlen=_HOLD_FRAMES)

    def add(self, pcm: npt.NDArray[np.float32]) -> None:
        """Hear fitted samples, any number of them."""
        self.samples += len(pcm)
        self.clipped += int(np.count_nonzero(np.abs(pcm) >= CLIP))
        whole = np.concatenate([self._rest, pcm]) if len(self._rest) else pcm
        count = len(whole) // FRAME_SAMPLES
        frames = whole[: count * FRAME_SAMPLES].reshape(count, FRAME_SAMPLES)
        self._rest = whole[count * FRAME_SAMPLES :]
        for rms, peak in zip(frame_rms(frames), np.abs(frames).max(axis=1, initial=0.0), strict=True):
            self.rms = float(rms)
            self._peaks.append(float(peak))
            self.peak = max(self._peaks)
            self.frames += 1
            self.speech_frames += self.gate.add(self.rms)

    @property
    def clip_share(self) -> float:
        """Share of samples at or above :data:`CLIP`."""
        return self.clipped / self.samples if self.samples else 0.0


def dbfs(level: float) -> float:
    """Linear full scale to decibels, not below -120.

    >>> dbfs(0.1), dbfs(0.0)
    (-20.0, -120.0)
    """
    return 20 * float(np.log10(max(level, 1e-6)))
