"""Summary of sessions: flat scores with intervals, counts and notes, from raw values."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from workbench.arrays import Floats
from workbench.errors import WorkbenchError
from workbench.metrics.definitions import BY_KEY, HIGHER_IS_BETTER, MEASURES, Points, Rate, Total
from workbench.metrics.rows import SessionScores
from workbench.metrics.stats import (
    FEW,
    MIN_PAIRED,
    Counts,
    drawn_percentiles,
    drawn_ratios,
    draws,
    interval,
    percentile,
    poisson,
    rule_of_three,
    wilson,
)
from workbench.units import SAMPLE_RATE

COUNTED = ("wer",)
"""Ratios whose two sides are counts."""


@dataclass(frozen=True)
class Summary:
    """Scores over all sessions of a run.

    Attributes:
        scores: every key of ``docs/metrics.md``, in its order; None where there was nothing to measure.
        intervals: key → (low, high) at 95 %; a key without enough to go by is left out.
        counts: rate key → (k, n): events and chances, or events and hours (minutes) of exposure.
        notes: what a reader must know, one line each.
    """

    scores: dict[str, float | None]
    intervals: dict[str, tuple[float, float]]
    counts: dict[str, tuple[float, float]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PooledSamples:
    """Values of one :class:`Points` over sessions: value, its session's number and how often, ascending by value."""

    values: Floats
    session: Counts
    times: Counts


def pool(pairs: Sequence[Sequence[tuple[int, int]]]) -> PooledSamples:
    """Pool the (value, how often) pairs of each session."""
    rows = [(value, number, times) for number, found in enumerate(pairs) for value, times in found]
    table = np.array(sorted(rows), dtype=np.int64).reshape(-1, 3)
    return PooledSamples(table[:, 0].astype(np.float64), table[:, 1], table[:, 2])


def summarise(sessions: Sequence[SessionScores], bootstrap: bool = True, seed: int = 0) -> Summary:
    """Pool sessions into scores.

    Args:
        sessions: raw values, in any order; a session's name occurs once.
        bootstrap: whether to compute intervals. Off inside a tuning trial, where only the scores count.
        seed: of the bootstrap.

    Raises:
        WorkbenchError: no session, or one twice.
    """
    sessions = in_order(sessions)
    weights = draws(len(sessions), seed) if bootstrap else None
    scores: dict[str, float | None] = {}
    intervals: dict[str, tuple[float, float]] = {}
    counts: dict[str, tuple[float, float]] = {}
    for measure in MEASURES:
        if isinstance(measure, Points):
            pooled = pool([list(measure.pairs(session)) for session in sessions])
            scores |= point_scores(measure, pooled)
            if weights is not None:
                intervals |= _point_intervals(measure, pooled, weights)
        elif isinstance(measure, Rate):
            parts = [measure.parts(session) for session in sessions]
            above, below = sum(part[0] for part in parts), sum(part[1] for part in parts)
            scores[measure.key] = measure.value(above, below)
            if measure.kind != "ratio" or measure.key in COUNTED:
                counts[measure.key] = above, below / measure.exposure
            if weights is not None and (found := _rate_interval(measure, parts, weights)):
                intervals[measure.key] = found
        else:
            scores[measure.key] = _total(measure, sessions)
    notes = _notes(scores, counts, bootstrap)
    return Summary(scores, intervals, counts, (*_unlabelled(sessions), *notes))


def in_order(sessions: Sequence[SessionScores]) -> list[SessionScores]:
    """Sessions by name.

    Raises:
        WorkbenchError: none, or one twice.
    """
    ordered = sorted(sessions, key=lambda session: session.session)
    if not ordered:
        raise WorkbenchError("no session was scored: there is nothing to summarise")
    for a, b in pairwise(ordered):
        if a.session == b.session:
            raise WorkbenchError(f"session {a.session!r} is scored twice; give each session once")
    return ordered


def point_scores(measure: Points, pooled: PooledSamples) -> dict[str, float | None]:
    """Percentiles of pooled values, and their number."""
    scores: dict[str, float | None] = {}
    total = int(pooled.times.sum())
    ranks = pooled.values if total == len(pooled.values) else np.repeat(pooled.values, pooled.times)
    for key, percent in measure.keys.items():
        scores[key] = measure.scale(percentile(ranks, percent)) if total else None
    if measure.n_key:
        scores[measure.n_key] = total
    return scores


def _total(measure: Total, sessions: Sequence[SessionScores]) -> float:
    amount = sum(measure.value(session) for session in sessions)
    return amount if measure.scale == 1 else amount / measure.scale


def _point_intervals(measure: Points, pooled: PooledSamples, weights: Counts) -> dict[str, tuple[float, float]]:
    found = {}
    inner = {key: percent for key, percent in measure.keys.items() if 0 < percent < 100}
    for key, drawn in zip(inner, drawn_points(pooled, weights, tuple(inner.values())), strict=True):
        if span := interval(drawn, weights.shape[1]):
            low, high = sorted(measure.scale(end) for end in span)
            found[key] = low, high
    return found


def drawn_points(pooled: PooledSamples, weights: Counts, percents: Sequence[int]) -> Floats:
    """Percentiles in each bootstrap sample, shape (percents, samples)."""
    return drawn_percentiles(weights, pooled.values, pooled.session, pooled.times, percents)


def drawn_rate(measure: Rate, parts: Sequence[tuple[int, int]], weights: Counts) -> Floats:
    """The rate in each bootstrap sample."""
    table = np.array(parts, dtype=np.float64)
    above, below = (table[:, 1], table[:, 0]) if measure.inverse else (table[:, 0], table[:, 1])
    return drawn_ratios(weights, above, below) * measure.exposure


