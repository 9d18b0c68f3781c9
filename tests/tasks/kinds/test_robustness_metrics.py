"""Corruption errors against numbers that others published."""

from dataclasses import replace

import numpy as np
import pytest

from vitobench.results.published.tables import (
    ALEXNET_CLEAN_ERROR,
    alexnet_3dcc_errors,
    alexnet_errors,
    resnet50_3dcc_corruption_errors,
    resnet50_3dcc_errors,
    resnet50_corruption_errors,
)
from vitobench.tasks.corruptions import CORRUPTIONS
from vitobench.tasks.kinds.kind import Means
from vitobench.tasks.labels import Truth
from vitobench.tasks.measures import corruption_error, relative_corruption_error
from vitobench.tasks.registry import TASKS
from vitobench.tasks.task import Condition, Task

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
    values = numbers(TASKS["imagenet-c"], ALEXNET, ALEXNET_CLEAN_ERROR)
    for condition, metric in [("overall", "mce"), ("overall", "relative_mce"), *((c, "ce") for c in CORRUPTIONS)]:
        assert values[(condition, metric)] == pytest.approx(1.0, abs=1e-12)
    assert values[("overall", "top1")] == pytest.approx(1 - ALEXNET.mean())
    assert values[("noise", "top1")] == pytest.approx(1 - ALEXNET[:3].mean())
    assert values[("fog", "top1")] == pytest.approx(1 - 0.819324)
    assert values[("fog/3", "top1")] == pytest.approx(1 - 0.84378)
    assert values[("digital/5", "top1")] == pytest.approx(1 - ALEXNET[11:, 4].mean())


def test_the_task_gives_resnet50_its_published_numbers() -> None:
    errors = shares(ON_5000)[:, None] * ALEXNET
    values = numbers(TASKS["imagenet-c"], errors, 0.24)
    for name in CORRUPTIONS:
        assert values[(name, "ce")] == pytest.approx(ON_5000[name] / 100, abs=1e-9)
    assert values[("overall", "mce")] == pytest.approx(0.764, abs=5e-4)


def test_a_model_as_reference_is_measured_on_the_same_images() -> None:
    task = TASKS["micro-c"]
    width = len(task.conditions) + 1
    own, other = np.full(width, 0.7), np.full(width, 0.4)
    own[-1], other[-1] = 0.9, 0.8
    both = Means(columns(task), own[None], Means(columns(task), other[None]))
    measures = [m for m in task.kind.measures(task, Truth()) if m.needs_reference]
    values = {(m.condition, m.metric): m.compute(both)[0] for m in measures}
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


def numbers(task: Task, errors: np.ndarray, clean: float) -> dict[tuple[str, str], float]:
    """What the measures of a task make of errors (corruptions, severities)."""
    means = Means(columns(task), np.concatenate([1 - errors.ravel(), [1 - clean]])[None])
    return {(m.condition, m.metric): float(m.compute(means)[0]) for m in task.kind.measures(task, Truth())}


def columns(task: Task) -> tuple[str, ...]:
    """Names of the columns: the conditions, then the clean counterpart."""
    return (*(condition.key for condition in task.conditions), "clean counterpart")


def grid(names: list[str]) -> tuple[Condition, ...]:
    return tuple(Condition(name, severity) for name in names for severity in (1, 2, 3, 4, 5))


def test_the_shipped_errors_of_resnet50_are_those_used_here() -> None:
    assert {name: round(100 * value, 1) for name, value in resnet50_corruption_errors().items()} == ON_5000


def test_3dcc_is_normalised_by_its_own_alexnet() -> None:
    names = list(alexnet_3dcc_errors())
    task = replace(TASKS["imagenet-c"], conditions=grid(names), families={}, reference="alexnet-3dcc-5k")
    spread = np.array([-0.1, -0.05, 0.0, 0.05, 0.1])  # only the mean over severities counts
    alexnet, resnet50 = (np.array(list(t().values()))[:, None] for t in (alexnet_3dcc_errors, resnet50_3dcc_errors))
    found = numbers(task, resnet50 + spread, 0.24)
    assert found[("overall", "mce")] == pytest.approx(0.7316, abs=1e-4)
    for name, value in resnet50_3dcc_corruption_errors().items():
        assert found[(name, "ce")] == pytest.approx(value, abs=6e-4)
    assert np.isnan(found[("overall", "relative_mce")])  # AlexNet's clean error on the same images is not published
    own = numbers(task, alexnet + np.zeros(5), 0.43)
    assert all(own[key] == pytest.approx(1.0, abs=1e-12) for key in own if key[1] in ("ce", "mce"))


def test_extra_corruptions_have_an_error_and_enter_no_mean() -> None:
    errors = alexnet_errors()
    extra = tuple(name for name in errors if name not in CORRUPTIONS)
    families = TASKS["imagenet-c"].families | {"extra": extra}
    task = replace(TASKS["imagenet-c"], conditions=grid(list(errors)), families=families)
    model = np.array(list(errors.values())) * np.array([0.5] * 15 + [0.8] * 4)[:, None]
    found = numbers(task, model, 0.2)
    assert found[("overall", "mce")] == pytest.approx(0.5, abs=1e-12)
    assert found[("overall", "top1")] == pytest.approx(1 - 0.5 * ALEXNET.mean())
    assert found[("saturate", "ce")] == pytest.approx(0.8, abs=1e-12)
    assert found[("extra", "top1")] == pytest.approx(1 - model[15:].mean())


def test_severities_are_matched_by_their_number() -> None:
    conditions = tuple(Condition(name, severity) for name in ("fog", "snow") for severity in (2, 4))
    task = replace(TASKS["imagenet-c"], conditions=conditions, families={})
    table = alexnet_errors()
    found = numbers(task, np.full((2, 2), 0.4), 0.2)
    assert found[("fog", "ce")] == pytest.approx(0.8 / (table["fog"][1] + table["fog"][3]))
    # A mean over five severities says nothing of two of them.
    task = replace(task, conditions=(Condition("flash", 2), Condition("flash", 4)), reference="alexnet-3dcc-5k")
    assert np.isnan(numbers(task, np.full((1, 2), 0.4), 0.2)[("flash", "ce")])
