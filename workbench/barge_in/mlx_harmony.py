"""MLX-Harmony's own rule (branch ``moshi-dev``): text that a listen cycle during a chunk brings stops the agent.

It cannot be chosen for another assistant: the cycle during each chunk (the watch) is part of how MLX-Harmony answers.
"""

from typing import Protocol

from workbench.barge_in.protocol import BargeInDecision
from workbench.units import FRAME_SAMPLES, frame_end


class WatchCycle(Protocol):
    """How a watch went; see :class:`workbench.assistants.protocol.ListenCycle`."""

    @property
    def committed(self) -> bool:
        """Whether it ended a turn."""
        ...

    @property
    def ended(self) -> int:
        """When it was done."""
        ...

    @property
    def last(self) -> int:
        """Frame that decided."""
        ...

    @property
    def gate(self) -> int:
        """Frame at which its gate opened; -1 if it did not."""
        ...

    @property
    def fed(self) -> tuple[int, ...]:
        """Session frame of each STT step."""
        ...


def decide(cycle: WatchCycle, text: str) -> BargeInDecision | None:
    """The decision that a watch came to.

    Args:
        cycle: of the watch, over.
        text: what the STT made of it.
    """
    if not cycle.committed or not text:
        return None
    # Without the energy gate nothing marks an onset: what was heard from there on brought the text.
    onset = cycle.gate if cycle.gate >= 0 else cycle.fed[0]
    return BargeInDecision(cycle.ended, onset * FRAME_SAMPLES, frame_end(cycle.last))
