"""Canceller ``ratio``: while the agent plays, frames that are soft against what is played are silenced.

The oldest guard against echo: a frame passes if its level over that of the loudspeaker in the last 0.32 s is above
``echo_ratio_db``, which must lie above the gain of the echo path. It changes nothing in the frames that pass.
"""

from collections import deque

import numpy as np

from workbench.arrays import Audio
from workbench.echo_knobs import FilterKnobs

_MEMORY = 4
"""Frames for which what was played still counts: a room rings on."""
_SILENT = 1e-4
"""Level of the loudspeaker, -80 dBFS, below which it counts as silent."""


class RatioGate:
    """See :class:`workbench.simulation.filters.FrameFilter`."""

    delay = 0
    cost_ms = 0.1

    def __init__(self, knobs: FilterKnobs) -> None:
        self._ratio = 10 ** (knobs.ratio_db / 20)
        self._played: deque[float] = deque(maxlen=_MEMORY)

    def step(self, near: Audio, far: Audio) -> Audio:
        """See :class:`workbench.simulation.filters.FrameFilter`."""
        self._played.append(_level(far))
        loudest = max(self._played)
        passes = loudest < _SILENT or _level(near) >= self._ratio * loudest
        return near if passes else np.zeros_like(near)


def _level(pcm: Audio) -> float:
    return float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))))


FILTER = RatioGate
