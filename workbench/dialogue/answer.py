"""One answer on the clock: LM, chunks, TTS and loudspeaker, from the final transcript to the last sample.

The answer is worked out as if nobody interrupted it, and cut afterwards: nothing of it before the cut depends on what
comes after. Where each stage has its device to itself, the times are closed forms; where stages share one, the
scheduler of ``executors.py`` tells them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.arrays import Times
from workbench.config import Config
from workbench.simulation.scheduler import Job, Process, back_to_back, run_until_done, sharing_device
from workbench.simulation.step_costs import CostSource
from workbench.stages.cached_tts import CachedTts, SpokenChunk
from workbench.stages.chunker import ChunkOptions, chunk_stream, chunk_text, midword
from workbench.stages.playback import Playout, continuous, per_chunk, runs
from workbench.trace import Chunk, Event, Pcm, Play, Steps, Tokens, Underrun
from workbench.units import FRAME_SAMPLES, ms_to_samples

CLOSE_DELAY = ms_to_samples(100)
"""The published speaker sleeps 0.1 s after the last step, then closes the stream, whatever is still queued."""

CHUNK_GROUPS = 1 << 10
"""Chunk *c* of reply *r* draws its costs as group r · 1024 + c."""


@dataclass(frozen=True)
class SpeakOptions:
    """The knobs of the speaking side.

    ``lm_apart``: the LM runs on a machine of its own, so that its tokens hold up no step here, nor are they held up.
    """

    chunks: ChunkOptions
    stream: bool
    published: bool
    prebuffer: int
    playout: int
    shared: bool
    lm_apart: bool = False


@lru_cache(maxsize=256)
def speak_options(config: Config) -> SpeakOptions:
    """The speaking side's knobs out of the config.

    The listener ``mlx-harmony`` behaves as published, and so it cuts as published, whatever ``chunker`` says.
    """
    assistant, own = config.assistant, config.workbench
    published = own.listener == "mlx-harmony"
    chunks = ChunkOptions(
        max_chars=assistant.tts_chunk_chars,
        min_chars=assistant.tts_chunk_min_chars,
        sentences=assistant.tts_chunk_sentences,
        published=published or own.chunker == "mlx-harmony",
    )
    return SpeakOptions(
        chunks=chunks,
        stream=assistant.tts_stream,
        published=published,
        prebuffer=own.tts_prebuffer_frames,
        playout=ms_to_samples(own.playout_ms),
        shared=own.placement != "split",
        lm_apart=config.stack.lm.lower().startswith(("http:", "https:", "recorded:")),
    )


@dataclass(frozen=True)
class ChunkAudio:
    """A chunk of the answer: its text, the token that completed it, and how it is spoken."""

    text: str
    token: int
    midword: bool
    speech: SpokenChunk
    costs: Times

    @cached_property
    def step_costs(self) -> tuple[int, ...]:
        """``costs`` without the set-up, for the trace."""
        return tuple(self.costs[1:].tolist())


@dataclass
class TimedChunk:
    """One chunk on the clock.

    Attributes:
        piece: what is said.
        handed: when the TTS got it.
        steps: when each step ended, the set-up first, shape (1 + steps,).
        opened: when its audio stream opened (published speaker only).
    """

    piece: ChunkAudio
    handed: int
    steps: Times
    opened: int = 0

    @property
    def ready(self) -> Times:
        """When each PCM frame was there."""
        return self.steps[1:][self.piece.speech.places]

    @property
    def ended(self) -> int:
        """When the last step ended."""
        return int(self.steps[-1])


@dataclass
class Answer:
    """An answer on the clock, whole or cut.

    Attributes:
        tokens: when each token was there.
        lines: the chunks.
        at: when each played frame was asked for by the device, over all chunks.
        chunk, offset: which chunk a played frame belongs to, and its number there.
        over: when the last sample has left the loudspeaker and the listener may open.
    """

    tokens: Times
    lines: list[TimedChunk]
    at: Times
    chunk: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    over: int


class ChunkText(NamedTuple):
    """Where a reply is cut: the token that completes the chunk, its text, and whether its end tears a word."""

    token: int
    text: str
    midword: bool


@lru_cache(maxsize=4096)
def cut_reply(tokens: tuple[str, ...], options: ChunkOptions, stream: bool) -> tuple[ChunkText, ...]:
    """Cut a reply; many trials cut the same one."""
    text = "".join(tokens)
    if stream:
        found = list(chunk_stream(tokens, options))
    else:
        found = [(len(tokens) - 1, piece) for piece in chunk_text(text, options)]
    torn = midword(text, [piece for _, piece in found])
    return tuple(ChunkText(token, piece, broken) for (token, piece), broken in zip(found, torn, strict=True))


def speak_pieces(found: Sequence[ChunkText], speaking: CachedTts, costs: CostSource, reply: int) -> list[ChunkAudio]:
    """Have every chunk of a reply spoken."""
    pieces = []
    for index, item in enumerate(found):
        group = reply * CHUNK_GROUPS + index
        speech = speaking.speech(item.text, group)
        spent = np.concatenate((costs.draw("tts_start", group, 1), costs.draw("tts", group, speech.steps)))
        pieces.append(ChunkAudio(item.text, item.token, item.midword, speech, spent))
    return pieces


def token_costs(costs: CostSource, reply: int, tokens: int) -> Times:
    """What the tokens of a reply cost, the first with the time the LM takes to begin."""
    if not tokens:
        return np.zeros(0, dtype=np.int64)
    return np.concatenate((costs.draw("lm_first", reply, 1), costs.draw("lm_token", reply, tokens - 1)))


Background = Callable[[Callable[[], int | None]], Process]
"""Makes a process that runs beside the answer; it is given a way to ask when the answer is over, once that is known."""


def time_lines(
    begun: int,
    token_cost: Times,
    pieces: Sequence[ChunkAudio],
    options: SpeakOptions,
    background: Background | None = None,
    beside: tuple[Times, Times] | None = None,
) -> tuple[Times, list[TimedChunk]]:
    """Put the tokens and the chunks of an answer on the clock; what the loudspeaker makes of them comes after.

    Args:
        begun: when the final transcript was there.
        token_cost: of each token.
        pieces: the chunks.
        options: the knobs; of those, ``prebuffer`` and ``playout`` are not read.
        background: what else needs the device meanwhile (the STT of a ``shared`` placement).
        beside: its jobs (when ready, what they cost), where they are known beforehand: the same times, sooner.
    """
    alone = options.stream or options.published or options.lm_apart
    if beside is not None and options.shared and not alone:
        return _lines_beside(begun, token_cost, pieces, beside)
    if background is None and not (options.stream and options.shared and not options.lm_apart):
        tokens = back_to_back(begun, token_cost)
        return tokens, list(_lines_alone(tokens, pieces, options, begun))
    return _lines_scheduled(begun, token_cost, pieces, options, background)


def _lines_alone(
    tokens: Times, pieces: Sequence[ChunkAudio], options: SpeakOptions, begun: int
) -> Iterator[TimedChunk]:
    free = begun
    for piece in pieces:
        handed = int(tokens[piece.token]) if options.stream else int(tokens[-1])
        start = max(handed, free)
        # The published speaker is handed a chunk when the one before it has been closed.
        line = TimedChunk(piece, start if options.published else handed, back_to_back(start, piece.costs))
        line.opened = int(line.steps[0])
        free = stream_closed(line) if options.published else line.ended
        yield line


def stream_closed(line: TimedChunk) -> int:
    """When the published speaker's stream of a chunk is closed: it lets a frame that is playing end."""
    closed = line.ended + CLOSE_DELAY
    at = per_chunk(line.ready, line.opened, closed).at
    return max(closed, int(at[-1]) + FRAME_SAMPLES) if len(at) else closed


