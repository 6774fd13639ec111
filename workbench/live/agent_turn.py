"""One live answer on one audio stream, while the microphone is watched for an interruption.

So the assistant ``workbench`` answers; ``chunk_turn.py`` has MLX-Harmony's way. Who thinks, who speaks and, in a
``shared`` placement, the STT in the background take turns as the scheduler of a replay has them do.
"""

import itertools
from dataclasses import replace

from workbench.barge_in import make_rule
from workbench.barge_in.protocol import BargeInDecision
from workbench.dialogue.answer import Answer, AnswerResult, truncate
from workbench.dialogue.interruption import BackgroundStt
from workbench.dialogue.user_turn import UserTurn
from workbench.live.environment import LiveEnvironment
from workbench.live.generation import AnswerGenerator, LiveParts, SessionOver, never
from workbench.simulation.scheduler import BARRIER, Job, Process, run_until_done
from workbench.units import FRAME_SAMPLES, frame_end

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

    Attributes:
        over: when the answer is over by itself; later frames do not interrupt it.
    """

    def __init__(self, parts: LiveParts, first: int) -> None:
        super().__init__(parts.mic, parts.playback, answering=True)
        knobs = parts.knobs
        self._rule = make_rule(knobs.barge_in, knobs.listen.threshold) if knobs.barge_in is not None else None
        self._next = first
        self.over = _NOT_KNOWN

    def come(self, until: int | None) -> None:
        """See :class:`workbench.simulation.scheduler.Environment`; raises where what came interrupts the answer."""
        super().come(until)
        # Where time passes, all that is there has come; where it is simulated, a step that begins now is done yet.
        self._watch(self.over if until is None or self._mic.is_live else until)
        if until is not None:
            self._mic.catch_up(until + 1)  # of steps that may begin at once, the STT's is first

    def _watch(self, over: int) -> None:
        if self._rule is None:
            return
        while self._next < self._mic.frames and frame_end(self._next) < over:
            frame, self._next = self._next, self._next + 1
            if run := self._rule.see(self._mic.level(frame)):
                at = self._playback.decided(self._mic.arrived(frame))
                raise _Interrupted(BargeInDecision(at, (frame - run + 1) * FRAME_SAMPLES, frame_end(frame)))


class OneStreamTurn:
    """Gives one answer.

    Args:
        parts: what it is made and played with.
        turn: what is answered.
        reply: number of the answer.
    """

    def __init__(self, parts: LiveParts, turn: UserTurn, reply: int) -> None:
        self._parts, self._turn = parts, turn
        self._generator = AnswerGenerator(parts, turn.at, reply)
        self._environment = _WatchedEnvironment(parts, turn.last + 1)
        self._is_made = False
        self._over: int | None = None

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
            answer = truncate(answer, stopped.at, playback.playout)
        return AnswerResult(playback.observed(answer), self._generator.text, stopped, whole, self._generator.remark)

    def _background(self) -> list[Process]:
        """The STT, where it shares the device."""
        knobs = self._parts.knobs
        if knobs.barge_in is None or knobs.placement != "shared":
            return []
        return [BackgroundStt(self._parts.listening.ears, self._turn.last + 1).process(lambda: self._over)]

    def _speak(self) -> Process:
        """The chunks, each as soon as it is there, and the loudspeaker to the end."""
        playback, free = self._parts.playback, self._turn.at
        for number in itertools.count():
            if (spoken := (yield from self._generator.chunk(number))) is None:
                break
            yield from self._generator.speak(spoken, max(spoken.handed, free), never)
            free = spoken.steps[-1]
        playback.all_queued()
        self._is_made = True
        answer = self._so_far()
        while (over := playback.over(answer)) is None:
            yield None
        self._environment.over = over
        while not playback.has_come(over):
            yield None
        yield Job(over, 0, BARRIER)
        self._over = over

    def _so_far(self) -> Answer:
        """The answer as far as it was made; what the prebuffer still held back is not played."""
        chunks = self._generator.chunks
        answer = self._generator.answer([spoken for spoken in chunks if spoken.steps])
        answer = replace(answer, chunks=self._generator.timed(chunks))
        if self._is_made or len(answer.at) >= self._parts.knobs.playback.prebuffer:
            return answer
        none = answer.at[:0]
        return replace(answer, at=none, chunk_of=none, frame_of=none)
