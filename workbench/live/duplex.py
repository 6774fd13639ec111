"""A live run of a model that hears and speaks at once: a frame in, a frame out, for as long as the session goes on.

The model takes no turns: it takes one step with each frame of the microphone, in the order in which they come,
and what it says goes to a loudspeaker that never closes. As in its replay, ``dialogue/duplex_events.py``
makes events of the steps; an utterance is written down when it is over and all of it has been played.
"""

import threading

import numpy as np

from workbench.dialogue.duplex_events import BLOCK_STEPS, DuplexEventBuilder, job_of
from workbench.knobs import Knobs
from workbench.live.loudspeaker import Log, OpenPlayback
from workbench.live.microphone import LiveMicrophone
from workbench.stages.protocols import DuplexModel, DuplexModelStream
from workbench.trace import Event
from workbench.units import FRAME_RATE, FRAME_SAMPLES

_WARM_STEPS = 8
"""Taken before the session: more than a model needs for its first sound (2 or 3), so that all of it has run once."""

_REST_FRAMES = round(FRAME_RATE)
"""Frames that still wait when the session ends are heard, up to a second of them: a model that keeps up then hears the
whole session, and one that is far behind ends at once, since it would not be heard."""


class LiveDuplex:
    """One live run.

    Args:
        duplex: the model.
        knobs: the seed of sampling is read.
        mic: what it hears.
        playback: clock and loudspeaker.
        log: is given the events of each utterance and each block of steps, not in order of time.

    Attributes:
        ready: set once the model is warm. First steps are slow, and a loudspeaker that never closes would play all that
            comes later as late as the first.
    """

    def __init__(
        self, duplex: DuplexModel, knobs: Knobs, mic: LiveMicrophone, playback: OpenPlayback, log: Log
    ) -> None:
        self._duplex, self._seed = duplex, knobs.seed
        self._mic, self._playback, self._log = mic, playback, log
        self._events: list[Event] = []
        self._builder = DuplexEventBuilder(playback.costs, playback.playout, self._events)
        self._done = 0
        self._is_over = False
        self.ready = threading.Event()

    @property
    def doing(self) -> str:
        """``listening``, ``speaking`` or ``over``, to be shown."""
        return "over" if self._is_over else "speaking" if self._builder.is_speaking else "listening"

    @property
    def replies(self) -> int:
        """Utterances begun."""
        return self._builder.replies

    def run(self) -> None:
        """Until the microphone ends."""
        try:
            stream = self._warm()
        finally:
            self.ready.set()
        try:
            while not self._is_too_late and self._mic.more():
                self._step(stream)
        finally:
            self._end()

    def _warm(self) -> DuplexModelStream:
        stream = self._duplex.open(self._seed)
        for _ in range(_WARM_STEPS):
            stream.step(np.zeros(FRAME_SAMPLES, dtype=np.float32))
        return self._duplex.open(self._seed)

    @property
    def _is_too_late(self) -> bool:
        return self._mic.is_live and self._mic.is_over and self._mic.waiting > _REST_FRAMES

    def _step(self, stream: DuplexModelStream) -> None:
        number = self._mic.frames - 1
        frame, begun = self._mic.recorded(number), max(self._mic.arrived(number), self._done)
        step, self._done = self._playback.step("tts", *job_of(number), begun, lambda: stream.step(frame))
        assert step is not None
        self._builder.stepped(begun, self._done, step)
        if step.pcm is not None:
            self._playback.play(step.pcm)
        if not self._builder.steps % BLOCK_STEPS:
            self._playback.forget()
        self._flush()

    def _end(self) -> None:
        if self._mic.ended:
            self._playback.all_queued()
        else:  # it failed, or was left behind
            self._playback.hush()
        self._hear_out()
        self._builder.end()
        self._flush()
        self._is_over = True

    def _hear_out(self) -> None:
        for frame, at in self._playback.sounded():
            self._builder.sounded(frame, at)

    def _flush(self) -> None:
        self._hear_out()
        events = list(self._events)
        self._events.clear()
        if not events:
            return
        try:
            self._log(events)
        except OSError:
            self._log = lambda events: None  # it may hold half a line, after which nothing can be read
            raise
