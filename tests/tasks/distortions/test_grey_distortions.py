from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from skimage.color import rgb2gray, rgb2xyz

from vitobench.tasks.distortions.tone import (
    false_colour,
    greyscale,
    low_contrast,
    rotated,
    uniform_noise,
    without_colour,
)

Frames = Callable[[int, int], np.ndarray]


def test_greyscale_is_scikit_images(frames: Frames) -> None:
    for image in frames(4, 64):
        np.testing.assert_allclose(greyscale(image), rgb2gray(image), atol=1e-12)
        grey = without_colour(image)
        assert grey.dtype == np.uint8
        assert (grey == grey[:, :, :1]).all()
        assert np.abs(grey[:, :, 0] / 255 - rgb2gray(image)).max() <= 0.5 / 255 + 1e-12


@pytest.mark.parametrize("level", [1.0, 0.5, 0.3, 0.15, 0.1, 0.05, 0.03, 0.01])
def test_contrast_keeps_mid_grey_and_scales_what_differs_from_it(frames: Frames, level: float) -> None:
    image = frames(1, 64)[0]
    grey, low = rgb2gray(image), low_contrast(image, level)[:, :, 0] / 255
    assert low.mean() - 0.5 == pytest.approx(level * (grey.mean() - 0.5), abs=0.5 / 255)
    assert np.ptp(low) == pytest.approx(level * np.ptp(grey), abs=1 / 255)
    assert (np.full((8, 8, 3), 128, np.uint8) == low_contrast(np.full((8, 8, 3), 128, np.uint8), level)).all()
    if level >= 0.3:
        assert low.std() == pytest.approx(level * grey.std(), rel=0.02)


@pytest.mark.parametrize("width", [0.03, 0.1, 0.2, 0.35])
def test_noise_is_uniform_independent_and_on_low_contrast(frames: Frames, width: float) -> None:
    image = frames(1, 64)[0]
    noisy = uniform_noise(image, width, np.random.default_rng(3))[:, :, 0] / 255
    noise = noisy - (0.35 + 0.3 * rgb2gray(image))  # a contrast of 0.3 leaves [0.35, 0.65], so that nothing is clipped
    assert np.abs(noise).max() <= width + 0.5 / 255 + 1e-9
    assert stats.kstest(noise.ravel(), stats.uniform(-width, 2 * width).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.06


def test_strong_noise_is_clipped(frames: Frames) -> None:
    image = frames(1, 64)[0]
    noisy = uniform_noise(image, 0.9, np.random.default_rng(3))[:, :, 0]
    # Of noise in [-0.9, 0.9] around grey g, (0.9 - g) / 1.8 falls below 0.
    dark = np.mean((0.9 - (0.35 + 0.3 * rgb2gray(image))) / 1.8)
    assert np.mean(noisy == 0) == pytest.approx(dark, abs=0.03)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_is_pillows(frames: Frames, degrees: int) -> None:
    image = frames(1, 64)[0]
    turned = np.array(Image.fromarray(without_colour(image)).rotate(degrees, expand=True))
    np.testing.assert_array_equal(rotated(image, degrees), turned)


def test_false_colour_negates_both_opponent_axes_and_keeps_luminance(frames: Frames) -> None:
    image = frames(6, 64).reshape(-1, 64, 3)
    false = false_colour(image)
    shown = ((false > 3) & (false < 252)).all(axis=2) & ((image > 3) & (image < 252)).all(axis=2)
    assert shown.mean() > 0.3

    def axes(pixels: np.ndarray) -> np.ndarray:
        """Luminance, and cone contrasts of the opponent axes, from XYZ by another library."""
        x, y, z = np.moveaxis(rgb2xyz(pixels), 2, 0)
        white = rgb2xyz(np.full((1, 1, 3), 255, np.uint8))[0, 0]

        def cones(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            return 0.15514 * x + 0.54312 * y - 0.03286 * z, -0.15514 * x + 0.45684 * y + 0.03286 * z, z

        (long, middle, short), (w_long, w_middle, w_short) = cones(x, y, z), cones(*white)
        return np.stack([y, long / w_long - middle / w_middle, short / w_short - y / white[1]])

    before, after = axes(image)[:, shown], axes(false)[:, shown]
    np.testing.assert_allclose(after[0], before[0], atol=0.02)
    np.testing.assert_allclose(after[1:], -before[1:], atol=0.02)
    assert np.abs(before[1:]).max() > 0.1
    back = np.abs(false_colour(false).astype(int) - image)[shown]
    assert back.max() <= 8  # rounding weighs most where it is dark
    assert back.mean() < 0.6
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert np.abs(false_colour(grey).astype(int) - grey).max() <= 1
