"""One live answer with an audio stream per chunk that is closed early, and a watch of its own during each chunk.

So MLX-Harmony answers. The times are those of :class:`workbench.replay.watched_answer.WatchedAnswer`; here each step
is done when its turn has come. The watch needs the device that speaks, and hears with the one STT, which is not reset.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace

from workbench.assistants.mlx_harmony_listener import MlxHarmonyListener
from workbench.barge_in.mlx_harmony import decide
from workbench.barge_in.protocol import BargeInDecision
from workbench.dialogue.answer import AnswerResult
from workbench.dialogue.interruption import watch_knobs
from workbench.dialogue.user_turn import UserTurn
from workbench.live.environment import LiveEnvironment
from workbench.live.generation import AnswerGenerator, GeneratedChunk, LiveParts, SessionOver, never
from workbench.simulation.scheduler import BARRIER, Job, Process, run_until_done


class StreamPerChunkTurn:
    """Gives one answer.

    Args:
        parts: what it is made and played with.
        turn: what is answered.
        reply: number of the answer.
    """

    def __init__(self, parts: LiveParts, turn: UserTurn, reply: int) -> None:
        self._parts, self._knobs, self._turn = parts, parts.knobs, turn
        self._generator = AnswerGenerator(parts, turn.at, reply)
        self._is_watched = parts.assistant.watches_chunks and parts.knobs.barge_in is not None
        self._environment = LiveEnvironment(parts.mic, parts.playback, answering=True)

    def give(self, history: tuple[str, ...]) -> AnswerResult:
        """Think, speak, and be silent when interrupted.

        Args:
            history: user and agent texts in turn, the newest last.
        """
        generator, stopped, whole = self._generator, None, True
        try:
            if self._knobs.chunks.stream:
                processes = [generator.think(history), self._speak_cuts()]
                run_until_done(processes, {"device": self._turn.at}, self._environment)
            else:
                run_until_done([generator.think(history)], environment=self._environment)
                stopped = self._speak_chunks()
        except SessionOver:
            whole = False
            self._parts.playback.stop()
        begun = [spoken for spoken in generator.chunks if spoken.steps]
        answer = self._parts.playback.observed(generator.answer(begun))
        closed = [spoken.closed for spoken in begun if spoken.closed is not None]
        heard = replace(answer, over=max([answer.over, *closed]))
        return AnswerResult(heard, generator.text, stopped, whole, generator.remark)

    def _speak_cuts(self) -> Process:
        """Speak what is cut while the LM still writes."""
        free = self._turn.at
        for number in itertools.count():
            if (spoken := (yield from self._generator.chunk(number))) is None:
                return
            spoken.handed = max(spoken.handed, free)
            yield from self._speak(spoken, never)
            assert spoken.closed is not None
            free = spoken.closed

    def _speak_chunks(self) -> BargeInDecision | None:
        """Speak chunk after chunk, until a watch brings text."""
        free = self._turn.at
        for spoken in self._generator.chunks:
            spoken.handed = max(spoken.handed, free)
            if not self._is_watched:
                run_until_done([self._speak(spoken, never)], environment=self._environment)
            elif (stopped := self._speak_watched(spoken)) is not None:
                return stopped
            assert spoken.closed is not None
            free = spoken.closed
        return None

    def _speak_watched(self, spoken: GeneratedChunk) -> BargeInDecision | None:
        listening, free, knobs = self._parts.listening, spoken.handed, watch_knobs(self._knobs)
        stt, mic = listening.ears.stt, self._parts.mic
        hears = stt.open(fresh=False)
        loop = MlxHarmonyListener(hears, mic.gate(knobs.threshold), listening.ears.step_costs, knobs, free, free, mic)
        loop.watch(lambda: spoken.closed)

        def stop() -> int | None:
            stopped = decide(loop.cycle, hears.text)
            return stopped.at if stopped else None

        try:
            watch = loop.process("device" if self._knobs.one_device else "stt")
            run_until_done([self._speak(spoken, stop), watch], environment=self._environment)
        finally:
            stt.close(hears)
        assert loop.cycle is not None
        assert spoken.closed is not None
        if loop.cycle.ended > spoken.closed:
            return None
        listening.log_heard(loop.cycle, hears.words())
        return decide(loop.cycle, hears.text)

    def _speak(self, spoken: GeneratedChunk, stop: Callable[[], int | None]) -> Process:
        """The steps of a chunk, then its stream to the end; ``stop`` says when a watch brought text, once one did."""
        yield from self._generator.speak(spoken, spoken.handed, stop)
        self._parts.playback.all_queued()
        yield from self._close(spoken)

    def _close(self, spoken: GeneratedChunk) -> Process:
        playback = self._parts.playback
        chunk = self._generator.timed(self._generator.chunks[: spoken.number + 1])[-1]
        while (closed := playback.closed(chunk)) is None:
            yield None
        while not playback.has_come(closed):
            yield None
        spoken.closed = closed
        # A watch still hears the block that comes at this moment.
        yield Job(closed + self._is_watched, 0, BARRIER)
