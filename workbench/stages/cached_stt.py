"""Hearing: one transcription a listen cycle, computed only as far as the listener needs, and kept in the store.

A transcription is a pure function of the frames that were heard, in order. It is kept by *segments*: a run of session
frames (or of silence put in), named by all that was heard before it and by its first frame. Of a segment the longest
outputs known are kept, so that settings that listen a little longer share what is there.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeGuard

import numpy as np

from workbench.arrays import Audio
from workbench.cache import Store, key_of
from workbench.simulation.microphone import MicrophoneSource
from workbench.simulation.step_costs import Timer
from workbench.stages.protocols import KnownFramesStream, ResumableStt, Stt, SttStep, SttStream
from workbench.units import FRAME_SAMPLES

KEPT, EVERY = 12, 4
"""Of the last 12 frames of a run the state is kept where the cycle has heard a multiple of four, if the STT can go on
from one: a trial with another silence stops within some frames of there, and need not hear the turn from its start."""

SILENCE = -1
"""Number of a frame that is not of the session: zeros put in by the listener."""

Words = list[tuple[int, str]]
"""(step of its last piece, word)."""

_ZEROS = np.zeros(FRAME_SAMPLES, dtype=np.float32)


@dataclass
class _Segment:
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
        return key_of("stt", self.before, self.first, self.mark)

    @property
    def after(self) -> str:
        return key_of(self.key, self.frames)

    def numbers(self) -> Iterable[int]:
        return (self.first + i if self.first >= 0 else SILENCE for i in range(self.frames))


@dataclass(frozen=True)
class _Past:
    """A cycle that is over, while the state it left is not reset."""

    cycle: int
    segments: list[_Segment]
    chain: str
    """Names everything heard up to its end."""

    @property
    def ended(self) -> tuple[int, int]:
        return self.cycle, sum(segment.frames for segment in self.segments)


def _encode(steps: list[SttStep]) -> bytes:
    return json.dumps([[step.piece, step.pause] for step in steps], separators=(",", ":")).encode()


def _decode(data: bytes) -> list[SttStep]:
    return [SttStep(piece, None if pause is None else tuple(pause)) for piece, pause in json.loads(data)]


class CachedStt:
    """The STT of one replay: opens transcriptions and lets them share the one model.

    Args:
        stt: the stage.
        mic: what there is to hear.
        store: where outputs are kept.
        timer: if given, every step really runs and is timed; nothing is taken from the store, but put there.
    """

    def __init__(self, stt: Stt, mic: MicrophoneSource, store: Store, timer: Timer | None = None) -> None:
        self.stt = stt
        self.mic = mic
        self._store = store
        self._timer = timer
        self._past: list[_Past] = []
        self._chain = ""
        self._cycle = 0
        self._stream: SttStream | None = None
        self._at: tuple[int, int] = (-1, 0)

    def open(self, fresh: bool, prefix: int = 0) -> "Transcription":
        """Begin a listen cycle; the one before it is over.

        Args:
            fresh: reset all, or only what MLX-Harmony resets.
            prefix: frames of silence to hear first; they do not count as steps.
        """
        if fresh:
            self._past.clear()
        if fresh or not self._chain:
            self._chain = key_of(self.stt.fingerprint, self.mic.sha256)
        elif self._past and self._past[-1].ended == self._at and isinstance(self.stt, ResumableStt):
            # The next trial that hears as much alike goes on from here, and not from the session's start.
            self.stt.keep(self._past[-1].chain)
        self._cycle += 1
        if self._timer is not None:
            goes_on = bool(self._past) and self._past[-1].ended == self._at
            # The price of the reset is asked for before the first frame comes; a second one changes nothing.
            with self._timer.timed("stt_reset", self._cycle, 0):
                opened = self.stt.open(fresh=fresh or not self._past)
            self._at = (-1, 0)
            if fresh or goes_on or not self._past:  # as it should be already: no need to open it again
                self._stream, self._at = opened, (self._cycle, 0)
        return Transcription(self, self._chain, prefix)

    def close(self, transcription: "Transcription") -> None:
        """Keep what is known; a cycle that is not reset begins where this one ended."""
        for segment in transcription.segments:
            self.save(segment)
        if transcription.segments and not self.mic.sha256:
            self._past.clear()  # nobody can hear again what a microphone heard, and a live run has no end
        self._chain = key_of("next", transcription.chain)
        self._past.append(_Past(self._cycle, transcription.segments, self._chain))

    def load(self, segment: _Segment) -> None:
        """Fill a new segment with what the store knows of it."""
        if self._timer is None and (known := self._store.get(segment.key, _decode)) is not None:
            segment.known = known
            segment.stored = len(known)

    def save(self, segment: _Segment) -> None:
        """Keep a segment of which more is known than the store has."""
        if len(segment.known) > segment.stored:
            self._store.put(segment.key, list(segment.known), _encode)
            segment.stored = len(segment.known)

    def compute(self, transcription: "Transcription") -> None:
        """Run the model until every frame heard so far is known."""
        tail = transcription.segments[-1]
        heard = tail.place
        if self._at != (self._cycle, heard + len(tail.known)):
            self._rebuild(transcription.segments[:-1], tail)
        assert self._stream is not None
        # A list that came from the store may be shared with it: extend a copy.
        tail.known = list(tail.known)
        tail.known += self._hear(self._stream, tail, len(tail.known), heard + len(tail.known))
        self._at = (self._cycle, heard + tail.frames)

    def _rebuild(self, whole: list[_Segment], tail: _Segment) -> None:
        """Bring the model to where the known part of ``tail`` ends, by hearing again what it has not just heard."""
        resumed = self._resume(whole, tail)
        if resumed is not None:
            self._stream = resumed
            return
        past = self._not_heard()
        goes_on = len(past) < len(self._past)
        for index, segments in enumerate([*(cycle.segments for cycle in past), whole]):
            stream = self.stt.open(fresh=index == 0 and not goes_on)
            for segment in segments:
                self._again(stream, segment, 0, segment.frames)
        self._again(stream, tail, 0, len(tail.known))
        self._stream = stream

    def _not_heard(self) -> list[_Past]:
        """Cycles that are not reset, after the last one whose end the model is at, or can be brought to."""
        for index, past in reversed(list(enumerate(self._past))):
            at_its_end = past.ended == self._at
            if at_its_end or (isinstance(self.stt, ResumableStt) and self.stt.resume(past.chain) is not None):
                return self._past[index + 1 :]
        return self._past

    def _resume(self, whole: list[_Segment], tail: _Segment) -> SttStream | None:
        """Go on from the last state that was kept of these; None where there is none."""
        if not self._goes_on(self.stt):
            return None
        ends = [*((segment, segment.frames) for segment in whole), (tail, len(tail.known))]
        for index, (segment, last) in reversed(list(enumerate(ends))):
            key = segment.key
            for frames in range(last, 0, -1):
                if (stream := self.stt.resume(key_of(key, frames))) is not None:
                    self._again(stream, segment, frames, last)
                    for later, end in ends[index + 1 :]:
                        self._again(stream, later, 0, end)
                    return stream
        return None

    def _goes_on(self, stt: Stt) -> TypeGuard[ResumableStt]:
        """Whether states are kept: of a recording, whose frames another trial hears again, where all was reset."""
        return bool(self.mic.sha256) and not self._past and self._timer is None and isinstance(stt, ResumableStt)

    def _hear(self, stream: SttStream, tail: _Segment, first: int, job: int) -> list[SttStep]:
        """The frames of a segment from its ``first`` on, timed if wanted; ``job`` counts within the cycle."""
        if self._timer is None:
            return self._again(stream, tail, first, tail.frames)
        out = []
        for number in list(tail.numbers())[first:]:
            frame = self._frame(number, tail)
            with self._timer.timed("stt", *((0, number) if number >= 0 else (self._cycle, job))):
                out.append(stream.step(frame, number))
            job += 1
        return out

    def _again(self, stream: SttStream, segment: _Segment, first: int, last: int) -> list[SttStep]:
        """Frames [first, last) of a segment; if wanted, the state is kept at some of the last of them."""
        if segment.first == SILENCE or not self._goes_on(self.stt):
            return self._together(stream, segment, first, last)
        said: list[SttStep] = []
        for end in range(max(first, last - KEPT) + 1, last + 1):
            if (segment.place + end) % EVERY == 0:
                said += self._together(stream, segment, first + len(said), end)
                self.stt.keep(key_of(segment.key, end))
        return said + self._together(stream, segment, first + len(said), last)

    def _together(self, stream: SttStream, segment: _Segment, first: int, last: int) -> list[SttStep]:
        """Frames [first, last) of a segment, together where the stream can."""
        numbers = list(segment.numbers())[first:last]
        if not numbers:
            return []
        if len(numbers) > 1 and isinstance(stream, KnownFramesStream):
            return stream.steps(np.concatenate([self._frame(number, segment) for number in numbers]))
        return [stream.step(self._frame(number, segment), number) for number in numbers]

    def _frame(self, number: int, segment: _Segment) -> Audio:
        """A frame as it was heard then: what the microphone hears there may have changed since."""
        if number < 0:
            return _ZEROS
        return self.mic.recorded(number) if segment.pcm is None else segment.pcm

    @property
    def cycle(self) -> int:
        """Number of the running cycle, from 1: the group of its jobs that belong to no session frame."""
        return self._cycle


class Transcription:
    """What the STT says of the frames heard since the cycle began.

    Attributes:
        steps: frames heard, the prefix not counted.
        segments: what was heard, in runs.
        pieces: (step, text) of the steps that brought text; the prefix has no steps.
        pauses: the pause heads of every step, where the model has them.
    """

    def __init__(self, hearing: CachedStt, chain: str, prefix: int) -> None:
        self._hearing = hearing
        self._first = chain
        self.steps = 0
        self.segments: list[_Segment] = []
        self.pieces: list[tuple[int, str]] = []
        self.pauses: list[tuple[float, ...] | None] = []
        self._prefix = prefix
        self.silence(prefix)
        self.steps = 0

    @property
    def chain(self) -> str:
        """Names everything heard so far."""
        return self.segments[-1].after if self.segments else self._first

    def hear(self, first: int, frames: int) -> None:
        """Hear session frames ``first … first + frames - 1``."""
        if frames > 0:
            self.steps += frames
            self._hear(first, first + frames)

    def silence(self, frames: int) -> None:
        """Hear zeros."""
        if frames > 0:
            self.steps += frames
            self._extend(SILENCE, frames, "")

    def _hear(self, first: int, last: int) -> None:
        mic = self._hearing.mic
        while first < last:
            mark = mic.mark(first)
            run = 1
            if not mark:
                while first + run < last and not mic.mark(first + run):
                    run += 1
            self._extend(first, run, mark)
            first += run

    def _extend(self, first: int, frames: int, mark: str) -> None:
        segment = self.segments[-1] if self.segments else None
        follows = segment is not None and (
            (first == segment.first == SILENCE)
            or (
                first >= 0 <= segment.first
                and not mark
                and not segment.mark
                and first == segment.first + segment.frames
            )
        )
        if segment is None or not follows:
            segment = _Segment(self.chain, first, mark, sum(item.frames for item in self.segments))
            segment.pcm = self._hearing.mic.frame(first) if mark else None
            self._hearing.load(segment)
            self.segments.append(segment)
        old = segment.frames
        segment.frames += frames
        if len(segment.known) < segment.frames:
            self._hearing.compute(self)
        heard = segment.known[old : segment.frames]
        if self._prefix:
            self._prefix = 0  # it is heard first, in one
            return
        for step in heard:
            if step.piece:
                self.pieces.append((len(self.pauses), step.piece))
            self.pauses.append(step.pause)

    @property
    def text(self) -> str:
        """All that was said."""
        return "".join(piece for _, piece in self.pieces).strip()

    def words(self) -> Words:
        """(step of its last piece, word): a piece that begins with a space begins a word.

        A word is taken to be whole at its last piece.
        """
        out: Words = []
        for step, piece in self.pieces:
            if out and not piece.startswith(" "):
                out[-1] = (step, out[-1][1] + piece)
            else:
                out.append((step, piece.strip()))
        return [(step, word) for step, word in out if word]
