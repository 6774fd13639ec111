"""Rule ``energy``: a number of loud frames in a row, the agent's own echo included."""

from workbench.knobs import BargeInKnobs


class Rule:
    """See :class:`workbench.barge_in.protocol.BargeInRule`."""

    def __init__(self, knobs: BargeInKnobs, threshold: float) -> None:
        self._need, self._threshold = knobs.frames, threshold
        self._run = 0

    def see(self, level: float) -> int:
        """See :class:`workbench.barge_in.protocol.BargeInRule`."""
        self._run = self._run + 1 if level >= self._threshold else 0
        return self._run if self._run >= self._need else 0
