"""Limits that the best setting of a search oversteps, and how near the others came."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna

from workbench.metrics.definitions import HIGHER_IS_BETTER
from workbench.tuning.objective import Goal, Outcome
from workbench.tuning.study import finished, outcome_of


@dataclass(frozen=True)
class Unkept:
    """A limit that the best setting of a search oversteps.

    Attributes:
        value: the best setting's score.
        least: best score of all settings that were tried.
        instead: limits that the best setting keeps and the nearest of those that keep this one does not.
        keepable: whether any setting keeps it.
    """

    key: str
    limit: float | None
    value: float | None
    least: float | None
    instead: tuple[str, ...]
    keepable: bool


def _outcomes(study: optuna.Study) -> list[Outcome]:
    return [found for trial in finished(study) if (found := outcome_of(trial))]


def _best(key: str) -> Callable[[Sequence[float]], float]:
    return max if key in HIGHER_IS_BETTER else min


def least_of(study: optuna.Study, goal: Goal) -> dict[str, float]:
    """Best of each score in any trial."""
    outcomes = _outcomes(study)
    found = {key: [value for item in outcomes if (value := item.scores.get(key)) is not None] for key in goal.keys}
    return {key: _best(key)(values) for key, values in found.items() if values}


def find_unkept(study: optuna.Study, goal: Goal, found: Outcome) -> tuple[Unkept, ...]:
    """Limits that the best setting oversteps, and how near the others came."""
    least, rows = least_of(study, goal), []
    for key in goal.broken(found.scores):
        keeping = [item for item in _outcomes(study) if key not in goal.broken(item.scores) and item.scores]
        nearest = min(keeping, key=lambda item: item.violation, default=None)
        broken = goal.broken(found.scores)
        instead = tuple(name for name in goal.broken(nearest.scores) if name not in broken) if nearest else ()
        row = Unkept(key, goal.budget.get(key), found.scores.get(key), least.get(key), instead, nearest is not None)
        rows.append(row)
    return tuple(rows)
