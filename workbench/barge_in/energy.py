"""Rule ``energy``: a number of loud frames in a row, the agent's own echo included.

>>> from workbench.barge_in.protocol import KnownFrame
>>> rule = EnergyRule(BargeInKnobs("energy", frames=2, window=0), threshold=0.01)
>>> [rule.see(KnownFrame(level=level)) for level in (0.5, 0.0, 0.5, 0.5, 0.5)]
[0, 0, 0, 2, 3]
"""

from workbench.barge_in.protocol import ShownFrame
from workbench.barge_in_knobs import BargeInKnobs


class EnergyRule:
    """See :class:`workbench.barge_in.protocol.BargeInRule`."""

    def __init__(self, knobs: BargeInKnobs, threshold: float) -> None:
        self._need, self._threshold = knobs.frames, threshold
        self._run = 0

    def see(self, frame: ShownFrame) -> int:
        """See :class:`workbench.barge_in.protocol.BargeInRule`."""
        self._run = self._run + 1 if frame.level >= self._threshold else 0
        return self._run if self._run >= self._need else 0


RULE = EnergyRule
