"""Filter ``noise-suppression``: WebRTC's noise suppression at its second level (12 dB), as browsers have it."""

from workbench.arrays import Audio
from workbench.echo_knobs import FilterKnobs
from workbench.simulation.filters.webrtc import process, processor


class NoiseSuppression:
    """See :class:`workbench.simulation.filters.FrameFilter`."""

    delay = 176
    """Of its filter bank and of resampling; measured by cross-correlation."""
    cost_ms = 0.7

    def __init__(self, knobs: FilterKnobs) -> None:
        self._module = processor(noise_suppression=True, ns_level=1)

    def step(self, near: Audio, far: Audio) -> Audio:
        """See :class:`workbench.simulation.filters.FrameFilter`."""
        return process(self._module, near, far)


FILTER = NoiseSuppression
