"""The replay: a session through STT → LM → TTS on one virtual clock.

A discrete-event simulation on integer samples. Listening and answering take turns, as they do in the assistants that
the workbench is for; within each, a stage's job starts when its input is there and its device is free, and takes what
the cost source says. Nothing here reads a wall clock, and nothing knows which stack it runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.config import Config
from workbench.conversing import Conversation
from workbench.costs import CostSource, FixedCosts, MeasuredCosts, Profile, ProfileCosts
from workbench.errors import WorkbenchError
from workbench.executors import Times, chain
from workbench.interrupting import BargedIn, BesideSpeech, PublishedWatch, find_barge_in
from workbench.labels import Label
from workbench.microphone import Microphone, Pcm, Taps, taps_from
from workbench.session import Session
from workbench.speaking import (
    Answer,
    Piece,
    SpeakOptions,
    cut,
    cut_into_pieces,
    events,
    plays,
    time_answer,
    token_costs,
)
from workbench.stages import Duplex, Stages
from workbench.stages.chunker import ChunkOptions
from workbench.stages.listener import (
    Cycle,
    ListenOptions,
    PublishedLoop,
    first_frame,
    listen,
    listen_published,
)
from workbench.stages.lm import Thinking
from workbench.stages.stt import Hearing, Transcription
from workbench.stages.tts import Speaking
from workbench.store import Store
from workbench.trace import (
    BargeIn,
    Cancel,
    Commit,
    Done,
    Dropped,
    Event,
    Header,
    Heard,
    Listen,
    Onset,
    Steps,
    Trace,
    Transcript,
    Word,
    in_order,
)
from workbench.units import FRAME_SAMPLES, frame_at, frame_end, frames_for_ms, ms_to_samples, seconds_to_samples


@dataclass(frozen=True)
class Replayed:
    """What a replay gives.

    Attributes:
        trace: everything that happened.
        played: (first sample at the loudspeaker, PCM) of all that the agent played, in order.
        measured: the costs that were taken, where they were.
    """

    trace: Trace
    played: tuple[tuple[int, Pcm], ...]
    measured: MeasuredCosts | None = None


@dataclass(frozen=True)
class Turn:
    """A user turn as the listener took it."""

    text: str
    at: int
    last: int


def cost_source(config: Config, profile: Profile | None, session: str) -> CostSource:
    """The cost source that the config names.

    Raises:
        WorkbenchError: costs are drawn from a profile and there is none.
    """
    if config.costs.costs == "fixed":
        return FixedCosts(config.costs)
    if config.costs.costs == "measured":
        return MeasuredCosts()
    if profile is None:
        raise WorkbenchError(f"no cost profile for stack {config.stack.stack!r}; measure one with --costs measured")
    return ProfileCosts(profile, session, config.workbench.seed)


def replay(
    session: Session, labels: Sequence[Label], stages: Stages | Duplex, config: Config, costs: CostSource, store: Store
) -> Replayed:
    """Replay one session.

    Args:
        session: opened.
        labels: for the stages of the scripted stack; no other part of a replay sees them.
        stages: of the stack, made for this session.
        config: the knobs.
        costs: see :func:`cost_source`.
        store: memo of stage outputs.

    Raises:
        WorkbenchError: the config asks for what the stages cannot do.
    """
    if not isinstance(stages, Stages):
        return _converse(session, stages, config, costs, store)
    return _Replay(session, stages, config, costs, store).run()


def _header(session: Session, config: Config, costs: CostSource, echo: bool) -> Header:
    return Header(
        session=session.name,
        samples=session.samples,
        playout=speak_options(config).playout,
        stack=config.stack.stack,
        listener=config.workbench.listener,
        executors=config.workbench.executors,
        costs=costs.name,
        profile=costs.digest,
        timing=config.workbench.timing,
        fingerprint=config.fingerprint,
        echo=echo,
    )


def _converse(session: Session, duplex: Duplex, config: Config, costs: CostSource, store: Store) -> Replayed:
    """Replay a model that hears and speaks at once; there is no listener and no chunker whose knobs could matter."""
    taps, options = echo_path(config, session), speak_options(config)
    conversation = Conversation(
        session,
        duplex,
        costs,
        store,
        taps=taps,
        prebuffer=options.prebuffer,
        playout=options.playout,
        seed=config.workbench.seed,
    )
    events = conversation.run()
    trace = Trace(_header(session, config, costs, bool(taps)), in_order(events))
    return Replayed(trace, tuple(conversation.played), costs if isinstance(costs, MeasuredCosts) else None)


class _Replay:
    def __init__(self, session: Session, stages: Stages, config: Config, costs: CostSource, store: Store) -> None:
        if config.assistant.stt_vad and not stages.stt.has_pause_heads:
            raise WorkbenchError("stt_vad is true, but this STT checkpoint has no pause heads; set stt_vad to false")
        timer = costs if isinstance(costs, MeasuredCosts) else None
        self._session = session
        self._stages = stages
        self._config = config
        self._costs = costs
        self._measured = timer
        self._mic = Microphone(session, echo_path(config, session), store)
        self._hearing = Hearing(stages.stt, self._mic, store, timer)
        self._thinking = Thinking(stages.lm, store, timer)
        self._speaking = Speaking(stages.tts, store, config.workbench.seed, timer)
        self._published = config.workbench.listener == "mlx-harmony"
        self._listen = listen_options(config)
        self._speak = speak_options(config)
        self._events: list[Event] = []
        self._played: list[tuple[int, Pcm]] = []
        self._history: tuple[str, ...] = ()
        self._replies = 0

    def run(self) -> Replayed:
        at, onset, earliest = 0, -1, 0
        while (turn := self._next_turn(at, onset, earliest)) is not None:
            at, onset, earliest = self._answer(turn)
        header = _header(self._session, self._config, self._costs, self._mic.has_echo)
        return Replayed(Trace(header, in_order(self._events)), tuple(self._played), self._measured)

    # --- listening ---

    def _next_turn(self, at: int, onset: int, earliest: int) -> Turn | None:
        """Listen until somebody said something; None at the end of the session."""
        while True:
            self._events.append(Listen(at))
            turn = self._published_cycle(at) if self._published else self._cycle(at, onset, earliest)
            if turn is None or turn.text:
                return turn
            at, onset, earliest = turn.at, -1, turn.last + 1

    def _cycle(self, at: int, onset: int, earliest: int) -> Turn | None:
        prefix = self._stages.stt.prefix_frames
        hears = self._hearing.open(fresh=True, prefix=prefix)
        group = self._hearing.cycle
        free = at + int(self._costs.draw("stt_reset", group, 1)[0]) + int(self._costs.draw("stt", group, prefix).sum())
        gate = self._mic.gate(self._listen.threshold)
        cycle = listen(hears, gate, self._step_costs, self._listen, at, free, earliest, onset)
        if not cycle.committed:
            self._log_heard(hears, cycle)
            return None
        cycle = self._rest(hears, cycle)
        turn = Turn(hears.text, cycle.done[-1], cycle.fed[-1])
        self._hearing.close(hears)
        self._log_heard(hears, cycle)
        if turn.text:
            self._log_commit(cycle, turn)
        return turn

    def _rest(self, hears: Transcription, cycle: Cycle) -> Cycle:
        """Bring the end of the turn out of the model: what it heard last it says only after its delay."""
        flush = self._stages.stt.flush_frames
        if self._listen.flush:
            steps = self._stages.stt.prefix_frames + hears.steps
            hears.silence(flush)
            jobs = self._costs.draw("stt", self._hearing.cycle, steps + flush)[-flush:]
            return replace(cycle, done=(*cycle.done, *chain(cycle.ended, jobs).tolist()))
        first = cycle.last + 1
        more = min(flush - 1, self._mic.frames - first)
        if more <= 0:
            return cycle
        hears.hear(first, more)
        done = list(cycle.done)
        for frame, cost in zip(range(first, first + more), self._step_costs(first, more).tolist(), strict=True):
            done.append(max(done[-1], frame_end(frame)) + cost)
        return replace(cycle, fed=(*cycle.fed, *range(first, first + more)), done=tuple(done))

    def _published_cycle(self, started: int) -> Turn | None:
        opened = started + int(self._costs.draw("stt_reset", self._hearing.cycle + 1, 1)[0])
        gate = self._mic.gate(self._listen.threshold)
        hears = self._hearing.open(fresh=False)
        cycle = listen_published(hears, gate, self._step_costs, self._listen, opened, started)
        if cycle.reason == "overrun":
            hears = self._hearing.open(fresh=False)
            cycle = PublishedLoop(hears, gate, self._step_costs, self._listen, opened, started).run()
        self._hearing.close(hears)
        self._log_heard(hears, cycle)
        if cycle.reason == "end":
            return None
        turn = Turn(hears.text if cycle.committed else "", cycle.ended, cycle.last)
        if turn.text:
            self._log_commit(cycle, turn)
        return turn

    def _step_costs(self, first: int, frames: int) -> Times:
        if self._measured is not None:
            return self._measured.draw("stt", 0, first + frames)[first:]
        return self._costs.draw("stt", 0, self._mic.frames)[first : first + frames]

    def _log_heard(self, hears: Transcription, cycle: Cycle) -> None:
        if cycle.gate >= 0 and cycle.fed:
            self._events.append(Onset(frame_end(cycle.gate), cycle.fed[0] * FRAME_SAMPLES))
        if not cycle.fed:
            return
        done = np.asarray(cycle.done)
        position = np.asarray([*cycle.fed, *range(cycle.fed[-1] + 1, cycle.fed[-1] + 1 + len(done) - len(cycle.fed))])
        delay = self._stages.stt.delay_frames
        for step, word in hears.words():
            heard_at = max(0, frame_end(int(position[step]) - delay))
            self._events.append(Word(int(done[step]), word, heard_at))
        fed = np.asarray(cycle.fed)
        costs = self._costs_of(fed)
        self._events.append(Steps(cycle.done[0] - int(costs[0]), "stt", tuple(costs.tolist())))
        borders = np.flatnonzero(np.diff(fed) != 1) + 1
        for part in np.split(fed, borders):
            self._events.append(Heard(cycle.done[-1], int(part[0]) * FRAME_SAMPLES, frame_end(int(part[-1]))))
        for frame in cycle.dropped:
            self._events.append(Dropped(frame_end(frame), frame * FRAME_SAMPLES, frame_end(frame)))

    def _costs_of(self, frames: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Times:
        first = int(frames[0])
        return self._step_costs(first, int(frames[-1]) + 1 - first)[frames - first]

    def _log_commit(self, cycle: Cycle, turn: Turn) -> None:
        end = frame_end(cycle.last)
        silence = cycle.silence_from if cycle.reason == "silence" else end
        self._events.append(Commit(cycle.ended, end, self._replies, cycle.reason, silence))
        self._events.append(Transcript(turn.at, self._replies, turn.text))

    # --- answering ---

    def _answer(self, turn: Turn) -> tuple[int, int, int]:
        """Answer a turn.

        Returns:
            When the next cycle opens, the frame at which its gate has opened already (or -1), and the first frame it
            may hear.
        """
        reply = self._replies
        self._replies += 1
        self._history = (*self._history, turn.text)
        tokens = self._thinking.reply(self._history, reply)
        text = "".join(tokens)
        self._history = (*self._history, text)
        pieces = cut_into_pieces(tokens, self._speak, self._speaking, self._costs, reply)
        answer, stopped = self._watch(turn, token_costs(self._costs, reply, len(tokens)), pieces)
        if stopped is not None:
            self._events.append(BargeIn(stopped.at, reply, stopped.onset, stopped.frame_end))
            self._events.append(Cancel(stopped.at, reply, "barge_in"))
        else:
            self._events.append(Done(answer.over, reply))
        self._events += events(answer, reply, text, self._speak.playout)
        sounds = self._sounds(answer)
        self._played += sounds
        self._mic.hear(sounds)
        if stopped is not None and not self._published:
            return stopped.at, frame_at(stopped.frame_end - 1), turn.last + 1
        return answer.over, -1, first_frame(answer.over)

    def _watch(self, turn: Turn, thinking: Times, pieces: list[Piece]) -> tuple[Answer, BargedIn | None]:
        """Put the answer on the clock, and stop it where the listener finds that the user interrupts."""
        if not self._config.assistant.barge_in:
            return time_answer(turn.at, thinking, pieces, self._speak), None
        if self._published:
            watch = replace(
                self._listen,
                vad=True,
                max_wait=seconds_to_samples(self._config.assistant.barge_in_window_seconds),
            )
            watcher = PublishedWatch(self._hearing, self._mic, self._step_costs, watch, self._speak, self._sounds)
            return watcher.answer(turn.at, thinking, pieces)
        first = turn.last + 1
        beside = BesideSpeech(self._hearing, self._step_costs, first, self._measured is not None)
        parallel = self._config.workbench.executors == "parallel"
        answer = time_answer(turn.at, thinking, pieces, self._speak, beside.process if parallel else None)
        need = frames_for_ms(self._config.workbench.barge_in_min_ms)
        stopped = find_barge_in(self._mic, self._listen.threshold, first, need, answer.over, self._sounds(answer))
        if stopped is not None:
            answer = cut(answer, stopped.at, self._speak.playout)
        if self._config.workbench.executors != "serial":
            self._events += beside.steps(stopped.at if stopped else answer.over)
        return answer, stopped

    def _sounds(self, answer: Answer) -> list[tuple[int, Pcm]]:
        """What leaves the loudspeaker and when."""
        out = []
        for play in plays(answer, 0, self._speak.playout):
            line = answer.lines[play.chunk]
            pcm = self._speaking.pcm(line.piece.speech, line.piece.text)
            out.append((play.t, pcm[play.offset : play.offset + play.samples]))
        return out


def echo_path(config: Config, session: Session) -> Taps:
    """How the agent reaches the microphone under a config; empty where it does not."""
    if config.echo.echo == "off":
        return ()
    if config.echo.echo == "config":
        return taps_from({"taps": [[config.echo.echo_delay_ms, config.echo.echo_gain_db]]})
    return taps_from(session.echo)


def listen_options(config: Config) -> ListenOptions:
    """The listener's knobs out of the config."""
    assistant, own = config.assistant, config.workbench
    return ListenOptions(
        silence=assistant.stt_silence,
        threshold=assistant.stt_silence_threshold,
        silence_frames=frames_for_ms(assistant.stt_silence_ms),
        min_speech_frames=frames_for_ms(assistant.stt_min_speech_ms),
        vad=assistant.stt_vad,
        vad_threshold=assistant.stt_vad_threshold,
        vad_hits=assistant.stt_vad_hits,
        max_wait=seconds_to_samples(assistant.stt_max_seconds),
        preroll_frames=frames_for_ms(own.stt_preroll_ms),
        max_speech_frames=frames_for_ms(own.stt_max_speech_seconds * 1000),
        flush=own.stt_flush,
    )


def speak_options(config: Config) -> SpeakOptions:
    """The speaking side's knobs out of the config."""
    assistant, own = config.assistant, config.workbench
    chunks = ChunkOptions(
        max_chars=assistant.tts_chunk_chars,
        min_chars=assistant.tts_chunk_min_chars,
        sentences=assistant.tts_chunk_sentences,
        published=own.chunker == "published",
    )
    return SpeakOptions(
        chunks=chunks,
        stream=assistant.tts_stream,
        published=own.listener == "mlx-harmony",
        prebuffer=own.tts_prebuffer_frames,
        playout=ms_to_samples(own.playout_ms),
        shared=own.executors != "split",
    )
