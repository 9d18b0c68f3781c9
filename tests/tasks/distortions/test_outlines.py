from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion
from skimage.color import rgb2gray
from skimage.draw import disk
from skimage.feature import canny as canny_of_skimage

from vitobench.tasks.distortions.tone import canny, edges, on_white, silhouette

Frames = Callable[[int, int], np.ndarray]


@pytest.mark.parametrize("deviation", [1.0, 1.5])
def test_canny_agrees_with_scikit_image(frames: Frames, deviation: float) -> None:
    agreeing, all_edges = 0, 0
    for image in frames(6, 96):
        grey = rgb2gray(image)
        expected = canny_of_skimage(grey, deviation, low_threshold=0.15, high_threshold=0.375, mode="nearest")
        found = canny(grey, deviation, 0.15, 0.375)
        agreeing += int((expected & found).sum())
        all_edges += int((expected | found).sum())
    assert all_edges > 1000
    assert agreeing / all_edges > 0.97


def test_edges_of_a_disk_are_its_contour_and_its_pattern() -> None:
    mask = np.zeros((64, 64), bool)
    mask[disk((31.5, 31.5), 20)] = True
    image = np.full((64, 64, 3), 90, np.uint8)
    image[:, 32:] = 30
    image[~mask] = np.random.default_rng(0).integers(0, 256, (int((~mask).sum()), 3))  # must not be seen
    black = edges(image, mask)[:, :, 0] == 0
    contour = binary_dilation(mask, iterations=2) & ~binary_erosion(mask, iterations=2)
    seam = mask & (np.abs(np.arange(64) - 31.5) < 2)
    assert not (black & ~contour & ~seam).any()
    assert (black & seam & ~contour).any(axis=1).sum() > 30
    # An unbroken ring: the inside is not connected to the outside.
    assert black.sum() < 0.1 * black.size
    angles = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    at = np.rint(31.5 + 20 * np.stack([np.sin(angles), np.cos(angles)])).astype(int)
    assert binary_dilation(black, iterations=2)[at[0], at[1]].all()
    assert set(np.unique(edges(image, mask))) == {0, 255}


def test_an_object_cut_off_by_the_frame_has_a_contour_there() -> None:
    mask = np.zeros((32, 32), bool)
    mask[10:, :20] = True
    black = edges(np.full((32, 32, 3), 40, np.uint8), mask)[:, :, 0] == 0
    assert black[14:, :3].any(axis=1).mean() > 0.8


def test_silhouette_is_the_mask() -> None:
    mask = np.random.default_rng(0).random((9, 9)) > 0.5
    found = silhouette(mask)
    assert found.shape == (9, 9, 3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found == 0, np.repeat(mask[:, :, None], 3, axis=2))
    image = np.full((9, 9, 3), 7, np.uint8)
    np.testing.assert_array_equal(on_white(image, mask)[:, :, 1], np.where(mask, 7, 255))
