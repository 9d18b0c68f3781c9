import math

import numpy as np
import pytest
from scipy import stats

from vitobench.results import statistics as statistics_module
from vitobench.results.statistics import interval, resampled_means, two_sided_p, wilson


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [1, 2, 7, 50, 480, 1000, 49999])
def test_wilson_is_that_of_scipy(n: int, level: float) -> None:
    for k in sorted({0, 1, n // 3, n // 2, n - 1, n}):
        expected = stats.binomtest(k, n).proportion_ci(level, method="wilson")
        assert wilson(k, n, level) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_holds_the_proportion_and_stays_within_bounds() -> None:
    for n in range(1, 400):
        for k in (0, 1, n // 2, n - 1, n):
            low, high = wilson(k, n)
            assert 0.0 <= low <= k / n <= high <= 1.0
        assert wilson(n, n)[1] == 1.0
        assert wilson(n, n)[0] < 1.0
        assert wilson(0, n)[0] == 0.0


def test_wilson_of_nothing_is_undefined() -> None:
    assert all(math.isnan(end) for end in wilson(0, 0))


def test_bootstrap_means_have_the_mean_and_variance_of_theory() -> None:
    rng = np.random.default_rng(1)
    columns = np.column_stack([rng.random(150) < 0.8, rng.normal(2, 3, 150), np.ones(150)]).astype(float)
    replicates = resampled_means(columns, 4000)
    expected = columns.std(axis=0) / math.sqrt(len(columns))
    assert replicates.shape == (4000, 3)
    assert (np.abs(replicates.mean(axis=0) - columns.mean(axis=0)) <= 4 * expected / math.sqrt(4000) + 1e-12).all()
    np.testing.assert_allclose(replicates.std(axis=0), expected, rtol=0.05, atol=1e-12)
    # Columns of one image are drawn together.
    covariance = np.cov(columns[:, :2].T, bias=True)[0, 1] / len(columns)
    assert np.cov(replicates[:, :2].T)[0, 1] == pytest.approx(covariance, abs=0.1 * expected[0] * expected[1])


def test_the_same_number_of_images_meets_the_same_draws() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.random((60, 2)), rng.random((60, 3))
    together = resampled_means(np.hstack([a, b]), 100)
    np.testing.assert_allclose(np.hstack([resampled_means(a, 100), resampled_means(b, 100)]), together, rtol=1e-12)
    np.testing.assert_allclose(resampled_means(a - b[:, :2], 100), together[:, :2] - together[:, 2:4], atol=1e-12)
    assert not np.allclose(resampled_means(a, 100, seed=1), together[:, :2])


def test_drawing_in_pieces_gives_the_same_kind_of_draws() -> None:
    # More images than fit one piece at a time: every replicate is still a mean of all-ones weights over n.
    columns = np.column_stack([np.ones(30_000), np.arange(30_000) % 2])
    replicates = resampled_means(columns, 700)
    np.testing.assert_allclose(replicates[:, 0], 1.0, rtol=1e-12)
    assert replicates[:, 1].std() == pytest.approx(0.5 / math.sqrt(30_000), rel=0.15)
    assert len(np.unique(replicates[:, 1])) > 100


def test_a_hole_stays_in_its_column() -> None:
    columns = np.column_stack([np.arange(10.0), np.full(10, np.nan), np.ones(10)])
    replicates = resampled_means(columns, 50)
    assert np.isnan(replicates[:, 1]).all()
    np.testing.assert_array_equal(replicates[:, [0, 2]], resampled_means(columns[:, [0, 2]], 50))


def test_the_interval_agrees_with_scipys_bootstrap() -> None:
    rng = np.random.default_rng(3)
    values = rng.exponential(1.0, 120)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    ours = interval(resampled_means(values[:, None], 5000)[:, 0])
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_an_interval_of_mostly_undefined_replicates_is_undefined() -> None:
    replicates = np.linspace(0, 1, 1001)
    assert interval(replicates) == pytest.approx((0.025, 0.975))
    few = replicates.copy()
    few[500] = np.nan
    assert interval(few) == pytest.approx((0.025, 0.975), abs=1e-3)
    few[:200] = np.nan
    assert all(math.isnan(end) for end in interval(few))


def test_intervals_of_paired_differences_cover_and_the_test_keeps_its_level() -> None:
    rng = np.random.default_rng(4)
    covered = rejected = 0
    simulations, n = 200, 120
    for _ in range(simulations):
        easy = rng.random(n)  # shared difficulty makes the two models' answers go together
        a = (0.6 * easy + 0.4 * rng.random(n)) > 0.35
        b = (0.6 * easy + 0.4 * rng.random(n)) > 0.35
        draws = resampled_means(np.column_stack([a, b]), 300)
        difference = draws[:, 0] - draws[:, 1]
        low, high = interval(difference)
        covered += low <= 0.0 <= high
        rejected += two_sided_p(difference) < 0.05
    assert 0.90 <= covered / simulations <= 0.985
    assert 0.01 <= rejected / simulations <= 0.10


def test_p_values_have_bounds() -> None:
    assert two_sided_p(np.zeros(500)) == 1.0
    assert two_sided_p(np.full(99, 0.3)) == pytest.approx(2 / 100)
    assert two_sided_p(np.full(99, -0.3)) == two_sided_p(np.full(99, 0.3))
    assert math.isnan(two_sided_p(np.full(9, np.nan)))
    symmetric = np.concatenate([np.full(50, 0.1), np.full(50, -0.1)])
    assert 0.99 <= two_sided_p(symmetric) <= 1.0
    assert two_sided_p(np.concatenate([np.full(975, 1.0), np.full(25, -1.0)])) == pytest.approx(2 * 26 / 1001)


def test_no_image_gives_no_number() -> None:
    assert np.isnan(resampled_means(np.empty((0, 2)), replicates=3)).all()


def test_drawing_in_pieces_keeps_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = np.random.default_rng(0).random((50, 2))
    monkeypatch.setattr(statistics_module, "_CACHED_DRAWS", 500)
    drawn = resampled_means(columns, replicates=400, seed=1)
    assert drawn.shape == (400, 2)
    assert np.abs(drawn.mean(axis=0) - columns.mean(axis=0)).max() < 0.02