def _lines_beside(
    begun: int, token_cost: Times, pieces: Sequence[ChunkAudio], beside: tuple[Times, Times]
) -> tuple[Times, list[TimedChunk]]:
    """Tokens, then chunk after chunk: one chain of jobs."""
    costs = [token_cost, *(piece.costs for piece in pieces)]
    ended = sharing_device(begun, np.concatenate(costs), *beside)
    tokens, *steps = np.split(ended, np.cumsum([len(part) for part in costs])[:-1])
    lines = [TimedChunk(piece, int(tokens[-1]), part) for piece, part in zip(pieces, steps, strict=True)]
    for line in lines:
        line.opened = int(line.steps[0])
    return tokens, lines


def _lines_scheduled(
    begun: int, token_cost: Times, pieces: Sequence[ChunkAudio], options: SpeakOptions, background: Background | None
) -> tuple[Times, list[TimedChunk]]:
    tokens: list[int] = []
    lines: list[TimedChunk] = []

    def think() -> Process:
        now = begun
        for cost in token_cost.tolist():
            now = yield Job(now, cost, "device" if options.shared and not options.lm_apart else "lm")
            tokens.append(now)

    def speak() -> Process:
        free = begun
        for piece in pieces:
            wanted = piece.token if options.stream else len(token_cost) - 1
            while len(tokens) <= wanted:
                yield None
            handed = tokens[wanted]
            now = max(handed, free)
            line = TimedChunk(piece, now if options.published else handed, np.zeros(0, dtype=np.int64))
            ends = []
            for cost in piece.costs.tolist():
                now = yield Job(now, cost, "tts" if not options.shared else "device")
                ends.append(now)
            line.steps = np.asarray(ends, dtype=np.int64)
            line.opened = ends[0]
            lines.append(line)
            free = stream_closed(line) if options.published else now

    known: list[int] = []

    def over() -> int | None:
        if not known and len(lines) == len(pieces) and len(tokens) == len(token_cost):
            known.append(schedule_playback(np.asarray(tokens, dtype=np.int64), lines, options, begun).over)
        return known[0] if known else None

    processes = [think(), speak()]
    if background is not None:
        processes.insert(0, background(over))
    run_until_done(processes, {"device": begun})
    return np.asarray(tokens, dtype=np.int64), lines


