"""Evaluator of configs: the exact replay of each session, scored; configs that act alike are replayed once.

Stack, sessions, labels, stages and drawn costs are loaded once a process and stay; what the stages said is in the
store. So a trial costs what its changed knobs change, and its traces are those of ``workbench replay``. Scores are in
the store as well, under all that they depend on: what was replayed once, by any process, is not replayed again.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from workbench.assistants import knobs_of
from workbench.cache import Store
from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.knobs import Knobs, StepCostKnobs
from workbench.metrics import SessionScores, Summary, agent_intervals, summarise
from workbench.metrics.condense import condense
from workbench.metrics.index import index
from workbench.metrics.loss import DEFAULT, Prices
from workbench.metrics.moved import labels_as_replayed
from workbench.metrics.reference import Reference
from workbench.metrics.scoring import score_parts
from workbench.replay.engine import ReplayResult, cost_source, echo_path, replay
from workbench.replay.prefetch import helpers
from workbench.replay.profiles import Progress, refuse_unknown_lm_time, stack_profile
from workbench.runs import open_labelled
from workbench.sessions.echo_path import EchoPath
from workbench.sessions.labels import Label, only_known
from workbench.sessions.session import Session
from workbench.simulation.microphone import Microphone
from workbench.simulation.step_costs import CostSource, Profile
from workbench.stacks import make_stack
from workbench.stages.nearest_lm import NearestLm, given_replies
from workbench.stages.protocols import Stages
from workbench.stages.stand_in_stt import StandInStt, continuous_pass, hear_passes
from workbench.trace import Steps, Trace
from workbench.tuning.scored_replay import ScoredReplay, replay_key, session_digest

Plain = TypeVar("Plain")

KEPT = 20_000
"""Scored sessions that one process remembers: some 100 MB of rows at ten turns a session."""


SLOW_LMS = ("http", "mlx-lm")
"""Beginnings of ``[stack] lm`` of language models that take seconds for a reply."""


@dataclass(frozen=True)
class SessionMaterial:
    """One session, loaded for many replays."""

    session: Session
    labels: tuple[Label, ...]
    reference: Reference
    stages: Stages
    recorded_agent: tuple[tuple[int, int], ...]
    digest: str

    @property
    def name(self) -> str:
        """The session's name."""
        return self.session.name

    def hears_itself(self, knobs: Knobs) -> bool:
        """Whether what the agent plays changes what the listener hears; a canceller hears it, too."""
        return bool(knobs.filters) or bool(echo_path(knobs.echo, self.session))


