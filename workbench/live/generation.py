"""The steps of LM and TTS that make a live answer, each done when its turn has come."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from workbench.arrays import Audio, Times
from workbench.assistants import cutter
from workbench.assistants.protocol import Assistant
from workbench.dialogue.answer import CHUNK_GROUPS, Answer, Silences, TimedChunk, chunk_audio, schedule_playback
from workbench.dialogue.user_turn import UserTurnRunner
from workbench.knobs import Knobs
from workbench.live.loudspeaker import Playback
from workbench.live.microphone import LiveMicrophone
from workbench.simulation.scheduler import BARRIER, Job, Process
from workbench.simulation.step_costs import Item
from workbench.stages.cached_tts import speech_of
from workbench.stages.chunker import ChunkText, midword
from workbench.stages.protocols import ReplyRemark, Stages

_END = object()


class SessionOver(Exception):
    """The session ended under the answer."""


@dataclass(frozen=True)
class LiveParts:
    """What a live answer is made and played with.

    Attributes:
        assistant: who answers.
        knobs: its options.
        stages: LM and TTS.
        mic: watched meanwhile.
        playback: clock and loudspeaker.
        listening: whose STT goes on during the answer, or watches.
    """

    assistant: Assistant
    knobs: Knobs
    stages: Stages
    mic: LiveMicrophone
    playback: Playback
    listening: UserTurnRunner


@dataclass
class GeneratedChunk:
    """A chunk on its way.

    Attributes:
        number: which of the answer it is.
        chunk: its text, and the token that completed it.
        handed: when the TTS got it.
        steps: when each step ended, the set-up first.
        frame_steps, pcm: of the frames that came.
        closed: when its own audio stream is closed, once that is known (where each chunk has its own).
    """

    number: int
    chunk: ChunkText
    handed: int
    steps: list[int] = field(default_factory=list)
    frame_steps: list[int] = field(default_factory=list)
    pcm: list[Audio] = field(default_factory=list)
    closed: int | None = None


class AnswerGenerator:
    """The steps of LM and TTS that make one answer, each made when its turn has come.

    Args:
        parts: see :class:`LiveParts`.
        begun: when the final transcript was there.
        reply: number of the answer.

    Attributes:
        tokens: of the reply, as far as it came.
        chunks: what was cut of it until now; each is filled while it is spoken.
        remark: what must be said of the reply: cut off, empty; mostly nothing.
    """

    def __init__(self, parts: LiveParts, begun: int, reply: int) -> None:
        self._parts, self._playback, self._begun, self._reply = parts, parts.playback, begun, reply
        self._cutter = cutter(parts.knobs.chunks)
        self._lm_device, self._tts_device = parts.knobs.lm_device, "device" if parts.knobs.one_device else "tts"
        self._ends: list[int] = []
        self._is_thought = False
        self.remark = ""
        self.tokens: list[str] = []
        self.chunks: list[GeneratedChunk] = []

    @property
    def text(self) -> str:
        """The reply, as far as it came."""
        return "".join(self.tokens)

    @property
    def ends(self) -> Times:
        """When each token was there."""
        return np.asarray(self._ends, dtype=np.int64)

    def timed(self, chunks: Sequence[GeneratedChunk]) -> list[TimedChunk]:
        """The first chunks of the answer, as far as they were spoken."""
        out = []
        broken = midword(self.text, [item.chunk.text for item in chunks])
        for item, is_broken in zip(chunks, broken, strict=True):
            pcm = np.concatenate(item.pcm) if item.pcm else np.zeros(0, dtype=np.float32)
            speech = speech_of(pcm, item.frame_steps, max(0, len(item.steps) - 1))
            audio = chunk_audio(item.chunk, is_broken, speech, self._playback.costs, self._reply, item.number)
            out.append(TimedChunk(audio, item.handed, np.asarray(item.steps, dtype=np.int64)))
        return out

    def answer(self, chunks: Sequence[GeneratedChunk], silences: Silences = ()) -> Answer:
        """The answer on the clock, as far as these chunks were spoken, with the agent's silences in it."""
        rule, knobs = self._parts.assistant.playout, self._parts.knobs.playback
        return schedule_playback(self.ends, self.timed(chunks), self._begun, rule, knobs, silences)

    def think(self, history: tuple[str, ...]) -> Process:
        """The tokens of the reply, and its chunks as soon as they are there."""
        stream, now = self._remarking(self._parts.stages.lm.reply(history)), self._begun
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
            self._add(self._cutter.add(token))
        self._add(self._cutter.rest())
        self._is_thought = True

    def _remarking(self, stream: Iterator[str]) -> Iterator[str]:
        """The tokens; a reply that breaks off is spoken as far as it came."""
        try:
            yield from stream
        except ReplyRemark as error:
            self.remark = str(error)

    def _add(self, chunks: list[ChunkText]) -> None:
        for chunk in chunks:
            self.chunks.append(GeneratedChunk(len(self.chunks), chunk, self._ends[-1]))

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
        synthesize = partial(self._parts.stages.tts.synthesize, spoken.chunk.text, self._parts.knobs.seed)
        yield Job(now, 0, BARRIER)
        steps, cost = self._step("tts_start", group, 0, now, synthesize)
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
            self._playback.play(frame)

    def _step(
        self, stage: str, group: int, job: int, at: int, work: Callable[[], Item | None]
    ) -> tuple[Item | None, int]:
        """Do a step; what it brought, and what it cost."""
        item, _ = self._playback.step(stage, group, job, at, work)
        return item, 0 if item is None else int(self._playback.costs.draw(stage, group, job + 1)[job])


def never() -> None:
    """Nothing brings a chunk to a stop."""


def _is_there(stop: int | None, now: int) -> bool:
    return stop is not None and stop <= now


def _next_step(steps: Iterator[Audio | None]) -> tuple[Audio | None] | None:
    """The next step of a TTS in a tuple of its own, since a step may bring nothing; None after the last."""
    item = next(steps, _END)
    return None if item is _END else (item,)  # type: ignore[return-value]
