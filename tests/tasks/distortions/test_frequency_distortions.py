from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2gray

from vitobench.tasks.distortions.spatial import (
    MEAN_GREY,
    equalise_power,
    high_pass,
    low_pass,
    mean_amplitudes,
    scramble_phases,
    with_amplitudes,
    with_shifted_phases,
)

Frames = Callable[[int, int], np.ndarray]
ROUNDING = 0.6 / 255


@pytest.mark.parametrize(
    ("size", "deviation"), [(224, 1.0), (224, 3.0), (224, 10.0), (64, 7.0), (64, 10.0), (64, 40.0)]
)
def test_filters_are_scipys_with_scaled_deviations(frames: Frames, size: int, deviation: float) -> None:
    image = frames(1, size)[0]
    grey = rgb2gray(image)
    blurred = gaussian_filter(grey, deviation * size / 224, mode="constant", cval=0.3, truncate=6)
    np.testing.assert_allclose(low_pass(image, deviation, 0.3)[:, :, 0] / 255, blurred, atol=ROUNDING)
    rest = grey - blurred
    expected = np.clip(rest - rest.mean() + 0.3, 0, 1)
    np.testing.assert_allclose(high_pass(image, deviation, 0.3)[:, :, 0] / 255, expected, atol=ROUNDING)


def test_deviations_below_a_pixel_follow_the_continuous_gaussian() -> None:
    size, cycles, deviation = 224, 56, 0.45
    wave = 0.5 + 0.4 * np.cos(2 * np.pi * cycles * np.arange(size) / size)
    image = np.repeat(np.rint(255 * np.broadcast_to(wave, (size, size))).astype(np.uint8)[:, :, None], 3, axis=2)
    passed = np.exp(-2 * (np.pi * deviation * cycles / size) ** 2)
    middle = (slice(32, -32), slice(32, -32), 0)
    low, high = low_pass(image, deviation)[middle] / 255, high_pass(image, deviation)[middle] / 255
    assert np.ptp(low) == pytest.approx(0.8 * passed, abs=0.01)
    assert np.ptp(high) == pytest.approx(0.8 * (1 - passed), abs=0.01)


def test_high_pass_has_a_common_mean_and_fades(frames: Frames) -> None:
    image = frames(1, 64)[0]
    left = [high_pass(image, deviation)[:, :, 0] / 255 for deviation in (3.0, 1.5, 1.0, 0.7, 0.55, 0.45, 0.4)]
    assert all(one.mean() == pytest.approx(MEAN_GREY, abs=0.01) for one in left)
    spread = [one.std() for one in left]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] > 0


def test_the_stated_mean_grey_is_the_micro_worlds(frames: Frames) -> None:
    # A round number from before the world was frozen, whose mean is .48: moving it would change the stimuli.
    assert rgb2gray(frames(320, 32)).mean() == pytest.approx(MEAN_GREY, abs=0.03)


@pytest.mark.parametrize("size", [64, 33])
@pytest.mark.parametrize("width", [30, 90, 180])
def test_phases_shift_uniformly_and_amplitudes_stay(size: int, width: int) -> None:
    grey = np.random.default_rng(0).random((size, size))
    before, after = np.fft.fft2(grey), np.fft.fft2(with_shifted_phases(grey, width, np.random.default_rng(1)))
    np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-9)
    shifts = np.rad2deg(np.angle(after / before))
    assert np.abs(shifts).max() <= width + 1e-6
    assert shifts[0, 0] == pytest.approx(0, abs=1e-9)
    free = shifts[1 : size // 2, 1 : size // 2].ravel()  # one of each pair, clear of what has no partner
    assert stats.kstest(free, stats.uniform(-width, 2 * width).cdf).pvalue > 1e-3
    if size % 2 == 0:
        np.testing.assert_allclose(shifts[size // 2], 0, atol=1e-6)
        np.testing.assert_allclose(shifts[:, size // 2], 0, atol=1e-6)


def test_scrambling_by_nothing_is_greyscale(frames: Frames) -> None:
    image = frames(1, 64)[0]
    found = scramble_phases(image, 0.0, np.random.default_rng(1))[:, :, 0] / 255
    np.testing.assert_allclose(found, rgb2gray(image), atol=ROUNDING)


def test_power_is_that_of_the_average_image_and_phases_stay(frames: Frames) -> None:
    images = frames(8, 64)
    spectra = np.fft.fft2(rgb2gray(images), axes=(1, 2))
    amplitudes = mean_amplitudes(images)
    np.testing.assert_allclose(amplitudes, np.abs(spectra).mean(axis=0), rtol=1e-9)
    for image, spectrum in zip(images, spectra, strict=True):
        found = np.fft.fft2(with_amplitudes(rgb2gray(image), amplitudes))
        np.testing.assert_allclose(np.abs(found), amplitudes, rtol=1e-6)
        clear = np.abs(spectrum) > 1e-6
        np.testing.assert_allclose(np.angle(found / spectrum)[clear], 0, atol=1e-6)
        assert equalise_power(image, amplitudes).mean() / 255 == pytest.approx(rgb2gray(images).mean(), abs=0.02)
