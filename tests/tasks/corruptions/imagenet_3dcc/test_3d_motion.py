"""Motion blur against views that are rendered one by one, by another method."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from vitobench.tasks.corruptions import corrupt
from vitobench.tasks.corruptions.imagenet_3dcc.motion import integrate_exposure


def dot(height, width, centres):
    image = np.zeros((height, width, 3), np.uint8)
    for y, x in centres:
        image[y - 1 : y + 2, x - 1 : x + 2] = 240
    return image


def streak(picture):
    """Length of a uniform streak, from its second moments: a uniform density on L has the variance L^2 / 12."""
    weight = picture[..., 0].astype(float)
    y, x = np.mgrid[: weight.shape[0], : weight.shape[1]]
    points = np.stack([y.ravel(), x.ravel()])
    largest = np.linalg.eigvalsh(np.cov(points, aweights=weight.ravel() + 1e-12, bias=True))[1]
    return np.sqrt(12 * (largest - 2 / 3 - 1 / 6))  # less the dot's own 3 pixels and the interpolation's


@pytest.mark.parametrize("image_id", ["a", "b", "c", "d"])
def test_a_far_plane_moves_less_by_the_ratio_of_depths(planes, image_id):
    image = dot(224, 224, [(112, 50), (112, 174)])
    blurred = corrupt(image[None], "xy_motion_blur", 5, image_ids=[image_id], depths=planes(224, 224, 2.0, 5.0)[None])[
        0
    ]
    near, far = streak(blurred[:, :112]), streak(blurred[:, 112:])
    assert near == pytest.approx(30, rel=0.06)
    assert near / far == pytest.approx(5 / 2, rel=0.08)


@pytest.mark.parametrize(("severity", "frames"), [(1, 20), (3, 40), (5, 60)])
def test_travel_is_half_a_pixel_for_each_published_frame(severity, frames):
    image = dot(224, 224, [(112, 112)])
    depth = np.full((1, 224, 224), 9, np.float32)
    blurred = corrupt(image[None], "xy_motion_blur", severity, image_ids=["q"], depths=depth)[0]
    assert streak(blurred) == pytest.approx(frames / 2, rel=0.08)


def smooth_scene(height, width, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / height
    image = np.zeros((height, width, 3))
    for _ in range(12):
        fy, fx, phase = *rng.uniform(-25, 25, 2), rng.uniform(0, 6)
        image += np.sin(fy * y + fx * x + phase)[..., None] * rng.uniform(5, 20, 3)
    return np.clip(image + 128, 0, 255).astype(np.uint8)


def test_forward_motion_over_a_wall_is_a_mean_of_zooms():
    """A wall at the reference depth is magnified by 1 / (1 - t): each view by scipy's interpolation."""
    image = smooth_scene(80, 96)
    blurred = corrupt(image[None], "z_motion_blur", 5, image_ids=["x"], depths=np.full((1, 80, 96), 3, np.float32))
    y, x = np.mgrid[:80, :96].astype(float)
    views = []
    for t in (np.arange(300) + 0.5) / 300 * 38 * 0.0055:
        at = [39.5 + (y - 39.5) * (1 - t), 47.5 + (x - 47.5) * (1 - t)]
        views.append([map_coordinates(image[..., c].astype(float), at, order=1, mode="nearest") for c in range(3)])
    expected = np.moveaxis(np.mean(views, 0), 0, -1)
    difference = np.abs(blurred[0] - expected)
    assert difference.mean() < 0.6
    assert difference.max() < 4


def splat(image, depth, offset_of, times, fine=4):
    """The mean of views made by moving finely sampled points forward, the nearest on each pixel shown.

    ``offset_of(t, disparity, y, x)`` tells by how many pixels a point is displaced. Pixels that no point reaches are
    NaN in that view and left out of the mean.
    """
    height, width, _ = image.shape
    y, x = np.mgrid[0 : height - 1 : (height * fine) * 1j, 0 : width - 1 : (width * fine) * 1j]
    nearest = np.rint(y).astype(int), np.rint(x).astype(int)
    disparity = 1 / depth[nearest].astype(float)
    colour = np.stack([map_coordinates(image[..., c].astype(float), [y, x], order=1) for c in range(3)], -1)
    total, seen = np.zeros(image.shape), np.zeros((height, width))
    # In random order within a depth, lest the point shown be always the lower right one of those that share a pixel.
    order = np.random.default_rng(0).permutation(disparity.size)
    order = order[np.argsort(disparity.ravel()[order], kind="stable")]
    for t in times:
        down, right = offset_of(t, disparity, y, x)
        row, column = np.rint(y + down).astype(int), np.rint(x + right).astype(int)
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        chosen = order[inside.ravel()[order]]
        view = np.full(image.shape, np.nan)
        view[row.ravel()[chosen], column.ravel()[chosen]] = colour.reshape(-1, 3)[chosen]  # the last written is nearest
        known = ~np.isnan(view[..., 0])
        total[known] += view[known]
        seen += known
    return total / np.maximum(seen, 1)[..., None], seen / len(times)


def occluding_scene():
    image = smooth_scene(64, 72)
    depth = np.full((64, 72), 3.0, np.float32)
    depth[20:44, 24:48] = 1.0
    image[20:44, 24:48] = 255 - smooth_scene(64, 72, 5)[:24, :24]
    return image, depth


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.2, 4.0])
def test_occlusion_agrees_with_views_rendered_one_by_one(angle):
    image, depth = occluding_scene()
    down, right = np.sin(angle), np.cos(angle)
    blurred = integrate_exposure(image, depth, 12.0, (down, right)).astype(float)
    times = (np.arange(96) + 0.5) / 96
    # Pixel p shows what was at p + s (down, right), so a point moves by -s.
    expected, seen = splat(image, depth, lambda t, d, y, x: (-12 * t * d * down, -12 * t * d * right), times)
    whole = seen > 0.97
    assert whole.mean() > 0.7
    unmoved = np.abs(image - expected)[whole].mean()
    assert np.abs(blurred - expected)[whole].mean() < 0.17 * unmoved


def test_forward_occlusion_agrees_with_views_rendered_one_by_one():
    image, depth = occluding_scene()
    blurred = integrate_exposure(image, depth, 0.25, None).astype(float)

    def offset(t, disparity, y, x):
        stretch = 1 / (1 - 0.25 * t * disparity) - 1  # a point at depth d is magnified by d / (d - t)
        return (y - 31.5) * stretch, (x - 35.5) * stretch

    expected, seen = splat(image, depth, offset, (np.arange(96) + 0.5) / 96, fine=6)
    whole = seen > 0.97
    assert whole.mean() > 0.7
    assert np.abs(blurred - expected)[whole].mean() < 0.17 * np.abs(image - expected)[whole].mean()


def test_what_an_object_uncovers_is_filled_from_the_background():
    image = np.full((40, 80, 3), 30, np.uint8)
    depth = np.full((40, 80), 4.0, np.float32)
    image[:, 20:40], depth[:, 20:40] = 220, 1.0
    # Pixel p shows what was at p + s: the object moves left by 16 pixels and uncovers its right part.
    blurred = integrate_exposure(image, depth, 16.0, (0.0, 1.0))[20, :, 0].astype(float)
    time_covered = np.interp(np.arange(80), [4, 20, 24, 40], [0, 1, 1, 0], left=0, right=0)
    np.testing.assert_allclose(blurred, 30 + 190 * time_covered, atol=20)
    assert np.abs(blurred - (30 + 190 * time_covered)).mean() < 3
