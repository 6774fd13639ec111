"""A take without a device: a microphone that says what it is told, some thirty times faster than real time."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from workbench.arrays import Audio
from workbench.recording.portaudio import Device, InputCallback, StreamSettings
from workbench.recording.recorder import Recorder, RecordingPlan

from .conftest import RATE

FRAMES = 1920
_PACE_SECONDS = 0.0025


class FedMicrophone:
    """Calls back with block after block of ``sound(number)`` until it is closed; ``active`` until ``blocks`` are out.

    Attributes:
        latency: see ``audio.Stream``.
        time: see ``audio.Stream``.
    """

    latency = 0.1
    time = 0.0

    def __init__(self, callback: InputCallback, sound: Callable[[int], Audio], blocks: int) -> None:
        self._callback, self._sound, self._blocks = callback, sound, blocks
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.active = True

    def _run(self) -> None:
        for number in range(self._blocks):
            if self._closing.wait(_PACE_SECONDS):
                return
            self._callback(self._sound(number)[:, None], number * FRAMES / RATE, 0, time.perf_counter())
        self.active = False

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()


def loud(number: int) -> Audio:
    """Never zero, so that silence stands out."""
    return np.full(FRAMES, 0.25, dtype=np.float32)


def fed_take(folder: Path, sound: Callable[[int], Audio] = loud, blocks: int = 100_000) -> Recorder:
    """A take that hears this until it is stopped."""
    device = Device(0, "fed", "none", 1, 1, RATE, True, True)
    plan = RecordingPlan(folder, StreamSettings(device, "input", RATE, 1), (0.01, 700, 200))

    def no_output(*_: object) -> FedMicrophone:
        raise AssertionError("nothing is played")

    return Recorder(plan, (lambda _, callback: FedMicrophone(callback, sound, blocks), no_output))
