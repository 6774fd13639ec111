"""What a study wants, and what a config is worth by it: objectives, limits, the scores kept with every trial."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from workbench.metrics.budget import Budget, check_budget
from workbench.metrics.definitions import BY_KEY, HIGHER_IS_BETTER

ANSWERED = "turns_answered_n"
"""Name of the limit that comes with every budget."""

SILENT = 0.1
"""Share of turns that may stay without an answer. Beyond it each further one weighs more than any limit: it counts in
full, where a limit of the budget counts less than 1 however far it is overstepped."""

SHOWN = (
    "voice_to_voice_ms_p50",
    "voice_to_voice_ms_p95",
    "endpoint_delay_ms_p50",
    "cutin_per_hold",
    "missed_eot_rate",
    "false_bargein_per_agent_hour",
    "missed_bargein_rate",
    "onset_clipped_ms_p95",
    "stall_ratio",
    "wer",
)
"""Scores kept with every trial, beside objectives and budget."""


@dataclass(frozen=True)
class Goal:
    """What is wanted.

    Attributes:
        objectives: score keys; the first decides which trial is best.
        budget: limits that the other scores must keep.
    """

    objectives: tuple[str, ...]
    budget: Budget

    @cached_property
    def limits(self) -> dict[str, float]:
        """The budget without what is made as small as can be anyway: the first objective, in this or another
        percentile.
        """
        return {key: limit for key, limit in self.budget.items() if BY_KEY[key] is not BY_KEY[self.objectives[0]]}

    def broken(self, scores: Mapping[str, float | None]) -> tuple[str, ...]:
        """Limits of the whole budget that scores overstep, :data:`ANSWERED` among them."""
        over = [item.key for item in check_budget(scores, self.budget)]
        return (*over, *(key for key, share in self.constraints(scores).items() if key == ANSWERED and share > 0))

    @property
    def directions(self) -> list[str]:
        """Optuna's word for each objective."""
        return ["maximize" if key in HIGHER_IS_BETTER else "minimize" for key in self.objectives]

    def values(self, scores: Mapping[str, float | None]) -> list[float]:
        """The objectives; where there was nothing to measure, the worst there is."""
        return [self._value(key, scores.get(key)) for key in self.objectives]

    def _value(self, key: str, value: float | None) -> float:
        if value is not None:
            return value
        return -math.inf if key in HIGHER_IS_BETTER else math.inf

    def constraints(self, scores: Mapping[str, float | None]) -> dict[str, float]:
        """How far each limit is overstepped, as a share of it; 0 or less is kept.

        Beside the budget, nine of ten turns must be answered: who answers nobody is fast, and cuts nobody off.

        What is overstepped counts ``x / (1 + x)``, so that one limit that no setting can keep does not buy the breaking
        of all others. A score with nothing to measure oversteps nothing: there was no hold to cut into, no agent to
        stop.
        """
        found = {}
        for key, limit in self.limits.items():
            value = scores.get(key)
            over = 0.0 if value is None else limit - value if key in HIGHER_IS_BETTER else value - limit
            share = over / abs(limit) if limit else over
            found[key] = share / (1 + share) if share > 0 else share
        if turns := scores.get("turns_n"):
            silent = 1 - (scores.get(ANSWERED) or 0) / turns
            found[ANSWERED] = (silent - SILENT) / SILENT
        return found

    def better(self, a: float, b: float) -> bool:
        """Whether value ``a`` of the first objective is better than ``b``."""
        return a > b if self.objectives[0] in HIGHER_IS_BETTER else a < b


@dataclass(frozen=True)
class Outcome:
    """What a config is worth on the tuning sessions.

    Attributes:
        values: one per objective.
        over: how far each limit is overstepped; 0 or less is kept.
        scores: those kept with the trial.
    """

    values: tuple[float, ...]
    over: Mapping[str, float]
    scores: Mapping[str, float | None]

    @property
    def feasible(self) -> bool:
        """Whether every limit is kept."""
        return not self.broken

    @property
    def broken(self) -> tuple[str, ...]:
        """Limits that are overstepped."""
        return tuple(key for key, value in self.over.items() if value > 0)

    @property
    def violation(self) -> float:
        """Sum of what is overstepped."""
        return sum(max(0.0, value) for value in self.over.values())

    def no_worse(self, other: "Outcome", goal: Goal) -> bool:
        """Whether it oversteps no more and is as good in the first objective."""
        return self.violation <= other.violation and not goal.better(other.values[0], self.values[0])
