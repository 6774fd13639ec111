"""One answer, made step by step and played while the microphone is watched for an interruption.

As the ``workbench`` listener does it; ``published.py`` has MLX-Harmony's way. The times are those of ``speaking.py``:
who thinks, who speaks and, in a ``shared`` placement, the STT beside them take turns as its scheduler has them do.
"""

import itertools
from dataclasses import replace

from workbench.dialogue.answer import Answer, schedule_playback, truncate
from workbench.dialogue.interruption import BackgroundStt, BargeInDecision, detect_barge_in
from workbench.dialogue.user_turn import UserTurn, UserTurnRunner
from workbench.live.environment import LiveEnvironment
from workbench.live.generation import AnswerGenerator, AnswerOptions, AnswerResult, SessionOver, never
from workbench.live.loudspeaker import Playback
from workbench.live.microphone import LiveMicrophone
from workbench.simulation.scheduler import BARRIER, Job, Process, run_until_done
from workbench.simulation.step_costs import MeasuredCosts
from workbench.units import FRAME_SAMPLES

_NOT_KNOWN = 1 << 60


class _Interrupted(Exception):
    """Out of whatever step is being made."""

    def __init__(self, by: BargeInDecision) -> None:
        super().__init__()
        self.by = by


class _Watched(LiveEnvironment):
    """A world in which frames that come may interrupt the answer.

    Args:
        mic, room: see :class:`LiveEnvironment`.
        threshold: of the listener.
        first: frame from which on is watched.
        need: how many loud frames in a row interrupt; None where none do.

    Attributes:
        over: when the answer is over by itself; later frames do not interrupt it.
    """

    def __init__(self, mic: LiveMicrophone, room: Playback, threshold: float, first: int, need: int | None) -> None:
        super().__init__(mic, room, answering=True)
        self._threshold, self._first, self._need = threshold, first, need
        self.over = _NOT_KNOWN

    def come(self, until: int | None) -> None:
        """See :class:`workbench.simulation.scheduler.Environment`; raises where what came interrupts the answer."""
        super().come(until)
        mic = self._mic
        if self._need is not None:
            # Where time passes, all that is there has come; where it is simulated, a step that begins now is done yet.
            over = self.over if until is None or mic.is_live else until
            stop = detect_barge_in(mic, self._threshold, self._first, self._need, over, None)
            if stop is not None:
                arrived = mic.arrived(stop.frame_end // FRAME_SAMPLES - 1)
                raise _Interrupted(replace(stop, at=self._room.decided(arrived)))
        if until is not None:
            mic.catch_up(until + 1)  # of steps that may begin at once, the STT's is first


class LiveAgentTurnRunner:
    """Gives one answer.

    Args:
        making: the steps of LM and TTS.
        listening: whose STT may go on beside the answer.
        mic: watched meanwhile.
        room: clock and loudspeaker.
        options: the knobs.
        turn: what is answered.
    """

    def __init__(
        self,
        making: AnswerGenerator,
        listening: UserTurnRunner,
        mic: LiveMicrophone,
        room: Playback,
        options: AnswerOptions,
        turn: UserTurn,
    ) -> None:
        self._making, self._listening, self._mic, self._room = making, listening, mic, room
        self._options, self._turn = options, turn
        self._world = _Watched(mic, room, listening.options.threshold, turn.last + 1, options.need)
        self._is_made = False
        self._over: int | None = None

    def give(self, history: tuple[str, ...]) -> AnswerResult:
        """Think, speak, and be silent when interrupted.

        Args:
            history: user and agent texts in turn, the newest last.
        """
        stopped: BargeInDecision | None = None
        try:
            processes = [*self._beside(), self._making.think(history), self._speak()]
            run_until_done(processes, {"device": self._turn.at}, self._world)
        except _Interrupted as interruption:
            stopped = interruption.by
        except SessionOver:
            pass
        answer, whole = self._so_far(), self._over is not None or stopped is not None
        if self._over is None:
            self._room.stop()
            while self._room.over(answer) is None and not self._mic.ended:
                self._room.wait()
                self._mic.catch_up(0)
        if stopped is not None:
            answer = truncate(answer, stopped.at, self._room.playout)
        return AnswerResult(self._room.observed(answer), self._making.text, stopped, whole)

    def _beside(self) -> list[Process]:
        if not self._options.beside:
            return []
        listening, measured = self._listening, isinstance(self._room.costs, MeasuredCosts)
        beside = BackgroundStt(listening.hearing, listening.step_costs, self._turn.last + 1, measured)
        return [beside.process(lambda: self._over)]

    def _speak(self) -> Process:
        """The chunks, each as soon as it is there, and the loudspeaker to the end."""
        free = self._turn.at
        for number in itertools.count():
            if (spoken := (yield from self._making.chunk(number))) is None:
                break
            yield from self._making.speak(spoken, max(spoken.handed, free), never)
            free = spoken.steps[-1]
        self._room.all_queued()
        self._is_made = True
        answer = self._so_far()
        while (over := self._room.over(answer)) is None:
            yield None
        self._world.over = over
        while not self._room.has_come(over):
            yield None
        yield Job(over, 0, BARRIER)
        self._over = over

    def _so_far(self) -> Answer:
        """The answer as far as it was made; what the prebuffer still held back is not played."""
        making, speak = self._making, self._options.speak
        lines = making.lines(making.chunks)
        begun = [line for line in lines if len(line.steps)]
        answer = replace(schedule_playback(making.ends, begun, speak, self._turn.at), lines=lines)
        if self._is_made or len(answer.at) >= speak.prebuffer:
            return answer
        none = answer.at[:0]
        return replace(answer, at=none, chunk=none, offset=none)
