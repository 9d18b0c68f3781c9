"""J and F of DAVIS, against a plain implementation and what the official evaluation says of published masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation
from scipy.spatial.distance import cdist

from vitobench.tasks.understanding.davis import boundary, boundary_accuracy, region_similarity, summary


def disk(radius: int) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return x**2 + y**2 <= radius**2


def plain(mask: np.ndarray, truth: np.ndarray) -> float:
    """F by the published definition: boundaries thickened by a disk."""
    radius = int(np.ceil(0.008 * np.linalg.norm(truth.shape)))
    ours, theirs = boundary(mask), boundary(truth)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision = (ours & binary_dilation(theirs, disk(radius))).sum() / ours.sum()
    recall = (theirs & binary_dilation(ours, disk(radius))).sum() / theirs.sum()
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("size", [(40, 60), (130, 90), (240, 427)])
def test_f_is_that_of_thickened_boundaries(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[: size[0], : size[1]]
    for _ in range(12):
        blobs = []
        for _ in range(2):
            centre = rng.uniform(0.2, 0.8, 2) * size
            blob = np.hypot(rows - centre[0], columns - centre[1]) < rng.uniform(0.05, 0.35) * size[0]
            blobs.append(blob ^ (rng.random(size) < 0.002))
        assert boundary_accuracy(*blobs) == pytest.approx(plain(*blobs), abs=1e-12)


def test_masks_without_boundary() -> None:
    empty, square = np.zeros((50, 50), bool), np.zeros((50, 50), bool)
    square[10:20, 10:30] = True
    assert (region_similarity(empty, empty), boundary_accuracy(empty, empty)) == (1, 1)
    assert (region_similarity(empty, square), boundary_accuracy(square, empty)) == (0, 0)
    moved = np.roll(square, 5, axis=1)
    assert region_similarity(square, moved) == pytest.approx(150 / 250)
    assert boundary_accuracy(~empty, empty) == 1  # neither has a boundary
    assert boundary_accuracy(square, square) == 1


def square(left: int, size: int = 10) -> np.ndarray:
    mask = np.zeros((64, 64), bool)
    mask[20 : 20 + size, left : left + size] = True
    return mask


def test_region_similarity_is_intersection_over_union() -> None:
    assert region_similarity(square(20), square(20)) == 1
    assert region_similarity(square(20), square(25)) == pytest.approx(50 / 150)
    assert region_similarity(square(0), square(40)) == 0
    empty = np.zeros((64, 64), bool)
    assert region_similarity(empty, empty) == 1
    assert region_similarity(empty, square(3)) == 0


def test_boundaries_agree_within_the_tolerance() -> None:
    # 0.8 % of the diagonal of 64 x 64 is 0.7 pixels, which is rounded up to 1
    assert boundary_accuracy(square(20), square(20)) == 1
    assert boundary_accuracy(square(20), square(21)) == 1
    assert 0 < boundary_accuracy(square(20), square(22)) < 1
    assert boundary_accuracy(square(0), square(40)) == 0
    empty = np.zeros((64, 64), bool)
    assert boundary_accuracy(empty, empty) == 1
    assert boundary_accuracy(empty, square(3)) == boundary_accuracy(square(3), empty) == 0


def edge_points(mask: np.ndarray) -> np.ndarray:
    height, width = mask.shape
    return np.array(
        [
            (y, x)
            for y in range(height)
            for x in range(width)
            if any(
                mask[y, x] != mask[min(y + down, height - 1), min(x + right, width - 1)]
                for down, right in ((0, 1), (1, 0), (1, 1))
            )
        ]
    )


def test_boundary_accuracy_of_ragged_masks_is_that_of_all_distances() -> None:
    rng = np.random.default_rng(1)
    coarse = rng.random((3, 2, 8, 10)) < 0.5
    for one, two in np.kron(coarse, np.ones((16, 16), bool)).astype(bool):
        two ^= rng.random(two.shape) < 0.01
        apart = cdist(edge_points(one), edge_points(two))
        tolerance = np.ceil(0.008 * np.hypot(*one.shape))
        precision, recall = (apart.min(axis=1) <= tolerance).mean(), (apart.min(axis=0) <= tolerance).mean()
        assert boundary_accuracy(one, two) == pytest.approx(2 * precision * recall / (precision + recall))


def test_recall_and_decay_by_hand() -> None:
    mean, recall, decay = summary(np.array([0.9, 0.8, 0.5, 0.4, 0.2]))
    assert (mean, recall) == (pytest.approx(0.56), pytest.approx(0.4))
    assert decay == pytest.approx(0.85 - 0.3)  # quarters share the frames between them
    assert summary(np.array([0.7])) == (pytest.approx(0.7), 1, 0)
    assert summary(np.linspace(1, 0, 400))[2] == pytest.approx(0.75, abs=0.01)  # beyond 256 frames as well


def test_published_masks_have_the_published_values(real_davis: Path) -> None:
    reference = json.loads((real_davis / "osvos-reference.json").read_text())
    assert set(reference) == {"blackswan", "car-shadow", "dog", "libby"}
    for clip, expected in reference.items():
        truths = sorted((real_davis / "Annotations" / "480p" / clip).glob("*.png"))[1:-1]
        pairs = [
            tuple(np.asarray(Image.open(path)) > 0 for path in (real_davis / "osvos" / clip / truth.name, truth))
            for truth in truths
        ]
        j = np.array([region_similarity(*pair) for pair in pairs])
        f = np.array([boundary_accuracy(*pair) for pair in pairs])
        assert len(j) == expected["frames"]
        for name, values in (("J", j), ("F", f)):
            mean, recall, _ = summary(values)
            assert mean == pytest.approx(expected[f"{name}_mean"], abs=1e-6)
            assert recall == pytest.approx(expected[f"{name}_recall"], abs=1e-6)
            np.testing.assert_allclose(values[:3], expected[f"{name}_first3"], atol=1e-6)
