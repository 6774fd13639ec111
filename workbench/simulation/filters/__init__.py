"""Echo cancellers and filters between the microphone and the listener: one a file, each a :class:`FrameFilter`.

The listener, the energy gate and the STT all hear what comes out. A filter is pure: the same frames give the same
frames, and it starts anew with each session. It runs on a processor of its own, so that it delays a frame by its cost
and holds up no model.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

from workbench.arrays import Audio
from workbench.echo_knobs import FilterKnobs
from workbench.units import ms_to_samples


class FrameFilter(Protocol):
    """Canceller or filter of one session; ``FILTER`` of a file, made with the knobs.

    Attributes:
        delay: samples by which the sound in its frames is late.
        cost_ms: milliseconds for a frame of 80 ms, measured by ``benchmarks/cancellers.py``.
    """

    delay: int
    cost_ms: float

    def step(self, near: Audio, far: Audio) -> Audio:
        """Take the next frame.

        Args:
            near: of the microphone, float32 of shape (1920,).
            far: what the loudspeaker played in that time, likewise.

        Returns:
            What the listener hears, likewise.
        """
        ...


class FilterChain:
    """The filters that the knobs name, one after the other; false where there are none.

    Attributes:
        delay: samples by which the sound in its frames is late.
        cost: samples on the clock from a frame's end until it can be used.

    Raises:
        WorkbenchError: a package is missing.
    """

    def __init__(self, knobs: FilterKnobs) -> None:
        names = [name for name in (knobs.canceller, knobs.filter) if name != "none"]
        self._filters: Sequence[FrameFilter] = [_make(name, knobs) for name in names]
        self.delay = sum(item.delay for item in self._filters)
        self.cost = ms_to_samples(sum(item.cost_ms for item in self._filters))

    def __bool__(self) -> bool:
        return bool(self._filters)

    def step(self, near: Audio, far: Audio) -> Audio:
        """See :class:`FrameFilter`."""
        for item in self._filters:
            near = item.step(near, far)
        return near


def _make(name: str, knobs: FilterKnobs) -> FrameFilter:
    made: FrameFilter = import_module(f"{__name__}.{name.replace('-', '_')}").FILTER(knobs)
    return made
