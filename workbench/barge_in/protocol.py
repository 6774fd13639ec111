"""Protocol of a barge-in rule, and its decision."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class BargeInDecision:
    """Decision to stop the agent, in samples of the session's clock.

    Attributes:
        at: when the decision was there.
        onset: first sample of the sound that did it.
        frame_end: end of the frame that decided it.
    """

    at: int
    onset: int
    frame_end: int


class BargeInRule(Protocol):
    """Frame-by-frame rule that decides when the user interrupts; made anew for each answer."""

    def see(self, level: float) -> int:
        """Take the next frame.

        Args:
            level: RMS in linear full scale, the agent's echo included where it can be heard.

        Returns:
            Frames of the interruption, this one included; 0 while there is none.
        """
        ...
