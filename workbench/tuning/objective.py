"""Objectives, limits, and the outcome of a setting by them; worker processes load this and no Optuna."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.metrics import SessionScores
from workbench.metrics.budget import Budget, check_budget
from workbench.metrics.definitions import BY_KEY, HIGHER_IS_BETTER, Points, Rate
from workbench.metrics.summary import point_scores, pool

ANSWERED = "turns_answered_n"
"""Name of the limit that comes with every budget."""

LOSS = "loss_s_per_turn"
"""Score that weighs waiting and every fault against each other."""

REFUSED = 1e6
"""By how much a setting that cannot be replayed oversteps each limit."""

TIE = 1e-9
"""Weight of overstepped limits where the loss decides."""

SILENT = 0.1
"""Share of turns that may stay without an answer. Beyond it each further one weighs more than any limit: it counts in
full, where a limit of the budget counts less than 1 however far it is overstepped."""

SHOWN = (
    "loss_s_per_turn",
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
"""Scores kept with every trial, besides objectives and budget."""


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

    @cached_property
    def keys(self) -> list[str]:
        """Scores kept with every trial."""
        return list(dict.fromkeys([*self.objectives, *self.budget, *SHOWN, "turns_n", ANSWERED]))

    def outcome(self, scored: Sequence[SessionScores]) -> "Outcome":
        """Outcome of a setting from its scores of each session."""
        scores = pooled(self.keys, scored)
        return Outcome(tuple(self.values(scores)), self.constraints(scores), scores)

    def refused(self) -> "Outcome":
        """Outcome of a setting that the config or a stage refuses: the worst there is."""
        return Outcome(tuple(self.values({})), dict.fromkeys((*self.limits, "refused"), REFUSED), {})

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

        With the budget goes one more: nine of ten turns must be answered. Who answers nobody is fast, and cuts nobody
        off. A score with nothing to measure oversteps nothing: there was no hold to cut into, no agent to stop.

        What is overstepped counts ``x / (1 + x)``, so that one limit that no setting can keep does not buy the breaking
        of all others. Where the loss is the objective, it has all faults weighed already: of settings that overstep
        limits the one with the least loss is best, and what is overstepped breaks ties.
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
        loss = scores.get(LOSS)
        if self.objectives[0] == LOSS and loss is not None and any(share > 0 for share in found.values()):
            return {key: share * TIE for key, share in found.items()} | {LOSS: loss}
        return found

    def rank(self, outcome: "Outcome") -> tuple[float, float]:
        """What settings are ordered by, the best first: what they overstep, then the first objective."""
        value = outcome.values[0]
        return outcome.violation, -value if self.objectives[0] in HIGHER_IS_BETTER else value

    def better(self, a: float, b: float) -> bool:
        """Whether value ``a`` of the first objective is better than ``b``."""
        return a > b if self.objectives[0] in HIGHER_IS_BETTER else a < b


@dataclass(frozen=True)
class Outcome:
    """What a config is worth on the tuning sessions.

    Attributes:
        values: one per objective.
        over: how far each limit is overstepped, see :meth:`Goal.constraints`; 0 or less is kept.
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
        return tuple(key for key, value in self.over.items() if value > 0 and key != LOSS)

    @property
    def violation(self) -> float:
        """Sum of what is overstepped."""
        return sum(max(0.0, value) for value in self.over.values())

    def no_worse(self, other: "Outcome", goal: Goal) -> bool:
        """Whether it oversteps no more and is as good in the first objective."""
        return self.violation <= other.violation and not goal.better(other.values[0], self.values[0])


def pooled(keys: Iterable[str], sessions: Sequence[SessionScores]) -> dict[str, float | None]:
    """Some scores of :func:`workbench.metrics.summarise`, without the others' cost."""
    scores: dict[str, float | None] = {}
    for key in keys:
        measure = BY_KEY[key]
        if key in scores:
            continue
        if isinstance(measure, Points):
            scores |= point_scores(measure, pool([list(measure.pairs(session)) for session in sessions]))
        elif isinstance(measure, Rate):
            parts = [measure.parts(session) for session in sessions]
            scores[key] = measure.value(sum(part[0] for part in parts), sum(part[1] for part in parts))
        else:
            amount = sum(measure.value(session) for session in sessions)
            scores[key] = amount if measure.scale == 1 else amount / measure.scale
    return {key: scores[key] for key in keys}


class Scorer(Protocol):
    """What a trial asks: scores of one session under a config. :class:`workbench.tuning.evaluator.Evaluator` gives
    them.
    """

    def score(self, config: Config, name: str) -> SessionScores:
        """Raw values of one session."""
        ...


@runtime_checkable
class TwoFidelities(Protocol):
    """A scorer with a stand-in for the slow part of its replays."""

    @property
    def stand_in(self) -> Scorer:
        """Scores nearly as this one does, sooner."""
        ...


def at_fidelity(scorer: Scorer, exact: bool) -> Scorer:
    """The scorer itself, or the stand-in that it has."""
    return scorer if exact or not isinstance(scorer, TwoFidelities) else scorer.stand_in


class Refused(WorkbenchError):
    """A setting cannot be replayed; the trial keeps why, and the study goes on."""


def evaluate(scorer: Scorer, goal: Goal, sessions: Sequence[str], config: Config, exact: bool = True) -> Outcome:
    """Job of a trial: replay and score its setting on all sessions; if not ``exact``, with the stand-in for the STT.

    Raises:
        Refused: a stage refuses the setting.
    """
    return goal.outcome([score_session(scorer, name, config, exact) for name in sessions])


def score_session(scorer: Scorer, name: str, config: Config, exact: bool = True) -> SessionScores:
    """Job of a trial that may be pruned: one session of it.

    Raises:
        Refused: a stage refuses the setting.
    """
    try:
        return at_fidelity(scorer, exact).score(config, name)
    except WorkbenchError as error:
        raise Refused(str(error)) from None
