"""Corruption errors against numbers that others published."""

import numpy as np
import pytest

from vitobench.results.published.tables import ALEXNET_CLEAN_ERROR, alexnet_errors
from vitobench.tasks.corruptions import CORRUPTIONS
from vitobench.tasks.measures import corruption_measures
from vitobench.tasks.registry import TASKS
from vitobench.tasks.robustness.metrics import corruption_error, relative_corruption_error

ALEXNET = np.array([alexnet_errors()[name] for name in CORRUPTIONS])

# CE of ResNet-50 (torchvision, V1) in per cent on robustbench's 5,000 images; mCE there is 76.4.
ON_5000 = {
    "gaussian_noise": 77.7, "shot_noise": 79.8, "impulse_noise": 80.7, "defocus_blur": 74.3, "glass_blur": 88.1,
    "motion_blur": 78.6, "zoom_blur": 80.0, "snow": 78.2, "frost": 75.4, "fog": 66.2, "brightness": 57.6,
    "contrast": 71.3, "elastic_transform": 84.9, "pixelate": 76.7, "jpeg_compression": 76.1,
}  # fmt: skip

# The same on all 50,000 images: mCE 76.7 (README of hendrycks/robustness), relative mCE 105.0 (the paper's table).
ON_50000 = {
    "gaussian_noise": 79.77, "shot_noise": 81.6, "impulse_noise": 82.58, "defocus_blur": 74.71, "glass_blur": 88.61,
    "motion_blur": 78.0, "zoom_blur": 79.9, "snow": 77.8, "frost": 74.84, "fog": 66.11, "brightness": 56.64,
    "contrast": 71.43, "elastic_transform": 84.75, "pixelate": 76.9, "jpeg_compression": 76.8,
}  # fmt: skip
RESNET50_CLEAN_ERROR = 0.2385


def shares(table: dict[str, float]) -> np.ndarray:
    return np.array([table[name] for name in CORRUPTIONS]) / 100


@pytest.mark.parametrize(("table", "mean"), [(ON_5000, 0.764), (ON_50000, 0.767)])
def test_resnet50_has_its_published_mean_corruption_error(table: dict[str, float], mean: float) -> None:
    ce = corruption_error(shares(table)[:, None] * ALEXNET, ALEXNET)
    np.testing.assert_allclose(ce, shares(table), rtol=1e-12)
    assert ce.mean() == pytest.approx(mean, abs=5e-4)


def test_resnet50_has_its_published_relative_corruption_error() -> None:
    errors = shares(ON_50000)[:, None] * ALEXNET
    relative = relative_corruption_error(
        errors, np.float64(RESNET50_CLEAN_ERROR), ALEXNET, np.float64(ALEXNET_CLEAN_ERROR)
    )
    assert relative.mean() == pytest.approx(1.05, abs=3e-3)


def test_alexnet_has_exactly_100_per_cent() -> None:
    assert (corruption_error(ALEXNET, ALEXNET) == 1.0).all()
    means = np.concatenate([1 - ALEXNET.ravel(), [1 - ALEXNET_CLEAN_ERROR]])[None]
    values = {(m.condition, m.metric): m.compute(means)[0] for m in corruption_measures(TASKS["imagenet-c"])}
    for condition, metric in [("overall", "mce"), ("overall", "relative_mce"), *((c, "ce") for c in CORRUPTIONS)]:
        assert values[(condition, metric)] == pytest.approx(1.0, abs=1e-12)
    assert values[("overall", "top1")] == pytest.approx(1 - ALEXNET.mean())
    assert values[("noise", "top1")] == pytest.approx(1 - ALEXNET[:3].mean())
    assert values[("fog", "top1")] == pytest.approx(1 - 0.819324)
    assert values[("fog/3", "top1")] == pytest.approx(1 - 0.84378)
    assert values[("digital/5", "top1")] == pytest.approx(1 - ALEXNET[11:, 4].mean())


def test_the_task_gives_resnet50_its_published_numbers() -> None:
    errors = shares(ON_5000)[:, None] * ALEXNET
    means = np.concatenate([1 - errors.ravel(), [0.76]])[None]
    values = {(m.condition, m.metric): m.compute(means)[0] for m in corruption_measures(TASKS["imagenet-c"])}
    for name in CORRUPTIONS:
        assert values[(name, "ce")] == pytest.approx(ON_5000[name] / 100, abs=1e-9)
    assert values[("overall", "mce")] == pytest.approx(0.764, abs=5e-4)


def test_a_model_as_reference_stands_in_the_second_half_of_the_columns() -> None:
    task = TASKS["micro-c"]
    width = len(task.conditions) + 1
    own, other = np.full(width, 0.7), np.full(width, 0.4)
    own[-1], other[-1] = 0.9, 0.8
    values = {
        (m.condition, m.metric): m.compute(np.concatenate([own, other])[None])[0]
        for m in corruption_measures(task)
        if m.needs_reference
    }
    assert values[("overall", "mce")] == pytest.approx(0.3 / 0.6)
    assert values[("snow", "ce")] == pytest.approx(0.3 / 0.6)
    assert values[("overall", "relative_mce")] == pytest.approx((0.3 - 0.1) / (0.6 - 0.2))


def test_relative_errors_by_hand() -> None:
    errors = np.array([[[0.4, 0.6], [0.2, 0.2]]])
    reference = np.array([[[0.5, 0.9], [0.3, 0.5]]])
    found = relative_corruption_error(errors, np.array([0.2]), reference, np.array([0.3]))
    np.testing.assert_allclose(found, [[(0.2 + 0.4) / (0.2 + 0.6), 0.0]])


def test_ratios_without_a_base_are_undefined() -> None:
    zeros, ones = np.zeros((1, 2, 2)), np.ones((1, 2, 2))
    assert np.isnan(corruption_error(ones, zeros)).all()
    assert np.isnan(corruption_error(zeros, zeros)).all()
    assert np.isnan(relative_corruption_error(ones, np.array([0.1]), ones, np.array([1.0]))).all()
    hole = np.array([[[np.nan, 0.5], [0.5, 0.5]]])
    found = corruption_error(hole, ones)
    assert np.isnan(found[0, 0])
    assert found[0, 1] == 0.5
