"""Quantiles of our own equal scipy's."""

import pytest
from scipy import special

from workbench.metrics.quantiles import normal_share, poisson_mean, student_tail


@pytest.mark.parametrize("k", [0, 1, 2, 7, 40, 300, 20_000])
def test_the_mean_of_a_poisson_count_is_scipys(k):
    for share in (0.025, 0.5, 0.975):
        assert poisson_mean(k, share) == pytest.approx(special.gammaincinv(k + 1, 1 - share), rel=1e-9)


@pytest.mark.parametrize("degrees", [*range(1, 31), 99, 1000])
def test_students_tail_is_scipys(degrees):
    for share in (0.001, 0.025, 0.3):
        assert student_tail(degrees, share) == pytest.approx(-special.stdtrit(degrees, share), rel=1e-11)


def test_the_normal_share_is_scipys():
    for value in (-6.0, -2.2, 0.0, 1.0):
        assert normal_share(value) == pytest.approx(special.ndtr(value), abs=1e-15)
