"""One answer, made step by step and played while the microphone is watched for an interruption.

As the ``workbench`` listener does it; ``published.py`` has MLX-Harmony's way.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from workbench.executors import Times
from workbench.interrupting import BargedIn, find_barge_in
from workbench.listening import Listening, Turn
from workbench.live.microphone import LiveMicrophone
from workbench.live.room import Room
from workbench.live.spoken import AnswerOptions, Given, SessionOver, Spoken, lines_of, next_step
from workbench.speaking import CHUNK_GROUPS, Answer, Line, assemble, cut
from workbench.stages import TextLm, Tts
from workbench.stages.chunker import chunk_stream, chunk_text
from workbench.stages.playback import continuous
from workbench.units import FRAME_SAMPLES

_NOT_KNOWN = 1 << 60


class _Interrupted(Exception):
    """Out of whatever step is being made."""

    def __init__(self, by: BargedIn) -> None:
        super().__init__()
        self.by = by


class Answering:
    """Gives one answer.

    Args:
        lm: who thinks.
        tts: who speaks.
        listening: whose STT may go on beside the answer.
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
        self._lm, self._tts, self._mic, self._room = lm, tts, mic, room
        self._options, self._turn, self._reply = options, turn, reply
        self._threshold = listening.options.threshold
        self._hears = listening.hearing.open(fresh=True) if options.beside else None
        self._first = turn.last + 1
        self._now = turn.at
        self._tokens: list[str] = []
        self._token_ends: list[int] = []
        self._spoken: list[Spoken] = []

    def give(self, history: tuple[str, ...]) -> Given:
        """Think, speak, and be silent when interrupted.

        Args:
            history: user and agent texts in turn, the newest last.
        """
        stopped: BargedIn | None = None
        whole = True
        try:
            for spoken in self._cuts(history):
                self._speak(spoken)
            self._room.all_queued()
            self._play_out()
        except _Interrupted as interruption:
            stopped = interruption.by
        except SessionOver:
            whole = False
        if stopped is None and whole:
            answer = self._assembled()
        else:
            answer = self._partly()
            self._room.stop()
            while self._room.over(answer) is None and not self._mic.ended:
                self._room.wait()
                self._mic.catch_up(self._now)
        if stopped is not None:
            answer = cut(answer, stopped.at, self._room.playout)
        return Given(self._room.observed(answer), "".join(self._tokens), stopped, whole)

    def _think(self, history: tuple[str, ...]) -> Iterator[str]:
        stream = self._lm.reply(history)
        while True:
            number = len(self._tokens)
            stage, job = ("lm_token", number - 1) if number else ("lm_first", 0)
            token, self._now = self._room.step(stage, self._reply, job, self._now, lambda: next(stream, None))
            if token is None:
                return
            self._tokens.append(token)
            self._token_ends.append(self._now)
            self._watch(self._now)
            yield token

    def _cuts(self, history: tuple[str, ...]) -> Iterator[Spoken]:
        """The chunks, each as soon as it is there, in time to be spoken."""
        speak = self._options.speak
        if speak.stream:
            for token, text in chunk_stream(self._think(history), speak.chunks):
                self._spoken.append(Spoken(text, token, self._token_ends[token]))
                yield self._spoken[-1]
            return
        pieces = chunk_text("".join(self._think(history)), speak.chunks)
        self._spoken += [Spoken(text, len(self._tokens) - 1, self._token_ends[-1]) for text in pieces]
        yield from self._spoken

    def _speak(self, spoken: Spoken) -> None:
        group = self._reply * CHUNK_GROUPS + self._spoken.index(spoken)
        begin = max(spoken.handed, self._now)
        steps, self._now = self._room.step(
            "tts_start", group, 0, begin, lambda: self._tts.synthesize(spoken.text, self._options.seed)
        )
        assert steps is not None
        spoken.steps.append(self._now)
        while True:
            job = len(spoken.steps) - 1
            made, self._now = self._room.step("tts", group, job, self._now, lambda: next_step(steps))
            if made is None:
                return
            (frame,) = made
            if frame is not None:
                spoken.frame_steps.append(job)
                spoken.pcm.append(frame)
                self._room.play(frame)
            spoken.steps.append(self._now)
            self._watch(self._now)

    def _play_out(self) -> None:
        answer = self._assembled()
        while True:
            over = self._room.over(answer)
            self._watch(self._now if over is None else over, _NOT_KNOWN if over is None else over)
            if over is not None and self._room.has_come(over):
                return
            self._room.wait()

    def _watch(self, until: int, over: int = _NOT_KNOWN) -> None:
        """Look at the frames that came until then; raises where they interrupt the answer."""
        mic = self._mic
        first = mic.frames
        mic.catch_up(until)
        if self._hears is not None:
            begin = max(first, self._first)
            self._hears.hear(begin, mic.frames - begin)
        if mic.ended and mic.is_live:
            raise SessionOver
        if self._options.need is None:
            return
        stop = find_barge_in(mic, self._threshold, self._first, self._options.need, over, None)
        if stop is not None:
            arrived = mic.gate(self._threshold).arrived(np.asarray([stop.frame_end // FRAME_SAMPLES - 1]))
            raise _Interrupted(replace(stop, at=self._room.decided(int(arrived[0]))))

    def _lines(self) -> list[Line]:
        return lines_of("".join(self._tokens), self._spoken, self._reply, self._room.costs)

    @property
    def _ends(self) -> Times:
        return np.asarray(self._token_ends, dtype=np.int64)

    def _assembled(self) -> Answer:
        return assemble(self._ends, self._lines(), self._options.speak, self._turn.at)

    def _partly(self) -> Answer:
        """The answer as far as it was made; what the prebuffer still held back is not played."""
        lines = self._lines()
        ready = [line.ready for line in lines if len(line.piece.speech.frame_steps)]
        empty = np.zeros(0, dtype=np.int64)
        queued = np.concatenate(ready) if ready else empty
        prebuffer = self._options.speak.prebuffer
        at = continuous(queued, prebuffer).at if len(queued) >= prebuffer else empty
        counts = [len(line.piece.speech.frame_steps) for line in lines]
        chunk = np.repeat(np.arange(len(lines)), counts)[: len(at)]
        offset = np.concatenate([empty, *(np.arange(count) for count in counts)])[: len(at)]
        return Answer(self._ends, lines, at, chunk, offset, self._now)
