"""The numbers that come with the package, against the means that their sources give."""

import pytest

from vitobench.results.published.tables import ALEXNET_CLEAN_ERROR, alexnet_errors
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
}


def test_alexnets_errors_have_the_published_means() -> None:
    errors = alexnet_errors()
    assert set(errors) == set(CORRUPTIONS) == set(ALEXNET_MEANS)
    for name, values in errors.items():
        assert len(values) == 5
        assert sum(values) / 5 == pytest.approx(ALEXNET_MEANS[name], abs=1e-6)


def test_alexnet_errs_more_on_every_corruption_than_on_clean_images() -> None:
    assert pytest.approx(1 - 0.5652) == ALEXNET_CLEAN_ERROR
    assert all(value > ALEXNET_CLEAN_ERROR for values in alexnet_errors().values() for value in values)
