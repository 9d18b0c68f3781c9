"""Label propagation, against plain loops and against what must come out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitobench.tasks.understanding import propagation
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
