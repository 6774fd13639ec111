"""Quantiles that intervals need, for whole numbers: loading scipy's takes 0.3 s, longer than scoring does."""

import math
from collections.abc import Callable
from functools import cache
from statistics import NormalDist

import numpy as np

normal_share = NormalDist().cdf
"""Share of the normal distribution below a value."""


@cache
def poisson_mean(k: int, share: float) -> float:
    """Mean of the Poisson distribution of which ``share`` lies at k or below.

    >>> round(poisson_mean(0, 0.025), 6), round(poisson_mean(10, 0.025), 6)
    (3.688879, 18.390356)
    """
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, k + 1)))])
    counts = np.arange(k + 1)

    def below(mean: float) -> float:
        return float(np.exp(counts * math.log(mean) - mean - log_factorials).sum())

    # The mean lies within 40 standard deviations of k, whatever share a double can tell from 0 and 1.
    return _root(lambda mean: below(mean) - share, 1e-300, k + 800 + 40 * math.sqrt(k))


@cache
def student_tail(degrees: int, share: float) -> float:
    """Value of Student's distribution above which ``share`` lies (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).

    >>> round(student_tail(1, 0.025), 6), round(student_tail(10, 0.025), 6)
    (12.706205, 2.228139)
    """

    def within(angle: float) -> float:
        """Share between -t and t, where t is the tangent of the angle times sqrt(degrees)."""
        odd, cosine = degrees % 2, math.cos(angle)
        term, total = cosine if odd else 1.0, 0.0
        for power in range(odd, degrees - 1, 2):
            total += term
            term *= cosine * cosine * (power + 1) / (power + 2)
        return (angle + math.sin(angle) * total) * 2 / math.pi if odd else math.sin(angle) * total

    angle = _root(lambda angle: 1 - 2 * share - within(angle), 0.0, math.pi / 2)
    return math.tan(angle) * math.sqrt(degrees)


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function is zero, to the last bit: halved until nothing lies between."""
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return middle
