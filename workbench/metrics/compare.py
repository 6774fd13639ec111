"""Two configs on the same sessions: what is different, and what only looks so.

Conventions:
    Paired by session: both sides are drawn together in each bootstrap sample. Values that belong to turns are paired
    by turn as well: a turn counts only where both sides have a value for it. A session in which a side had nothing to
    measure is none of the six that a difference takes. A difference is ``b - a``.

Interval and test:
    The interval is the bootstrap over sessions. Of the tail of few sessions a bootstrap knows too little: where two
    configs are the same, that of a p95 over 6 sessions leaves 0 out in one of ten cases (``benchmarks/coverage.py``).
    So 0 is also asked for by the exact test of Fisher (1935): were the configs the same, the two sides of a session
    could change places, each session by itself. Unless fewer than 5 % of all such changes lie as far from 0 as what
    was found, on the same side as the interval, the interval is drawn out to 0. The test alone gives no interval of a
    percentile, and the pooled percentile would make it blind: where one slow session holds the p95 of both sides, no
    change moves it. It therefore takes the mean of the sessions' own percentiles; of rates, the pooled difference.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Floats
from workbench.errors import WorkbenchError
from workbench.metrics.definitions import BY_KEY, Points, Rate
from workbench.metrics.rows import SessionScores
from workbench.metrics.stats import MIN_PAIRED, Counts, as_far, draws, interval, swaps
from workbench.metrics.summary import PooledSamples, drawn_points, drawn_rate, in_order, point_scores, pool

NO_DIFFERENCE = "no difference shown"

ALPHA = 0.05
"""What a test may err by."""

Pairs = list[list[tuple[int, int]]]
"""(value, how often) of each session."""


@dataclass(frozen=True)
class Difference:
    """One score under two configs.

    Attributes:
        a, b: the score of each side over what both have; None where there was nothing to measure.
        difference: ``b - a``.
        low, high: its interval at 95 %, or None where the sessions are too few for one. It holds 0 unless the exact
            test excludes that too.
        sessions: how many had something to measure on both sides.
        verdict: ``lower``, ``higher`` or :data:`NO_DIFFERENCE`; about ``b``.
    """

    key: str
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    sessions: int
    verdict: str


def compare(
    a: Sequence[SessionScores], b: Sequence[SessionScores], keys: Iterable[str], seed: int = 0
) -> tuple[Difference, ...]:
    """Compare two configs over the same sessions.

    Args:
        a, b: raw values of each side.
        keys: score keys: percentiles and rates.
        seed: of the bootstrap.

    Raises:
        WorkbenchError: the sides have different sessions, or a key is unknown or a plain count.
    """
    a, b = in_order(a), in_order(b)
    names = [{session.session for session in side} for side in (a, b)]
    if odd := sorted(names[0] ^ names[1]):
        raise WorkbenchError(f"session {odd[0]!r} was scored for one config only; score both on the same sessions")
    weights, changes = draws(len(a), seed), swaps(len(a), seed)
    return tuple(_difference(key, a, b, weights, changes) for key in keys)


def _difference(
    key: str, a: list[SessionScores], b: list[SessionScores], weights: Counts, changes: Counts
) -> Difference:
    measure = BY_KEY.get(key)
    if isinstance(measure, Points) and key in measure.keys:
        pairs = _paired(measure, a, b)
        pools = [pool(side) for side in pairs]
        values = [point_scores(measure, side)[key] for side in pools]
        drawn = [_scaled(measure, side, weights, measure.keys[key]) for side in pools]
        sessions = sum(bool(one and other) for one, other in zip(*pairs, strict=True))
        changed = _own(measure, key, pairs, changes)
    elif isinstance(measure, Rate):
        parts = [[measure.parts(session) for session in side] for side in (a, b)]
        values = [measure.value(sum(x for x, _ in side), sum(y for _, y in side)) for side in parts]
        drawn = [drawn_rate(measure, side, weights) for side in parts]
        below = 0 if measure.inverse else 1
        sessions = sum(bool(one[below] and other[below]) for one, other in zip(*parts, strict=True))
        there, back = np.hstack([1 - changes, changes]), np.hstack([changes, 1 - changes])
        changed = drawn_rate(measure, parts[0] + parts[1], back) - drawn_rate(measure, parts[0] + parts[1], there)
    else:
        raise WorkbenchError(f"{key!r} is not a percentile or a rate: it cannot be compared (see docs/metrics.md)")
    if values[0] is None or values[1] is None:
        return Difference(key, values[0], values[1], None, None, None, sessions, NO_DIFFERENCE)
    span = interval(drawn[1] - drawn[0], sessions) if sessions >= MIN_PAIRED else None
    low, high = _borne_out(span, changed) if span else (None, None)
    verdict = NO_DIFFERENCE if low is None or high is None or low <= 0 <= high else "lower" if high < 0 else "higher"
    return Difference(key, values[0], values[1], values[1] - values[0], low, high, sessions, verdict)


def _borne_out(span: tuple[float, float], changed: Floats) -> tuple[float, float]:
    """The interval, drawn out to 0 where the exact test does not exclude that on the same side.

    Args:
        span: of the bootstrap.
        changed: the test's statistic under each change of places; first as it was found.
    """
    low, high = span
    if as_far(changed) <= ALPHA and (low > 0) == (changed[0] > 0):
        return span
    return min(low, 0.0), max(high, 0.0)


def _own(measure: Points, key: str, pairs: tuple[Pairs, Pairs], changes: Counts) -> Floats:
    """Mean over sessions of the difference of their own percentiles, under each change of places."""
    found = np.zeros(len(pairs[0]))
    for number, sides in enumerate(zip(*pairs, strict=True)):
        own = [point_scores(measure, pool([side]))[key] for side in sides]
        if own[0] is not None and own[1] is not None:
            found[number] = own[1] - own[0]
    means: Floats = (1 - 2 * changes) @ found / len(found)
    return means


def _scaled(measure: Points, pooled: PooledSamples, weights: Counts, percent: int) -> Floats:
    drawn = drawn_points(pooled, weights, (percent,))[0]
    slope = measure.scale(1) - measure.scale(0)
    scaled: Floats = drawn * slope + measure.scale(0)
    return scaled


def _paired(measure: Points, a: list[SessionScores], b: list[SessionScores]) -> tuple[Pairs, Pairs]:
    """Values of both sides, of turns only those that both have."""
    value = measure.by_turn
    if value is None:
        return [list(measure.pairs(session)) for session in a], [list(measure.pairs(session)) for session in b]
    left: Pairs = []
    right: Pairs = []
    for one, other in zip(a, b, strict=True):
        rows = [{row.turn: x for row in side.turns if (x := value(row)) is not None} for side in (one, other)]
        both = sorted(rows[0].keys() & rows[1].keys())
        left.append([(rows[0][turn], 1) for turn in both])
        right.append([(rows[1][turn], 1) for turn in both])
    return left, right
