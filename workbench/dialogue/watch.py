"""MLX-Harmony's watch for barge-in: a listen cycle that begins with a chunk and ends by its own rules.

Nothing joins it: while it waits for speech it ends with its window, once it is in speech only with text. So it may go
on during the next chunks, listen cycles and the language model, on the same device and the same STT model.
"""

from workbench.assistants.mlx_harmony_listener import open_cycle
from workbench.barge_in.mlx_harmony import decide
from workbench.barge_in.protocol import BargeInDecision
from workbench.dialogue.interruption import watch_knobs
from workbench.dialogue.user_turn import UserTurnRunner
from workbench.knobs import Knobs
from workbench.simulation.scheduler import Process


class ChunkWatch:
    """One watch; it begins with the object, in the background of the session's scheduler.

    Args:
        listening: whose STT watches, and who notes what was heard.
        knobs: all options.
        at: when its chunk begins.
    """

    def __init__(self, listening: UserTurnRunner, knobs: Knobs, at: int) -> None:
        self._listening = listening
        self._is_decided = False
        self._decision: BargeInDecision | None = None
        self._loop = open_cycle(listening.ears, watch_knobs(knobs), at)
        listening.ears.scheduler.start(self._process())

    def _process(self) -> Process:
        yield from self._loop.process(self._listening.ears.device)
        self._listening.ears.stt.close()
        self._listening.log_heard(self._loop.outcome)

    def decision(self) -> BargeInDecision | None:
        """The decision that it came to; None while it goes on, and where it brought no text."""
        if not self._is_decided and self._loop.cycle is not None:
            self._is_decided, self._decision = True, decide(self._loop.cycle, self._loop.hears.text)
        return self._decision

    def decided(self) -> int | None:
        """When it decided; see :meth:`decision`."""
        decision = self.decision()
        return None if decision is None else decision.at
