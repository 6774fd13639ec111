"""One answer as MLX-Harmony gives it: a stream per chunk that is closed early, and beside each chunk its own watch.

The times are those of ``speaking.py`` and of :class:`workbench.interrupting.PublishedWatch`; here each step is made
when its turn has come. The watch needs the device that speaks, and hears with the one STT, which is not reset.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from workbench.executors import TURN, Job, Process, Times, run
from workbench.interrupting import BargedIn, watch_stop
from workbench.listening import Listening, Turn
from workbench.live.microphone import LiveMicrophone
from workbench.live.room import Item, Room
from workbench.live.spoken import AnswerOptions, Given, SessionOver, Spoken, lines_of, next_step
from workbench.live.world import LiveWorld
from workbench.speaking import CHUNK_GROUPS, Line, assemble
from workbench.stages import TextLm, Tts
from workbench.stages.chunker import chunk_stream, chunk_text
from workbench.stages.listener import ListenOptions
from workbench.stages.published import PublishedLoop


class PublishedAnswering:
    """Gives one answer.

    Args:
        lm: who thinks.
        tts: who speaks.
        listening: whose STT watches.
        mic: watched meanwhile.
        room: clock and loudspeaker.
        options: the knobs.
        turn: what is answered.
        reply: number of the answer.
    """

    def __init__(
        self,
        lm: TextLm,
        tts: Tts,
        listening: Listening,
        mic: LiveMicrophone,
        room: Room,
        options: AnswerOptions,
        turn: Turn,
        reply: int,
    ) -> None:
        self._lm, self._tts, self._listening, self._mic, self._room = lm, tts, listening, mic, room
        self._options, self._watch, self._turn, self._reply = options, options.watch, turn, reply
        self._world = LiveWorld(mic, room, answering=True)
        self._shared = options.speak.shared
        self._tokens: list[str] = []
        self._token_ends: list[int] = []
        self._thought = False
        self._spoken: list[Spoken] = []

    def give(self, history: tuple[str, ...]) -> Given:
        """Think, speak, and be silent when interrupted.

        Args:
            history: user and agent texts in turn, the newest last.
        """
        stopped: BargedIn | None = None
        whole = True
        try:
            if self._options.speak.stream:
                run([self._think(history), self._speak_cuts()], {"device": self._turn.at}, self._world)
            else:
                run([self._think(history)], world=self._world)
                stopped = self._speak_pieces()
        except SessionOver:
            whole = False
            self._room.stop()
        answer = self._room.observed(assemble(self._ends, self._lines(), self._options.speak, self._turn.at))
        closed = [spoken.closed for spoken in self._spoken if spoken.closed is not None]
        answer = replace(answer, over=max([answer.over, *closed]))
        return Given(answer, "".join(self._tokens), stopped, whole)

    def _step(
        self, stage: str, group: int, job: int, at: int, work: Callable[[], Item | None]
    ) -> tuple[Item | None, int]:
        """Do a step; what it brought, and what it cost."""
        item, _ = self._room.step(stage, group, job, at, work)
        return item, 0 if item is None else int(self._room.costs.draw(stage, group, job + 1)[job])

    def _think(self, history: tuple[str, ...]) -> Process:
        stream = self._lm.reply(history)
        now = self._turn.at
        while True:
            yield Job(now, 0, TURN)
            number = len(self._tokens)
            stage, job = ("lm_token", number - 1) if number else ("lm_first", 0)
            token, cost = self._step(stage, self._reply, job, now, lambda: next(stream, None))
            if token is None:
                self._thought = True
                return
            now = yield Job(now, cost, "device" if self._shared else "lm")
            self._tokens.append(token)
            self._token_ends.append(now)

    @property
    def _begun(self) -> int:
        """When the first chunk may be spoken."""
        return self._token_ends[-1] if self._token_ends else self._turn.at

    def _speak_cuts(self) -> Process:
        """Speak what is cut while the LM still writes."""
        free = self._turn.at
        while True:
            while (cut := self._cut()) is None:
                if self._thought:
                    return
                yield None
            token, text = cut
            spoken = Spoken(text, token, max(self._token_ends[token], free))
            self._spoken.append(spoken)
            yield from self._speak(spoken, lambda: None)
            assert spoken.closed is not None
            free = spoken.closed

    def _cut(self) -> tuple[int, str] | None:
        """The chunk to be spoken next, if what there is of the reply holds it whole."""
        ended = False

        def written() -> Iterator[str]:
            nonlocal ended
            yield from self._tokens
            ended = True

        for number, cut in enumerate(chunk_stream(written(), self._options.speak.chunks)):
            if number == len(self._spoken):
                return cut if self._thought or not ended else None
        return None

    def _speak_pieces(self) -> BargedIn | None:
        """Speak chunk after chunk, until a watch brings text."""
        free = self._begun
        for text in chunk_text("".join(self._tokens), self._options.speak.chunks):
            spoken = Spoken(text, len(self._tokens) - 1, free)
            self._spoken.append(spoken)
            if self._watch is None:
                run([self._speak(spoken, lambda: None)], world=self._world)
            elif (stopped := self._speak_watched(spoken, self._watch)) is not None:
                return stopped
            assert spoken.closed is not None
            free = spoken.closed
        return None

    def _speak_watched(self, spoken: Spoken, options: ListenOptions) -> BargedIn | None:
        listening, free = self._listening, spoken.handed
        gate = self._mic.gate(options.threshold)
        hears = listening.hearing.open(fresh=False)

        def closed() -> int | None:
            return spoken.closed

        loop = PublishedLoop(hears, gate, listening.step_costs, options, free, free, self._mic, closed)

        def stop() -> int | None:
            cycle = loop.cycle
            return cycle.ended if cycle is not None and cycle.committed and hears.text else None

        try:
            run([self._speak(spoken, stop), loop.process("device" if self._shared else "stt")], world=self._world)
        finally:
            listening.hearing.close(hears)
        assert loop.cycle is not None
        assert spoken.closed is not None
        if loop.cycle.ended > spoken.closed:
            return None
        listening.log_heard(loop.cycle, hears.words())
        return watch_stop(loop.cycle) if stop() is not None else None

    def _speak(self, spoken: Spoken, stop: Callable[[], int | None]) -> Process:
        """The steps of a chunk, then its stream to the end.

        Args:
            spoken: is filled.
            stop: when a watch brought text, once one did. The speaker looks for it when a PCM frame comes, throws that
                frame away, and makes no more.
        """
        group = self._reply * CHUNK_GROUPS + self._spoken.index(spoken)
        device, now = "device" if self._shared else "tts", spoken.handed
        yield Job(now, 0, TURN)
        steps, cost = self._step(
            "tts_start", group, 0, now, lambda: self._tts.synthesize(spoken.text, self._options.seed)
        )
        assert steps is not None
        now = yield Job(now, cost, device)
        spoken.steps.append(now)
        frame = None
        while True:
            yield Job(now, 0, TURN)
            if frame is not None and _is_there(stop(), now):
                spoken.frame_steps.pop()
                spoken.pcm.pop()
                break
            job = len(spoken.steps) - 1
            made, cost = self._step("tts", group, job, now, lambda: next_step(steps))
            if made is None:
                break
            now = yield Job(now, cost, device)
            spoken.steps.append(now)
            (frame,) = made
            if frame is None:
                continue
            if _is_there(stop(), now):  # on a real clock it is known already, and the frame must not be heard
                break
            spoken.frame_steps.append(job)
            spoken.pcm.append(frame)
            self._room.play(frame)
        self._room.all_queued()
        yield from self._close(spoken, now)

    def _close(self, spoken: Spoken, now: int) -> Process:
        (line,) = lines_of(spoken.text, [spoken], self._reply, self._room.costs)
        while (closed := self._room.closed(line)) is None:
            yield None
        while not self._room.has_come(closed):
            yield None
        spoken.closed = closed
        # A watch still hears the block that comes at this moment.
        yield Job(closed + (self._watch is not None), 0, TURN)

    @property
    def _ends(self) -> Times:
        return np.asarray(self._token_ends, dtype=np.int64)

    def _lines(self) -> list[Line]:
        begun = [spoken for spoken in self._spoken if spoken.steps]
        return lines_of("".join(self._tokens), begun, self._reply, self._room.costs)


def _is_there(stop: int | None, now: int) -> bool:
    return stop is not None and stop <= now
