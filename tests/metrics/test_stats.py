import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from workbench.metrics import stats


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=60), st.integers(1, 100))
def test_percentiles_are_nearest_rank(values, percent):
    ordered = sorted(values)
    found = stats.percentile(ordered, percent)
    assert found == np.percentile(ordered, percent, method="inverted_cdf")
    assert found in values


@pytest.mark.parametrize(("k", "n"), [(0, 7), (1, 10), (5, 10), (10, 10), (37, 1000)])
def test_wilson_is_scipys(k, n):
    expected = scipy_stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert stats.wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("k", "exposure"), [(0, 1.0), (1, 0.025), (10, 3.0)])
def test_poisson_interval_leaves_2_5_percent_on_each_side(k, exposure):
    low, high = stats.poisson(k, exposure)
    assert scipy_stats.poisson.cdf(k, high * exposure) == pytest.approx(0.025)
    if k:
        assert scipy_stats.poisson.sf(k - 1, low * exposure) == pytest.approx(0.025)
    else:
        assert low == 0.0


@pytest.mark.parametrize(("k", "n", "limit"), [(0, 5, 0.05), (1, 40, 0.05), (3, 60, 0.10), (49, 1000, 0.05)])
def test_trials_to_certify_is_the_least_number(k, n, limit):
    trials = stats.trials_to_certify(k, n, limit)

    def bound(m):
        if k == 0:
            return 3 / m
        p, z2 = k / n, stats.Z**2
        return (p + z2 / (2 * m) + stats.Z * np.sqrt(p * (1 - p) / m + z2 / (4 * m * m))) / (1 + z2 / m)

    assert bound(trials) <= limit < bound(trials - 1)
    assert stats.trials_to_certify(k, 10 * trials, limit) <= 10 * trials


def test_more_of_the_same_does_not_certify_what_is_over_budget():
    assert stats.trials_to_certify(1, 10, 0.05) is None
    assert stats.trials_to_certify(0, 10, 0) is None
    assert stats.exposure_to_certify(3, 1.0, 3.0) is None
    assert stats.exposure_to_certify(0, 1.0, 0) is None


def test_exposure_to_certify():
    needed = stats.exposure_to_certify(2, 1.0, 4.0)
    assert scipy_stats.poisson.cdf(2 * needed, 4.0 * needed) < 0.05
    assert scipy_stats.chi2.ppf(0.975, 2 * (2 * needed + 1)) / 2 / needed <= 4.0
    assert scipy_stats.chi2.ppf(0.975, 2 * (2 * (needed - 0.02) + 1)) / 2 / (needed - 0.02) > 4.0
    assert stats.exposure_to_certify(1, 100.0, 4.0) == 100.0


def test_draws_are_seeded_and_keep_the_number_of_sessions():
    a, b, c = stats.draws(7, 0), stats.draws(7, 0), stats.draws(7, 1)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert set(a.sum(axis=1).tolist()) == {7}
    assert abs(a.mean() - 1) < 1e-12


def test_drawn_percentiles_equal_pooling_each_draw():
    generator = np.random.default_rng(3)
    values = np.sort(generator.integers(0, 50, 40)).astype(float)
    session, times = generator.integers(0, 5, 40), generator.integers(1, 4, 40)
    weights = stats.draws(5, 0, 200)
    percents = (5, 50, 95, 99)
    for percent, found in zip(
        percents, stats.drawn_percentiles(weights, values, session, times, percents), strict=True
    ):
        for row, value in zip(weights, found, strict=True):
            pooled = np.repeat(values, row[session] * times)
            if len(pooled):
                assert value == stats.percentile(pooled, percent)
            else:
                assert np.isnan(value)


def test_interval_widens_for_few_sessions():
    drawn = np.random.default_rng(0).normal(size=20_000)
    many = stats.interval(drawn, 1000)
    assert many == pytest.approx((-1.96, 1.96), abs=0.08)
    low, high = stats.interval(drawn, 6)
    assert (low, high) == pytest.approx((-2.81, 2.81), abs=0.25)  # sqrt(6 / 5) * t(0.975, 5)
    assert stats.interval(drawn, 1) is None
    assert stats.interval(np.full(9, np.nan), 5) is None


def test_the_interval_covers_nine_in_ten_means_of_eight():
    generator = np.random.default_rng(1)
    weights = stats.draws(8, 0, 500)
    covered = 0
    for _ in range(200):
        values = generator.exponential(size=8)
        low, high = stats.interval(stats.drawn_ratios(weights, values, np.ones(8)), 8)
        covered += low <= 1 <= high
    assert covered >= 180


def test_every_sign_flip_is_looked_at_once():
    changes = stats.swaps(6, 0)
    assert changes.shape == (32, 6)
    assert not changes[0].any()
    both = {tuple(row) for row in changes.tolist()} | {tuple(row) for row in (1 - changes).tolist()}
    assert len(both) == 64


def test_for_many_sessions_sign_flips_are_drawn_at_random():
    changes = stats.swaps(20, 0)
    assert changes.shape == (stats.DRAWS, 20)
    assert not changes[0].any()
    assert changes[1:].mean() == pytest.approx(0.5, abs=0.01)
    assert np.array_equal(changes, stats.swaps(20, 0))
    assert not np.array_equal(changes, stats.swaps(20, 1))


def test_equal_differences_give_the_sign_test():
    """Then as far as n equal signs are only n equal signs: 2 of 2**n."""
    for sessions in (5, 6, 9, 12):
        changed = (1 - 2 * stats.swaps(sessions, 0)) @ np.full(sessions, 0.1)
        assert stats.as_far(changed) == scipy_stats.binomtest(sessions, sessions).pvalue == 2 / 2**sessions


def test_share_of_changes_is_scipys_permutation_test():
    found = np.random.default_rng(4).normal(0.4, 1, 9)
    expected = scipy_stats.permutation_test(
        (found, np.zeros(9)), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert stats.as_far((1 - 2 * stats.swaps(9, 0)) @ found) == pytest.approx(expected.pvalue)


def test_no_difference_is_as_far_as_all():
    assert stats.as_far(np.zeros(8)) == 1
