"""Recommendation of a study: which config is written, and on what that rests."""

from dataclasses import dataclass
from typing import Literal

from workbench.config import Config
from workbench.metrics import Difference, Summary
from workbench.metrics.budget import Evidence
from workbench.metrics.compare import NO_DIFFERENCE
from workbench.metrics.definitions import HIGHER_IS_BETTER
from workbench.tuning.objective import Goal

Mark = Literal["shown", "promising", "keep"]
"""``shown``: better on sessions that the search did not see. ``promising``: only the sessions that it saw say so.
``keep``: today's config is recommended."""

Reason = Literal["", "nothing better", "worse", "limit"]
"""Why today's config is recommended: no setting was better; the sessions that the search did not see were worse off;
or limits are broken on them, all of which today's config keeps."""


@dataclass(frozen=True)
class Comparison:
    """Today's config and another on the same sessions.

    Attributes:
        baseline, tuned: scores of both with intervals. With sessions left out in turn, ``tuned`` are the scores of as
            many configs, each on the session that its search did not see.
        differences: tuned − baseline, paired by session.
        evidence: whether the sessions are enough to hold the tuned config to its budget.
        better, worse: how many sessions are better or worse off by the first objective.
    """

    sessions: tuple[str, ...]
    baseline: Summary
    tuned: Summary
    differences: tuple[Difference, ...]
    evidence: tuple[Evidence, ...]
    better: int
    worse: int

    def of(self, key: str) -> Difference:
        """Difference of one score."""
        return next(item for item in self.differences if item.key == key)


@dataclass(frozen=True)
class Recommendation:
    """What to do.

    Attributes:
        config: what ``moshi.json`` holds.
        reason: of ``keep``, else empty.
        limits: of reason ``limit``: which.
        candidate: best config that is not recommended, for ``candidate.json``; None where there is none.
    """

    config: Config
    mark: Mark
    reason: Reason = ""
    limits: tuple[str, ...] = ()
    candidate: Config | None = None


def change(difference: Difference) -> str:
    """``better``, ``worse``, or :data:`workbench.metrics.compare.NO_DIFFERENCE`."""
    if difference.verdict == NO_DIFFERENCE:
        return NO_DIFFERENCE
    return "better" if (difference.verdict == "higher") == (difference.key in HIGHER_IS_BETTER) else "worse"


def recommend(goal: Goal, today: Config, found: Config, unseen: Comparison | None) -> Recommendation:
    """Decide between today's config and the best of a search.

    Sessions that the search did not see have a say. Limits come first: today's config stays if it keeps them there and
    the other does not. Where they are worse off by the first objective it stays too, unless the other keeps limits that
    today's config breaks, and nothing shows the objective to be worse.

    Args:
        goal: objectives and limits.
        today: the baseline.
        found: best config of the search, which may be the baseline.
        unseen: comparison on the sessions that the search did not see; None where there are none.
    """
    if found == today:
        return Recommendation(today, "keep", "nothing better")
    if unseen is None:
        return Recommendation(found, "promising")
    changed = {item.key: change(item) for item in unseen.differences}
    before, after = (goal.broken(side.scores) for side in (unseen.baseline, unseen.tuned))
    first = goal.objectives[0]
    if after and not before:
        return Recommendation(today, "keep", "limit", after, found)
    repaired = before if not after else ()
    row = unseen.of(first)
    worse_off = row.a is not None and row.b is not None and goal.better(row.a, row.b)
    if changed[first] == "worse" or (worse_off and not repaired):
        return Recommendation(today, "keep", "worse", (), found)
    shown = any(changed.get(key) == "better" for key in (first, *repaired))
    return Recommendation(found, "shown" if shown else "promising")
