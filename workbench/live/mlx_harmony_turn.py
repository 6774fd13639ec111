"""One answer as MLX-Harmony gives it: a stream per chunk that is closed early, and beside each chunk its own watch.

The times are those of ``dialogue/answer.py`` and of :class:`workbench.dialogue.interruption.MlxHarmonyBargeIn`; here
each step is made when its turn has come. The watch needs the device that speaks, and hears with the one STT, which is
not reset.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace

from workbench.assistants.listener import ListenOptions
from workbench.assistants.mlx_harmony_listener import MlxHarmonyListener
from workbench.dialogue.answer import schedule_playback
from workbench.dialogue.interruption import BargeInDecision, watch_stop
from workbench.dialogue.user_turn import UserTurn, UserTurnRunner
from workbench.live.environment import LiveEnvironment
from workbench.live.generation import AnswerGenerator, AnswerOptions, AnswerResult, GeneratedChunk, SessionOver, never
from workbench.live.loudspeaker import Playback
from workbench.live.microphone import LiveMicrophone
from workbench.simulation.scheduler import BARRIER, Job, Process, run_until_done


class MlxHarmonyAgentTurnRunner:
    """Gives one answer.

    Args:
        making: the steps of LM and TTS.
        listening: whose STT watches.
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
        self._options, self._watch, self._turn = options.speak, options.watch, turn
        self._world = LiveEnvironment(mic, room, answering=True)

    def give(self, history: tuple[str, ...]) -> AnswerResult:
        """Think, speak, and be silent when interrupted.

        Args:
            history: user and agent texts in turn, the newest last.
        """
        making, stopped = self._making, None
        whole = True
        try:
            if self._options.stream:
                run_until_done([making.think(history), self._speak_cuts()], {"device": self._turn.at}, self._world)
            else:
                run_until_done([making.think(history)], world=self._world)
                stopped = self._speak_pieces()
        except SessionOver:
            whole = False
            self._room.stop()
        begun = [spoken for spoken in making.chunks if spoken.steps]
        answer = self._room.observed(schedule_playback(making.ends, making.lines(begun), self._options, self._turn.at))
        closed = [spoken.closed for spoken in begun if spoken.closed is not None]
        answer = replace(answer, over=max([answer.over, *closed]))
        return AnswerResult(answer, making.text, stopped, whole)

    def _speak_cuts(self) -> Process:
        """Speak what is cut while the LM still writes."""
        free = self._turn.at
        for number in itertools.count():
            if (spoken := (yield from self._making.chunk(number))) is None:
                return
            spoken.handed = max(spoken.handed, free)
            yield from self._speak(spoken, never)
            assert spoken.closed is not None
            free = spoken.closed

    def _speak_pieces(self) -> BargeInDecision | None:
        """Speak chunk after chunk, until a watch brings text."""
        free = self._turn.at
        for spoken in self._making.chunks:
            spoken.handed = max(spoken.handed, free)
            if self._watch is None:
                run_until_done([self._speak(spoken, never)], world=self._world)
            elif (stopped := self._speak_watched(spoken, self._watch)) is not None:
                return stopped
            assert spoken.closed is not None
            free = spoken.closed
        return None

    def _speak_watched(self, spoken: GeneratedChunk, options: ListenOptions) -> BargeInDecision | None:
        listening, free = self._listening, spoken.handed
        gate = self._mic.gate(options.threshold)
        hears = listening.hearing.open(fresh=False)

        def closed() -> int | None:
            return spoken.closed

        loop = MlxHarmonyListener(hears, gate, listening.step_costs, options, free, free, self._mic, closed)

        def stop() -> int | None:
            cycle = loop.cycle
            return cycle.ended if cycle is not None and cycle.committed and hears.text else None

        try:
            watch = loop.process("device" if self._options.shared else "stt")
            run_until_done([self._speak(spoken, stop), watch], world=self._world)
        finally:
            listening.hearing.close(hears)
        assert loop.cycle is not None
        assert spoken.closed is not None
        if loop.cycle.ended > spoken.closed:
            return None
        listening.log_heard(loop.cycle, hears.words())
        return watch_stop(loop.cycle) if stop() is not None else None

    def _speak(self, spoken: GeneratedChunk, stop: Callable[[], int | None]) -> Process:
        """The steps of a chunk, then its stream to the end; ``stop`` says when a watch brought text, once one did."""
        yield from self._making.speak(spoken, spoken.handed, stop)
        self._room.all_queued()
        yield from self._close(spoken)

    def _close(self, spoken: GeneratedChunk) -> Process:
        line = self._making.lines(self._making.chunks[: spoken.number + 1])[-1]
        while (closed := self._room.closed(line)) is None:
            yield None
        while not self._room.has_come(closed):
            yield None
        spoken.closed = closed
        # A watch still hears the block that comes at this moment.
        yield Job(closed + (self._watch is not None), 0, BARRIER)
