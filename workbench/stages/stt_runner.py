"""Runner of the STT's model: brings it to any point of what a run has heard.

What was heard stands in *segments*: a run of session frames (or of silence put in), named by all that was heard before
it and by its first frame.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeGuard

import numpy as np

from workbench.arrays import Audio
from workbench.cache import key_of
from workbench.simulation.microphone import MicrophoneSource
from workbench.simulation.step_costs import Timer
from workbench.stages.protocols import KnownFramesStream, ResumableStt, Stt, SttStep, SttStream
from workbench.units import FRAME_SAMPLES

KEPT, EVERY = 12, 4
"""Of the last 12 frames of a run the state is kept where the cycle has heard a multiple of four, if the STT can go on
from one: a trial with another silence stops within some frames of there, and need not hear the turn from its start."""

SILENCE = -1
"""Number of a frame that is not of the session: zeros put in by the listener."""

_ZEROS = np.zeros(FRAME_SAMPLES, dtype=np.float32)


@dataclass
class HeardRun:
    """Frames ``first, first + 1, …`` (or silence) heard in a row after what ``before`` names."""

    before: str
    first: int
    mark: str
    place: int
    """Frames that the cycle heard before it."""
    frames: int = 0
    known: list[SttStep] = field(default_factory=list)
    stored: int = 0
    pcm: Audio | None = None
    """What was heard, where it was not the recording alone: then the segment is one frame long."""

    @cached_property
    def key(self) -> str:
        """Names it, whatever its length."""
        return key_of("stt", self.before, self.first, self.mark)

    @property
    def after(self) -> str:
        """Names everything heard up to its end."""
        return key_of(self.key, self.frames)

    def numbers(self) -> Iterable[int]:
        """Session frame of each of its frames."""
        return (self.first + i if self.first >= 0 else SILENCE for i in range(self.frames))


@dataclass(frozen=True)
class PastCycle:
    """A cycle that is over, while the state it left is not reset."""

    cycle: int
    segments: list[HeardRun]
    chain: str
    """Names everything heard up to its end."""

    @property
    def ended(self) -> tuple[int, int]:
        """Its number and the frames it heard: where the model was then."""
        return self.cycle, sum(segment.frames for segment in self.segments)


class SttRunner:
    """The one model that the cycles of a run share.

    Args:
        stt: the stage.
        mic: source of frames.
        timer: if given, every step is timed.

    Attributes:
        cycle: number of the running cycle, from 1: the group of its jobs that belong to no session frame.
        past: cycles that are over, while the state they left is not reset.
    """

    def __init__(self, stt: Stt, mic: MicrophoneSource, timer: Timer | None) -> None:
        self._stt, self._mic, self._timer = stt, mic, timer
        self._stream: SttStream | None = None
        self._at: tuple[int, int] = (-1, 0)
        self.cycle = 0
        self.past: list[PastCycle] = []

    def begin(self, fresh: bool) -> None:
        """Begin a cycle; ``fresh``: all is reset."""
        goes_on = bool(self.past) and self.past[-1].ended == self._at
        if fresh:
            self.past.clear()
        elif goes_on and isinstance(self._stt, ResumableStt):
            # The next trial that hears as much alike goes on from here, and not from the session's start.
            self._stt.keep(self.past[-1].chain)
        self.cycle += 1
        if self._timer is None:
            return
        # The price of the reset is asked for before the first frame comes; a second one changes nothing.
        with self._timer.timed("stt_reset", self.cycle, 0):
            opened = self._stt.open(fresh=fresh or not self.past)
        self._at = (-1, 0)
        if fresh or goes_on or not self.past:  # as it should be already: no need to open it again
            self._stream, self._at = opened, (self.cycle, 0)

    def compute(self, segments: list[HeardRun]) -> None:
        """Run the model until every frame of the running cycle is known."""
        tail = segments[-1]
        heard = tail.place
        if self._at != (self.cycle, heard + len(tail.known)):
            self._rebuild(segments[:-1], tail)
        assert self._stream is not None
        # A list that came from the store may be shared with it: extend a copy.
        tail.known = list(tail.known)
        tail.known += self._hear(self._stream, tail, len(tail.known), heard + len(tail.known))
        self._at = (self.cycle, heard + tail.frames)

    def _rebuild(self, whole: list[HeardRun], tail: HeardRun) -> None:
        """Bring the model to where the known part of ``tail`` ends, by hearing again what it has not just heard."""
        resumed = self._resume(whole, tail)
        if resumed is not None:
            self._stream = resumed
            return
        past = self._not_heard()
        goes_on = len(past) < len(self.past)
        for index, segments in enumerate([*(cycle.segments for cycle in past), whole]):
            stream = self._stt.open(fresh=index == 0 and not goes_on)
            for segment in segments:
                self._again(stream, segment, 0, segment.frames)
        self._again(stream, tail, 0, len(tail.known))
        self._stream = stream

    def _not_heard(self) -> list[PastCycle]:
        """Cycles that are not reset, after the last one whose end the model is at, or can be brought to."""
        for index, past in reversed(list(enumerate(self.past))):
            at_its_end = past.ended == self._at
            if at_its_end or (isinstance(self._stt, ResumableStt) and self._stt.resume(past.chain) is not None):
                return self.past[index + 1 :]
        return self.past

    def _resume(self, whole: list[HeardRun], tail: HeardRun) -> SttStream | None:
        """Go on from the last state that was kept of these; None where there is none."""
        if not self._goes_on(self._stt):
            return None
        ends = [*((segment, segment.frames) for segment in whole), (tail, len(tail.known))]
        for index, (segment, last) in reversed(list(enumerate(ends))):
            key = segment.key
            for frames in range(last, 0, -1):
                if (stream := self._stt.resume(key_of(key, frames))) is not None:
                    self._again(stream, segment, frames, last)
                    for later, end in ends[index + 1 :]:
                        self._again(stream, later, 0, end)
                    return stream
        return None

    def _goes_on(self, stt: Stt) -> TypeGuard[ResumableStt]:
        """Whether states are kept: of a recording, whose frames another trial hears again, where all was reset."""
        return bool(self._mic.sha256) and not self.past and self._timer is None and isinstance(stt, ResumableStt)

    def _hear(self, stream: SttStream, tail: HeardRun, first: int, job: int) -> list[SttStep]:
        """The frames of a segment from its ``first`` on, timed if wanted; ``job`` counts within the cycle."""
        if self._timer is None:
            return self._again(stream, tail, first, tail.frames)
        out = []
        for number in list(tail.numbers())[first:]:
            frame = self._frame(number, tail)
            with self._timer.timed("stt", *((0, number) if number >= 0 else (self.cycle, job))):
                out.append(stream.step(frame, self._origin(number)))
            job += 1
        return out

    def _again(self, stream: SttStream, segment: HeardRun, first: int, last: int) -> list[SttStep]:
        """Frames [first, last) of a segment; if wanted, the state is kept at some of the last of them."""
        if segment.first == SILENCE or not self._goes_on(self._stt):
            return self._together(stream, segment, first, last)
        said: list[SttStep] = []
        for end in range(max(first, last - KEPT) + 1, last + 1):
            if (segment.place + end) % EVERY == 0:
                said += self._together(stream, segment, first + len(said), end)
                self._stt.keep(key_of(segment.key, end))
        return said + self._together(stream, segment, first + len(said), last)

    def _together(self, stream: SttStream, segment: HeardRun, first: int, last: int) -> list[SttStep]:
        """Frames [first, last) of a segment, together where the stream can."""
        numbers = list(segment.numbers())[first:last]
        if not numbers:
            return []
        if len(numbers) > 1 and isinstance(stream, KnownFramesStream):
            return stream.steps(np.concatenate([self._frame(number, segment) for number in numbers]))
        return [stream.step(self._frame(number, segment), self._origin(number)) for number in numbers]

    def _origin(self, number: int) -> int:
        """Frame of the recording that a frame shows; a scripted STT goes by it."""
        return number if number < 0 else self._mic.origin(number)

    def _frame(self, number: int, segment: HeardRun) -> Audio:
        """A frame as it was heard then: what the microphone hears there may have changed since."""
        if number < 0:
            return _ZEROS
        return self._mic.recorded(number) if segment.pcm is None else segment.pcm
