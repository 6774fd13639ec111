"""One answer on the clock: LM, chunks, TTS and loudspeaker, from the final transcript to the last sample.

What an answer is and which events it leaves, for the replay and for the live run. It is put on the clock as if nobody
interrupted it, and truncated afterwards: nothing of it before the stop depends on what comes after.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from workbench.arrays import Times
from workbench.barge_in.protocol import BargeInDecision
from workbench.knobs import PlaybackKnobs
from workbench.simulation.step_costs import CostSource
from workbench.stages.cached_tts import SpokenChunk
from workbench.stages.chunker import ChunkText
from workbench.stages.playback import ChunkTimes, PlayoutRule, held, runs
from workbench.trace import BargeIn, Cancel, Chunk, Done, Event, Pause, Pcm, Play, Steps, Tokens, Underrun
from workbench.units import FRAME_MS, FRAME_SAMPLES

CHUNK_GROUPS = 1 << 10
"""Chunk *c* of reply *r* draws its costs as group r · 1024 + c."""


CHARACTERS_PER_SECOND = 15
"""English read aloud, spaces included."""

Silences = Sequence[tuple[int, int]]
"""(from, until) of the times in which the agent is silent between two parts of an answer."""

_NOT_KNOWN = 1 << 60
"""A moment that comes after all others."""


@dataclass(frozen=True)
class ChunkAudio:
    """Chunk of an answer: its text, the token that completed it, and how it is spoken.

    Attributes:
        text: of the chunk.
        token: number of the token that completed it.
        midword: whether its end breaks a word.
        speech: what the TTS made of it.
        costs: of its steps, the set-up first, in samples.
    """

    text: str
    token: int
    midword: bool
    speech: SpokenChunk
    costs: Times

    @cached_property
    def step_costs(self) -> tuple[int, ...]:
        """``costs`` without the set-up, for the trace."""
        return tuple(self.costs[1:].tolist())


def chunk_audio(
    chunk: ChunkText, midword: bool, speech: SpokenChunk, costs: CostSource, reply: int, number: int
) -> ChunkAudio:
    """A spoken chunk with what its steps cost; ``number`` counts the chunks of the reply."""
    group = reply * CHUNK_GROUPS + number
    spent = np.concatenate((costs.draw("tts_start", group, 1), costs.draw("tts", group, speech.steps)))
    return ChunkAudio(chunk.text, chunk.token, midword, speech, spent)


@dataclass
class TimedChunk:
    """One chunk on the clock.

    Attributes:
        audio: what is said.
        handed: when the TTS got it.
        steps: when each step ended, the set-up first, shape (1 + steps,).
        is_whole: False while more steps may come: nothing closes its audio stream yet.
    """

    audio: ChunkAudio
    handed: int
    steps: Times
    is_whole: bool = True

    @property
    def ready(self) -> Times:
        """When each PCM frame was there."""
        return self.steps[1:][self.audio.speech.places]

    @property
    def ended(self) -> int:
        """When the last step ended."""
        return int(self.steps[-1])

    @property
    def times(self) -> ChunkTimes:
        """What its playing depends on; its own audio stream, if it has one, opens when it is set up."""
        return ChunkTimes(self.ready, int(self.steps[0]), self.ended if self.is_whole else _NOT_KNOWN)


@dataclass
class Answer:
    """An answer on the clock, whole or truncated.

    Attributes:
        tokens: when each token was there.
        chunks: what was spoken.
        at: when each played frame was asked for by the device, over all chunks.
        chunk_of, frame_of: which chunk a played frame belongs to, and its number there.
        over: when the last sample has left the loudspeaker and the listener may open.
        silences: (from, until) of each false alarm, in which nothing new was played.
    """

    tokens: Times
    chunks: list[TimedChunk]
    at: Times
    chunk_of: npt.NDArray[np.int64]
    frame_of: npt.NDArray[np.int64]
    over: int
    silences: Silences = ()


@dataclass(frozen=True)
class AnswerResult:
    """An answer as it was given.

    Attributes:
        answer: as far as it was heard.
        text: what the LM said, as far as it came.
        stopped: what stopped it, if anything did.
        is_whole: False where the session ended before it.
        remark: what must be said of the LM's reply: cut off, empty; mostly nothing.
        events: what else happened meanwhile: false alarms, and words that the STT heard.
    """

    answer: Answer
    text: str
    stopped: BargeInDecision | None
    is_whole: bool = True
    remark: str = ""
    events: tuple[Event, ...] = ()


def schedule_playback(
    tokens: Times,
    chunks: list[TimedChunk],
    begun: int,
    rule: PlayoutRule,
    knobs: PlaybackKnobs,
    silences: Silences = (),
) -> Answer:
    """Send the chunks through the loudspeaker."""
    empty = np.zeros(0, dtype=np.int64)
    thought = int(tokens[-1]) if len(tokens) else begun
    if not chunks:
        return Answer(tokens, chunks, empty, empty, empty, thought, silences)
    parts = rule.requests([chunk.times for chunk in chunks], knobs.prebuffer)
    over = rule.freed(chunks[-1].times)
    if not rule.closes_streams:
        over = max(over, thought)
    at = held(np.concatenate(parts), silences)
    if len(at):
        over = max(over, int(at[-1]) + FRAME_SAMPLES + knobs.playout)
    chunk_of, frame_of = owners([len(part) for part in parts])
    over = max([over, *(until for _, until in silences)])
    return Answer(tokens, chunks, at, chunk_of, frame_of, over, silences)


def owners(counts: Sequence[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Chunk of each frame, and its number there.

    >>> [part.tolist() for part in owners([2, 1])]
    [[0, 0, 1], [0, 1, 0]]
    """
    empty = np.zeros(0, dtype=np.int64)
    return np.repeat(np.arange(len(counts)), counts), np.concatenate([empty, *(np.arange(count) for count in counts)])


