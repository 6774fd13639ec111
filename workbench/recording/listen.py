"""Listen for a while without recording: what calibration needs."""

import time
from collections.abc import Callable

import numpy as np

from workbench.arrays import Audio
from workbench.errors import WorkbenchError
from workbench.recording.calibrate import Calibration, calibrate
from workbench.recording.callbacks import InputTap
from workbench.recording.levels import DEAD
from workbench.recording.portaudio import StreamSettings, close, open_input, start
from workbench.recording.resample import Fitter
from workbench.recording.ring import BlockRing
from workbench.units import seconds_to_samples

_RING_SLOTS = 125
_WARM_UP_SECONDS = 1.5
"""Given up at first: microphones click and hunt for their gain."""
_GET_READY_SECONDS = 1.0
"""Given up between "be quiet" and "speak": people take a moment."""
_PATIENCE_SECONDS = 5.0


def guided(how: StreamSettings, quiet_seconds: float, speech_seconds: float, say: Callable[[str], None]) -> Calibration:
    """Ask for silence, then for speech, and calibrate.

    Raises:
        WorkbenchError: the device cannot be opened, or gives no audio or nothing but zeros.
    """
    ring = BlockRing(_RING_SLOTS, how.frames, how.channels)
    stream = open_input(how, InputTap(ring))
    fitter = Fitter(how.rate, how.channels)

    def hear(seconds: float) -> Audio:
        parts: list[Audio] = []
        wanted, heard_at = seconds_to_samples(seconds), time.monotonic()
        while sum(len(part) for part in parts) < wanted:
            while len(ring):
                parts.append(fitter(ring.audio()))
                ring.pop()
                heard_at = time.monotonic()
            if time.monotonic() - heard_at > _PATIENCE_SECONDS:
                raise WorkbenchError(f"input device {how.device.name!r} gives no audio; choose another with --device")
            time.sleep(0.02)
        return np.concatenate(parts)[:wanted]

    try:
        start(stream, f"input device {how.device.name!r}")
        say(f"calibration: be quiet for {quiet_seconds:g} s")
        hear(_WARM_UP_SECONDS)
        quiet = hear(quiet_seconds)
        say(f"calibration: now speak as you will to the assistant, for {speech_seconds:g} s")
        hear(_GET_READY_SECONDS)
        spoken = hear(speech_seconds)
    finally:
        close(stream)
    if not quiet.any() and not spoken.any():
        raise WorkbenchError(f"input device {how.device.name!r} gives nothing but digital zeros: it {DEAD}")
    return calibrate(quiet, spoken)
