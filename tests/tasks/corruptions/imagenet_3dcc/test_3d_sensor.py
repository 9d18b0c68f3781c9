from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy import stats

from vitobench.tasks.corruptions import corrupt
from vitobench.tasks.corruptions.imagenet_3dcc.sensor import photograph


def one(image, name, severity):
    return corrupt(image[None], name, severity, image_ids=["x"])[0]


@pytest.mark.parametrize("level", [60, 110, 150])
@pytest.mark.parametrize(("severity", "gaussian"), [(1, 0.08), (2, 0.12), (3, 0.18)])
def test_iso_noise_has_the_variance_of_photons_and_electronics(level, severity, gaussian):
    """Mean x, variance x / 25 + (0.7 s)^2, where hardly a value saturates: checked by the moments' own formulas."""
    noisy = one(np.full((300, 300, 3), level, np.uint8), "iso_noise", severity) / 255
    x = level / 255
    deviation = np.sqrt(x / 25 + (0.7 * gaussian) ** 2)
    if x + 3.2 * deviation > 1 or x - 3.2 * deviation < 0:
        # Saturation bends the moments; the quartiles stay.
        low, high = np.quantile(noisy, [0.25, 0.75])
        assert high - low == pytest.approx(2 * 0.6745 * deviation, rel=0.05)
    else:
        assert noisy.mean() == pytest.approx(x, abs=0.002)
        assert noisy.std() == pytest.approx(deviation, rel=0.015)


def test_channels_and_pixels_are_independent():
    noisy = one(np.full((200, 200, 3), 110, np.uint8), "iso_noise", 1).astype(float)
    flat = noisy - noisy.mean()
    variance = flat.var()
    assert abs((flat[..., 0] * flat[..., 1]).mean()) < 0.02 * variance
    assert abs((flat[:, 1:] * flat[:, :-1]).mean()) < 0.02 * variance
    assert abs((flat[1:] * flat[:-1]).mean()) < 0.02 * variance


@pytest.mark.parametrize(("level", "photons"), [(0, 25), (40, 25), (128, 25), (200, 8), (90, 100)])
def test_counts_follow_scipys_poisson_distribution(level, photons):
    image = np.full((200, 200, 3), level, np.uint8)
    # A scale small enough that nothing saturates and every count has a level of its own.
    result = photograph(image, np.arange(256) / 255 * 0.2, np.random.default_rng(1), photons, 0.0)
    counts = np.rint(result / 255 * photons).astype(int)
    rate = level / 255 * 0.2 * photons
    found = np.bincount(counts.ravel(), minlength=60)[:60]
    expected = stats.poisson.pmf(np.arange(60), rate) * image.size
    common = expected > 20
    assert np.abs(found - expected)[common].max() < 5 * np.sqrt(expected[common].max()) + 5
    assert found[~common].sum() < expected[~common].sum() + 40


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_low_light_squares_scales_and_then_counts_photons(severity):
    brightest = (0.6, 0.5, 0.4, 0.3, 0.2)[severity - 1]
    photons = 10 * (60, 25, 12, 5, 3)[severity - 1]
    gaussian = 0.1 * (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1]
    image = np.full((300, 300, 3), 200, np.uint8)
    image[0, 0], image[0, 1] = 20, 240  # the range that is stretched
    dark = one(image, "low_light", severity)[1:] / 255
    x = ((200 - 20) / 220) ** 2 * brightest
    assert dark.mean() == pytest.approx(x, abs=0.002)
    assert dark.std() == pytest.approx(np.sqrt(x / photons + gaussian**2), rel=0.02)


def test_low_light_of_a_flat_image():
    flat = one(np.full((64, 64, 3), 128, np.uint8), "low_light", 1)
    assert flat.mean() / 255 == pytest.approx((128 / 255) ** 2 * 0.6, abs=0.003)
    assert one(np.zeros((64, 64, 3), np.uint8), "low_light", 5).mean() < 6


@pytest.mark.parametrize(("severity", "bits"), [(1, 5), (2, 4), (3, 3), (4, 2), (5, 1)])
def test_quantisation_keeps_so_many_levels_and_is_pillows(severity, bits):
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    image[..., 1] = image[::-1, :, 1]
    result = one(image, "color_quant", severity)
    assert len(np.unique(result)) == 2**bits
    np.testing.assert_array_equal(result, np.asarray(ImageOps.posterize(Image.fromarray(image), bits)))
