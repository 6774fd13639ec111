"""One live answer on one audio stream, while the microphone is watched for an interruption.

So the assistant ``workbench`` answers; ``chunk_turn.py`` has MLX-Harmony's way. Who thinks, who speaks and, in a
``shared`` placement, the STT in the background take turns as the scheduler of a replay has them do.
"""

import itertools
from dataclasses import replace

from workbench.barge_in.protocol import BargeInDecision
from workbench.dialogue.answer import Answer, AnswerResult, truncate
from workbench.dialogue.background_stt import BackgroundStt
from workbench.dialogue.interruption import AnswerEars, AnswerWatch
from workbench.dialogue.user_turn import UserTurn
from workbench.live.environment import LiveEnvironment
from workbench.live.generation import AnswerGenerator, LiveParts, SessionOver, never
from workbench.simulation.scheduler import BARRIER, Job, Process, run_until_done
from workbench.trace import Event
from workbench.units import frame_end

_NOT_KNOWN = 1 << 60


class _Interrupted(Exception):
    """Out of whatever step is being made."""

    def __init__(self, by: BargeInDecision) -> None:
        super().__init__()
        self.by = by


class _WatchedEnvironment(LiveEnvironment):
    """An environment in which frames that come may interrupt the answer.

    Args:
        parts: see :class:`workbench.live.generation.LiveParts`.
        first: frame from which on is watched.
        watch: for barge-in; None where the user cannot interrupt.
        asks: whether the STT is asked meanwhile: then :meth:`frame` and :meth:`step` are called in order of time.

    Attributes:
        over: when the answer is over by itself; later frames do not interrupt it.
    """

    def __init__(self, parts: LiveParts, first: int, watch: AnswerWatch | None, asks: bool) -> None:
        super().__init__(parts.mic, parts.playback, answering=True)
        self.watch, self._asks = watch, asks
        self._next = first
        self._is_held = False
        self.over = _NOT_KNOWN

    @property
    def is_paused(self) -> bool:
        """Whether the agent is silent and may go on."""
        return self.watch is not None and self.watch.paused is not None

    def come(self, until: int | None) -> None:
        """See :class:`workbench.simulation.scheduler.Environment`; raises where what came interrupts the answer."""
        super().come(until)
        if until is None and not self._mic.is_live and not self._mic.more():
            self._expire(None)  # a simulated pause in which nothing is left to be done
        # Where time passes, all that is there has come; where it is simulated, a step that begins now is done yet.
        if not self._asks:
            self._look(self.over if until is None or self._mic.is_live else until)
        if until is not None:
            self._mic.catch_up(until + 1)  # of steps that may begin at once, the STT's is first

    def _look(self, over: int) -> None:
        if self.watch is None:
            return
        while self._next < self._mic.frames and frame_end(self._next) < over:
            frame, self._next = self._next, self._next + 1
            self.watch.frame(frame, self._playback.decided(self._mic.arrived(frame)))
            self._act()

    def frame(self, frame: int) -> None:
        """A frame has come."""
        assert self.watch is not None
        at = self._playback.decided(self._mic.arrived(frame))
        self._expire(at)
        if at < self.over:
            self.watch.frame(frame, at)
            self._act()

    def step(self, frame: int, done: int) -> None:
        """The STT's step on a frame ended then."""
        assert self.watch is not None
        self._expire(done)
        if done < self.over:
            self.watch.step(frame, done)
            self._act()

    def _expire(self, now: int | None) -> None:
        if self.watch is not None and self.watch.paused is not None:
            self.watch.expire(now)
            self._act()

    def _act(self) -> None:
        """Do what the watch says."""
        assert self.watch is not None
        if self.watch.stopped is not None:
            raise _Interrupted(self.watch.stopped)
        if self.is_paused != self._is_held:
            self._is_held = self.is_paused
            self.over = _NOT_KNOWN
            (self._playback.hold if self._is_held else self._playback.go_on)()


