"""Depth, fog, flash and focus against formulas and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from vitobench.tasks.corruptions import corrupt
from vitobench.tasks.corruptions.engine import FARTHEST, relative_depth
from vitobench.tasks.corruptions.imagenet_3dcc.focus import layer_depths, refocus
from vitobench.tasks.corruptions.imagenet_3dcc.light import FIELD_OF_VIEW, flash_shading


def one(image, name, severity, depth):
    return corrupt(image[None], name, severity, image_ids=["x"], depths=depth[None])[0]


def noise(height, width, low=0, high=256):
    return np.random.default_rng(3).integers(low, high, (height, width, 3), dtype=np.uint8)


def test_reference_depth_halves_the_disparity():
    depth = np.exp(np.random.default_rng(0).normal(1, 1, (60, 80))).astype(np.float32)
    relative = relative_depth(depth, "x")
    scale = np.median(depth / relative)  # the reference depth
    disparity = 1 / depth.astype(float)
    assert disparity[depth <= scale].sum() == pytest.approx(disparity.sum() / 2, rel=1e-3)
    np.testing.assert_allclose(relative, np.minimum(depth / scale, FARTHEST), rtol=1e-4)


def test_reference_depth_ignores_sky_and_a_few_wrong_pixels():
    depth = np.random.default_rng(0).uniform(2, 3, (50, 50)).astype(np.float32)
    reference = depth[0, 0] / relative_depth(depth, "x")[0, 0]
    sky = np.concatenate([np.full((450, 50), 1e5, np.float32), depth])
    assert sky[450, 0] / relative_depth(sky, "x")[450, 0] == pytest.approx(reference, rel=0.02)
    depth[10, 10:12] = 0.01
    assert depth[0, 0] / relative_depth(depth, "x")[0, 0] == pytest.approx(reference, rel=0.1)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_fog_lets_through_what_beer_and_lambert_say(planes, severity):
    image = noise(40, 80)
    # Half of the image at 2 and half at 6 metres: three quarters of the disparity are near, so 2 metres are the unit.
    fogged = one(image, "fog_3d", severity, planes(40, 80, 2.0, 6.0)).astype(float)
    airlight = image.mean()
    for part, distance in ((np.s_[:, :40], 1.0), (np.s_[:, 40:], 3.0)):
        clean, seen = image[part] - airlight, fogged[part] - airlight
        transmission = (clean * seen).sum() / (clean**2).sum()  # least squares over all values
        # 4, 8, ..., 20 on a depth that ends at 0.5 where ours ends at 5.
        assert transmission == pytest.approx(np.exp(-4 * severity * distance / 10), abs=4e-3)
        assert np.abs(seen - transmission * clean).max() < 1.2


def test_fog_of_an_image_does_not_know_its_batch(planes):
    depth = planes(32, 32, 1, 3)
    dark, bright = np.full((32, 32, 3), 10, np.uint8), np.full((32, 32, 3), 240, np.uint8)
    both = corrupt(np.stack([dark, bright]), "fog_3d", 5, image_ids=["a", "b"], depths=np.stack([depth, depth]))
    assert np.abs(both[0].astype(int) - 10).max() <= 1
    assert np.abs(both[1].astype(int) - 240).max() <= 1


def rays(height, width):
    focal = max(height, width) / 2 / np.tan(FIELD_OF_VIEW / 2)
    x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    return np.stack([x / focal, y / focal, np.ones((height, width))], -1)


@pytest.mark.parametrize("normal", [(0, 0, 1), (0.5, 0, 1), (-0.3, 0.6, 1), (0, -1, 0.4)])
def test_flash_on_a_plane_is_its_cosine_of_incidence(normal):
    """Depth and angle of a plane ``n . P = c`` come from the equation of the plane, not from gradients."""
    ray = rays(48, 64)
    n = np.array(normal) / np.linalg.norm(normal)
    along = ray @ n
    good = along > 0.05
    depth = np.where(good, 0.1 / np.where(good, along, 1), 0.1)
    expected = along / np.linalg.norm(ray, axis=-1) / np.maximum(1, depth * np.linalg.norm(ray, axis=-1)) ** 2
    shading = flash_shading(depth.astype(np.float32))
    inner = good & np.roll(good, 1, 0) & np.roll(good, -1, 0)
    assert inner.sum() > 500
    # A slope is measured over one pixel towards its gentler side, which errs by up to one pixel's curvature.
    assert np.abs(shading - expected)[inner].max() < 0.035
    assert np.abs(shading - expected)[inner].mean() < 0.015


def test_flash_falls_with_the_squared_distance(planes):
    ray = np.linalg.norm(rays(32, 64), axis=-1)
    shading = flash_shading(planes(32, 64, 1.5, 4.5))
    cosine = 1 / ray
    expected = cosine / (np.where(np.arange(64) < 32, 1.5, 4.5) * ray) ** 2
    np.testing.assert_allclose(shading, expected, rtol=2e-3)  # the edge between the planes is no slope


@pytest.mark.parametrize(("severity", "divisor"), [(1, 2.4), (2, 1.4), (3, 0.9), (4, 0.6), (5, 0.4)])
def test_flash_brightens_by_the_published_factor(severity, divisor):
    image = np.full((33, 33, 3), 40, np.uint8)
    lit = one(image, "flash", severity, np.full((33, 33), 7, np.float32))
    assert lit[16, 16] == pytest.approx(40 * (1 + 1 / divisor), abs=1)
    assert (lit[0, 0] < lit[16, 16]).all()


@pytest.mark.parametrize(("name", "sharp"), [("near_focus", 0), ("far_focus", 1)])
def test_the_plane_in_focus_stays_sharp_and_the_other_blurs_by_the_lens_law(planes, name, sharp):
    image = noise(120, 240, 60, 200)
    result = one(image, name, 4, planes(120, 240, 2.0, 5.0)).astype(float)
    half = (np.s_[:, :90], np.s_[:, 150:])
    np.testing.assert_array_equal(result[half[sharp]], image[half[sharp]])
    distance, focus, aperture = ((5.0, 2.0, 6), (2.0, 5.0, 4.5))[sharp]
    sigma = 0.5 * aperture * 120 / 224 * abs(distance - focus) / distance
    blurred = gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="nearest", truncate=4)
    assert np.abs(result - blurred)[half[1 - sharp]].mean() < 0.5
    assert np.abs(result - image)[half[1 - sharp]].mean() > 10


def test_blur_of_the_near_spills_over_the_far_and_not_the_other_way(planes):
    """A near object out of focus has soft edges over a sharp background; a near object in focus keeps a hard edge."""
    depth = planes(64, 128, 1.0, 4.0)
    image = np.where(depth[..., None] == 1, np.uint8(250), np.uint8(10)).repeat(3, axis=-1)
    near_sharp = refocus(image, depth, 1.0, 6.0)
    assert np.abs(near_sharp.astype(int) - image).max() <= 1
    far_sharp = refocus(image, depth, 4.0, 4.0).astype(int)
    assert (far_sharp[32, 64:68, 0] > 40).all()
    assert (np.diff(far_sharp[32, :, 0]) <= 0).all()


def test_sharpness_follows_a_slope():
    depth = np.geomspace(1, 4, 160, dtype=np.float32)[:, None].repeat(120, 1)
    image = noise(160, 120)
    focal = float(layer_depths(depth)[4])
    change = np.abs(refocus(image, depth, focal, 8.0).astype(float) - image).mean(axis=(1, 2))
    in_focus = int(np.abs(depth[:, 0] - focal).argmin())
    assert change[in_focus] < 6
    assert change[in_focus] < 0.2 * min(change[10], change[-10])
    assert abs(int(change.argmin()) - in_focus) <= 2


def test_layers_are_depths_that_occur(planes):
    assert set(layer_depths(planes(20, 30, 1, 7)).tolist()) == {1.0, 7.0}
    ramp = np.arange(1, 8001, dtype=np.float32).reshape(80, 100)
    np.testing.assert_allclose(layer_depths(ramp), [501 + 1000 * k for k in range(8)])
