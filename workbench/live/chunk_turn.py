"""One live answer with an audio stream per chunk that is closed early, and a watch that begins with each chunk.

So MLX-Harmony answers. The times are those of :class:`workbench.replay.watched_answer.WatchedAnswer`; here each step
is done when its turn has come. The watches need the device that speaks, and hear with the one STT, which is not reset.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace

from workbench.barge_in.protocol import BargeInDecision
from workbench.dialogue.answer import AnswerResult
from workbench.dialogue.user_turn import UserTurn
from workbench.dialogue.watch import ChunkWatch
from workbench.live.environment import LiveEnvironment
from workbench.live.generation import AnswerGenerator, GeneratedChunk, LiveParts, SessionOver, never
from workbench.simulation.scheduler import BARRIER, Job, Process


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
        self._scheduler = parts.listening.ears.scheduler

    def give(self, history: tuple[str, ...]) -> AnswerResult:
        """Think, speak, and be silent when interrupted.

        Args:
            history: user and agent texts in turn, the newest last.
        """
        generator, stopped, whole = self._generator, None, True
        try:
            if self._knobs.chunks.stream:
                self._run(generator.think(history), self._speak_cuts())
            else:
                self._run(generator.think(history))
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
                self._run(self._speak(spoken, never))
            elif (stopped := self._speak_watched(spoken)) is not None:
                return stopped
            assert spoken.closed is not None
            free = spoken.closed
        return None

    def _speak_watched(self, spoken: GeneratedChunk) -> BargeInDecision | None:
        watch = ChunkWatch(self._parts.listening, self._knobs, spoken.handed)
        self._run(self._speak(spoken, watch.decided))
        decision = watch.decision()
        assert spoken.closed is not None
        return decision if decision is not None and decision.at <= spoken.closed else None

    def _run(self, *processes: Process) -> None:
        self._scheduler.run(processes, self._environment)

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