class Evaluator:
    """Replays and scores sessions under one config after the other.

    Args:
        folders: of the sessions.
        baseline: names stack and costs; they stay the same in all trials.
        store: memo of stage outputs.
        progress: told what is being loaded.
        profile: what costs are drawn from; by default what a replay on this machine draws from.
        weights: those that the stack must have, model name → digest.
        prices: of each fault, for the loss.

    Attributes:
        heard: session frames that the STT heard in the replays of :meth:`score`.
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
        prices: Prices = DEFAULT,
    ) -> None:
        if baseline.step_costs.source == "measured":
            raise WorkbenchError("costs is 'measured': such a replay differs each time; tune with 'profile' or 'fixed'")
        self.store = store
        progress("loading the stack")
        self._baseline = baseline
        self._prices = prices
        self._stack = make_stack(baseline)
        if weights is not None:
            _check_weights(baseline.stack.name, self._stack.weights, weights)
        opened = [open_labelled(folder) for folder in folders]
        names = [session.name for session, _ in opened]
        if twin := next((name for name in names if names.count(name) > 1), None):
            raise WorkbenchError(f"two sessions have the name {twin!r}; rename one")
        self.profile = profile or stack_profile(self._stack, baseline, opened, store, progress)
        self._materials = {session.name: self._load(session, labels) for session, labels in opened}
        self._costs: dict[tuple[str, StepCostKnobs, int], CostSource] = {}
        self._worth = [self.profile.digest if self.profile else "", asdict(prices)]
        self._scored: OrderedDict[Hashable, SessionScores] = OrderedDict()
        self._mics: dict[str, Microphone] = {}
        self.replays = 0
        self.heard = 0

    def _load(self, session: Session, labels: tuple[Label, ...]) -> SessionMaterial:
        agent = agent_intervals(session.stream("agent")) if "agent" in session.tracks else ()
        stages = self._stack.stages(labels)
        if not isinstance(stages, Stages):
            raise WorkbenchError(f"stack {self._stack.name!r} has no listener and no chunker: there is nothing to tune")
        known = only_known(labels, self._stack.vocabulary)[0]
        return SessionMaterial(session, known, Reference(known), stages, agent, session_digest(session))

    @cached_property
    def stand_in(self) -> "Evaluator":
        """This evaluator with the STT replaced by its continuous pass over each session, which is heard now."""
        other = copy(self)
        items = list(self._materials.values())
        hear_passes(items[0].stages.stt, [item.session for item in items], self.store)
        other._materials = {name: self.hear_whole(name) for name in self._materials}
        other._scored, other.replays, other.heard = OrderedDict(), 0, 0
        other.__dict__["stand_in"] = other
        return other

    def hear_whole(self, name: str) -> SessionMaterial:
        """A session with its stand-in for the STT, and for a language model that takes its time.

        See :mod:`workbench.stages.stand_in_stt` and :mod:`workbench.stages.nearest_lm`.
        """
        item = self._materials[name]
        stt = StandInStt(item.stages.stt, continuous_pass(item.stages.stt, item.session, self.store))
        stages = replace(item.stages, stt=stt)
        if self._baseline.stack.lm.startswith(SLOW_LMS):
            given = given_replies(self.replay(self._baseline, name).trace)
            stages = replace(stages, lm=NearestLm(stages.lm, given)) if given else stages
        return replace(item, stages=stages)

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
        knobs = knobs_of(config)
        return replay(item.session, item.stages, knobs, self._cost(knobs, name), self.store)

    def _cost(self, knobs: Knobs, name: str) -> CostSource:
        key = (name, knobs.step_costs, knobs.seed)
        if key not in self._costs:
            self._costs[key] = cost_source(knobs, self.profile, name)
        return self._costs[key]

    @property
    def helpers(self) -> int:
        """How many more processes on this machine are of use to hear the sessions."""
        return helpers(self._stack, self._baseline)

    @property
    def fingerprints(self) -> dict[str, str]:
        """Role → fingerprint of its stage on the first session; where these agree, models say the same."""
        stages = self._materials[self.names[0]].stages
        return {"stt": stages.stt.fingerprint, "lm": stages.lm.fingerprint, "tts": stages.tts.fingerprint}

    def score(self, config: Config, name: str) -> SessionScores:
        """Raw values of one session: those of :meth:`replay`, worked out as far as no other config has shown them."""
        item = self._materials[name]
        knobs = self._alike(knobs_of(config), item)
        key = item.name, knobs
        scored = self._scored.get(key)
        if scored is not None:
            self._scored.move_to_end(key)
            return scored
        place = replay_key("scores", knobs, item.session, item.stages, item.digest, self._worth)
        found = self.store.get(place, ScoredReplay.unpack) if place else None
        if found is None:
            found = self._replay_and_score(config, item)
            if place:
                self.store.put(place, found, ScoredReplay.pack)
        self.heard += found.heard
        self._scored[key] = found.scores
        if len(self._scored) > KEPT:
            self._scored.popitem(last=False)
        return found.scores

    def of_trace(self, config: Config, name: str, what: str, work: Callable[[Trace], Plain]) -> Plain:
        """What follows from the events of :meth:`replay`, kept in the store.

        Args:
            config: see :meth:`replay`.
            name: of the session.
            what: name of what follows.
            work: works it out; what it gives is of JSON's types.
        """
        item = self._materials[name]
        knobs = self._alike(knobs_of(config), item)
        place = replay_key(what, knobs, item.session, item.stages, item.digest, self._worth)
        found: Plain | None = self.store.get(place, json.loads) if place else None
        if found is None:
            found = work(self.replay(config, name).trace)
            if place:
                self.store.put(place, found, lambda value: json.dumps(value).encode())
        return found

    def _replay_and_score(self, config: Config, item: SessionMaterial) -> ScoredReplay:
        self.replays += 1
        trace = self.replay(config, item.name).trace
        steps = (event for event in trace.events if isinstance(event, Steps) and event.stage == "stt")
        heard = sum(len(event.costs) for event in steps)
        reference = Reference(labels_as_replayed(trace, item.labels)) if knobs_of(config).reactive else item.reference
        scored = score_parts(trace.header, [condense(index(trace))], reference, item.recorded_agent, self._prices)
        return ScoredReplay(heard, scored)

    def _alike(self, knobs: Knobs, item: SessionMaterial) -> Knobs:
        """Knobs that act as these on a session, the same for all that do: without echo, two thresholds that call the
        same frames loud act alike.
        """
        if item.hears_itself(knobs) or knobs.reactive:
            return knobs
        mic = self._mics.get(item.name)
        if mic is None:
            mic = self._mics[item.name] = Microphone(item.session, EchoPath(), self.store)
        same = mic.same_gate(knobs.listen.threshold)
        return replace(knobs, listen=replace(knobs.listen, threshold=same))

    @property
    def passes(self) -> float:
        """Frames that the STT heard in :meth:`score`, and in continuous passes, over the frames of all sessions."""
        recorded = sum(item.session.frames for item in self._materials.values())
        return (self.heard + recorded * ("stand_in" in self.__dict__)) / max(1, recorded)

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


def hear(evaluator: Evaluator, name: str, config: Config, exact: bool = True) -> None:
    """Job of a worker: replay a session, for what its models put into the cache.

    Args:
        evaluator: of the worker.
        name: of the session.
        config: to replay it with.
        exact: the stand-in for the STT is not needed; else the session is heard whole as well.
    """
    evaluator.score(config, name)
    if not exact:
        evaluator.hear_whole(name)
