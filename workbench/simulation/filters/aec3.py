"""Canceller ``aec3``: WebRTC's AEC3, the echo canceller of browsers, with its high-pass filter."""

from workbench.arrays import Audio
from workbench.echo_knobs import FilterKnobs
from workbench.simulation.filters.webrtc import process, processor


class Aec3:
    """See :class:`workbench.simulation.filters.FrameFilter`."""

    delay = 224
    """Of its filter bank and of resampling; measured by cross-correlation."""
    cost_ms = 1.0

    def __init__(self, knobs: FilterKnobs) -> None:
        self._module = processor(echo_cancellation=True)

    def step(self, near: Audio, far: Audio) -> Audio:
        """See :class:`workbench.simulation.filters.FrameFilter`."""
        return process(self._module, near, far)


FILTER = Aec3
