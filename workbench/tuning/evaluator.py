"""What a config does to sessions: the exact replay of each, scored, as far as no other config has shown it.

Stack, sessions, labels, stages and drawn costs are loaded once a process and stay; what the stages said is in the
store. So a trial costs what its changed knobs change, and its traces are those of ``workbench replay``.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.cache import Store
from workbench.config import Config, StepCostsConfig, to_dict
from workbench.dialogue.answer import speak_options
from workbench.dialogue.user_turn import listen_options
from workbench.errors import WorkbenchError
from workbench.files import canonical_json
from workbench.metrics import SessionScores, Summary, agent_intervals, summarise
from workbench.metrics.condense import TraceFacts, condense
from workbench.metrics.index import index
from workbench.metrics.reference import Reference
from workbench.metrics.scoring import score_parts
from workbench.replay.engine import ReplayResult, cost_source, replay, replay_parts
from workbench.replay.prefetch import Prefetcher, Task, helpers
from workbench.replay.profiles import Progress, refuse_unknown_lm_time, stack_profile
from workbench.runs import open_labelled
from workbench.sessions.labels import Label, only_known
from workbench.sessions.session import Session
from workbench.simulation.memo import Memo, applies, scope
from workbench.simulation.microphone import Microphone
from workbench.simulation.step_costs import CostSource, Profile
from workbench.stacks import make_stack
from workbench.stages.protocols import Stages
from workbench.trace import Header, Trace, in_order
from workbench.units import frames_for_ms

KEPT = 20_000
"""Scored sessions that one process remembers: some 100 MB of rows at ten turns a session."""


@lru_cache(maxsize=4096)
def canonical_settings(config: Config) -> str:
    """One spelling for all configs that no replay can tell apart: 700 ms of silence acts as 720.

    A knob that the listener does not read, or that another one has switched off, does not tell its values apart either.
    """
    own = config.workbench
    barge: list[float] = []
    if config.assistant.barge_in:
        published = own.listener == "mlx-harmony"
        barge = [config.assistant.barge_in_window_seconds if published else max(1, frames_for_ms(own.barge_in_min_ms))]
    tree = to_dict(config)
    rest = [tree["stack"], tree["step_costs"], tree["echo"], own.seed, own.timing, _beside(config), own.listener]
    return canonical_json([_listens(config), _speaks(config), barge, rest])


def _listens(config: Config) -> dict[str, Any]:
    """What the listener reads, None where it does not."""
    found = asdict(listen_options(config))
    published, barge_in = config.workbench.listener == "mlx-harmony", config.assistant.barge_in
    found["min_speech_frames"] = max(1, found["min_speech_frames"])
    unread = ["preroll_frames", "max_speech_frames", "flush"] if published else ["max_wait"]
    if not published:
        found["silence_frames"] = max(1, found["silence_frames"])
    if not found["vad"] and not (published and barge_in):
        unread += ["vad_threshold", "vad_hits"]
    if not found["silence"]:
        unread += ["silence_frames", "min_speech_frames"]
        if published or not barge_in:
            unread += ["threshold"]
    return found | dict.fromkeys(unread)


def _speaks(config: Config) -> dict[str, Any]:
    """What the speaking side reads, None where it does not; what runs beside it is :func:`_beside`'s."""
    options = speak_options(config)
    found, chunks = asdict(options), asdict(options.chunks)
    # Playback starts with one frame at the earliest; the published one waits for no more.
    found["prebuffer"] = 0 if options.published else max(1, options.prebuffer)
    unread = []
    if options.stream:
        unread = ["sentences"] if options.chunks.published else [] if options.chunks.sentences else ["min_chars"]
    elif options.chunks.max_chars <= 0:
        unread = ["sentences", "min_chars"]
    return found | {"shared": None, "chunks": chunks | dict.fromkeys(unread)}


