"""The replay: a session through STT → LM → TTS on one virtual clock.

A discrete-event simulation on integer samples. Listening and answering take turns, as they do in the assistants that
the workbench is for; within each, a stage's job starts when its input is there and its device is free, and takes what
the cost source says. Nothing here reads a wall clock, and nothing knows which stack it runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
from workbench.simulation.microphone import Microphone, Taps, taps_from
from workbench.simulation.step_costs import CostSource, FixedCosts, MeasuredCosts, Profile, ProfileCosts
from workbench.stages.protocols import DuplexModel, Stages
from workbench.trace import Event, Header, Trace, in_order


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
    events: list[Event] = []
    mic = Microphone(session, echo_path(config, session), store)
    listening = UserTurnRunner(stages.stt, mic, config, costs, store, events)
    answering = AgentTurnRunner(stages, mic, listening, config, costs, store, events)
    opening = NextListen(0, -1, 0)
    while (turn := listening.next_turn(*opening)) is not None:
        opening = answering.answer(turn)
    trace = Trace(_header(session, config, costs, mic.has_echo), in_order(events))
    return ReplayResult(trace, answering.all_sounds, costs if isinstance(costs, MeasuredCosts) else None)


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


def echo_path(config: Config, session: Session) -> Taps:
    """How the agent reaches the microphone under a config; empty where it does not."""
    if config.echo.path == "off":
        return ()
    if config.echo.path == "config":
        return taps_from({"taps": [[config.echo.echo_delay_ms, config.echo.echo_gain_db]]})
    return taps_from(session.echo)
