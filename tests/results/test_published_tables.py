"""The numbers that come with the package, against the means that their sources give."""

import pytest

from vitobench.results.published.tables import (
    ALEXNET_CLEAN_ERROR,
    alexnet_3dcc_errors,
    alexnet_errors,
    published_reference,
    resnet50_3dcc_corruption_errors,
    resnet50_3dcc_errors,
    resnet50_corruption_errors,
)
from vitobench.tasks.corruptions import CORRUPTIONS

# Means over severities as hendrycks/robustness prints them.
ALEXNET_MEANS = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
    "speckle_noise": 0.845388,
    "gaussian_blur": 0.787108,
    "spatter": 0.717512,
    "saturate": 0.658248,
}
EXTRA = {"speckle_noise", "gaussian_blur", "spatter", "saturate"}


def test_alexnets_errors_have_the_published_means() -> None:
    errors = alexnet_errors()
    assert set(errors) == {*CORRUPTIONS, *EXTRA} == set(ALEXNET_MEANS)
    for name, values in errors.items():
        assert len(values) == 5
        assert sum(values) / 5 == pytest.approx(ALEXNET_MEANS[name], abs=1e-6)


def test_alexnet_errs_more_on_every_corruption_than_on_clean_images() -> None:
    assert pytest.approx(1 - 0.5652) == ALEXNET_CLEAN_ERROR
    assert all(value > ALEXNET_CLEAN_ERROR for values in alexnet_errors().values() for value in values)


def test_resnet50s_corruption_errors_have_the_published_mean() -> None:
    found = resnet50_corruption_errors()
    assert set(found) == set(CORRUPTIONS)
    assert sum(found.values()) / 15 == pytest.approx(0.7638, abs=2e-4)


def test_the_rows_of_3dcc_agree_with_each_other_and_with_the_published_means() -> None:
    alexnet, resnet50, ce = alexnet_3dcc_errors(), resnet50_3dcc_errors(), resnet50_3dcc_corruption_errors()
    assert len(alexnet) == 12
    assert set(alexnet) == set(resnet50) == set(ce)
    assert sum(alexnet.values()) / 12 == pytest.approx(0.7153, abs=1e-4)
    assert sum(resnet50.values()) / 12 == pytest.approx(0.5288, abs=1e-4)
    assert sum(ce.values()) / 12 == pytest.approx(0.7316, abs=3e-4)
    for name, value in ce.items():
        assert resnet50[name] / alexnet[name] == pytest.approx(value, abs=6e-4)


def test_references_are_found_by_name_and_say_where_they_are_from() -> None:
    for name in ("alexnet", "alexnet-3dcc-5k"):
        table = published_reference(name)
        assert table is not None
        assert table.name == name
        assert table.source
        assert table.licence in ("Apache-2.0", "MIT")
        assert all(0 < value < 1 for values in table.errors.values() for value in values)
    assert published_reference("supervised") is None
    assert published_reference(None) is None
