"""Result of a study: the best trial refined, judged on sessions that the search did not see, and a recommendation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from workbench.assistants import acts_alike
from workbench.config import Config, get
from workbench.errors import WorkbenchError
from workbench.files import shipped
from workbench.metrics import SessionScores, compare, summarise
from workbench.metrics.budget import certify
from workbench.metrics.definitions import BY_KEY, Points, Rate
from workbench.tuning.ablation import Ablation, ablate, directions
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.finalists import Agreement
from workbench.tuning.front import Front, find_front, replayed
from workbench.tuning.inactive_knobs import find_inactive_knobs
from workbench.tuning.objective import SHOWN, Outcome, Scorer, at_fidelity
from workbench.tuning.recommendation import Comparison, Recommendation, recommend
from workbench.tuning.refinement import StudyWatch, find_best, refine
from workbench.tuning.search import Objective, search
from workbench.tuning.sensitivity import Sensitivity, survey
from workbench.tuning.space import Space, read_space
from workbench.tuning.spec import StudySpec
from workbench.tuning.study import best, finished, ranked
from workbench.tuning.sweep import Sweep, axis, sweep
from workbench.tuning.unkept import Unkept, find_unkept, least_of

PATIENCE = ("stt_silence_threshold", "stt_silence_ms")
"""Knobs that decide how long to wait for more speech: swept in every study."""


@dataclass(frozen=True)
class Result:
    """Result of a study.

    Attributes:
        trial: number of the best trial.
        recommendation: what is written.
        outcome: of the recommended config on the tuning sessions.
        over_budget: limits that the recommended config oversteps there.
        unkept: limits that no setting was found to keep together.
        sensitivity: around the recommended config.
        sweeps: of the recommended config, of each changed knob and of :data:`PATIENCE`.
        ablations: changes of the best other config, each taken back; none where nothing was better than today's.
        tuning: today's config and the best other one on the sessions the search saw.
        held_out: the same on those it did not see; None where there are none, or nothing was better.
        least: best of each score in any trial.
        agreement: of a search that rested on a stand-in for the STT: how far exact replays agree with it. Sweeps,
            sensitivity and ``least`` then rest on the stand-in too; everything else is replayed exactly.
    """

    spec: StudySpec
    trials: int
    pruned: int
    trial: int
    recommendation: Recommendation
    outcome: Outcome
    over_budget: tuple[str, ...]
    unkept: tuple[Unkept, ...]
    sensitivity: Sensitivity
    sweeps: tuple[Sweep, ...]
    ablations: tuple[Ablation, ...]
    tuning: Comparison
    held_out: Comparison | None
    front: Front
    least: Mapping[str, float]
    agreement: Agreement | None

    @property
    def config(self) -> Config:
        """The config that is written."""
        return self.recommendation.config

    @property
    def other(self) -> Config:
        """The best config that is not today's; today's where nothing else was tried."""
        chosen = self.recommendation
        return chosen.config if chosen.mark != "keep" else chosen.candidate or chosen.config

    @property
    def judged(self) -> Comparison:
        """Replays with :attr:`other` as it is: on held-out sessions where there are any.

        Where each session was left out in turn, each was judged with another config: those figures are no config's.
        """
        if self.held_out is not None and self.spec.split == "held-out":
            return self.held_out
        return self.tuning


def summarise_study(
    study: optuna.Study, spec: StudySpec, evaluator: Evaluator, objective: Objective, watch: StudyWatch
) -> Result:
    """Choose, judge, recommend, survey."""
    goal, today = spec.goal, spec.config
    chosen = best(study, goal)
    _check_measured(spec, chosen)
    found, agreement, exact = find_best(study, spec, evaluator, objective, watch)
    held = None
    if spec.held_out and found != today:
        held = _compare(spec, today, _unseen(spec, evaluator, found, objective, watch), evaluator, spec.held_out)
    recommended = recommend(goal, today, found, held)
    if found == today:
        recommended = replace(recommended, candidate=_runner_up(study, spec))
    other = recommended.candidate or recommended.config
    config = recommended.config
    watch.step("sensitivity", 0, 1)
    sensitivity = survey(spec.space, config, goal, objective.judge, study)
    ablations = () if found == today else ablate(spec, evaluator, found)
    watch.step("sensitivity", 1, 1)
    sweeps = _sweeps(spec, at_fidelity(evaluator, spec.exact), config, [item.name for item in ablations], watch)
    start = {item.name: get(config, item.path) for item in spec.space.parameters}
    patient = [(start, swept) for swept in sweeps if swept.axes[0].name in PATIENCE]
    outcome = exact(config)
    front = find_front(study, spec, patient)
    done = finished(study)
    return Result(
        spec=spec,
        trials=len(done),
        pruned=sum(trial.state == optuna.trial.TrialState.PRUNED for trial in done),
        trial=chosen.number,
        recommendation=recommended,
        outcome=outcome,
        over_budget=goal.broken(outcome.scores),
        unkept=find_unkept(study, goal, exact(found)),
        sensitivity=sensitivity,
        sweeps=sweeps,
        ablations=ablations,
        tuning=_compare(spec, today, evaluator.scores(other, spec.tuning), evaluator, spec.tuning),
        held_out=held,
        front=front if spec.exact else replayed(front, spec, exact),
        least=least_of(study, goal),
        agreement=agreement,
    )


def _check_measured(spec: StudySpec, trial: FrozenTrial) -> None:
    """Refuse to judge by a score that no trial had.

    Raises:
        WorkbenchError: names it.
    """
    for key, value in zip(spec.objectives, trial.values, strict=True):
        if not math.isfinite(value):
            raise WorkbenchError(
                f"--objective {key}: the tuning sessions have nothing to measure it by, under any setting that was "
                "tried (docs/metrics.md says what it counts); choose another, under a new --name"
            )


def _runner_up(study: optuna.Study, spec: StudySpec) -> Config | None:
    """The best trial that does not act as today's config; None where there is none."""
    for trial in ranked(study, spec.goal):
        try:
            config = spec.space.config(spec.config, trial.params)
        except WorkbenchError:
            continue
        if not acts_alike(config, spec.config):
            return config
    return None


