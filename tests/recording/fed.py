"""A take without a device: a microphone that says what it is told, much faster than real time.

It waits for the recorder, never the other way round: it gives no block before there is room for it, nor, where a test
paces it, before the test allows it. So nothing here depends on how busy the machine is.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from workbench.arrays import Audio
from workbench.recording.devices import Device, StreamSettings
from workbench.recording.plan import RecordingPlan
from workbench.recording.portaudio import InputCallback
from workbench.recording.recorder import Recorder

from .conftest import RATE

FRAMES = 1920
_PACE_SECONDS = 0.0025
_MOST_WAITING = 500
"""Blocks that may wait in the recorder's ring, which holds 750."""


class Pace:
    """Lets a microphone go on only when told to.

    Args:
        blocks: given by each :meth:`step`.
    """

    def __init__(self, blocks: int) -> None:
        self._blocks = blocks
        self.allowed = threading.Semaphore(0)

    def step(self, take: Recorder) -> None:
        """Let the microphone give its blocks, and wait until the recorder has written them."""
        wanted = take.mic_ring.pushed + self._blocks
        self.allowed.release(self._blocks)
        until = time.monotonic() + 120
        while take.mic_ring.pushed < wanted or len(take.mic_ring):
            assert time.monotonic() < until, "the recorder does not write"
            time.sleep(0.002)


class FedMicrophone:
    """Calls back with block after block of ``sound(number)`` until it is closed; ``active`` until ``blocks`` are out.

    Args:
        pace: who lets it go on; None is by itself.

    Attributes:
        latency: see ``audio.Stream``.
        time: see ``audio.Stream``.
    """

    latency = 0.1
    time = 0.0

    def __init__(self, callback: InputCallback, sound: Callable[[int], Audio], blocks: int, pace: Pace | None) -> None:
        self._callback, self._sound, self._blocks, self._pace = callback, sound, blocks, pace
        self.waiting: Callable[[], int] = lambda: 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.active = True

    def _run(self) -> None:
        for number in range(self._blocks):
            if not self._may_go_on():
                return
            self._callback(self._sound(number)[:, None], number * FRAMES / RATE, 0, time.perf_counter())
        self.active = False

    def _may_go_on(self) -> bool:
        while self._pace is not None and not self._pace.allowed.acquire(timeout=0.05):
            if self._closing.is_set():
                return False
        while not self._closing.wait(_PACE_SECONDS if self._pace is None else 0):
            if self.waiting() < _MOST_WAITING:
                return True
        return False

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()


def loud(number: int) -> Audio:
    """Never zero, so that silence stands out."""
    return np.full(FRAMES, 0.25, dtype=np.float32)


def fed_take(
    folder: Path, sound: Callable[[int], Audio] = loud, blocks: int = 100_000, pace: Pace | None = None
) -> Recorder:
    """A take that hears this until it is stopped."""
    device = Device(0, "fed", "none", 1, 1, RATE, True, True)
    plan = RecordingPlan(folder, StreamSettings(device, "input", RATE, 1), (0.01, 700, 200))
    opened: list[FedMicrophone] = []

    def open_input(_: StreamSettings, callback: InputCallback) -> FedMicrophone:
        opened.append(FedMicrophone(callback, sound, blocks, pace))
        return opened[0]

    def no_output(*_: object) -> FedMicrophone:
        raise AssertionError("nothing is played")

    take = Recorder(plan, (open_input, no_output))
    opened[0].waiting = lambda: len(take.mic_ring)
    return take
