"""Label propagation and the measures of DAVIS, against plain loops and against what must come out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from vitobench.tasks.understanding import propagation
from vitobench.tasks.understanding.davis import boundary_accuracy, region_similarity
from vitobench.tasks.understanding.propagation import VFS, Propagation, propagate, stretched


def by_loops(features: np.ndarray, first: np.ndarray, how: Propagation) -> np.ndarray:
    """The same for one clip, place by place, in float64."""
    frames, _, height, width = features.shape
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    labels = np.zeros((frames, *first.shape))
    labels[0] = first
    for now in range(1, frames):
        earlier = [0] + [frame for frame in range(0 if how.first_twice else 1, now) if frame >= now - how.context]
        for y in range(height):
            for x in range(width):
                near = [
                    (float(unit[now, :, y, x] @ unit[frame, :, v, u]), frame, v, u)
                    for frame in earlier
                    for v in range(max(0, y - how.radius), min(height, y + how.radius + 1))
                    for u in range(max(0, x - how.radius), min(width, x + how.radius + 1))
                    if not how.disk or (v - y) ** 2 + (u - x) ** 2 < how.radius**2
                ]
                best = sorted(near, reverse=True)[: how.neighbours]
                weights = np.exp(np.array([similar for similar, *_ in best]) / how.temperature)
                weights /= weights.sum()
                labels[now, :, y, x] = sum(
                    weight * labels[frame, :, v, u] for weight, (_, frame, v, u) in zip(weights, best, strict=True)
                )
    return labels


@pytest.mark.parametrize(
    "how",
    [
        Propagation(),
        Propagation(2, 1, 3, 0.3),
        Propagation(1, 0, 5),
        Propagation(neighbours=500, radius=9),
        Propagation(3, 4, 7, 0.07, disk=True, first_twice=True),
        Propagation(2, 3, 6, 0.2, first_twice=True),
    ],
)
def test_labels_are_those_of_the_most_similar_places(how: Propagation) -> None:
    rng = np.random.default_rng(0)
    features, first = rng.normal(size=(2, 5, 4, 5, 6)), rng.dirichlet(np.ones(3), size=(2, 5, 6)).transpose(0, 3, 1, 2)
    found = propagate(torch.from_numpy(features), torch.from_numpy(first), how).numpy()
    for clip in range(2):
        np.testing.assert_allclose(found[clip], by_loops(features[clip], first[clip], how), atol=1e-9)
    np.testing.assert_allclose(found.sum(axis=2), 1)


def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(0)
    features, first = torch.randn(1, 4, 5, 13, 17, generator=rng), torch.rand(1, 3, 13, 17, generator=rng)
    tiled = propagate(features, first, VFS)
    monkeypatch.setattr(propagation, "_TILE", 100)
    torch.testing.assert_close(propagate(features, first, VFS), tiled)


def test_each_label_is_stretched_before_the_largest_wins() -> None:
    shares = torch.tensor([[[0.9, 0.7], [0.8, 0.6]], [[0.1, 0.3], [0.2, 0.4]], [[0.0, 0.0], [0.0, 0.0]]])
    found = stretched(shares, 2, 2)
    torch.testing.assert_close(found, torch.tensor([[0, 1], [0, 1]]))  # an object that is nowhere stays so
    assert stretched(shares, 4, 6).shape == (4, 6)


def test_features_that_know_the_object_carry_it_wherever_it_goes() -> None:
    masks = torch.zeros(6, 12, 12)
    for frame in range(6):
        masks[frame, 2 + frame : 5 + frame, 1 + frame : 4 + frame] = 1
    shares = torch.stack([1 - masks, masks], dim=1)
    found = propagate(shares[None], shares[None, 0])
    torch.testing.assert_close(found[0], shares)


def test_what_moves_faster_than_the_radius_is_lost() -> None:
    masks = torch.zeros(2, 12, 12)
    masks[0, :2, :2] = 1
    masks[1, -2:, -2:] = 1
    shares = torch.stack([1 - masks, masks], dim=1)
    assert propagate(shares[None], shares[None, 0], Propagation(radius=3))[0, 1, 1].max() == 0
    assert propagate(shares[None], shares[None, 0], Propagation(radius=11))[0, 1, 1].sum() == pytest.approx(4, abs=1e-3)


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
