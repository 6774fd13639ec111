"""WebRTC's audio processing module, by pywebrtc-audio (extra ``cancellers``): shared by AEC3 and noise suppression."""

from typing import Any

import numpy as np

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.units import SAMPLE_RATE


def processor(**options: Any) -> Any:
    """An ``AudioProcessor`` at 24 kHz, which it resamples to a rate of its own and back.

    Raises:
        WorkbenchError: pywebrtc-audio is missing.
    """
    try:
        from pywebrtc_audio import AudioProcessor
    except ImportError:
        hint = "'pip install moshi-workbench[cancellers]' brings it"
        raise WorkbenchError(f"pywebrtc-audio is not installed; {hint}") from None
    return AudioProcessor(sample_rate=SAMPLE_RATE, **options)


def process(module: Any, near: Audio, far: Audio) -> Audio:
    """One frame: it takes any multiple of 10 ms."""
    return np.asarray(module.process(np.ascontiguousarray(near), np.ascontiguousarray(far)), dtype=np.float32)