def truncate(answer: Answer, stopped: BargeInDecision, playout: int) -> Answer:
    """The answer if it is stopped: no frame counts that was not asked for by then, no step or token that was not there
    when it was given up.

    A frame that the device had been given by then is heard to its end.
    """
    stop, final = stopped.at, stopped.final
    kept = answer.at < stop
    at = answer.at[kept]
    chunks = [
        TimedChunk(chunk.audio, chunk.handed, chunk.steps[chunk.steps <= final])
        for chunk in answer.chunks
        if chunk.handed <= final
    ]
    over = max(final, int(at[-1]) + FRAME_SAMPLES + playout if len(at) else final)
    tokens = answer.tokens[answer.tokens <= final]
    return Answer(tokens, chunks, at, answer.chunk_of[kept], answer.frame_of[kept], over, answer.silences)


def answer_events(answer: Answer, reply: int, text: str, playout: int) -> Iterator[Event]:
    """Events of an answer as far as it was made and heard."""
    if len(answer.tokens):
        yield Tokens(int(answer.tokens[0]), reply, text, tuple(answer.tokens.tolist()))
    for number, chunk in enumerate(answer.chunks):
        speech = chunk.audio.speech
        yield Chunk(chunk.handed, reply, number, chunk.audio.text, chunk.audio.midword)
        steps = len(chunk.steps) - 1
        if steps > 0:
            yield Steps(int(chunk.steps[0]), "tts", chunk.audio.step_costs[:steps])
        frames = int(speech.places.searchsorted(steps))
        if frames:
            ready = chunk.steps[1:][speech.places[:frames]].tolist()
            voiced = speech.voiced[:frames]
            lead = speech.lead if speech.lead < frames * FRAME_SAMPLES else -1
            yield Pcm(ready[0], reply, number, tuple(ready), voiced, lead)
    last = 0
    for play in plays(answer, reply, playout):
        for begin, end in _holes(last, play.t, answer.silences, playout) if last else ():
            frame = int(np.searchsorted(answer.at, play.t - playout))
            sounds = _sounds(answer, frame - 1) and _sounds(answer, frame)
            yield Underrun(begin, reply, end - begin, sounds)
        yield play
        last = play.t + play.samples


def _holes(begin: int, end: int, silences: Silences, playout: int) -> Iterator[tuple[int, int]]:
    """What of the time between two plays is no silence after a barge-in: from it on until the next request."""
    for since, until in silences:
        since, until = since + playout, -(-until // FRAME_SAMPLES) * FRAME_SAMPLES + playout
        if until > begin and since < end:
            if since > begin:
                yield begin, since
            begin = until
    if end > begin:
        yield begin, end


def plays(answer: Answer, reply: int, playout: int) -> list[Play]:
    """What leaves the loudspeaker, run by run."""
    return [
        Play(
            int(answer.at[first]) + playout,
            reply,
            int(answer.chunk_of[first]),
            int(answer.frame_of[first]) * FRAME_SAMPLES,
            (stop - first) * FRAME_SAMPLES,
        )
        for first, stop in runs(answer.at, answer.chunk_of)
    ]


def audible_span(answer: Answer, playout: int) -> tuple[int, int] | None:
    """First sample of an answer that is heard, and the first after the last frame that is; None where nothing is."""
    frames = range(len(answer.at))
    first = next((frame for frame in frames if _sounds(answer, frame)), None)
    if first is None:
        return None
    last = next(frame for frame in reversed(frames) if _sounds(answer, frame))
    silent = answer.chunks[int(answer.chunk_of[first])].audio.speech.lead - int(answer.frame_of[first]) * FRAME_SAMPLES
    begun = int(answer.at[first]) + playout
    return begun + max(0, silent), int(answer.at[last]) + playout + FRAME_SAMPLES


def _sounds(answer: Answer, frame: int) -> bool:
    return answer.chunks[int(answer.chunk_of[frame])].audio.speech.voiced[int(answer.frame_of[frame])] == "1"


def heard_text(answer: Answer) -> str:
    """What was heard of an answer that was stopped, whole words only.

    No TTS says which word a frame holds. So the chunks before the last one that was played count whole, and of that one
    as many words as fit into its audible frames at the speed of English read aloud.
    """
    if not len(answer.at):
        return ""
    last, played = int(answer.chunk_of[-1]), int(answer.frame_of[-1]) + 1
    audible = answer.chunks[last].audio.speech.voiced[:played].count("1")
    room = audible * FRAME_MS * CHARACTERS_PER_SECOND // 1000
    words = answer.chunks[last].audio.text.split()
    ends = accumulate(len(word) + 1 for word in words)
    part = [word for word, end in zip(words, ends, strict=True) if end - 1 <= room]
    return " ".join([*(chunk.audio.text.strip() for chunk in answer.chunks[:last]), *part])


def result_events(result: AnswerResult, reply: int, playout: int) -> Iterator[Event]:
    """Events of an answer, and of how it ended."""
    if (stopped := result.stopped) is not None:
        yield BargeIn(stopped.at, reply, stopped.onset, stopped.frame_end)
        if stopped.confirmed >= 0:
            yield Pause(stopped.at, reply)
        yield Cancel(stopped.final, reply, "barge_in")
    elif result.is_whole:
        yield Done(result.answer.over, reply)
    yield from answer_events(result.answer, reply, result.text, playout)
    yield from result.events
