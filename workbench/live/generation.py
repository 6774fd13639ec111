"""What both live ways of answering share: the knobs, the steps of LM and TTS, and what came of an answer."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench.arrays import Audio, Times
from workbench.assistants.listener import ListenOptions
from workbench.dialogue.answer import CHUNK_GROUPS, Answer, ChunkAudio, SpeakOptions, TimedChunk
from workbench.dialogue.interruption import BargeInDecision
from workbench.live.loudspeaker import Item, Playback
from workbench.simulation.scheduler import BARRIER, Job, Process
from workbench.simulation.step_costs import CostSource
from workbench.stages.cached_tts import SpokenChunk, speech_of
from workbench.stages.chunker import StreamCutter, chunk_text, midword
from workbench.stages.protocols import ReplyRemark, TextLm, Tts

_END = object()


@dataclass(frozen=True)
class AnswerOptions:
    """The knobs of an answer.

    Attributes:
        need: how many loud frames in a row interrupt it; None where none do.
        beside: whether the STT goes on beside the answer on the same device, as in a ``shared`` placement.
        watch: of MLX-Harmony's watch, where that is who interrupts it.
    """

    speak: SpeakOptions
    need: int | None
    beside: bool
    watch: ListenOptions | None
    seed: int


@dataclass(frozen=True)
class AnswerResult:
    """An answer as it was given.

    Attributes:
        text: what the LM said, as far as it came.
        stopped: what stopped it, if anything did.
        is_whole: False where the session ended before it.
    """

    answer: Answer
    text: str
    stopped: BargeInDecision | None
    is_whole: bool


class SessionOver(Exception):
    """The session ended under the answer."""


@dataclass
class GeneratedChunk:
    """A chunk on its way.

    Attributes:
        number: which of the answer it is.
        token: which completed it.
        handed: when the TTS got it.
        steps: when each step ended, the set-up first.
        frame_steps, pcm: of the frames that came.
        closed: when its own audio stream is closed, once that is known (published speaker only).
    """

    number: int
    text: str
    token: int
    handed: int
    steps: list[int] = field(default_factory=list)
    frame_steps: list[int] = field(default_factory=list)
    pcm: list[Audio] = field(default_factory=list)
    closed: int | None = None


def lines_of(text: str, chunks: Sequence[GeneratedChunk], reply: int, costs: CostSource) -> list[TimedChunk]:
    """The chunks as far as they were spoken.

    Args:
        text: of the reply, as far as it came.
        chunks: those that the TTS got.
        reply: number of the reply.
        costs: of the steps.
    """
    lines = []
    for number, (spoken, torn) in enumerate(zip(chunks, midword(text, [chunk.text for chunk in chunks]), strict=True)):
        group, steps = reply * CHUNK_GROUPS + number, max(0, len(spoken.steps) - 1)
        pcm = np.concatenate(spoken.pcm) if spoken.pcm else np.zeros(0, dtype=np.float32)
        speech: SpokenChunk = speech_of(pcm, spoken.frame_steps, steps)
        spent = np.concatenate((costs.draw("tts_start", group, 1), costs.draw("tts", group, steps)))
        ends = np.asarray(spoken.steps, dtype=np.int64)
        piece = ChunkAudio(spoken.text, spoken.token, torn, speech, spent)
        lines.append(TimedChunk(piece, spoken.handed, ends, int(ends[0]) if len(ends) else 0))
    return lines


class AnswerGenerator:
    """The steps of LM and TTS that make one answer, each made when its turn has come.

    Args:
        lm: who thinks.
        tts: who speaks.
        room: clock and loudspeaker.
        options: the knobs.
        begun: when the final transcript was there.
        reply: number of the answer.

    Attributes:
        tokens: what the LM said until now.
        chunks: what was cut of it until now; each is filled while it is spoken.
        remark: what must be said of the reply: cut off, empty; mostly nothing.
    """

    def __init__(self, lm: TextLm, tts: Tts, room: Playback, options: AnswerOptions, begun: int, reply: int) -> None:
        self._lm, self._tts, self._room, self._seed = lm, tts, room, options.seed
        self._speak, self._begun, self._reply = options.speak, begun, reply
        self._lm_device, self._tts_device = ("device", "device") if options.speak.shared else ("lm", "tts")
        if options.speak.lm_apart:
            self._lm_device = "lm"
        self._ends: list[int] = []
        self._is_thought = False
        self.remark = ""
        self.tokens: list[str] = []
        self.chunks: list[GeneratedChunk] = []

    @property
    def text(self) -> str:
        """What the LM said until now."""
        return "".join(self.tokens)

    @property
    def ends(self) -> Times:
        """When each token was there."""
        return np.asarray(self._ends, dtype=np.int64)

    def lines(self, chunks: Sequence[GeneratedChunk]) -> list[TimedChunk]:
        """The first chunks, as far as they were spoken."""
        return lines_of(self.text, chunks, self._reply, self._room.costs)

    def think(self, history: tuple[str, ...]) -> Process:
        """The tokens of the reply, and its chunks as soon as they are there."""
        stream, cutter, now = self._remarking(self._lm.reply(history)), StreamCutter(self._speak.chunks), self._begun
        while True:
            yield Job(now, 0, BARRIER)
            number = len(self.tokens)
            stage, job = ("lm_token", number - 1) if number else ("lm_first", 0)
            token, cost = self._step(stage, self._reply, job, now, lambda: next(stream, None))
            if token is None:
                break
            now = yield Job(now, cost, self._lm_device)
            self.tokens.append(token)
            self._ends.append(now)
            if self._speak.stream:
                self._cut(cutter.add(token))
        self._cut(cutter.rest() if self._speak.stream else chunk_text(self.text, self._speak.chunks))
        self._is_thought = True

    def _remarking(self, stream: Iterator[str]) -> Iterator[str]:
        """The tokens; a reply that breaks off is spoken as far as it came."""
        try:
            yield from stream
        except ReplyRemark as error:
            self.remark = str(error)

    def _cut(self, pieces: list[str]) -> None:
        for text in pieces:
            self.chunks.append(GeneratedChunk(len(self.chunks), text, len(self.tokens) - 1, self._ends[-1]))

    def chunk(self, number: int) -> Generator[None, int, GeneratedChunk | None]:
        """Wait for a chunk; None where the reply has no such."""
        while number >= len(self.chunks):
            if self._is_thought:
                return None
            yield None
        return self.chunks[number]

    def speak(self, spoken: GeneratedChunk, begin: int, stop: Callable[[], int | None]) -> Process:
        """The steps of a chunk.

        Args:
            spoken: is filled.
            begin: when it may begin.
            stop: when something brought it to a stop, once that is known. It is looked for when a PCM frame comes; that
                frame is thrown away, and no more are made.
        """
        group, now = self._reply * CHUNK_GROUPS + spoken.number, begin
        yield Job(now, 0, BARRIER)
        steps, cost = self._step("tts_start", group, 0, now, lambda: self._tts.synthesize(spoken.text, self._seed))
        assert steps is not None
        now = yield Job(now, cost, self._tts_device)
        spoken.steps.append(now)
        frame = None
        while True:
            yield Job(now, 0, BARRIER)
            if frame is not None and _is_there(stop(), now):
                spoken.frame_steps.pop()
                spoken.pcm.pop()
                return
            job = len(spoken.steps) - 1
            made, cost = self._step("tts", group, job, now, lambda: _next_step(steps))
            if made is None:
                return
            now = yield Job(now, cost, self._tts_device)
            spoken.steps.append(now)
            (frame,) = made
            if frame is None:
                continue
            if _is_there(stop(), now):  # on a real clock it is known already, and the frame must not be heard
                return
            spoken.frame_steps.append(job)
            spoken.pcm.append(frame)
            self._room.play(frame)

    def _step(
        self, stage: str, group: int, job: int, at: int, work: Callable[[], Item | None]
    ) -> tuple[Item | None, int]:
        """Do a step; what it brought, and what it cost."""
        item, _ = self._room.step(stage, group, job, at, work)
        return item, 0 if item is None else int(self._room.costs.draw(stage, group, job + 1)[job])


def never() -> None:
    """Nothing brings a chunk to a stop."""


def _is_there(stop: int | None, now: int) -> bool:
    return stop is not None and stop <= now


def _next_step(steps: Iterator[Audio | None]) -> tuple[Audio | None] | None:
    """The next step of a TTS in a tuple of its own, since a step may bring nothing; None after the last."""
    item = next(steps, _END)
    return None if item is _END else (item,)  # type: ignore[return-value]
