"""The two components of variance against scipy's Welch test and against simulated designs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from vitobench.results.statistics import Component, interaction, over_both, over_runs, satterthwaite, t_interval


def test_the_interval_over_runs_is_welchs() -> None:
    rng = np.random.default_rng(0)
    for sizes in ((3, 3), (2, 5), (10, 4)):
        a, b = rng.normal(0.8, 0.02, sizes[0]), rng.normal(0.75, 0.05, sizes[1])
        theirs = stats.ttest_ind(a, b, equal_var=False)
        component = over_runs([(1, a), (-1, b)])
        assert component.df == pytest.approx(theirs.df)
        ends = theirs.confidence_interval()
        assert t_interval(float(a.mean() - b.mean()), component) == pytest.approx((ends.low, ends.high))


def test_a_single_run_is_a_fixed_checkpoint() -> None:
    a = np.array([0.8, 0.82, 0.78])
    theirs = stats.ttest_1samp(a, 0.7)
    ends = theirs.confidence_interval()
    found = t_interval(float(a.mean() - 0.7), over_runs([(1, a), (-1, np.array([0.7]))]))
    assert found == pytest.approx((ends.low - 0.7, ends.high - 0.7))
    nobody = over_runs([(1, a[:1]), (-1, a[:1])])
    assert math.isnan(nobody.variance)
    assert all(math.isnan(end) for end in t_interval(0.1, nobody))
    images = Component(0.01, 99)
    assert over_both(images, nobody, 0.0) == images


def test_the_components_of_a_crossed_design_add_up() -> None:
    # Value of run r on image i: run + image + interaction. The variance of the mean is known in closed form.
    rng = np.random.default_rng(1)
    of_run, of_image, of_both, runs, n = 0.3, 1.0, 2.0, 4, 50
    means, totals = [], []
    for _ in range(1500):
        values = of_run * rng.standard_normal((runs, 1)) + of_image * rng.standard_normal(n)
        values = values + of_both * rng.standard_normal((runs, n))
        draws = values[:, rng.integers(n, size=(100, n))].mean(axis=2)
        images = Component(float(draws.mean(axis=0).var(ddof=1)), n - 1)
        by_run = over_runs([(1, values.mean(axis=1))])
        shared = interaction([(1, draws)])
        means.append(values.mean())
        totals.append(images.variance + by_run.variance - shared)
    expected = of_run**2 / runs + of_image**2 / n + of_both**2 / (runs * n)
    assert np.var(means) == pytest.approx(expected, rel=0.1)
    assert np.mean(totals) == pytest.approx(expected, rel=0.05)


def test_the_total_is_never_under_a_part() -> None:
    assert over_both(Component(0.04, 50), Component(0.01, 2), 0.04).variance == 0.04
    assert over_both(Component(0.01, 50), Component(0.04, 2), 0.04).variance == 0.04


def test_degrees_of_freedom() -> None:
    assert satterthwaite([(1.0, 5), (0.0, 100)]) == 5
    assert satterthwaite([(1.0, 5), (1.0, 5)]) == pytest.approx(10)
    assert satterthwaite([(0.0, 2), (0.0, 3)]) == 5


def test_weights_of_a_contrast_enter_squared() -> None:
    rng = np.random.default_rng(2)
    cells = [rng.normal(0.8, 0.02, 3) for _ in range(4)]
    weights = (0.5, 0.5, -0.5, -0.5)
    found = over_runs(list(zip(weights, cells, strict=True)))
    parts = [np.var(cell, ddof=1) / 3 / 4 for cell in cells]
    assert found.variance == pytest.approx(sum(parts))
    assert found.df == pytest.approx(sum(parts) ** 2 / sum(part**2 / 2 for part in parts))
    draws = rng.normal(size=(3, 200))
    assert interaction([(2.0, draws)]) == pytest.approx(4 * interaction([(1.0, draws)]))
    assert interaction([(1.0, draws[:1])]) == 0.0
