"""Bandwidth of a recording, from its sound: a headset at 8 or 16 kHz behind a sound server holds nothing above 4 or
8 kHz, though the stream runs at 24 kHz; and where the bandwidth changes, another microphone took over.

Conventions: levels are RMS in dB of full scale, per second. The bands just below and just above a limit are compared.
Resampling by a sound server leaves at least 48 dB between them (measured on PulseAudio 16: white noise and speech, 8
and 16 kHz); speech and rooms through a whole microphone differ by a few dB there.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from workbench.arrays import Floats
from workbench.units import SAMPLE_RATE

LIMITS = (4_000, 8_000)
"""Half of the sampling rates of headsets: Bluetooth's CVSD and mSBC."""
_BELOW, _ABOVE = (0.8, 0.95), (1.075, 1.3)
"""Bands to compare, as multiples of the limit; resamplers roll off between them."""
_DROP_DB = 40.0
_LEAST_DBFS = -90.0
"""With less than this below a limit it cannot be judged: the steps of a 16-bit device make -109."""
_SOUND_HZ = (100, 3_800)
_SOUND_DBFS = -80.0
"""A second whose sound lies below this says nothing."""
_UNKNOWN = -1
_LEAST_SECONDS = 3
"""A bandwidth that holds for fewer seconds of sound is chance."""


@dataclass(frozen=True)
class Stretch:
    """Part of a track with one bandwidth.

    Attributes:
        start: first sample; 0 for the first stretch.
        limit: highest frequency in Hz, one of :data:`LIMITS`; None where nothing is missing.
    """

    start: int
    limit: int | None


def stretches(track: Path) -> list[Stretch]:
    """Bandwidths of a track in order, each different from the one before; empty where there is too little sound."""
    found: list[Stretch] = []
    run: list[int] = []
    last: int | None = None
    with soundfile.SoundFile(track) as file:
        for second in range(file.frames // SAMPLE_RATE):
            spectrum = _spectrum(file.read(SAMPLE_RATE, dtype="float32"))
            if _level(spectrum, *_SOUND_HZ) < _SOUND_DBFS:
                continue
            limit = _limit(spectrum)
            if limit == _UNKNOWN:
                continue
            run = [*run, second] if run and limit == last else [second]
            last = limit
            if len(run) == _LEAST_SECONDS and (not found or found[-1].limit != limit):
                found.append(Stretch(run[0] * SAMPLE_RATE if found else 0, limit))
    return found


def _limit(spectrum: Floats) -> int | None:
    """Highest frequency of a second; None for all, ``_UNKNOWN`` where it cannot be judged."""
    is_known = True
    for hz in LIMITS:
        below, above = (_level(spectrum, *(hz * edge for edge in band)) for band in (_BELOW, _ABOVE))
        if below - above >= _DROP_DB:
            return hz
        is_known = is_known and below >= _LEAST_DBFS
    return None if is_known else _UNKNOWN


def _spectrum(pcm: Floats) -> Floats:
    """Power per Hz bin of one second, so scaled that bins add up to the mean square."""
    window = np.hanning(len(pcm))
    power: Floats = np.abs(np.fft.rfft(pcm * window)) ** 2 * 2 / (np.sum(window**2) * len(pcm))
    return power


def _level(spectrum: Floats, low: float, high: float) -> float:
    return float(10 * np.log10(max(1e-20, spectrum[round(low) : round(high)].sum())))
