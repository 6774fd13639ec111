"""Statistics: percentiles, intervals, and how much evidence is enough.

Conventions:
    Everything is at 95 %, two-sided, unless a name says otherwise. Sessions are the unit of chance: turns of one
    session share a room, a microphone and a person, so a bootstrap draws sessions, never turns.

Percentiles:
    Nearest rank: the smallest measured value that at least p % of the values do not exceed. It is always a value that
    was measured, and with fewer than 20 values ``p95`` is the largest of them.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from workbench.arrays import Floats
from workbench.metrics.quantiles import normal_share, poisson_mean, student_tail

Counts = npt.NDArray[np.int64]

Z = 1.959963984540054
"""97.5 % point of the normal distribution."""

FEW = 10
"""A rate over fewer events than this is shown as its counts only."""

DRAWS = 2000
"""Bootstrap samples."""

MIN_PAIRED = 6
"""Fewer pairs cannot show a difference at 95 %: were there none, all would still agree in sign with a chance of
2 / 2**n, which is 6.25 % for five pairs."""

_ALL_SWAPS = 12
"""Up to this many sessions all changes of places are looked at: 2**11 of them."""


def percentile(ordered: Sequence[float] | npt.NDArray[np.generic], percent: int) -> float:
    """Nearest-rank percentile of ascending values.

    >>> percentile([1, 2, 3, 4], 50), percentile([1, 2, 3, 4], 51)
    (2.0, 3.0)
    """
    return float(ordered[max(0, -(-len(ordered) * percent // 100) - 1)])


def wilson(k: int, n: int) -> tuple[float, float]:
    """Wilson's score interval for k of n (Wilson 1927).

    >>> [round(x, 4) for x in wilson(1, 10)]
    [0.0179, 0.4042]
    """
    p, z2 = k / n, Z * Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return (0.0 if k == 0 else centre - half), (1.0 if k == n else centre + half)


def poisson(k: int, exposure: float) -> tuple[float, float]:
    """Garwood's exact interval for a rate: k events in ``exposure`` (Garwood 1936)."""
    low = poisson_mean(k - 1, 0.975) if k else 0.0
    return low / exposure, poisson_mean(k, 0.025) / exposure


def rule_of_three(n: float) -> float:
    """Upper bound at 95 % (one-sided) of a rate with no event in n trials, or in an exposure of n.

    >>> rule_of_three(30)
    0.1
    """
    return 3 / n


def upper_share(k: int, n: int) -> float:
    """The bound that a share is certified by: rule of three for none of n, else Wilson's upper end."""
    return min(1.0, rule_of_three(n)) if k == 0 else wilson(k, n)[1]


def upper_rate(k: int, exposure: float) -> float:
    """The bound that a rate in time is certified by: rule of three for no event, else Garwood's upper end."""
    return rule_of_three(exposure) if k == 0 else poisson(k, exposure)[1]


def trials_to_certify(k: int, n: int, limit: float) -> int | None:
    """Trials needed in all until :func:`upper_share` is within ``limit``, if k of n goes on as it is.

    Returns:
        None where the share itself is not below the limit: more of the same will not help.

    >>> trials_to_certify(0, 12, 0.05), trials_to_certify(1, 10, 0.05)
    (60, None)
    """
    if k == 0:
        return max(n, math.ceil(3 / limit)) if limit > 0 else None
    p = k / n
    if p >= limit:
        return None

    def bound(trials: int) -> float:
        z2 = Z * Z
        half = Z * math.sqrt(p * (1 - p) / trials + z2 / (4 * trials * trials))
        return (p + z2 / (2 * trials) + half) / (1 + z2 / trials)

    return _first(lambda trials: bound(trials) <= limit, n)


def exposure_to_certify(k: int, exposure: float, limit: float) -> float | None:
    """Exposure needed in all until :func:`upper_rate` is within ``limit``, if events go on as they do.

    >>> exposure_to_certify(0, 0.5, 2.0), exposure_to_certify(4, 1.0, 3.0)
    (1.5, None)
    """
    if k == 0:
        return max(exposure, 3 / limit) if limit > 0 else None
    if k / exposure >= limit:
        return None
    from scipy.special import gammaincinv

    def enough(percent: int) -> bool:
        grown = percent / 100
        return float(gammaincinv(k * grown + 1, 0.975)) / (exposure * grown) <= limit

    return exposure * _first(enough, 100) / 100


