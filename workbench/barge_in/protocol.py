"""Protocol of a barge-in rule, what it is shown of a frame, and its decision."""

from dataclasses import dataclass, field
from typing import Protocol

from workbench.stages.protocols import SttStep


@dataclass(frozen=True)
class BargeInDecision:
    """Decision to stop the agent, in samples of the session's clock.

    Attributes:
        at: when the decision was there.
        onset: first sample of the sound that did it.
        frame_end: end of the frame that decided it.
        confirmed: when a word confirmed it, where the agent only paused until then; else -1.
    """

    at: int
    onset: int
    frame_end: int
    confirmed: int = -1

    @property
    def final(self) -> int:
        """When the answer was given up."""
        return max(self.at, self.confirmed)


class ShownFrame(Protocol):
    """A frame as a barge-in rule is shown it, the agent's echo included. What no rule asks is not worked out."""

    @property
    def place(self) -> int:
        """Its number since the answer began, from 0; the STT and the voice detector were reset before frame 0."""
        ...

    @property
    def delay(self) -> int:
        """Frames by which a word's text comes after its sound."""
        ...

    @property
    def level(self) -> float:
        """RMS in linear full scale."""
        ...

    @property
    def voice(self) -> float:
        """Probability of speech by Silero's voice detector, 0 to 1."""
        ...

    @property
    def step(self) -> SttStep:
        """Output of the STT's step on the frame; only for rules of :data:`workbench.config_sections.ASKS_STT`."""
        ...


@dataclass(frozen=True)
class KnownFrame:
    """A :class:`ShownFrame` of which all is known."""

    level: float = 0.0
    voice: float = 0.0
    step: SttStep = field(default_factory=lambda: SttStep(""))
    place: int = 0
    delay: int = 0


class BargeInRule(Protocol):
    """Frame-by-frame rule that decides when the user interrupts; made anew for each answer."""

    def see(self, frame: ShownFrame) -> int:
        """Take the next frame.

        Args:
            frame: see :class:`ShownFrame`.

        Returns:
            Frames of the interruption, this one included; 0 while there is none.
        """
        ...
