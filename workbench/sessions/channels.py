"""Channels of a recording compared, and what their mean loses.

Conventions: levels are RMS over the whole file in dB of full scale (a full-scale sine has -3 dB), channels count from
1. The mean of two channels is as loud as they are where they are equal; what it loses otherwise is said, because the
thresholds that are tuned on a session are levels.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from workbench.arrays import Floats

_SILENT_DB = -80.0
"""A channel below this is dead: the noise of a microphone's preamplifier lies above it."""
_SILENT_BELOW_DB = 40.0
"""Or one that lies so far below the loudest."""
_LOUDER_DB = 12.0
_OPPOSITE, _UNRELATED = -0.5, 0.3
"""Correlation coefficients: at or below the first two channels cancel; below the second they are different sound."""


@dataclass
class ChannelStats:
    """Sums over a file's blocks, from which all is worked out."""

    channels: int
    samples: int = 0
    products: Floats = field(init=False)
    """Sum of products of each two channels, shape (channels, channels)."""

    def __post_init__(self) -> None:
        self.products = np.zeros((self.channels, self.channels))

    def add(self, block: npt.NDArray[np.float32]) -> None:
        """Take a block of shape (samples, channels)."""
        wide = block.astype(np.float64)
        self.products += wide.T @ wide
        self.samples += len(block)

    def levels(self) -> Floats:
        """Level of each channel in dB."""
        return _db(np.diag(self.products) / max(1, self.samples))

    def mean_level(self) -> float:
        """Level of the mean of all channels in dB."""
        return float(_db(np.array(max(0.0, self.products.sum()) / max(1, self.samples) / self.channels**2)))

    def correlation(self, one: int, other: int) -> float:
        """Correlation coefficient of two channels, which count from 0 here."""
        power = self.products[one, one] * self.products[other, other]
        return float(self.products[one, other] / np.sqrt(power)) if power > 0 else 0.0


def mean_remarks(stats: ChannelStats) -> list[str]:
    """What the mean of the channels does to their sound, a line each; nothing where the channels are alike.

    >>> stats = ChannelStats(2)
    >>> stats.add(np.array([[0.5, 0], [-0.5, 0]], dtype=np.float32))
    >>> mean_remarks(stats)
    ['channel 2 is silent: the mean is 6.0 dB quieter than channel 1; --mic-channel 1 takes that one alone']
    """
    levels = stats.levels()
    loudest = int(np.argmax(levels))
    if levels[loudest] < _SILENT_DB:
        return []
    alive = [i for i, level in enumerate(levels) if level > max(_SILENT_DB, levels[loudest] - _SILENT_BELOW_DB)]
    dead = [i for i in range(stats.channels) if i not in alive]
    lost = f"the mean is {levels[loudest] - stats.mean_level():.1f} dB quieter than channel {loudest + 1}"
    alone = f"--mic-channel {loudest + 1} takes that one alone"
    out = []
    if dead:
        out.append(f"{_names(dead)} silent: {lost}; {alone}")
    for other in alive:
        if other == loudest:
            continue
        pair, relation = _names(sorted((loudest, other))), stats.correlation(loudest, other)
        if relation <= _OPPOSITE:
            out.append(f"{pair} opposite in phase (correlation {relation:.2f}) and cancel: {lost}; {alone}")
        elif relation < _UNRELATED:
            out.append(
                f"{pair} different sound (correlation {relation:.2f}); if one is the user and one the agent, choose "
                "them with --mic-channel and --agent-channel"
            )
        elif levels[loudest] - levels[other] >= _LOUDER_DB:
            louder = levels[loudest] - levels[other]
            out.append(f"channel {loudest + 1} is {louder:.1f} dB louder than channel {other + 1}: {lost}; {alone}")
    return out


def _names(channels: list[int]) -> str:
    numbers = [str(channel + 1) for channel in channels]
    if len(numbers) == 1:
        return f"channel {numbers[0]} is"
    return f"channels {', '.join(numbers[:-1])} and {numbers[-1]} are"


def _db(power: Floats) -> Floats:
    decibels: Floats = 10 * np.log10(np.maximum(power, 1e-15))
    return decibels