def _rate_interval(measure: Rate, parts: Sequence[tuple[int, int]], weights: Counts) -> tuple[float, float] | None:
    above, below = sum(part[0] for part in parts), sum(part[1] for part in parts)
    if not below:
        return None
    if measure.kind == "ratio" and not above:
        return None  # drawing sessions in which nothing happened shows no spread, which is not the same as none
    if measure.kind == "share":
        return wilson(above, below)
    if measure.kind == "time":
        return poisson(above, below / measure.exposure)
    return interval(drawn_rate(measure, parts, weights), weights.shape[1])


def too_few(key: str, counts: dict[str, tuple[float, float]]) -> bool:
    """Whether a rate is to be shown as its counts only: fewer than 10 chances, or 10 events in an exposure."""
    measure = BY_KEY[key]
    if not isinstance(measure, Rate) or key not in counts:
        return False
    k, n = counts[key]
    return (k if measure.kind == "time" else n) < FEW


def _unlabelled(sessions: Sequence[SessionScores]) -> list[str]:
    """What cannot be scored for want of labels, and how to label."""
    bare = [session.session for session in sessions if not session.labelled]
    if not bare:
        return []
    names = ", ".join(bare[:3]) + (", …" if len(bare) > 3 else "")
    of = f"{len(sessions)} session{'s' * (len(sessions) != 1)}"
    return [
        f"{len(bare)} of {of} without labels ({names}): answers, turns "
        f"and barge-ins cannot be scored there; 'workbench label SESSION --auto' drafts labels"
    ]


def _notes(scores: dict[str, float | None], counts: dict[str, tuple[float, float]], bootstrap: bool) -> tuple[str, ...]:
    notes = []
    sessions = int(scores["sessions_n"] or 0)
    if moved := int(scores["turns_counterfactual_n"] or 0):
        total = int(scores["turns_n"] or 0)
        notes.append(f"{moved} of {total} turns are counterfactual: the agent had already left the recording")
    if bootstrap and sessions < 2:
        notes.append("1 session: no interval over sessions")
    elif bootstrap and sessions < MIN_PAIRED:
        notes.append(f"{sessions} sessions: intervals over sessions are narrower than 95 %")
    for key, (k, n) in counts.items():
        if n and (note := _nothing_went_wrong(key, k, n)):
            notes.append(f"{key}: {note} at 95 %")
    return tuple(notes)


def _nothing_went_wrong(key: str, k: float, n: float) -> str:
    """What no event in n chances excludes; empty where there were events, or too few chances to exclude anything."""
    measure = BY_KEY[key]
    bound = rule_of_three(n)
    if isinstance(measure, Rate) and measure.kind == "time":
        return f"none in {amount(key, n)}, at most {bound:.3g} per {measure.per.removesuffix('s')}" if k == 0 else ""
    if bound >= 1 or k != (n if key in HIGHER_IS_BETTER else 0):
        return ""
    if k:
        return f"all of {amount(key, n)}, at least {_percent(1 - bound)}"
    return f"none of {amount(key, n)}, at most {_percent(bound)}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def amount(key: str, n: float) -> str:
    """What a rate was counted over, for people: ``24 holds``, ``1.50 agent hours``."""
    measure = BY_KEY[key]
    assert isinstance(measure, Rate)
    if measure.kind != "time":
        noun, _, rest = measure.per.partition(" ")
        return f"{n:.0f} {noun.removesuffix('s') if n == 1 else noun} {rest}".rstrip()
    seconds = n * measure.exposure / SAMPLE_RATE
    return f"{n:.2f} {measure.per}" if n >= 1 else f"{seconds:.1f} s of {measure.per.split()[0]} time"


def shown(summary: Summary, key: str) -> str:
    """One score for people: with its interval, or as its counts where they are few.

    >>> summary = Summary({"cutin_per_hold": 0.25}, {}, {"cutin_per_hold": (1, 4)}, ())
    >>> shown(summary, "cutin_per_hold")
    '1 of 4 holds'

    Raises:
        WorkbenchError: there is no such key.
    """
    if key not in BY_KEY:
        raise WorkbenchError(f"unknown score {key!r} (docs/metrics.md lists them)")
    value = summary.scores[key]
    if value is None:
        return "nothing to measure"
    if key in summary.counts:
        k, n = summary.counts[key]
        counted = f"{k:.0f} {'in' if _timed(key) else 'of'} {amount(key, n)}"
        if too_few(key, summary.counts):
            return counted
        return f"{_figure(key, value)} ({counted}{_span(summary, key)})"
    span = _span(summary, key).removeprefix(", ")
    return f"{_figure(key, value)} ({span})" if span else _figure(key, value)


def _timed(key: str) -> bool:
    """Whether a key counts events in an exposure."""
    measure = BY_KEY[key]
    return isinstance(measure, Rate) and measure.kind == "time"


def _span(summary: Summary, key: str) -> str:
    if key not in summary.intervals:
        return ""
    low, high = summary.intervals[key]
    return f", {_figure(key, low)} to {_figure(key, high)}"


def figure_of(key: str, value: float | None) -> str:
    """A value of a score with its unit, for people."""
    return "–" if value is None else _figure(key, value)


def _figure(key: str, value: float) -> str:
    measure = BY_KEY[key]
    if isinstance(measure, Rate):
        if measure.kind == "share" or key in ("wer", "stall_ratio"):
            return _percent(value)
        return f"{value:.1f}/{measure.per.split()[-1].removesuffix('s')}" if measure.kind == "time" else f"{value:.3f}"
    if key.endswith("_n") or not measure.unit:
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return f"{value:.0f} {measure.unit}" if measure.unit == "samples" else f"{value:.1f} {measure.unit}"
