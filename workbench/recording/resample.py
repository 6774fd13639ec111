"""Resampling of device blocks to the session's format: mono, 24 kHz, 24-bit whole numbers.

A device of 16 or 24 bits reaches us as float32, which holds both exactly, so 24-bit whole numbers give every sample
back bit for bit. FLAC takes 24 bits (it cannot hold floats), and spends nothing on the eight low bits of a 16-bit
device, because they are always zero.
"""

import numpy as np
import numpy.typing as npt

from workbench.arrays import Audio
from workbench.units import SAMPLE_RATE

Pcm24 = npt.NDArray[np.int32]
"""Samples from -2**23 to 2**23 - 1."""

_FULL_SCALE = 1 << 23


def quantise(pcm: Audio) -> Pcm24:
    """Float32 full scale to 24-bit whole numbers, clipped; what is not a number becomes 0.

    >>> quantise(np.array([0.5, -1.0, 1.0, 1 / 32768], dtype=np.float32)).tolist()
    [4194304, -8388608, 8388607, 256]
    """
    scaled = np.nan_to_num(pcm.astype(np.float64) * _FULL_SCALE, nan=0.0, posinf=_FULL_SCALE, neginf=-_FULL_SCALE)
    return np.clip(np.rint(scaled), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int32)


def dequantise(pcm: Pcm24) -> Audio:
    """24-bit whole numbers to float32 full scale, exactly."""
    return (pcm / np.float32(_FULL_SCALE)).astype(np.float32)


class Fitter:
    """A stream of device blocks to 24 kHz mono float32.

    Args:
        rate: of the device.
        channels: of the device; they are averaged.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self.rate = rate
        self._mix = channels > 1
        self._resampler = None
        if rate != SAMPLE_RATE:
            import soxr

            self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")

    def __call__(self, block: Audio, last: bool = False) -> Audio:
        """Fit a block of shape (frames, channels); returns a new array of shape (n,).

        A resampler keeps some samples back; they come with later blocks, in place, and the rest with ``last``.
        """
        mono = block.mean(axis=1, dtype=np.float32) if self._mix else block[:, 0].copy()
        if self._resampler is None:
            return mono
        fitted: Audio = self._resampler.resample_chunk(mono, last=last)
        return fitted

    def flush(self) -> Audio:
        """What the resampler still keeps back."""
        if self._resampler is None:
            return np.zeros(0, dtype=np.float32)
        fitted: Audio = self._resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
        return fitted

    def position(self, sample: int) -> int:
        """Sample of the device's clock on the 24 kHz clock."""
        return round(sample * SAMPLE_RATE / self.rate)
