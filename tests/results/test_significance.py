"""Tests against scipy's and statsmodels' own."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_theirs
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from vitobench.results.statistics import (
    EXACT_UP_TO,
    TESTS,
    arms,
    error_towards_zero,
    holm,
    interval,
    mcnemar,
    minimum_detectable,
    standard_error,
    t_test,
)


def tables() -> Iterator[tuple[int, int]]:
    for total in (1, 2, 7, 24, EXACT_UP_TO):
        yield from ((k, total - k) for k in range(0, total + 1, max(1, total // 5)))


@pytest.mark.parametrize(("only_a", "only_b"), list(tables()))
def test_few_discordant_images_are_tested_exactly(only_a: int, only_b: int) -> None:
    p, test = mcnemar(only_a, only_b)
    assert test == "mcnemar-exact"
    assert p == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue, rel=1e-12)
    assert p == pytest.approx(mcnemar_theirs([[9, only_a], [only_b, 9]], exact=True).pvalue, rel=1e-12)


@pytest.mark.parametrize(("only_a", "only_b"), [(20, 20), (10, 30), (30, 10), (200, 260), (4000, 3800), (5, 900)])
def test_many_are_tested_by_the_mid_p(only_a: int, only_b: int) -> None:
    p, test = mcnemar(only_a, only_b)
    assert test == "mcnemar-mid-p"
    n, fewer = only_a + only_b, min(only_a, only_b)
    exact = 2 * stats.binom.cdf(fewer, n, 0.5)
    assert p == pytest.approx(exact - stats.binom.pmf(fewer, n, 0.5), rel=1e-9)
    # Between the exact test and the chi-squared one without correction, for whose small samples it was made.
    assert p <= mcnemar_theirs([[9, only_a], [only_b, 9]], exact=True).pvalue
    if n > 300 and p > 1e-6:
        assert p == pytest.approx(
            mcnemar_theirs([[9, only_a], [only_b, 9]], exact=False, correction=False).pvalue, rel=0.01
        )


def test_no_discordant_image_tells_nothing() -> None:
    assert mcnemar(0, 0) == (1.0, "mcnemar-exact")
    assert set(TESTS) >= {mcnemar(0, 0)[1], mcnemar(50, 50)[1]}


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_statsmodels(seed: int) -> None:
    p = np.random.default_rng(seed).random(20) ** 3
    p[3] = p[7]
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)


def test_holm_passes_over_what_was_not_compared() -> None:
    assert holm([]) == []
    found = holm([0.01, math.nan, 0.04])
    assert found[0] == pytest.approx(0.02)
    assert math.isnan(found[1])
    assert found[2] == pytest.approx(0.04)


def test_the_t_test_is_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.3, 1, 40), rng.normal(0, 1, 40)
    error = (a - b).std(ddof=1) / math.sqrt(40)
    assert t_test(float((a - b).mean()), error, 39) == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-10)


def test_the_ends_of_the_t_test() -> None:
    assert t_test(0.0, 0.0, 10) == 1.0
    assert t_test(0.2, 0.0, 10) == pytest.approx(stats.binomtest(11, 11).pvalue)  # eleven equal signs
    assert t_test(0.2, 0.1, 0) == 1.0
    assert 0.0 <= t_test(1.0, 0.0, 50_000) < 1e-200
    assert math.isnan(t_test(0.1, math.nan, 10))


def test_what_is_detectable_is_statsmodels() -> None:
    for n in (20, 200, 5000):
        theirs = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
        assert minimum_detectable(1 / math.sqrt(n), n - 1) == pytest.approx(theirs, rel=0.01)
    assert minimum_detectable(1.0) == pytest.approx(stats.norm.isf(0.025) + stats.norm.ppf(0.8))
    assert math.isnan(minimum_detectable(0.0))
    assert math.isnan(minimum_detectable(math.nan))


def test_errors_of_symmetric_draws_are_their_standard_deviation() -> None:
    draws = np.random.default_rng(1).normal(0.5, 0.1, 20_000)
    for error in (*arms(0.5, draws), error_towards_zero(0.5, draws), standard_error(draws)):
        assert error == pytest.approx(0.1, rel=0.03)
    assert standard_error(np.full(100, 0.1 + 0.2)) == 0.0
    assert math.isnan(standard_error(np.full(100, np.nan)))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_long_tail_away_from_zero_does_not_hide_a_difference(sign: int) -> None:
    draws = sign * (1.0 + np.random.default_rng(2).lognormal(0, 1.5, 4000))
    difference = float(np.median(draws))
    low, high = interval(draws)
    assert low > 0 or high < 0
    assert t_test(difference, error_towards_zero(difference, draws), 500) < 0.05
    # The standard deviation says otherwise, since it is that of the other side.
    assert t_test(difference, standard_error(draws), 500) > 0.05


def test_the_p_value_crosses_its_level_where_the_interval_meets_zero() -> None:
    draws = np.random.default_rng(3).gamma(2.0, 1.0, 5000)
    low, _ = interval(draws)
    for shift, under in ((-low + 0.01, True), (-low - 0.01, False)):
        moved = draws + shift
        difference = float(moved.mean())
        assert (t_test(difference, error_towards_zero(difference, moved), 1e6) < 0.05) is under