def schedule_playback(tokens: Times, lines: list[TimedChunk], options: SpeakOptions, begun: int) -> Answer:
    """Send the chunks through the loudspeaker."""
    empty = np.zeros(0, dtype=np.int64)
    thought = int(tokens[-1]) if len(tokens) else begun
    if not lines:
        return Answer(tokens, lines, empty, empty, empty, thought)
    if options.published:
        parts = [per_chunk(line.ready, line.opened, line.ended + CLOSE_DELAY) for line in lines]
        over = stream_closed(lines[-1])
    else:
        parts = [continuous(np.concatenate([line.ready for line in lines]), options.prebuffer)]
        over = max(lines[-1].ended, thought)
    at = np.concatenate([part.at for part in parts])
    if len(at):
        over = max(over, int(at[-1]) + FRAME_SAMPLES + options.playout)
    chunk, offset = _owners(lines, parts if options.published else None)
    return Answer(tokens, lines, at, chunk, offset, over)


def _owners(
    lines: list[TimedChunk], parts: list[Playout] | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    counts = [len(line.ready) for line in lines] if parts is None else [len(part.at) for part in parts]
    chunk = np.repeat(np.arange(len(lines)), counts)
    offset = np.concatenate([np.arange(count) for count in counts])
    return chunk, offset


def truncate(answer: Answer, stop: int, playout: int) -> Answer:
    """The answer if it is stopped: no step, token or frame counts that was not there by ``stop``.

    A frame that the device had been given by then is heard to its end.
    """
    kept = answer.at < stop
    at = answer.at[kept]
    lines = [
        TimedChunk(line.piece, line.handed, line.steps[line.steps <= stop], line.opened)
        for line in answer.lines
        if line.handed <= stop
    ]
    over = max(stop, int(at[-1]) + FRAME_SAMPLES + playout if len(at) else stop)
    return Answer(answer.tokens[answer.tokens <= stop], lines, at, answer.chunk[kept], answer.offset[kept], over)


def answer_events(answer: Answer, reply: int, text: str, playout: int) -> Iterator[Event]:
    """What the trace says of an answer."""
    if len(answer.tokens):
        yield Tokens(int(answer.tokens[0]), reply, text, tuple(answer.tokens.tolist()))
    for number, line in enumerate(answer.lines):
        piece = line.piece
        yield Chunk(line.handed, reply, number, piece.text, piece.midword)
        steps = len(line.steps) - 1
        if steps > 0:
            begun = int(line.steps[0])
            yield Steps(begun, "tts", piece.step_costs[:steps])
        frames = int(piece.speech.places.searchsorted(steps))
        if frames:
            ready = line.steps[1:][piece.speech.places[:frames]].tolist()
            voiced = piece.speech.voiced[:frames]
            lead = piece.speech.lead if piece.speech.lead < frames * FRAME_SAMPLES else -1
            yield Pcm(ready[0], reply, number, tuple(ready), voiced, lead)
    last = 0
    for play in plays(answer, reply, playout):
        if last and play.t > last:
            frame = int(np.searchsorted(answer.at, play.t - playout))
            sounds = _sounds(answer, frame - 1) and _sounds(answer, frame)
            yield Underrun(last, reply, play.t - last, sounds)
        yield play
        last = play.t + play.samples


def plays(answer: Answer, reply: int, playout: int) -> list[Play]:
    """What leaves the loudspeaker, run by run."""
    return [
        Play(
            int(answer.at[first]) + playout,
            reply,
            int(answer.chunk[first]),
            int(answer.offset[first]) * FRAME_SAMPLES,
            (stop - first) * FRAME_SAMPLES,
        )
        for first, stop in runs(answer.at, answer.chunk)
    ]


def _sounds(answer: Answer, frame: int) -> bool:
    return answer.lines[int(answer.chunk[frame])].piece.speech.voiced[int(answer.offset[frame])] == "1"
