"""The replay: a session through STT → LM → TTS on one virtual clock.

A discrete-event simulation on integer samples. Listening and answering take turns, as they do in the assistants that
the workbench is for; within each, a stage's job starts when its input is there and its device is free, and takes what
the cost source says. Nothing here reads a wall clock, and nothing knows which stack it runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from workbench.config import Config
from workbench.conversing import Conversation
from workbench.costs import CostSource, FixedCosts, MeasuredCosts, Profile, ProfileCosts
from workbench.errors import WorkbenchError
from workbench.executors import Times
from workbench.interrupting import BargedIn, BesideSpeech, PublishedWatch, find_barge_in
from workbench.labels import Label
from workbench.listening import Listening, Turn
from workbench.microphone import Microphone, Pcm, Taps, taps_from
from workbench.session import Session
from workbench.speaking import (
    Answer,
    Piece,
    cut,
    cut_into_pieces,
    events,
    plays,
    speak_options,
    time_answer,
    token_costs,
)
from workbench.stages import Duplex, Stages
from workbench.stages.listener import (
    first_frame,
)
from workbench.stages.lm import Thinking
from workbench.stages.tts import Speaking
from workbench.store import Store
from workbench.trace import (
    BargeIn,
    Cancel,
    Done,
    Event,
    Header,
    Trace,
    in_order,
)
from workbench.units import frame_at, frames_for_ms, seconds_to_samples


@dataclass(frozen=True)
class Replayed:
    """What a replay gives.

    Attributes:
        trace: everything that happened.
        sounds: gives (first sample at the loudspeaker, PCM) of all that the agent played, in order. A function, since
            most replays are only scored and need no audio.
        measured: the costs that were taken, where they were.
    """

    trace: Trace
    sounds: Callable[[], list[tuple[int, Pcm]]]
    measured: MeasuredCosts | None = None


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
    return Replayed(trace, lambda: conversation.played, costs if isinstance(costs, MeasuredCosts) else None)


class _Replay:
    def __init__(self, session: Session, stages: Stages, config: Config, costs: CostSource, store: Store) -> None:
        timer = costs if isinstance(costs, MeasuredCosts) else None
        self._session = session
        self._config = config
        self._costs = costs
        self._measured = timer
        self._mic = Microphone(session, echo_path(config, session), store)
        self._events: list[Event] = []
        self._listening = Listening(stages.stt, self._mic, config, costs, store, self._events)
        self._thinking = Thinking(stages.lm, store, timer)
        self._speaking = Speaking(stages.tts, store, config.workbench.seed, timer)
        self._published = config.workbench.listener == "mlx-harmony"
        self._speak = speak_options(config)
        self._answers: list[Answer] = []
        self._history: tuple[str, ...] = ()
        self._replies = 0

    def run(self) -> Replayed:
        at, onset, earliest = 0, -1, 0
        while (turn := self._listening.next_turn(at, onset, earliest)) is not None:
            at, onset, earliest = self._answer(turn)
        header = _header(self._session, self._config, self._costs, self._mic.has_echo)
        return Replayed(Trace(header, in_order(self._events)), self._all_sounds, self._measured)

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
        self._answers.append(answer)
        if self._mic.has_echo:
            self._mic.hear(self._sounds(answer))
        if stopped is not None and not self._published:
            return stopped.at, frame_at(stopped.frame_end - 1), turn.last + 1
        return answer.over, -1, first_frame(answer.over)

    def _watch(self, turn: Turn, thinking: Times, pieces: list[Piece]) -> tuple[Answer, BargedIn | None]:
        """Put the answer on the clock, and stop it where the listener finds that the user interrupts."""
        if not self._config.assistant.barge_in:
            return time_answer(turn.at, thinking, pieces, self._speak), None
        listening = self._listening
        if self._published:
            watch = replace(
                listening.options,
                vad=True,
                max_wait=seconds_to_samples(self._config.assistant.barge_in_window_seconds),
            )
            watcher = PublishedWatch(
                listening.hearing,
                self._mic,
                listening.step_costs,
                watch,
                self._speak,
                self._sounds,
                listening.log_heard,
            )
            return watcher.answer(turn.at, thinking, pieces)
        first = turn.last + 1
        beside = BesideSpeech(listening.hearing, listening.step_costs, first, self._measured is not None)
        parallel = self._config.workbench.executors == "parallel"
        if parallel:
            answer = time_answer(turn.at, thinking, pieces, self._speak, beside.process, beside.jobs())
        else:
            answer = time_answer(turn.at, thinking, pieces, self._speak)
        need = frames_for_ms(self._config.workbench.barge_in_min_ms)
        sounds = self._sounds(answer) if self._mic.has_echo else []
        stopped = find_barge_in(self._mic, listening.options.threshold, first, need, answer.over, sounds)
        if stopped is not None:
            answer = cut(answer, stopped.at, self._speak.playout)
        # With a device of its own the STT holds nothing up; where steps are measured it was not run there.
        ran = parallel or (self._config.workbench.executors == "split" and self._measured is None)
        if ran:
            self._events += beside.steps(stopped.at if stopped else answer.over)
        return answer, stopped

    def _all_sounds(self) -> list[tuple[int, Pcm]]:
        return [sound for answer in self._answers for sound in self._sounds(answer)]

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
