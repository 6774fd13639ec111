"""Rule ``pause_head``: the STT's pause head says that the user does not pause.

The other half of what kyutai-labs/unmute does (``unmute_handler.py`` and ``speech_to_text.py`` at 84aa28d): below 0.4
the bot is stopped. It smooths the head with a half-time of 10 ms, which at one step in 80 ms smooths nothing, and does
not look at the first 12 steps, where the head is not to be relied on. Its 3 s at the start of a session, in which only
a word stops the bot, are for echo cancellers that settle: ``barge_in_grace_ms`` has them for each answer.

>>> from workbench.barge_in.protocol import KnownFrame
>>> from workbench.stages.protocols import SttStep
>>> rule = PauseHeadRule(BargeInKnobs("pause_head", 1, 0, pause_below=0.4), threshold=0.01)
>>> steps = [SttStep("", (0.1, 0.1, pause, 0.1)) for pause in (0.9, 0.3, 0.2)]
>>> [rule.see(KnownFrame(step=step, place=12 + i)) for i, step in enumerate(steps)]
[0, 1, 2]
"""

from workbench.barge_in.protocol import ShownFrame
from workbench.barge_in_knobs import BargeInKnobs
from workbench.stages.protocols import PAUSE_HEAD

_SETTLING = 12
"""Steps of a fresh STT that are not looked at, as in unmute."""


class PauseHeadRule:
    """See :class:`workbench.barge_in.protocol.BargeInRule`."""

    def __init__(self, knobs: BargeInKnobs, threshold: float) -> None:
        self._below = knobs.pause_below
        self._run = 0

    def see(self, frame: ShownFrame) -> int:
        """See :class:`workbench.barge_in.protocol.BargeInRule`."""
        pause = frame.step.pause
        speaks = frame.place >= _SETTLING and pause is not None and pause[PAUSE_HEAD] < self._below
        self._run = self._run + 1 if speaks else 0
        return self._run


RULE = PauseHeadRule
