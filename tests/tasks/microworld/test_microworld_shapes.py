import numba
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vitobench.tasks.microworld.solids import BOUNDS, distance
from vitobench.tasks.microworld.vocabulary import CLASSES, POSED, UNSEEN_CLASSES

ALL = (*CLASSES, *UNSEEN_CLASSES)

SHEARED = {"aeroplane": 1.07, "hammer": 1.08, "car": 1.1}
"""Largest slope of the solids with a sheared part; every other solid keeps to 1."""


@numba.njit
def _evaluate(shape: int, points: np.ndarray, out: np.ndarray) -> None:
    for n in range(len(points)):
        out[n] = distance(shape, points[n, 0], points[n, 1], points[n, 2])


def evaluate(shape: int, points: np.ndarray) -> np.ndarray:
    out = np.empty(len(points))
    _evaluate(shape, points, out)
    return out


@pytest.mark.parametrize("shape", range(24), ids=ALL)
def test_distance_changes_no_faster_than_the_point_moves(shape: int) -> None:
    rng = np.random.default_rng(shape)
    slope = SHEARED.get(ALL[shape], 1.0) + 1e-3
    points = rng.uniform(-1.6, 1.6, (40_000, 3))
    values = evaluate(shape, points)
    outside = values > 0
    for length in (1e-3, 0.05, 0.6):
        step = rng.normal(size=points.shape)
        step *= length / np.linalg.norm(step, axis=1, keepdims=True)
        moved = evaluate(shape, points + step)
        both = outside & (moved > 0)
        assert both.sum() > 10_000
        assert (np.abs(moved - values)[both] / length).max() <= slope


@pytest.mark.parametrize("shape", range(24), ids=ALL)
def test_distance_is_a_lower_bound_outside(shape: int) -> None:
    rng = np.random.default_rng(shape)
    inside = rng.uniform(BOUNDS[shape, :3], BOUNDS[shape, 3:], (60_000, 3))
    inside = inside[evaluate(shape, inside) <= 0][:3000]
    assert len(inside) > 500
    points = rng.uniform(-1.5, 1.5, (400, 3))
    values = evaluate(shape, points)
    points, values = points[values > 0], values[values > 0]
    # The nearest of many points of the solid is at least as far as its surface.
    nearest = np.sqrt(((points[:, None] - inside[None]) ** 2).sum(-1)).min(1)
    assert (values <= nearest * SHEARED.get(ALL[shape], 1.0) + 1e-9).all()
    # And it is a useful bound: never under two thirds of it, give or take the spacing of the sample.
    assert (values >= 0.5 * nearest - 0.12).all()


@pytest.mark.parametrize("shape", range(24), ids=ALL)
def test_bounds_hold_the_solid_and_fit_it(shape: int) -> None:
    points = np.random.default_rng(shape).uniform(-1.3, 1.3, (400_000, 3))
    solid = points[evaluate(shape, points) <= 0]
    lower, upper = BOUNDS[shape, :3], BOUNDS[shape, 3:]
    assert (solid >= lower - 1e-9).all()
    assert (solid <= upper + 1e-9).all()
    assert np.linalg.norm(solid, axis=1).max() <= 1.03
    assert (solid.min(0) - lower).max() < 0.12
    assert (upper - solid.max(0)).max() < 0.12


def test_ball_is_exact() -> None:
    points = np.random.default_rng(0).uniform(-2, 2, (1000, 3))
    np.testing.assert_allclose(evaluate(0, points), np.linalg.norm(points, axis=1) - 0.86, atol=1e-12)


def test_box_is_exact_outside() -> None:
    points = np.random.default_rng(0).uniform(-2, 2, (1000, 3))
    points = points[np.abs(points).max(1) > 0.55]
    away = np.linalg.norm(np.maximum(np.abs(points) - 0.55, 0), axis=1) - 0.02
    np.testing.assert_allclose(evaluate(1, points), away, atol=1e-12)


def rotations() -> np.ndarray:
    """By halves to sixths of a circle about the axes of a cube and others every 18 degrees, and 400 at random."""
    steps = np.deg2rad(np.arange(0, 180, 18))
    flat = np.stack([np.cos(steps), np.sin(steps), 0 * steps], axis=1)
    cube = [(1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)]
    cube += [(1, 1, 1), (1, 1, -1), (1, -1, 1), (-1, 1, 1)]
    axes = np.concatenate([flat, flat[:, [0, 2, 1]], flat[:, [2, 0, 1]], cube])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    named = Rotation.from_rotvec(np.concatenate([axes * 2 * np.pi / n for n in range(2, 7)]))
    drawn = Rotation.random(400, random_state=0)
    return Rotation.concatenate([named, drawn[drawn.magnitude() > np.pi / 6]]).as_matrix()


def test_a_class_has_sides_of_its_own_unless_a_rotation_leaves_its_distances_as_they_are() -> None:
    points, turns = np.random.default_rng(0).uniform(-1, 1, (200, 3)), rotations()
    for shape, name in enumerate(CLASSES):
        values = evaluate(shape, points)
        changed = [np.abs(evaluate(shape, points @ turn.T) - values).max() for turn in turns]
        if name in POSED:
            assert min(changed) > 0.1, name
        else:
            assert min(changed) < 1e-9, name
    mirrors = [np.diag([-1, 1, 1]), np.diag([1, -1, 1]), np.diag([1, 1, -1])]
    for name in POSED:  # left and right are another matter
        values = evaluate(CLASSES.index(name), points)
        changed = [np.abs(evaluate(CLASSES.index(name), points @ mirror) - values).max() for mirror in mirrors]
        assert (min(changed) < 1e-9) == (name != "house"), name
