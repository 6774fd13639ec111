"""Playback on real devices: which frame went out when, and when an answer is over."""

import numpy as np

from workbench.dialogue.answer import Answer, ChunkAudio, TimedChunk
from workbench.live.loudspeaker_device import DevicePlayback
from workbench.recording.observer import Clock
from workbench.simulation.scheduler import back_to_back
from workbench.stages.cached_tts import SpokenChunk
from workbench.stages.playback import CLOSE_DELAY
from workbench.units import FRAME_SAMPLES

from .test_speaker import Device, frame


class MovedByHand:
    """A device playback whose time and device are moved by hand."""

    def __init__(self, offset: int = 0, slots: int = 8) -> None:
        self.time = 0
        self.device = Device(slots)
        self.playback = DevicePlayback(1)
        self.playback.open(Clock(lambda: self.time, lambda: offset, lambda: 0), self.device.speaker)

    def at(self, time: int, *values: float) -> None:
        self.time = time
        for value in values:
            self.playback.play(frame(value))

    def ask(self, sample: int) -> None:
        """The device asks for a block, which begins at this sample of the agent tape."""
        self.device.ask()
        if self.device.cues[-1] >= 0:
            self.playback.played(self.device.cues[-1], sample)


def chunk(begun: int, frames: int) -> TimedChunk:
    """A chunk whose steps take no time, each with a frame."""
    costs = np.zeros(frames + 1, dtype=np.int64)
    speech = SpokenChunk(frames, tuple(range(frames)), "1" * frames, 0, "")
    return TimedChunk(ChunkAudio("", 0, False, speech, costs), begun, back_to_back(begun, costs))


def answer(*chunks: TimedChunk) -> Answer:
    empty = np.zeros(0, dtype=np.int64)
    return Answer(empty, list(chunks), empty, empty, empty, 0)


def test_a_sound_stamped_too_early_ends_where_finalize_puts_it() -> None:
    live = MovedByHand(offset=-12_000)
    live.at(30_000, 0.1, 0.2)
    live.playback.all_queued()
    assert live.playback.over(answer(chunk(30_000, 2))) is None
    live.ask(32_000)
    live.ask(32_000 + FRAME_SAMPLES)
    assert live.playback.over(answer(chunk(30_000, 2))) == 30_000 + 2 * FRAME_SAMPLES
    given = live.playback.observed(answer(chunk(30_000, 2)))
    assert given.over == 30_000 + 2 * FRAME_SAMPLES
    assert given.at.tolist() == [32_000, 32_000 + FRAME_SAMPLES], "positions stay those of the tape"


def test_time_stamps_that_can_be_are_believed() -> None:
    live = MovedByHand(offset=500)
    live.at(30_000, 0.1)
    live.playback.all_queued()
    live.ask(32_000)
    assert live.playback.over(answer(chunk(30_000, 1))) == 32_500 + FRAME_SAMPLES


def test_a_chunks_stream_closes_with_its_queue() -> None:
    live, first, second = MovedByHand(), chunk(1000, 5), chunk(9000, 1)
    live.at(1000, 0.1, 0.2, 0.3, 0.4, 0.5)
    live.playback.all_queued()
    live.ask(2000)
    live.ask(2000 + FRAME_SAMPLES)
    live.at(1000 + CLOSE_DELAY - 1)
    assert live.playback.closed(first) is None
    live.at(1000 + CLOSE_DELAY)
    assert live.playback.closed(first) is None, "a callback may be running"
    live.ask(2000 + 2 * FRAME_SAMPLES)
    assert live.playback.closed(first) == 2000 + 2 * FRAME_SAMPLES
    live.at(9000, 0.6)
    live.playback.all_queued()
    live.ask(9500)
    live.at(9000 + CLOSE_DELAY)
    assert live.playback.closed(second) is None
    live.ask(9500 + FRAME_SAMPLES)
    assert live.playback.closed(second) == max(9000 + CLOSE_DELAY, 9500 + FRAME_SAMPLES)
    assert [block[0] > 0.05 for block in live.device.heard] == [True, True, False, True, False]
    given = live.playback.observed(answer(first, second))
    assert given.at.tolist() == [2000, 2000 + FRAME_SAMPLES, 9500]
    assert given.chunk_of.tolist() == [0, 0, 1]
    assert given.frame_of.tolist() == [0, 1, 0]


def test_samples_of_a_full_queue_do_not_join_the_next_chunk() -> None:
    live, first, second = MovedByHand(slots=3), chunk(1000, 8), chunk(9000, 3)
    live.at(1000, *(0.1 for _ in range(8)))
    live.playback.all_queued()
    live.ask(2000)
    live.at(1000 + CLOSE_DELAY)
    live.playback.closed(first)
    live.ask(2000 + FRAME_SAMPLES)
    assert live.playback.closed(first) == 2000 + FRAME_SAMPLES
    live.at(9000, 0.2, 0.3, 0.4)
    live.playback.all_queued()
    for number in range(3):
        live.ask(10_000 + number * FRAME_SAMPLES)
    given = live.playback.observed(answer(first, second))
    assert given.at.tolist() == [2000, 10_000, 10_000 + FRAME_SAMPLES, 10_000 + 2 * FRAME_SAMPLES]
    assert given.chunk_of.tolist() == [0, 1, 1, 1]
    assert given.frame_of.tolist() == [0, 0, 1, 2]


def test_a_chunk_played_out_early_closes_after_its_delay() -> None:
    live, only = MovedByHand(), chunk(30_000, 1)
    live.at(30_000, 0.1)
    live.playback.all_queued()
    live.ask(30_000)
    live.at(30_000 + CLOSE_DELAY)
    live.playback.closed(only)
    live.ask(40_000)
    assert live.playback.closed(only) == 30_000 + CLOSE_DELAY
