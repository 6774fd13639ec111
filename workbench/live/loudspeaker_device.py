"""Playback on real devices: the clock is real, steps are measured, and the loudspeaker is the recorder's.

Longer than 300 lines because its two playbacks share the bookkeeping of the queue.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from workbench.arrays import Audio
from workbench.dialogue.answer import Answer, TimedChunk, owners
from workbench.live.loudspeaker import FrameSink
from workbench.recording.observer import Clock
from workbench.simulation.step_costs import Item, MeasuredCosts
from workbench.stages.playback import CLOSE_DELAY
from workbench.units import FRAME_SAMPLES, SAMPLE_RATE

_WAIT_SECONDS = 0.02
_HUSH_WAITS = 50
"""A second: more than a block takes to the writer. A device that asks for nothing any more need not be waited for."""
_LEADS = 125
"""Frames whose arrival says how late it is at least: 10 s, so that a drift between two clocks is followed."""


@dataclass
class _Stream:
    """Frames of an answer that are queued in a row.

    Attributes:
        cue: number of its first block.
        frame: number of its first frame in the answer.
        frames: how many there are.
    """

    cue: int
    frame: int
    frames: int = 0


def _ticks() -> int:
    return time.monotonic_ns() * SAMPLE_RATE // 1_000_000_000


class DevicePlayback:
    """See :class:`workbench.live.loudspeaker.Playback`.

    Frames go out at times of the agent tape; ``recording/live_trace.py`` lays them on the session's clock later.

    Args:
        prebuffer: frames in hand before playback starts.
    """

    playout = 0
    """The agent tape's own positions are recorded, and they are where it sounds."""

    def __init__(self, prebuffer: int) -> None:
        self.costs: MeasuredCosts = MeasuredCosts()
        self._prebuffer = max(1, prebuffer)
        self._clock: Clock | None = None
        self._speaker: FrameSink | None = None
        self._latest = 0
        self._leads: deque[int] = deque(maxlen=_LEADS)
        self._held: list[tuple[Audio, int]] = []
        self._pcm: list[tuple[Audio, int]] = []
        """All frames of the answer, of which what was not heard is played after a pause."""
        self._is_paused = self._is_complete = False
        self._streams: list[_Stream] = []
        self._is_open = False
        self._frames = 0
        self._last = -1
        self._stopped_at: int | None = None
        self._lock = threading.Lock()
        self._played: dict[int, int] = {}
        self._made_at: dict[int, int] = {}
        self._least = -(1 << 60)

    def open(self, clock: Clock, speaker: FrameSink) -> None:
        """The devices are there."""
        self._clock, self._speaker = clock, speaker

    def arrived(self, end: int) -> int:
        """A frame that ends at this sample has come from the microphone; called by the writer."""
        self._leads.append(end - _ticks())
        return self.now()

    def now(self) -> int:
        """The present moment.

        It is what the time stamps say, but never before a moment that was heard already (what a sound server's monitor
        gives out has yet to sound), and it never runs backwards, though time stamps shake.
        """
        told = self._clock.now() if self._clock is not None else 0
        heard = _ticks() + max(tuple(self._leads), default=-_ticks())
        with self._lock:
            self._latest = max(self._latest, told, heard)
            return self._latest

    def played(self, cue: int, sample: int) -> None:
        """A queued block begins at this sample of the agent tape; called by the writer."""
        with self._lock:
            self._played[cue] = sample

    def step(
        self, stage: str, group: int, job: int, since: int, work: Callable[[], Item | None]
    ) -> tuple[Item | None, int]:
        """See :class:`workbench.live.loudspeaker.Playback`: it is timed."""
        begun = time.perf_counter_ns()
        item = work()
        if item is not None:
            self.costs.record(stage, group, job, time.perf_counter_ns() - begun)
        if self._speaker is not None:
            self._speaker.pump()  # while the LM thinks, nobody else sees to what was spoken before
        return item, max(since, self.now())

    def ended(self, begun: int, cost: int) -> int:
        """See :class:`workbench.live.loudspeaker.Playback`: now."""
        return max(begun, self.now())

    def decided(self, arrived: int) -> int:
        """See :class:`workbench.live.loudspeaker.Playback`: now."""
        return max(arrived, self.now())

    def play(self, frame: Audio) -> None:
        """See :class:`workbench.live.loudspeaker.Playback`; the first frames wait for the prebuffer."""
        self._frames += 1
        self._pcm.append((frame, self.now()))
        if self._is_paused:
            return
        self._held.append(self._pcm[-1])
        if not self._is_open:
            if len(self._held) < self._prebuffer:
                return
            self._begin()
        self._release()

    def _begin(self) -> None:
        assert self._speaker is not None
        if not self._streams:
            with self._lock:
                self._played.clear()
                self._made_at.clear()
        cue = self._speaker.begin()
        if self._streams:  # what the queue had no room for was thrown away with the stream, and has no number
            self._streams[-1].frames = min(self._streams[-1].frames, cue - self._streams[-1].cue)
        self._streams.append(_Stream(cue, self._frames - len(self._held)))
        self._is_open = True

    def _release(self) -> None:
        assert self._speaker is not None
        for held, made in self._held:
            stream = self._streams[-1]
            self._made_at[stream.cue + stream.frames] = made
            stream.frames += 1
            self._speaker.play(held)
        self._held.clear()
        self._speaker.pump()

    def all_queued(self) -> None:
        """See :class:`workbench.live.loudspeaker.Playback`."""
        assert self._speaker is not None
        self._is_complete = True
        if self._is_paused:
            return
        if self._held and not self._is_open:
            self._begin()
        if self._is_open:
            self._release()
            self._speaker.end()
            self._last = self._streams[-1].cue + self._streams[-1].frames - 1

    def stop(self) -> None:
        """See :class:`workbench.live.loudspeaker.Playback`."""
        assert self._speaker is not None
        self._held.clear()
        self._stopped_at = self._speaker.stop()

    def hold(self) -> None:
        """See :class:`workbench.live.loudspeaker.Playback`: what waits in the queue is thrown away."""
        self.stop()
        self._is_paused, self._last = True, -1

    def go_on(self) -> None:
        """See :class:`workbench.live.loudspeaker.Playback`: in a new stream, once it is known what was heard."""
        assert self._speaker is not None
        assert self._stopped_at is not None
        for _ in range(_HUSH_WAITS):
            if self._speaker.written > self._stopped_at:  # a callback may have been running
                break
            self.wait()
        heard = max(self._heard(), default=-1) + 1
        self._is_paused, self._is_open, self._stopped_at = False, False, None
        self._held = self._pcm[heard:]
        if self._held and (self._streams or len(self._held) >= self._prebuffer):
            self._begin()
            self._release()
        if self._is_complete:
            self.all_queued()

    def began(self, answer: Answer) -> int | None:
        """See :class:`workbench.live.loudspeaker.Playback`."""
        frames = self._heard()
        return max(0, min(frames.values()) + self._offset()) if frames else None

    def closed(self, chunk: TimedChunk) -> int | None:
        """See :class:`workbench.live.loudspeaker.Playback`: the device plays to its end what it was given."""
        close = chunk.ended + CLOSE_DELAY
        if self._stopped_at is None:
            if self.now() < close:
                return None
            self.stop()
        sounded = self._sounded()
        if sounded is None:
            return None
        self._stopped_at, self._last, self._is_open = None, -1, False
        return max(close, sounded)

    def over(self, answer: Answer) -> int | None:
        """See :class:`workbench.live.loudspeaker.Playback`: known once the writer has seen the last block."""
        return self._sounded()

    def _sounded(self) -> int | None:
        """When the last sample that goes out leaves the loudspeaker; None while that is not known."""
        assert self._speaker is not None
        if self._stopped_at is not None:
            if self._speaker.written <= self._stopped_at:  # a callback may have been running
                return None
        elif self._last not in self._played if self._last >= 0 else self._held or self._is_open:
            return None
        frames = self._heard()
        return max(0, max(frames.values()) + FRAME_SAMPLES + self._offset()) if frames else self.now()

    def _heard(self) -> dict[int, int]:
        """Where on the agent tape each frame of the answer was played, by its number, as far as they were."""
        with self._lock:
            return {
                stream.frame + number: self._played[stream.cue + number]
                for stream in self._streams
                for number in range(stream.frames)
                if stream.cue + number in self._played
            }

    def _offset(self) -> int:
        """How the agent tape lies on the microphone's.

        Time stamps may have a frame sound before it was made. When the recording is finished the tape is laid as much
        later as it takes (``causal_offset``), so here it is, too: else the listener would be taken to have opened
        while the agent still spoke. What remains is by how much time stamps shake after this: the finished recording
        takes their median.
        """
        assert self._clock is not None
        with self._lock:
            slack = [self._made_at[cue] - sample for cue, sample in self._played.items() if cue in self._made_at]
        self._least = max([self._least, *slack])
        return max(self._clock.agent_offset(), self._least)

    def has_come(self, moment: int) -> bool:
        """See :class:`workbench.live.loudspeaker.Playback`."""
        return self.now() >= moment

    def wait(self) -> None:
        """See :class:`workbench.live.loudspeaker.Playback`."""
        assert self._speaker is not None
        self._speaker.pump()
        time.sleep(_WAIT_SECONDS)

    def forget(self) -> None:
        """See :class:`workbench.live.loudspeaker.Playback`; a recording may go on for hours."""
        self.costs.forget()

    def observed(self, answer: Answer) -> Answer:
        """See :class:`workbench.live.loudspeaker.Playback`: positions on the agent tape; ends the answer."""
        over, frames = self.over(answer), self._heard()
        chunk_of, frame_of = owners([len(chunk.audio.speech.frame_steps) for chunk in answer.chunks])
        played = np.asarray(sorted(frames), dtype=np.int64)
        at = np.asarray([frames[number] for number in sorted(frames)], dtype=np.int64)
        self._streams, self._last, self._frames, self._stopped_at, self._is_open = [], -1, 0, None, False
        self._is_paused = self._is_complete = False
        self._held, self._pcm = [], []
        end = self.now() if over is None else over
        return replace(answer, at=at, chunk_of=chunk_of[played], frame_of=frame_of[played], over=end)


