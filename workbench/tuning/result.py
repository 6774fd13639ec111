"""Result of a study: the best trial refined, surveyed, and judged on sessions that the search did not see."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial

from workbench.config import Config, Knob, get, override
from workbench.errors import WorkbenchError
from workbench.metrics import Difference, SessionScores, Summary, compare, summarise
from workbench.metrics.budget import Evidence, certify
from workbench.metrics.definitions import BY_KEY, Points, Rate
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.objective import SHOWN, Outcome
from workbench.tuning.search import Objective, search
from workbench.tuning.sensitivity import Sensitivity, centre, climb, simplify, survey
from workbench.tuning.space import Space
from workbench.tuning.spec import StudySpec
from workbench.tuning.study import best, finished, front


class Watch(Protocol):
    """Shows how a study gets on."""

    def step(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` of something."""
        ...


@dataclass(frozen=True)
class Comparison:
    """Baseline and tuned on the same sessions.

    Attributes:
        baseline, tuned: scores with intervals.
        differences: tuned − baseline, paired by session.
        evidence: whether the sessions are enough to hold the tuned config to its budget.
    """

    sessions: tuple[str, ...]
    baseline: Summary
    tuned: Summary
    differences: tuple[Difference, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Ablation:
    """One change taken back, all others kept.

    Attributes:
        value: the baseline's.
        difference: of the first objective, taken back − tuned; on held-out sessions where a third was held out, else on
            the tuning sessions.
        broken: limits that are broken on the tuning sessions with the change taken back.
    """

    name: str
    value: Knob
    difference: Difference
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """A point of the front.

    Attributes:
        trial: its number.
        values: of the objectives, on the tuning sessions.
        settings: knob name → value.
    """

    trial: int
    values: tuple[float, ...]
    settings: Mapping[str, Knob]


@dataclass(frozen=True)
class Result:
    """Result of a study.

    Attributes:
        trial: number of the best trial.
        params: its values, before floats were moved to the middle of their range.
        config: the tuned config.
        outcome: of the tuned config on the tuning sessions.
        over_budget: limits that it oversteps there.
        tuning: comparison on the sessions the search saw.
        held_out: comparison on those it did not see; None where there are none.
        front: of a study with several objectives.
    """

    spec: StudySpec
    trials: int
    pruned: int
    trial: int
    config: Config
    outcome: Outcome
    over_budget: tuple[str, ...]
    sensitivity: Sensitivity
    ablations: tuple[Ablation, ...]
    tuning: Comparison
    held_out: Comparison | None
    front: tuple[Point, ...] = ()


def summarise_study(
    study: optuna.Study, spec: StudySpec, evaluator: Evaluator, objective: Objective, watch: Watch
) -> Result:
    """Choose, centre, survey, compare."""
    goal = spec.goal
    chosen = best(study, goal)
    _check_measured(spec, chosen)
    watch.step("sensitivity", 0, 1)
    config = refine(spec, chosen, objective)
    sensitivity = survey(spec.space, config, goal, objective.judge, study)
    watch.step("sensitivity", 1, 1)
    held = None
    if spec.held_out:
        before = evaluator.scores(spec.config, spec.held_out)
        held = _compare(spec, before, _unseen(spec, evaluator, config, objective, watch))
    done = finished(study)
    outcome = objective.judge(config)
    return Result(
        spec=spec,
        trials=len(done),
        pruned=sum(trial.state == optuna.trial.TrialState.PRUNED for trial in done),
        trial=chosen.number,
        config=config,
        outcome=outcome,
        over_budget=goal.broken(outcome.scores),
        sensitivity=sensitivity,
        ablations=ablate(spec, evaluator, config, objective),
        tuning=_compare(spec, evaluator.scores(spec.config, spec.tuning), evaluator.scores(config, spec.tuning)),
        held_out=held,
        front=tuple(_point(spec, trial) for trial in front(study)) if len(spec.objectives) > 1 else (),
    )


def _point(spec: StudySpec, trial: FrozenTrial) -> Point:
    config = spec.space.config(spec.config, trial.params)
    settings = {item.name: get(config, item.path) for item in spec.space.parameters}
    return Point(trial.number, tuple(trial.values), settings)


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


def _unseen(
    spec: StudySpec, evaluator: Evaluator, config: Config, objective: Objective, watch: Watch
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


def refine(spec: StudySpec, trial: FrozenTrial, objective: Objective) -> Config:
    """From the best trial to the config: no neighbour is better, no change brings nothing, and floats lie in the middle
    of their range.
    """
    config = spec.space.config(spec.config, trial.params)
    if objective.judge(spec.config).no_worse(objective.judge(config), spec.goal):
        config = spec.config
    before = None
    while config != before:
        before = config
        climbed = climb(spec.space, config, spec.goal, objective.judge)
        config = simplify(spec.space, spec.config, climbed, spec.goal, objective.judge)
    moved = space_without(spec.space, spec.config, config)
    return centre(moved, config, objective.judge)


def space_without(space: Space, baseline: Config, config: Config) -> Space:
    """The space of those knobs that differ from the baseline."""
    return Space(tuple(item for item in space.parameters if get(config, item.path) != get(baseline, item.path)))


def ablate(spec: StudySpec, evaluator: Evaluator, config: Config, objective: Objective) -> tuple[Ablation, ...]:
    """What each single change is good for: the tuned config against itself with that knob as it was."""
    sessions = spec.held_out if spec.split == "held-out" else spec.tuning
    tuned = evaluator.scores(config, sessions)
    found = []
    for item in space_without(spec.space, spec.config, config).parameters:
        was = get(spec.config, item.path)
        try:
            other = override(config, {item.path: was})
        except WorkbenchError:
            continue
        without = evaluator.scores(other, sessions)
        difference = compare(tuned, without, spec.objectives[:1])[0]
        found.append(Ablation(item.name, was, difference, objective.judge(other).broken))
    return tuple(found)


def _compare(spec: StudySpec, before: list[SessionScores], after: list[SessionScores]) -> Comparison:
    keys = list(dict.fromkeys([*spec.objectives, *spec.budget, *SHOWN]))
    comparable = [key for key in keys if isinstance(BY_KEY[key], Points | Rate)]
    comparable = [key for key in comparable if not isinstance(m := BY_KEY[key], Points) or key in m.keys]
    tuned = summarise(after)
    return Comparison(
        sessions=tuple(item.session for item in after),
        baseline=summarise(before),
        tuned=tuned,
        differences=compare(before, after, comparable),
        evidence=tuple(certify(tuned, spec.budget)),
    )
