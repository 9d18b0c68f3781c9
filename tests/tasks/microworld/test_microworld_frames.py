import numpy as np
import pytest

from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.microworld import vocabulary as k
from vitobench.tasks.microworld.scene import frame_parameters
from vitobench.tasks.microworld.sets import SETS, MicroSet, render
from vitobench.tasks.microworld.solids import distance
from vitobench.tasks.microworld.vocabulary import CLASSES, CLIP_SECONDS

SKY = 20.0
RADIUS = 0.86
NOWHERE = 1e9


def bare(name: str, index: int):
    """A scene without its occluders."""
    scene = MicroSet(name, 10_000).scene(index)
    scene.start[k.OCCLUDERS] = 0
    return scene


def rays(row: np.ndarray, size: int) -> np.ndarray:
    """World directions (size, size, 3) of the pixel centres, one unit long along the optical axis."""
    right, above, forward = row[k.AXES : k.AXES + 9].reshape(3, 3)
    centres = (np.arange(size) + 0.5) / size * 2 - 1
    u, v = np.meshgrid(centres, -centres)
    return forward + row[k.TANGENT] * (u[..., None] * right + v[..., None] * above)


def ball_and_floor(row: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth of ball (NOWHERE where missed) and floor, and the ray's distance from the ball's centre, in closed form."""
    directions, camera = rays(row, size), row[k.CAMERA : k.CAMERA + 3]
    to_centre = row[k.POSITION : k.POSITION + 3] - camera
    squared = (directions**2).sum(-1)
    along = directions @ to_centre / squared
    miss = np.linalg.norm(to_centre - along[..., None] * directions, axis=-1)
    radius = RADIUS * row[k.SCALE]
    half = np.sqrt(np.maximum(radius**2 - miss**2, 0) / squared)
    ball = np.where(miss < radius, along - half, NOWHERE)
    with np.errstate(divide="ignore"):
        floor = (row[k.FLOOR] - camera[1]) / directions[..., 1]
    return ball, np.where(floor > 0, floor, NOWHERE), miss / row[k.SCALE]


@pytest.mark.parametrize("time", [0.0, 1.28, 2.5])
@pytest.mark.parametrize("name", ["val", "viewpoints", "cue-conflict"])
def test_ball_depth_and_mask_match_the_analytic_sphere(name: str, time: float) -> None:
    scenes = [bare(name, 16 * i) for i in range(8)]
    assert all(s.label == CLASSES.index("ball") for s in scenes)
    frames = render(scenes, [time] * 8, 64)
    for n, scene in enumerate(scenes):
        ball, floor, miss = ball_and_floor(frame_parameters(scene, time), 64)
        # At the silhouette the march may stop a hair outside the surface; away from it there is no such excuse.
        clear = np.abs(miss - RADIUS) > 0.012
        clear &= np.abs(ball - floor) > np.where(ball < NOWHERE, 0.05, -1)
        visible = ball < floor
        assert np.array_equal(frames.mask[n][clear], visible[clear])
        assert visible.sum() > 100
        expected = np.minimum(np.minimum(ball, floor), SKY)
        # The march stops within 0.008 of the surface, which a slanting ray still has to cover.
        cosine = np.sqrt(1 - np.minimum(miss / RADIUS, 1) ** 2)
        error = np.abs(frames.depth[n] - expected)
        assert (error <= 0.008 / np.maximum(cosine, 0.1) + 1e-4)[clear & visible].all()
        assert error[clear & visible & (cosine > 0.7)].mean() < 0.002
        # A ray that only just touches the floor is sky by decision, and the haze hides the seam.
        outside = clear & ~visible & ((expected < 15) | (floor == NOWHERE))
        np.testing.assert_allclose(frames.depth[n][outside], expected[outside], rtol=1e-5)


@pytest.mark.parametrize("label", range(16))
def test_visible_points_lie_on_the_surface_that_the_pose_puts_there(label: int) -> None:
    scenes = [bare("val", label + 16 * i) for i in range(3)]
    frames = render(scenes, [2.0] * 3, 32)
    assert frames.mask.sum() > 150
    for n, scene in enumerate(scenes):
        row = frame_parameters(scene, 2.0)
        # World points from pixels and depth, then object points through the reported pose alone.
        offset = (
            rays(row, 32) * frames.depth[n][..., None] + row[k.CAMERA : k.CAMERA + 3] - row[k.POSITION : k.POSITION + 3]
        )
        right, above, forward = row[k.AXES : k.AXES + 9].reshape(3, 3)
        in_camera = offset @ np.stack([right, above, -forward]).T
        points = in_camera @ frames.poses[n].T / row[k.SCALE]
        values = np.array([distance(label, *p) for p in points[frames.mask[n]].tolist()])
        # The march stops within 0.008 of the surface and adds that last distance along the ray.
        assert np.abs(values).max() < 0.0165


@pytest.mark.parametrize("name", SETS)
def test_poses_are_rotations(name: str) -> None:
    poses = MicroSet(name, 32).frames(range(32), 8, [0.1 * i % CLIP_SECONDS for i in range(32)]).poses
    np.testing.assert_allclose(poses @ poses.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (32, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(poses), 1.0, atol=1e-12)


def test_occluders_only_ever_hide() -> None:
    source = MicroSet("occlusion", 32)
    hidden = source.frames(range(32), 32)
    middle = [0.5 * CLIP_SECONDS] * 32
    shown = render([bare("occlusion", i) for i in range(32)], middle, 32)
    assert not (hidden.mask & ~shown.mask).any()
    covered = hidden.depth < shown.depth
    assert np.array_equal(hidden.depth[~covered], shown.depth[~covered])
    assert np.array_equal(hidden.mask, shown.mask & ~covered)
    assert 0.1 < covered.mean() < 0.8
    # A pixel whose neighbours are not covered either shows the same colour.
    near = covered.copy()
    for axis in (1, 2):
        for shift in (-1, 1):
            near |= np.roll(covered, shift, axis)
    assert np.array_equal(hidden.images[~near], shown.images[~near])


def test_clips_move() -> None:
    source, indices = MicroSet("train", 16), list(range(16))
    start, end = source.frames(indices, 32, [0.0] * 16), source.frames(indices, 32, [CLIP_SECONDS] * 16)
    assert all((a != b).any() for a, b in zip(start.images, end.images, strict=True))
    assert all((a != b).any() for a, b in zip(start.depth, end.depth, strict=True))
    assert np.array_equal(start.textures, end.textures)
    assert np.array_equal(start.images, source.frames(indices, 32, [0.0] * 16).images)
    middle = source.frames(indices, 32)
    assert np.array_equal(middle.images, source.frames(indices, 32, [0.5 * CLIP_SECONDS] * 16).images)
    # Motion is continuous: a hundredth of a second changes little, the whole clip much.
    soon = source.frames(indices, 32, [0.01] * 16)
    step = np.abs(soon.images.astype(int) - start.images).mean()
    whole = np.abs(end.images.astype(int) - start.images).mean()
    assert 0 < step < 0.2 * whole


@pytest.mark.parametrize("size", [8, 9, 33, 64, 127, 128])
def test_sizes(size: int) -> None:
    frames = MicroSet("backgrounds", 3).frames(range(3), size)
    assert frames.images.shape == (3, size, size, 3)
    assert frames.images.dtype == np.uint8
    assert frames.depth.shape == frames.mask.shape == (3, size, size)
    assert frames.depth.dtype == np.float32
    assert frames.mask.dtype == bool
    assert (frames.depth > 0).all()
    assert (frames.depth <= SKY).all()
    assert all(image.std() > 5 for image in frames.images)


@pytest.mark.parametrize("name", ["val", "occlusion"])
def test_sizes_show_the_same_picture(name: str) -> None:
    source = MicroSet(name, 16)
    small, large = source.frames(range(16), 64), source.frames(range(16), 128)
    halved = large.images.reshape(16, 64, 2, 64, 2, 3).mean((2, 4))
    assert np.abs(small.images - halved).mean() < 6
    assert np.abs(small.mask - large.mask.reshape(16, 64, 2, 64, 2).mean((2, 4))).mean() < 0.02


def test_load_renders_at_the_models_size() -> None:
    source = MicroSet("val", 5)
    geometry = Geometry(size=24, resize=24, interpolation="bicubic")
    images, failed = source.load([4, 1], geometry)
    assert failed == {}
    assert np.array_equal(images, source.frames([4, 1], 24).images)


def test_wrong_requests_are_refused() -> None:
    source = MicroSet("val", 4)
    with pytest.raises(ValueError, match="8 pixels or more"):
        source.frames([0], 4)
    with pytest.raises(ValueError, match="one time per scene"):
        source.frames([0, 1], 16, [0.0])
