"""What both live ways of answering share: the knobs, a chunk on its way, and what came of an answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench.costs import CostSource
from workbench.interrupting import BargedIn
from workbench.speaking import CHUNK_GROUPS, Answer, Line, Piece, SpeakOptions
from workbench.stages import Pcm
from workbench.stages.chunker import midword
from workbench.stages.listener import ListenOptions
from workbench.stages.tts import Speech, speech_of

_END = object()


@dataclass(frozen=True)
class AnswerOptions:
    """The knobs of an answer.

    Attributes:
        need: how many loud frames in a row interrupt it; None where none do.
        beside: whether the STT goes on beside the answer, as in a ``parallel`` assistant.
        watch: of MLX-Harmony's watch, where that is who interrupts it.
    """

    speak: SpeakOptions
    need: int | None
    beside: bool
    watch: ListenOptions | None
    seed: int


@dataclass(frozen=True)
class Given:
    """An answer as it was given.

    Attributes:
        text: what the LM said, as far as it came.
        stopped: what stopped it, if anything did.
        is_whole: False where the session ended before it.
    """

    answer: Answer
    text: str
    stopped: BargedIn | None
    is_whole: bool


class SessionOver(Exception):
    """The session ended under the answer."""


@dataclass
class Spoken:
    """A chunk on its way.

    Attributes:
        steps: when each step ended, the set-up first.
        frame_steps, pcm: of the frames that came.
        closed: when its own audio stream is closed, once that is known (published speaker only).
    """

    text: str
    token: int
    handed: int
    steps: list[int] = field(default_factory=list)
    frame_steps: list[int] = field(default_factory=list)
    pcm: list[Pcm] = field(default_factory=list)
    closed: int | None = None


def lines_of(text: str, chunks: Sequence[Spoken], reply: int, costs: CostSource) -> list[Line]:
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
        speech: Speech = speech_of(pcm, spoken.frame_steps, steps)
        spent = np.concatenate((costs.draw("tts_start", group, 1), costs.draw("tts", group, steps)))
        ends = np.asarray(spoken.steps, dtype=np.int64)
        piece = Piece(spoken.text, spoken.token, torn, speech, spent)
        lines.append(Line(piece, spoken.handed, ends, int(ends[0]) if len(ends) else 0))
    return lines


def next_step(steps: Iterator[Pcm | None]) -> tuple[Pcm | None] | None:
    """The next step of a TTS in a tuple of its own, since a step may bring nothing; None after the last."""
    item = next(steps, _END)
    return None if item is _END else (item,)  # type: ignore[return-value]
