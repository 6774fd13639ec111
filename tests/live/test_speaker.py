"""What is said goes out in order and once; what is stopped does not; and it is known which block was which."""

import time

import numpy as np
import pytest

from workbench.recording.callbacks import CUE, OutputTap, Speaker
from workbench.recording.gaps import STARVED
from workbench.recording.resample import dequantise, quantise
from workbench.recording.ring import BlockRing
from workbench.units import FRAME_SAMPLES

SILENT = -1


class Device:
    """An output that asks for a block when told."""

    def __init__(self, slots: int = 8, rate: int = 24_000) -> None:
        frames = rate * 80 // 1000
        self.queue, self.played = BlockRing(slots, frames, 1), BlockRing(200, frames, 1)
        self.tap = OutputTap(self.queue, self.played)
        self.tap.playing = True
        self.speaker = Speaker(self.queue, self.played, self.tap, rate)
        self.heard: list[np.ndarray] = []
        self.cues: list[int] = []
        self.starved: list[bool] = []

    def ask(self, times: int = 1) -> None:
        for _ in range(times):
            block = np.full((self.queue.frames, 1), 9.0, dtype=np.float32)
            self.tap(block, 0.0, 0, time.perf_counter())
            assert np.array_equal(block, self.played.audio())
            flags = self.played.mark()[2]
            self.heard.append(block[:, 0])
            self.cues.append((flags >> CUE) - 1)
            self.starved.append(bool(flags & STARVED))
            self.played.pop()


def frame(value: float) -> np.ndarray:
    return np.full(FRAME_SAMPLES, value, dtype=np.float32)


def test_frames_go_out_in_order_without_false_faults() -> None:
    device = Device()
    device.ask()
    assert device.speaker.begin() == 0
    for value in (0.1, 0.2):
        device.speaker.play(frame(value))
    device.speaker.end()
    device.ask(3)
    assert device.cues == [SILENT, 0, 1, SILENT]
    assert not any(device.starved)
    assert device.heard[1][0] == pytest.approx(0.1, abs=1e-6)
    assert np.array_equal(device.heard[2], dequantise(quantise(frame(0.2)))), "rounded to 24 bits, as it is kept"


def test_speech_that_is_late_is_a_hole_until_its_end() -> None:
    device = Device()
    device.speaker.begin()
    device.ask()
    device.speaker.play(frame(0.1))
    device.ask(2)
    device.speaker.play(frame(0.2))
    device.speaker.end()
    device.ask(2)
    assert device.cues == [SILENT, 0, SILENT, 1, SILENT]
    assert device.starved == [False, False, True, False, False]


def test_more_than_the_queue_holds_waits_and_is_played() -> None:
    device = Device(slots=3)
    device.speaker.begin()
    for value in range(10):
        device.speaker.play(frame(value / 100))
    device.speaker.end()
    for _ in range(10):
        device.ask()
        device.speaker.pump()
    assert device.cues == list(range(10))
    assert not any(device.starved)


def test_what_is_stopped_is_not_played_and_the_next_utterance_is() -> None:
    device = Device(slots=3)
    device.speaker.begin()
    for value in range(6):
        device.speaker.play(frame(value / 100))
    device.ask(2)
    assert device.speaker.stop() == 2
    device.ask(2)
    first = device.speaker.begin()
    assert first == 3, "numbers go on"
    device.speaker.play(frame(0.5))
    device.speaker.end()
    device.ask(2)
    assert device.cues == [0, 1, SILENT, SILENT, 3, SILENT]
    assert device.heard[4][0] == pytest.approx(0.5, abs=1e-6)
    assert not any(device.starved)
    assert device.speaker.written == 6


def test_a_stop_with_a_full_queue_lets_the_next_chunk_begin() -> None:
    device = Device(slots=3)
    device.speaker.begin()
    for value in range(3):
        device.speaker.play(frame(value / 100))
    device.speaker.stop()
    first = device.speaker.begin()
    device.speaker.play(frame(0.5))
    device.speaker.end()
    device.ask()
    device.speaker.pump()
    device.ask()
    assert device.cues == [SILENT, first]


def test_a_pause_holds_it_back() -> None:
    device = Device()
    device.speaker.begin()
    device.speaker.play(frame(0.1))
    device.speaker.end()
    device.tap.playing = False
    device.ask(2)
    device.tap.playing = True
    device.ask()
    assert device.cues == [SILENT, SILENT, 0]


def test_another_rate_gets_the_same_sound() -> None:
    device = Device(slots=50, rate=48_000)
    tone = (0.3 * np.sin(2 * np.pi * 500 * np.arange(20 * FRAME_SAMPLES) / 24_000)).astype(np.float32)
    device.speaker.begin()
    for part in tone.reshape(20, FRAME_SAMPLES):
        device.speaker.play(part)
    device.speaker.end()
    device.ask(21)
    heard = np.concatenate(device.heard)
    assert device.cues[:20] == list(range(20))
    wanted = 0.3 * np.sin(2 * np.pi * 500 * np.arange(len(heard)) / 48_000)
    inside = slice(9600, 38_400)
    assert np.abs(heard[inside] - wanted[inside]).max() < 0.003