def _beside(config: Config) -> str | bool | None:
    """What of ``executors`` is read: without barge-in the STT is still while the agent speaks, so that only an LM that
    still writes then shares the device; the published watch knows one device or two.
    """
    own = config.workbench
    shared = own.placement != "split"
    if not config.assistant.barge_in:
        return shared if config.assistant.tts_stream else None
    return shared if own.listener == "mlx-harmony" else own.placement


@lru_cache(maxsize=4096)
def _but_for_threshold(config: Config) -> str:
    return canonical_settings(replace(config, assistant=replace(config.assistant, stt_silence_threshold=0.0)))


_scope = lru_cache(maxsize=256)(scope)


@dataclass(frozen=True)
class SessionMaterial:
    """One session, loaded for many replays."""

    session: Session
    labels: tuple[Label, ...]
    reference: Reference
    stages: Stages
    recorded_agent: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        """The session's name."""
        return self.session.name

    def hears_itself(self, config: Config) -> bool:
        """Whether the agent can be heard by the microphone."""
        if config.echo.path == "session":
            return bool((self.session.echo or {"taps": []})["taps"])
        return config.echo.path == "config"


class Evaluator:
    """Replays and scores sessions under one config after the other.

    Args:
        folders: of the sessions.
        baseline: names stack and costs; they stay the same in all trials.
        store: memo of stage outputs.
        progress: told what is being loaded.
        profile: what costs are drawn from; by default what a replay on this machine draws from.
        weights: those that the stack must have, model name → digest.

    Attributes:
        profile: what costs are drawn from, None where they are fixed.

    Raises:
        WorkbenchError: a session or the stack cannot be loaded, the stack has other weights, or costs are to be
            measured.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        baseline: Config,
        store: Store,
        progress: Progress = lambda _: None,
        *,
        profile: Profile | None = None,
        weights: Mapping[str, str] | None = None,
    ) -> None:
        if baseline.step_costs.source == "measured":
            raise WorkbenchError("costs is 'measured': such a replay differs each time; tune with 'profile' or 'fixed'")
        self.store = store
        progress("loading the stack")
        self._baseline = baseline
        self._stack = make_stack(baseline)
        if weights is not None:
            _check_weights(baseline.stack.name, self._stack.weights, weights)
        opened = [open_labelled(folder) for folder in folders]
        names = [session.name for session, _ in opened]
        if twin := next((name for name in names if names.count(name) > 1), None):
            raise WorkbenchError(f"two sessions have the name {twin!r}; rename one")
        self.profile = profile or stack_profile(self._stack, baseline, opened, store, progress)
        self._materials = {session.name: self._load(session, labels) for session, labels in opened}
        self._costs: dict[tuple[str, StepCostsConfig, int], CostSource] = {}
        self._scored: OrderedDict[Hashable, SessionScores] = OrderedDict()
        self._memories: dict[tuple[str, str], tuple[Header, Memo[TraceFacts]]] = {}
        self._mics: dict[str, Microphone] = {}
        self.replays = 0

    def _load(self, session: Session, labels: tuple[Label, ...]) -> SessionMaterial:
        agent = agent_intervals(session.stream("agent")) if "agent" in session.tracks else ()
        stages = self._stack.stages(labels)
        if not isinstance(stages, Stages):
            raise WorkbenchError(f"stack {self._stack.name!r} has no listener and no chunker: there is nothing to tune")
        known = only_known(labels, self._stack.vocabulary)[0]
        return SessionMaterial(session, known, Reference(known), stages, agent)

    def refuse_unknown_lm_time(self) -> None:
        """See :func:`workbench.replay.profiles.refuse_unknown_lm_time`."""
        refuse_unknown_lm_time(self._stack, self.profile)

    @property
    def names(self) -> list[str]:
        """Names of the sessions, in order."""
        return sorted(self._materials)

    def material(self, name: str) -> SessionMaterial:
        """One session."""
        return self._materials[name]

    @property
    def weights(self) -> dict[str, str]:
        """Model name → digest of its weights."""
        return self._stack.weights

    def replay(self, config: Config, name: str) -> ReplayResult:
        """Replay one session as ``workbench replay`` does, whatever is known of it."""
        item = self._materials[name]
        return replay(item.session, item.labels, item.stages, config, self._cost(config, name), self.store)

    def _cost(self, config: Config, name: str) -> CostSource:
        key = (name, config.step_costs, config.workbench.seed)
        if key not in self._costs:
            self._costs[key] = cost_source(config, self.profile, name)
        return self._costs[key]

    def begin(self, told: Callable[[int, int], None] = lambda *_: None) -> None:
        """Score every session under the baseline, with other processes' help where running the models takes long.

        Args:
            told: is given how many sessions are done, and of how many.
        """
        items = [self._materials[name] for name in self.names]
        config = self._baseline
        tasks = [Task(item.session.folder, item.labels, config, config, self.profile) for item in items]
        with Prefetcher(self.store, helpers(self._stack, config)) as ahead:
            for number in ahead.in_turn(tasks):
                told(number, len(tasks))
                self.score(config, items[number].name)

    def score(self, config: Config, name: str) -> SessionScores:
        """Raw values of one session: those of :meth:`replay`, worked out as far as no other config has shown them."""
        item = self._materials[name]
        key = self._key(config, item)
        scored = self._scored.get(key)
        if scored is not None:
            self._scored.move_to_end(key)
            return scored
        self.replays += 1
        if applies(config):
            scored = self._remembered(config, item)
        else:
            scored = score_parts(*_whole(self.replay(config, name).trace), item.reference, item.recorded_agent)
        self._scored[key] = scored
        if len(self._scored) > KEPT:
            self._scored.popitem(last=False)
        return scored

    def _remembered(self, config: Config, item: SessionMaterial) -> SessionScores:
        """Replay what no other config has shown."""
        where = item.name, _scope(config)
        if where not in self._memories:
            self._memories[where] = _memory(item, config)
        header, memory = self._memories[where]
        parts, steps = replay_parts(
            item.session, item.stages, config, self._cost(config, item.name), self.store, memory
        )
        return memory.recall(
            ("scores", steps), lambda: score_parts(header, parts, item.reference, item.recorded_agent)
        ).value

    def _key(self, config: Config, item: SessionMaterial) -> Hashable:
        """What tells configs apart on a session: without echo, two thresholds that call the same frames loud act
        alike.
        """
        if item.hears_itself(config):
            return item.name, canonical_settings(config)
        mic = self._mics.get(item.name)
        if mic is None:
            mic = self._mics[item.name] = Microphone(item.session, (), self.store)
        return item.name, _but_for_threshold(config), mic.same_gate(config.assistant.stt_silence_threshold)

    def scores(self, config: Config, names: Sequence[str]) -> list[SessionScores]:
        """Raw values of several sessions."""
        return [self.score(config, name) for name in names]

    def summary(self, config: Config, names: Sequence[str], bootstrap: bool = False) -> Summary:
        """Pooled scores of several sessions."""
        return summarise(self.scores(config, names), bootstrap=bootstrap)


def _check_weights(stack: str, here: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    for name in sorted({*here, *wanted}):
        if here.get(name) != wanted.get(name):
            raise WorkbenchError(
                f"stack {stack!r}: {name} is not what the study was made with "
                f"({here.get(name, 'none')[:8]}, not {wanted.get(name, 'none')[:8]}); use the study's models"
            )


def _memory(item: SessionMaterial, config: Config) -> tuple[Header, Memo[TraceFacts]]:
    """An empty memory for a session, and what its traces are headed by as far as scores ask."""
    playout = speak_options(config).playout
    header = Header(item.name, item.session.samples, playout, echo=item.hears_itself(config))
    return header, Memo(lambda events: condense(index(Trace(header, in_order(events)))))


def _whole(trace: Trace) -> tuple[Header, list[TraceFacts]]:
    return trace.header, [condense(index(trace))]