def _first(good: Callable[[int], bool], start: int) -> int:
    """Least integer from ``start`` on for which ``good`` holds; it holds from some point on."""
    if good(start):
        return start
    bad, step = start, 1
    while not good(bad + step):
        bad, step = bad + step, step * 2
    low, high = bad, bad + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return high


def draws(sessions: int, seed: int, samples: int = DRAWS) -> Counts:
    """How often each session is drawn in each bootstrap sample, shape (samples, sessions)."""
    generator = np.random.default_rng(seed)
    picked = generator.integers(0, sessions, size=(samples, sessions))
    flat = picked + sessions * np.arange(samples)[:, None]
    counts: Counts = np.bincount(flat.ravel(), minlength=samples * sessions).reshape(samples, sessions)
    return counts.astype(np.int64)


def swaps(sessions: int, seed: int) -> Counts:
    """In which sessions the two sides of a comparison change places: 0 or 1, shape (changes, sessions).

    The first change is none. Up to 12 sessions it is all there are, without those that are another's opposite (the
    same difference with the other sign); of more sessions as many at random as the bootstrap has samples.
    """
    if sessions <= _ALL_SWAPS:
        return (np.arange(1 << (sessions - 1))[:, None] >> np.arange(sessions)) & 1
    drawn: Counts = np.random.default_rng(seed).integers(0, 2, size=(DRAWS, sessions))
    drawn[0] = 0
    return drawn


def as_far(changed: Floats) -> float:
    """Share of changes whose statistic is as far from 0 as the first: the p value, two-sided.

    A change that leaves nothing to measure counts as far.

    >>> as_far(np.array([3.0, 1.0, -3.0, 2.0]))
    0.5
    """
    distance = np.abs(changed)
    # Sums in another order are not the same to the last bit.
    return float(np.mean(~(distance < distance[0] * (1 - 1e-9))))


def drawn_ratios(weights: Counts, above: Floats, below: Floats) -> Floats:
    """Pooled ratio in each bootstrap sample; NaN where the denominator is 0.

    Args:
        weights: from :func:`draws`.
        above, below: numerator and denominator of each session, shape (sessions,).
    """
    denominator = weights @ below
    ratios: Floats = np.full(len(weights), np.nan)
    np.divide(weights @ above, denominator, out=ratios, where=denominator != 0)
    return ratios


def drawn_percentiles(
    weights: Counts, values: Floats, session: Counts, times: Counts, percents: Sequence[int]
) -> Floats:
    """Pooled nearest-rank percentiles in each bootstrap sample; NaN where no value was drawn.

    Args:
        weights: from :func:`draws`.
        values: ascending, shape (n,).
        session: which session each value is of.
        times: how often each value was measured there.
        percents: each 0 to 100; 0 is the least value.

    Returns:
        Shape (percents, samples).
    """
    out: Floats = np.full((len(percents), len(weights)), np.nan)
    if not len(values):
        return out
    # How many of each session's values are up to each value, shape (n, sessions): a sample's rank there is their sum.
    below: Counts = np.zeros((len(values), weights.shape[1]), np.int64)
    below[np.arange(len(values)), session] = times
    below = np.cumsum(below, axis=0)
    total = weights @ below[-1]
    for number, percent in enumerate(percents):
        wanted = np.maximum(1, -(-total * percent // 100))
        low: Counts = np.zeros(len(weights), np.int64)
        high: Counts = np.full(len(weights), len(values) - 1)
        for _ in range(len(values).bit_length()):  # halved until one is left: the first of the wanted rank
            middle = (low + high) // 2
            enough = np.einsum("ij,ij->i", weights, below[middle]) >= wanted
            low, high = np.where(enough, low, np.minimum(middle + 1, high)), np.where(enough, middle, high)
        out[number] = np.where(total > 0, values[high], np.nan)
    return out


def interval(drawn: Floats, sessions: int) -> tuple[float, float] | None:
    """Expanded percentile interval of a bootstrap over ``sessions`` (Hesterberg 2015, section 5.3).

    The plain percentile interval is too narrow for few sessions; reading it at Student's quantile, widened by
    sqrt(n / (n - 1)), puts that right as far as the draws reach.

    Returns:
        None for fewer than two sessions, or where no sample had anything to measure.
    """
    drawn = drawn[~np.isnan(drawn)]
    if sessions < 2 or not len(drawn):
        return None
    tail = normal_share(-math.sqrt(sessions / (sessions - 1)) * student_tail(sessions - 1, 0.025))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)
