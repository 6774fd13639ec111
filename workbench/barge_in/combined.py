"""Two or more barge-in rules as one: all must hold (``a+b``), or one is enough (``a/b``).

LiveKit Agents asks for both its voice detector and, with ``min_interruption_words``, its STT; unmute for either a word
or its pause head.
"""

from collections.abc import Sequence

from workbench.barge_in.protocol import BargeInRule, ShownFrame

_APART = 6
"""Frames between the sounds that two rules found at most: half a second. A word's text comes long after its sound, so
sounds are compared and not the moments at which the rules found them."""


class Both:
    """All rules must hold, for sounds that overlap or lie at most half a second apart.

    Args:
        rules: fresh ones.

    >>> from workbench.barge_in.protocol import KnownFrame
    >>> from workbench.barge_in import make_rule
    >>> from workbench.barge_in_knobs import BargeInKnobs
    >>> from workbench.stages.protocols import SttStep
    >>> rule = make_rule(BargeInKnobs("energy+words", frames=1, window=0), threshold=0.01)
    >>> rule.see(KnownFrame(level=0.5, place=10, delay=6)), rule.see(KnownFrame(step=SttStep(" no"), place=15, delay=6))
    (0, 10)
    """

    def __init__(self, rules: Sequence[BargeInRule]) -> None:
        self._rules = rules
        self._sounds: dict[int, tuple[int, int]] = {}
        """Rule → first and last frame of the sound that it found last."""

    def see(self, frame: ShownFrame) -> int:
        """See :class:`workbench.barge_in.protocol.BargeInRule`."""
        found = [rule.see(frame) for rule in self._rules]
        for number, run in enumerate(found):
            if run:
                self._sounds[number] = frame.place + 1 - run, frame.place
        if not any(found) or len(self._sounds) < len(self._rules):
            return 0
        begun = [first for first, _ in self._sounds.values()]
        together = max(begun) - min(last for _, last in self._sounds.values()) <= _APART
        return frame.place + 1 - min(begun) if together else 0


class Either:
    """One rule is enough; the longest sound counts.

    Args:
        rules: fresh ones.
    """

    def __init__(self, rules: Sequence[BargeInRule]) -> None:
        self._rules = rules

    def see(self, frame: ShownFrame) -> int:
        """See :class:`workbench.barge_in.protocol.BargeInRule`."""
        return max([rule.see(frame) for rule in self._rules])
