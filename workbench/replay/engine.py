"""The replay: a session through STT → LM → TTS on one virtual clock.

A discrete-event simulation on integer samples. Listening and answering take turns, as they do in the assistants that
the workbench is for; within each, a stage's job starts when its input is there and its device is free, and takes what
the cost source says. Nothing here reads a wall clock, and nothing knows which stack it runs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from workbench.arrays import Audio
from workbench.assistants import assistant
from workbench.cache import Store
from workbench.dialogue.conversation import Conversation
from workbench.dialogue.user_turn import UserTurnRunner, make_ears
from workbench.echo_knobs import EchoKnobs
from workbench.errors import WorkbenchError
from workbench.knobs import Knobs
from workbench.replay.agent_turn import AgentTurnRunner
from workbench.replay.duplex import DuplexReplay
from workbench.replay.reacting import reacting
from workbench.sessions.echo_path import EchoPath, parse_echo, preset_path
from workbench.sessions.session import Session
from workbench.simulation.filtered_microphone import FilteredMicrophone
from workbench.simulation.microphone import Microphone
from workbench.simulation.step_costs import CostSource, FixedCosts, MeasuredCosts, Profile, ProfileCosts
from workbench.stages.protocols import DuplexModel, Stages
from workbench.trace import Event, Header, Trace, in_order
from workbench.units import FRAME_SAMPLES


@dataclass(frozen=True)
class ReplayResult:
    """What a replay gives.

    Attributes:
        trace: everything that happened.
        sounds: gives (first sample at the loudspeaker, PCM) of all that the agent played, in order. A function, since
            most replays are only scored and need no audio.
        measured: the costs that were taken, where they were.
        pauses: frame → probability of a pause of 2 s by the STT's pause head, where it has one and heard the frame.
        mic: gives the microphone as it was laid, without the replayed agent, where people reacted; else None.
    """

    trace: Trace
    sounds: Callable[[], Iterable[tuple[int, Audio]]]
    measured: MeasuredCosts | None = None
    pauses: Mapping[int, float] = field(default_factory=dict)
    mic: Callable[[], Iterator[Audio]] | None = None


Driver = Callable[[Session, Stages | DuplexModel, Knobs, CostSource, Store], ReplayResult]
"""What runs a session: :func:`replay`, or the same on a real clock."""


def cost_source(knobs: Knobs, profile: Profile | None, session: str) -> CostSource:
    """The cost source that the knobs name.

    Raises:
        WorkbenchError: costs are drawn from a profile and there is none.
    """
    if knobs.step_costs.source == "fixed":
        return FixedCosts(dict(knobs.step_costs.table))
    if knobs.step_costs.source == "measured":
        return MeasuredCosts()
    if profile is None:
        raise WorkbenchError(f"no cost profile for stack {knobs.stack.name!r}; measure one with --step-costs measured")
    return ProfileCosts(profile, session, knobs.seed)


def replay(
    session: Session, stages: Stages | DuplexModel, knobs: Knobs, costs: CostSource, store: Store
) -> ReplayResult:
    """Replay one session.

    Args:
        session: opened.
        stages: of the stack, made for this session.
        knobs: all options.
        costs: see :func:`cost_source`.
        store: cache of stage outputs.

    Raises:
        WorkbenchError: the knobs ask for what the stages cannot do.
    """
    measured = costs if isinstance(costs, MeasuredCosts) else None
    path = echo_path(knobs.echo, session)
    if not isinstance(stages, Stages):
        conversation = DuplexReplay(session, stages, knobs, costs, store, path)
        events = conversation.run()
        return ReplayResult(_trace(session, knobs, costs, path, events), lambda: conversation.played, measured)
    events = []
    who = assistant(knobs.assistant)
    placement, laid = reacting(session, path, store) if knobs.reactive else (None, None)
    mic = laid or Microphone(session, path, store)
    if knobs.filters:
        mic = FilteredMicrophone(session, path, store, knobs.filters, laid)
    pauses: dict[int, float] = {}
    listening = UserTurnRunner(who, make_ears(knobs, stages.stt, mic, costs, store), events, pauses)
    answering = AgentTurnRunner(who, knobs, stages, mic, listening, store)
    for _ in Conversation(who, knobs, listening, answering.answer, knobs.playback.playout, events).run():
        pass
    if placement is not None:
        events += placement.events()
    trace = _trace(session, knobs, costs, path, events)
    trace = replace(trace, header=replace(trace.header, samples=mic.frames * FRAME_SAMPLES)) if placement else trace
    return ReplayResult(trace, answering.all_sounds, measured, pauses, laid.blocks if laid is not None else None)


def _trace(session: Session, knobs: Knobs, costs: CostSource, path: EchoPath, events: list[Event]) -> Trace:
    return Trace(header(session, knobs, costs, path), in_order(events))


def header(session: Session, knobs: Knobs, costs: CostSource, path: EchoPath) -> Header:
    """Header of a session's trace."""
    return Header(
        session=session.name,
        samples=session.samples,
        playout=knobs.playback.playout,
        stack=knobs.names.stack,
        listener=knobs.names.listener,
        executors=knobs.names.placement,
        costs=costs.name,
        profile=costs.digest,
        timing=knobs.names.timing,
        fingerprint=knobs.names.fingerprint,
        echo=bool(path),
    )


def echo_path(echo: EchoKnobs, session: Session) -> EchoPath:
    """How the agent reaches the microphone; false where it does not."""
    if echo.preset:
        return preset_path(echo.preset, echo.clip)
    path = parse_echo(session.echo) if echo.of_session else EchoPath(echo.taps)
    return replace(path, clip=echo.clip) if path and echo.clip else path