def _unseen(
    spec: StudySpec, evaluator: Evaluator, config: Config, objective: Objective, watch: StudyWatch
) -> list[SessionScores]:
    """Scores of the held-out sessions under a config found without them."""
    if spec.split != "leave-one-out":
        return evaluator.scores(config, spec.held_out)
    scored = []
    total = len(spec.held_out) * spec.trials
    for number, name in enumerate(spec.held_out):

        def told(done: int, before: int = number * spec.trials) -> None:
            watch.step("trials with one session left out", before + done, total)

        others = objective.on(tuple(other for other in spec.tuning if other != name))
        found = refine(spec, search(spec, others, told), others)
        scored.append(evaluator.score(found, name))
    watch.step("trials with one session left out", total, total)
    return scored


def _sweeps(
    spec: StudySpec, evaluator: Scorer, config: Config, changed: Sequence[str], watch: StudyWatch
) -> tuple[Sweep, ...]:
    """Sweeps around a config; of knobs that have an effect there."""
    own = {item.name: item for item in spec.space.parameters}
    known = {item.name: item for item in read_space(shipped(Path("configs/space.toml"))).parameters} | own
    names = [name for name in dict.fromkeys([*changed, *PATIENCE]) if name in known]
    space = Space(tuple(known[name] for name in names))
    inactive = find_inactive_knobs(space, config)
    found = []
    for number, name in enumerate(names):
        watch.step("sweeps", number, len(names))
        if name not in inactive:
            found.append(sweep(evaluator, config, spec.tuning, [axis(name, config, space)]))
    return tuple(found)


def _compare(
    spec: StudySpec, today: Config, after: list[SessionScores], evaluator: Evaluator, sessions: Sequence[str]
) -> Comparison:
    before = evaluator.scores(today, sessions)
    keys = list(dict.fromkeys([*spec.objectives, *spec.budget, *SHOWN]))
    comparable = [key for key in keys if isinstance(BY_KEY[key], Points | Rate)]
    comparable = [key for key in comparable if not isinstance(m := BY_KEY[key], Points) or key in m.keys]
    tuned = summarise(after)
    better, worse = directions(spec.goal, before, after)
    return Comparison(
        sessions=tuple(item.session for item in after),
        baseline=summarise(before),
        tuned=tuned,
        differences=compare(before, after, comparable),
        evidence=tuple(certify(tuned, spec.budget)),
        better=better,
        worse=worse,
    )
