"""The replay: a session through STT → LM → TTS on one virtual clock.

A discrete-event simulation on integer samples. Listening and answering take turns, as they do in the assistants that
the workbench is for; within each, a stage's job starts when its input is there and its device is free, and takes what
the cost source says. Nothing here reads a wall clock, and nothing knows which stack it runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from workbench.arrays import Audio
from workbench.cache import Store
from workbench.config import Config
from workbench.dialogue.answer import speak_options
from workbench.dialogue.user_turn import UserTurnRunner
from workbench.errors import WorkbenchError
from workbench.replay.agent_turn import AgentTurnRunner, NextListen
from workbench.replay.duplex import DuplexReplay
from workbench.sessions.labels import Label
from workbench.sessions.session import Session
from workbench.simulation.memo import Memo
from workbench.simulation.microphone import Microphone, Taps, taps_from
from workbench.simulation.step_costs import CostSource, FixedCosts, MeasuredCosts, Profile, ProfileCosts
from workbench.stages.protocols import DuplexModel, Stages
from workbench.trace import Event, Header, Trace, in_order

Part = TypeVar("Part")


@dataclass(frozen=True)
class ReplayResult:
    """What a replay gives.

    Attributes:
        trace: everything that happened.
        sounds: gives (first sample at the loudspeaker, PCM) of all that the agent played, in order. A function, since
            most replays are only scored and need no audio.
        measured: the costs that were taken, where they were.
    """

    trace: Trace
    sounds: Callable[[], list[tuple[int, Audio]]]
    measured: MeasuredCosts | None = None


def cost_source(config: Config, profile: Profile | None, session: str) -> CostSource:
    """The cost source that the config names.

    Raises:
        WorkbenchError: costs are drawn from a profile and there is none.
    """
    if config.step_costs.source == "fixed":
        return FixedCosts(config.step_costs)
    if config.step_costs.source == "measured":
        return MeasuredCosts()
    if profile is None:
        raise WorkbenchError(f"no cost profile for stack {config.stack.name!r}; measure one with --step-costs measured")
    return ProfileCosts(profile, session, config.workbench.seed)


def replay(
    session: Session,
    labels: Sequence[Label],
    stages: Stages | DuplexModel,
    config: Config,
    costs: CostSource,
    store: Store,
) -> ReplayResult:
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
    return _Replay(session, stages, config, costs, store).replayed()


def replay_parts(
    session: Session, stages: Stages, config: Config, costs: CostSource, store: Store, memory: Memo[Part]
) -> tuple[list[Part], tuple[int, ...]]:
    """Replay one session as :func:`replay` does, but for what other settings have shown already.

    Args:
        session, stages, config, costs, store: see :func:`replay`.
        memory: of this session, these stages and costs and all configs of one :func:`workbench.simulation.memo.scope`.

    Returns:
        What the memory keeps of each step in turn, and numbers that name the steps: of two replays that bring the
        same numbers the parts are the same.
    """
    memory.begin()
    _Replay(session, stages, config, costs, store, memory).go()
    return memory.parts, tuple(memory.numbers)


def _header(session: Session, config: Config, costs: CostSource, echo: bool) -> Header:
    return Header(
        session=session.name,
        samples=session.samples,
        playout=speak_options(config).playout,
        stack=config.stack.name,
        listener=config.workbench.listener,
        executors=config.workbench.placement,
        costs=costs.name,
        profile=costs.digest,
        timing=config.workbench.timing,
        fingerprint=config.fingerprint,
        echo=echo,
    )


def _converse(session: Session, duplex: DuplexModel, config: Config, costs: CostSource, store: Store) -> ReplayResult:
    """Replay a model that hears and speaks at once; there is no listener and no chunker whose knobs could matter."""
    taps, options = echo_path(config, session), speak_options(config)
    conversation = DuplexReplay(
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
    return ReplayResult(trace, lambda: conversation.played, costs if isinstance(costs, MeasuredCosts) else None)


class _Replay:
    def __init__(
        self,
        session: Session,
        stages: Stages,
        config: Config,
        costs: CostSource,
        store: Store,
        memory: Memo[Any] | None = None,
    ) -> None:
        self._session, self._config, self._costs = session, config, costs
        self._events: list[Event] = []
        mic = memory.mic if memory else None
        self._mic = mic or Microphone(session, echo_path(config, session), store)
        if memory:
            memory.mic = self._mic
        self._listening = UserTurnRunner(stages.stt, self._mic, config, costs, store, self._events, memory)
        self._answering = AgentTurnRunner(
            stages, self._mic, self._listening, config, costs, store, self._events, memory
        )

    def go(self) -> None:
        opening = NextListen(0, -1, 0)
        while (turn := self._listening.next_turn(*opening)) is not None:
            opening = self._answering.answer(turn)

    def replayed(self) -> ReplayResult:
        self.go()
        header = _header(self._session, self._config, self._costs, self._mic.has_echo)
        measured = self._costs if isinstance(self._costs, MeasuredCosts) else None
        return ReplayResult(Trace(header, in_order(self._events)), self._answering.all_sounds, measured)


def echo_path(config: Config, session: Session) -> Taps:
    """How the agent reaches the microphone under a config; empty where it does not."""
    if config.echo.path == "off":
        return ()
    if config.echo.path == "config":
        return taps_from({"taps": [[config.echo.echo_delay_ms, config.echo.echo_gain_db]]})
    return taps_from(session.echo)
