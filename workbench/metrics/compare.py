"""Two configs on the same sessions: what is different, and what only looks so.

Conventions:
    Paired by session: both sides are drawn together in each bootstrap sample. Values that belong to turns are paired
    by turn as well: a turn counts only where both sides have a value for it. A session in which a side had nothing to
    measure is none of the six that a difference takes. A difference is ``b - a``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.errors import WorkbenchError
from workbench.metrics.measures import BY_KEY, Points, Rate
from workbench.metrics.rows import SessionScores
from workbench.metrics.stats import MIN_PAIRED, Counts, Floats, draws, interval
from workbench.metrics.summary import Pool, drawn_points, drawn_rate, in_order, point_scores, pool

NO_DIFFERENCE = "no difference shown"


@dataclass(frozen=True)
class Difference:
    """One score under two configs.

    Attributes:
        a, b: the score of each side over what both have; None where there was nothing to measure.
        difference: ``b - a``.
        low, high: its interval at 95 %, or None where the sessions are too few for one.
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
    weights = draws(len(a), seed)
    return tuple(_difference(key, a, b, weights) for key in keys)


def _difference(key: str, a: list[SessionScores], b: list[SessionScores], weights: Counts) -> Difference:
    measure = BY_KEY.get(key)
    if isinstance(measure, Points) and key in measure.keys:
        pools = _paired(measure, a, b)
        values = [point_scores(measure, side)[key] for side in pools]
        drawn = [_scaled(measure, side, weights, measure.keys[key]) for side in pools]
        sessions = len(set(pools[0].session.tolist()) & set(pools[1].session.tolist()))
    elif isinstance(measure, Rate):
        parts = [[measure.parts(session) for session in side] for side in (a, b)]
        values = [measure.value(sum(x for x, _ in side), sum(y for _, y in side)) for side in parts]
        drawn = [drawn_rate(measure, side, weights) for side in parts]
        below = 0 if measure.inverse else 1
        sessions = sum(bool(one[below] and other[below]) for one, other in zip(*parts, strict=True))
    else:
        raise WorkbenchError(f"{key!r} is not a percentile or a rate: it cannot be compared (see docs/metrics.md)")
    if values[0] is None or values[1] is None:
        return Difference(key, values[0], values[1], None, None, None, sessions, NO_DIFFERENCE)
    span = interval(drawn[1] - drawn[0], len(a)) if sessions >= MIN_PAIRED else None
    low, high = span or (None, None)
    verdict = NO_DIFFERENCE if low is None or high is None or low <= 0 <= high else "lower" if high < 0 else "higher"
    return Difference(key, values[0], values[1], values[1] - values[0], low, high, sessions, verdict)


def _scaled(measure: Points, pooled: Pool, weights: Counts, percent: int) -> Floats:
    drawn = drawn_points(pooled, weights, (percent,))[0]
    slope = measure.scale(1) - measure.scale(0)
    scaled: Floats = drawn * slope + measure.scale(0)
    return scaled


def _paired(measure: Points, a: list[SessionScores], b: list[SessionScores]) -> tuple[Pool, Pool]:
    """Values of both sides, of turns only those that both have."""
    value = measure.by_turn
    if value is None:
        return (
            pool([list(measure.pairs(session)) for session in a]),
            pool([list(measure.pairs(session)) for session in b]),
        )
    left, right = [], []
    for one, other in zip(a, b, strict=True):
        rows = [{row.turn: x for row in side.turns if (x := value(row)) is not None} for side in (one, other)]
        both = sorted(rows[0].keys() & rows[1].keys())
        left.append([(rows[0][turn], 1) for turn in both])
        right.append([(rows[1][turn], 1) for turn in both])
    return pool(left), pool(right)
