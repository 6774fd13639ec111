"""The config that a study finds: its best trial refined; of a search on a stand-in, the best of its finalists."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Protocol

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from workbench.arrays import Floats
from workbench.config import Config, get
from workbench.errors import WorkbenchError
from workbench.tuning.ablation import space_without
from workbench.tuning.evaluator import Evaluator
from workbench.tuning.finalists import Agreement, Correction, choose
from workbench.tuning.search import Objective
from workbench.tuning.sensitivity import DB, Judge, around, centre, climb, grid, importances, place, simplify
from workbench.tuning.space import Space
from workbench.tuning.spec import StudySpec
from workbench.tuning.study import best, ranked

HILLS = 10
"""Best trials of a search on a stand-in from which neighbours are climbed to, for more finalists."""


class StudyWatch(Protocol):
    """Shows how a study gets on."""

    def step(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` of something."""
        ...


def find_best(
    study: optuna.Study, spec: StudySpec, evaluator: Evaluator, objective: Objective, watch: StudyWatch
) -> tuple[Config, Agreement | None, Judge]:
    """Choose the best config of a finished search.

    Args:
        study: with its trials.
        spec: the study.
        evaluator: exact, and with its stand-in.
        objective: what the search rested on.
        watch: shows how it gets on.

    Returns:
        The config; how far exact replays agree with the stand-in, None without one; and outcomes of exact replays.
    """
    goal, today = spec.goal, spec.config
    watch.step("neighbours of the best", 0, 1)
    found = refine(spec, best(study, goal), objective)
    watch.step("neighbours of the best", 1, 1)
    exact, agreement = objective.judge, None
    if not spec.exact:
        exact = Objective(spec, evaluator, spec.tuning, exact=True).judge
        watch.step("exact replays of the finalists", 0, 1)
        shares = _shares(study, spec)
        correction = Correction(goal, objective.judge, exact, partial(_place, spec.space, shares))
        others = _finalists(found, study, spec, objective.judge)
        others += grid(spec.space, shares, found)
        found, agreement = choose(goal, others, correction, partial(around, spec.space, shares))
        found = found if found == today else climb(spec.space, found, goal, exact, (DB,))
        watch.step("exact replays of the finalists", 1, 1)
    return found, agreement, exact


def _finalists(found: Config, study: optuna.Study, spec: StudySpec, guess: Judge) -> list[Config]:
    """What the search would choose, today's config, then all trials, and what the best of them lead to knob by knob,
    for a stand-in may have the wrong one of two hills higher.
    """
    others: list[Config] = []
    for trial in ranked(study, spec.goal):
        with suppress(WorkbenchError):
            others.append(spec.space.config(spec.config, trial.params))
    others += [climb(spec.space, config, spec.goal, guess) for config in others[:HILLS]]
    return [found, spec.config, *others]


def _shares(study: optuna.Study, spec: StudySpec) -> dict[str, float]:
    """Share of each knob in what makes trials differ, the largest 1; all 1 where that cannot be known."""
    shares = importances(study, spec.goal)
    most = max(shares.values(), default=0.0)
    return {item.name: shares.get(item.name, 0.0) / most if most else 1.0 for item in spec.space.parameters}


def _place(space: Space, shares: Mapping[str, float], config: Config) -> Floats:
    """Place of a setting: the range of each knob is as long as its share."""
    parts: list[float] = []
    for parameter in space.parameters:
        parts += [shares[parameter.name] * part for part in place(parameter, get(config, parameter.path))]
    return np.array(parts)


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
