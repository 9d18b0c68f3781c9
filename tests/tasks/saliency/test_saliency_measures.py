"""Agreement of maps against scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, jaccard_score

from vitobench.errors import VitobenchError
from vitobench.tasks.saliency.agreement import centred_gaussian, overlap, spearman, split_half_ceiling, top_pixels


def pairs(n: int = 6, side: int = 40, levels: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Related maps with many ties, as JPEG's 8 bits give them."""
    rng = np.random.default_rng(0)
    a = rng.integers(levels, size=(n, side, side)).astype(np.float32)
    return a, a + rng.integers(levels, size=a.shape).astype(np.float32)


def test_spearman_is_scipy_s_with_ties_averaged() -> None:
    a, b = pairs()
    theirs = [spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]
    assert spearman(a, b) == pytest.approx(theirs, abs=1e-12)
    assert spearman(a, np.exp(a)) == pytest.approx(1)


def test_dice_and_iou_are_scikit_learn_s() -> None:
    rng = np.random.default_rng(1)
    a = rng.random((5, 30, 30), dtype=np.float32)
    b = a + rng.random(a.shape, dtype=np.float32)
    dice, iou = overlap(top_pixels(a), top_pixels(b))
    for k in range(5):
        sets = [x[k].ravel() > np.percentile(x[k], 90) for x in (a, b)]
        assert [int(s.sum()) for s in sets] == [90, 90]
        assert dice[k] == pytest.approx(f1_score(*sets), abs=1e-9)
        assert iou[k] == pytest.approx(jaccard_score(*sets), abs=1e-9)


def test_a_share_for_each_map_takes_that_many_pixels() -> None:
    maps = np.random.default_rng(2).random((3, 20, 20), dtype=np.float32)
    assert top_pixels(maps, np.array([0.05, 0.5, 1.0])).sum(axis=(1, 2)).tolist() == [20, 200, 399]


def test_constant_and_infinite_maps_are_undefined_not_zero() -> None:
    a, b = pairs(3)
    a[1], a[2, 0, 0] = 7, np.inf
    assert np.isfinite(spearman(a, b)).tolist() == [True, False, False]
    assert np.isnan(spearman(b, a)[1:]).all()
    dice, iou = overlap(top_pixels(a[:2]), top_pixels(b[:2]))
    assert np.isfinite(dice).tolist() == np.isfinite(iou).tolist() == [True, False]
    # Half of the pixels share the largest value: none is above the 90th percentile.
    flat = np.zeros((1, 10, 10), np.float32)
    flat[0, :5] = 1
    assert np.isnan(overlap(top_pixels(flat), top_pixels(b[:1, :10, :10]))[0]).all()


def test_maps_of_different_shapes_are_refused() -> None:
    a, b = pairs()
    with pytest.raises(VitobenchError, match="cannot be compared"):
        spearman(a, b[:, :-1])


def test_the_split_half_ceiling_recovers_the_reliability_of_the_whole() -> None:
    # Gaussian truth and noise: halves correlate r = 1 / 2, their mean with another such mean 2r / (1 + r) = 2 / 3.
    rng = np.random.default_rng(3)
    truth = rng.standard_normal((20, 80, 80))
    halves = [truth + rng.standard_normal(truth.shape) for _ in range(4)]
    whole = spearman(halves[0] + halves[1], halves[2] + halves[3]).mean()
    assert split_half_ceiling(halves[0], halves[1]) == pytest.approx(whole, abs=0.02)
    assert np.isnan(split_half_ceiling(np.ones((2, 5, 5)), np.ones((2, 5, 5))))


def test_the_middle_is_ranked_by_distance_alone() -> None:
    map_ = centred_gaussian(9)
    y, x = np.mgrid[:9, :9] - 4.0
    assert spearman(map_[None], -(x**2 + y**2)[None]) == pytest.approx(1)