class OneStreamTurn:
    """Gives one answer.

    Args:
        parts: what it is made and played with.
        turn: what is answered.
        reply: number of the answer.
    """

    def __init__(self, parts: LiveParts, turn: UserTurn, reply: int) -> None:
        self._parts, self._turn, self._reply = parts, turn, reply
        self._generator = AnswerGenerator(parts, turn.at, reply)
        self._is_made = False
        self._over: int | None = None
        self._began: int | None = None
        self._stt: BackgroundStt | None = None
        asks = parts.knobs.barge_in is not None and parts.knobs.barge_in.asks_stt
        self._environment = _WatchedEnvironment(parts, turn.last + 1, self._watch(), asks)

    def _watch(self) -> AnswerWatch | None:
        knobs, ears, first = self._parts.knobs, self._parts.listening.ears, self._turn.last + 1
        if knobs.barge_in is None:
            return None
        asks = knobs.barge_in.asks_stt
        if knobs.placement == "shared" or asks:
            self._stt = BackgroundStt(ears, first, self._turn.at, asks)
        heard = AnswerEars(ears, knobs.barge_in, first, self._parts.mic.level, self._stt if asks else None)
        return AnswerWatch(knobs.barge_in, knobs.listen.threshold, heard, self._playing)

    def _playing(self) -> int | None:
        """When playback began, as far as is known."""
        if self._began is None:
            self._began = self._parts.playback.began(self._so_far())
        return self._began

    def give(self, history: tuple[str, ...]) -> AnswerResult:
        """Think, speak, and be silent when interrupted.

        Args:
            history: user and agent texts in turn, the newest last.
        """
        stopped: BargeInDecision | None = None
        playback, mic = self._parts.playback, self._parts.mic
        try:
            processes = [*self._background(), self._generator.think(history), self._speak()]
            run_until_done(processes, {"device": self._turn.at}, self._environment)
        except _Interrupted as interruption:
            stopped = interruption.by
        except SessionOver:
            pass
        answer, whole = self._so_far(), self._over is not None or stopped is not None
        if self._over is None:
            playback.stop()
            while playback.over(answer) is None and not mic.ended:
                playback.wait()
                mic.catch_up(0)
        if stopped is not None:
            answer = truncate(answer, stopped, playback.playout)
        answer = playback.observed(answer)
        events = self._meanwhile(stopped.final + 1 if stopped is not None else answer.over)
        return AnswerResult(answer, self._generator.text, stopped, whole, self._generator.remark, events)

    def _meanwhile(self, until: int) -> tuple[Event, ...]:
        """False alarms, and words that the STT heard by a moment."""
        watch = self._environment.watch
        words = self._stt.words(until) if self._stt is not None else ()
        return (*watch.events(self._reply), *words) if watch is not None else ()

    def _background(self) -> list[Process]:
        """The STT, where it shares the device or is asked, and what the rule makes of its steps."""
        if self._stt is None:
            return []
        hears = self._stt.process(lambda: self._over)
        watch = self._environment.watch
        assert self._parts.knobs.barge_in is not None
        if watch is None or not self._parts.knobs.barge_in.asks_stt:
            return [hears]
        return [hears, self._show(self._stt.first), self._ask(self._stt)]

    def _show(self, first: int) -> Process:
        """Show each frame to the watch when it has come, after all that may begin by then."""
        mic = self._parts.mic
        for frame in itertools.count(first):
            while frame >= mic.frames:
                if mic.ended or self._over is not None:
                    return
                yield None
            yield Job(mic.arrived(frame) + 1, 0, BARRIER)
            if self._over is not None:
                return
            self._environment.frame(frame)

    def _ask(self, stt: BackgroundStt) -> Process:
        """Show each step to the watch when it has ended, after all that may begin by then."""
        for place in itertools.count():
            while place >= len(stt.done):
                if stt.has_ended:
                    return
                yield None
            done = stt.done[place]
            yield Job(done + 1, 0, BARRIER)
            self._environment.step(stt.first + place, done)

    def _speak(self) -> Process:
        """The chunks, each as soon as it is there, and the loudspeaker to the end."""
        playback, free, environment = self._parts.playback, self._turn.at, self._environment
        for number in itertools.count():
            if (spoken := (yield from self._generator.chunk(number))) is None:
                break
            yield from self._generator.speak(spoken, max(spoken.handed, free), never)
            free = spoken.steps[-1]
        playback.all_queued()
        self._is_made = True
        while self._over is None:
            answer = self._so_far()
            while environment.is_paused or (over := playback.over(answer)) is None:
                yield None
                answer = answer if answer.silences == self._silences else self._so_far()
            environment.over = over
            while not playback.has_come(over) and environment.over == over:
                yield None
            yield Job(over, 0, BARRIER)
            if environment.over == over:
                self._over = over

    @property
    def _silences(self) -> tuple[tuple[int, int], ...]:
        watch = self._environment.watch
        return watch.silences if watch is not None else ()

    def _so_far(self) -> Answer:
        """The answer as far as it was made; what the prebuffer still held back is not played."""
        chunks = self._generator.chunks
        answer = self._generator.answer([spoken for spoken in chunks if spoken.steps], self._silences)
        answer = replace(answer, chunks=self._generator.timed(chunks))
        if self._is_made or len(answer.at) >= self._parts.knobs.playback.prebuffer:
            return answer
        none = answer.at[:0]
        return replace(answer, at=none, chunk_of=none, frame_of=none)
