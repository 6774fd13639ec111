"""Listen cycles whose steps on the one STT model fall between each other's."""

from collections.abc import Iterator

from workbench.assistants.protocol import ListenCycle
from workbench.trace import SharedModel


class SharedModelCycles:
    """Finds cycles that stepped the model between steps of another one.

    MLX-Harmony steps it from two threads without a lock. Here the steps take turns, and each cycle gets the text of its
    own steps; whose token it is there cannot be known.
    """

    def __init__(self) -> None:
        self._ended: list[tuple[int, int, bool]] = []
        """First and last step of each cycle until now, and whether it has been named."""

    def add(self, cycle: ListenCycle) -> Iterator[SharedModel]:
        """Take a cycle that is over; gives an event for each cycle that is now known to have shared the model."""
        if not cycle.done:
            return
        first, last, shares = cycle.done[0], cycle.done[-1], False
        for at, (begun, ended, named) in enumerate(self._ended):
            if begun <= last and first <= ended:
                shares = True
                self._ended[at] = (begun, ended, True)
                if not named:
                    yield SharedModel(begun, ended)
        self._ended.append((first, last, shares))
        if shares:
            yield SharedModel(first, last)