class OpenDevicePlayback(DevicePlayback):
    """See :class:`workbench.live.loudspeaker.OpenPlayback`: a playback on real devices whose loudspeaker never closes.

    Args:
        prebuffer: frames in hand before playback starts.
    """

    def __init__(self, prebuffer: int) -> None:
        super().__init__(prebuffer)
        self._made = 0
        self._queued: deque[int] = deque()
        """Numbers of the frames that were queued and have not gone out yet, as far as is known."""
        self._out = 0
        """Frames that were queued and are not among them any more."""

    def play(self, frame: Audio) -> None:
        """See :class:`workbench.live.loudspeaker.Playback`.

        What is made in a pause is never heard, or all after it came late.
        """
        assert self._speaker is not None
        number, self._made = self._made, self._made + 1
        if self._out and self._speaker.is_held:
            return
        self._queued.append(number)
        super().play(frame)

    def all_queued(self) -> None:
        """See :class:`workbench.live.loudspeaker.Playback`: the session is over, so nothing can be heard any more."""

    def sounded(self) -> list[tuple[int, int]]:
        """See :class:`workbench.live.loudspeaker.OpenPlayback`: positions on the agent tape."""
        with self._lock:
            played = sorted(self._played.items())
            self._played.clear()
            self._made_at.clear()
        found = []
        for cue, sample in played:
            while self._out < cue - self._streams[0].cue:  # lost on its way to the tape
                self._queued.popleft()
                self._out += 1
            found.append((self._queued.popleft(), sample))
            self._out += 1
        return found

    def hush(self) -> None:
        """See :class:`workbench.live.loudspeaker.OpenPlayback`."""
        assert self._speaker is not None
        self.stop()
        assert self._stopped_at is not None
        for _ in range(_HUSH_WAITS):
            if self._speaker.written > self._stopped_at:  # a callback may have been running
                return
            self.wait()
