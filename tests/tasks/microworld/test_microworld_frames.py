from dataclasses import replace

import numpy as np
import pytest

from vitobench.errors import UnknownNameError
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.microworld import vocabulary as k
from vitobench.tasks.microworld.scene import Scene, frame_parameters, photographed, without_objects
from vitobench.tasks.microworld.sets import SETS, MicroSet, photographs, render
from vitobench.tasks.microworld.solids import distance
from vitobench.tasks.microworld.vocabulary import CLASSES, CLIP_SECONDS

RADIUS = 0.86
NOWHERE = 1e9


def bare(name: str, index: int) -> Scene:
    """A scene without its occluders and further objects."""
    scene = MicroSet(name, 10_000).scene(index)
    scene.start[k.OCCLUDERS] = 0
    return only(scene, 0)


def only(scene: Scene, number: int) -> Scene:
    """A scene with one of its objects, which becomes the first."""
    start = scene.start.copy()
    first = number * k.OBJECT_FIELDS
    start[: k.OBJECT_FIELDS] = scene.start[first : first + k.OBJECT_FIELDS]
    start[k.OBJECTS] = 1
    part = slice(number, number + 1)
    return replace(scene, start=start, poses=scene.poses[part], spins=scene.spins[part], drifts=scene.drifts[part])


def rays(row: np.ndarray, size: int) -> np.ndarray:
    """World directions (size, size, 3) of the pixel centres, one unit long along the optical axis."""
    right, above, forward = row[k.AXES : k.AXES + 9].reshape(3, 3)
    centres = (np.arange(size) + 0.5) / size * 2 - 1
    u, v = np.meshgrid(centres, -centres)
    return forward + row[k.TANGENT] * (u[..., None] * right + v[..., None] * above)


def ball_and_room(row: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth of the ball (NOWHERE where missed) and of floor or dome, and the ray's distance from the ball's centre."""
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
    across = directions @ camera / squared
    dome = np.sqrt(across**2 + (row[k.DOME] ** 2 - camera @ camera) / squared) - across
    return ball, np.minimum(np.where(floor > 0, floor, NOWHERE), dome), miss / row[k.SCALE]


@pytest.mark.parametrize("time", [0.0, 1.28, 2.5])
@pytest.mark.parametrize("name", ["val", "viewpoints", "cue-conflict"])
def test_ball_depth_and_mask_match_the_analytic_sphere(name: str, time: float) -> None:
    scenes = [bare(name, 16 * i) for i in range(8)]
    assert all(s.label == CLASSES.index("ball") for s in scenes)
    frames = render(scenes, [time] * 8, 64, camera="ideal")
    for n, scene in enumerate(scenes):
        ball, room, miss = ball_and_room(frame_parameters(scene, time), 64)
        # At the silhouette the march may stop a hair outside the surface; away from it there is no such excuse.
        clear = np.abs(miss - RADIUS) > 0.012
        clear &= np.abs(ball - room) > np.where(ball < NOWHERE, 0.05, -1)
        visible = ball < room
        assert np.array_equal(frames.mask[n][clear], visible[clear])
        assert visible.sum() > 100
        expected = np.minimum(ball, room)
        # The march stops within 0.008 of the surface, which a slanting ray still has to cover.
        cosine = np.sqrt(1 - np.minimum(miss / RADIUS, 1) ** 2)
        error = np.abs(frames.depth[n] - expected)
        assert (error <= 0.008 / np.maximum(cosine, 0.1) + 1e-4)[clear & visible].all()
        assert error[clear & visible & (cosine > 0.7)].mean() < 0.002
        outside = clear & ~visible
        np.testing.assert_allclose(frames.depth[n][outside], expected[outside], rtol=1e-5)


@pytest.mark.parametrize("label", range(16))
def test_visible_points_lie_on_the_surface_that_the_pose_puts_there(label: int) -> None:
    scenes = [bare("val", label + 16 * i) for i in range(3)]
    frames = render(scenes, [2.0] * 3, 32, camera="ideal")
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
    scenes = [only(scene, 0) for scene in MicroSet("occlusion", 32).scenes(range(32))]
    hidden = photographs(scenes, 32)
    shown = photographs([bare("occlusion", i) for i in range(32)], 32)
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

    def at(time: float) -> np.ndarray:
        return source.frames(indices, 32, [time] * 16, "ideal").images.astype(int)

    start, end = at(0.0), at(CLIP_SECONDS)
    assert all((a != b).any() for a, b in zip(start, end, strict=True))
    # Motion is continuous: a hundredth of a second changes little, the whole clip much.
    assert 0 < np.abs(at(0.01) - start).mean() < 0.2 * np.abs(end - start).mean()


def test_a_scene_goes_on_for_a_second_window_before_and_after_its_clip() -> None:
    scenes = MicroSet("train", 32).scenes(range(32))
    for camera in k.CAMERAS:
        for time in (-1.5 * CLIP_SECONDS, 2.5 * CLIP_SECONDS):
            frames = render(scenes, [time] * 32, 16, camera=camera)
            assert np.isfinite(frames.depth).all()
            assert (frames.depth > 0).all()


def test_every_object_is_where_it_would_be_alone_and_the_nearest_one_is_seen() -> None:
    scenes = [s for s in MicroSet("val", 60).scenes(range(60)) if s.start[k.OBJECTS] > 2][:8]
    for scene in scenes:
        scene.start[k.OCCLUDERS] = 0
    times = np.linspace(0, CLIP_SECONDS, len(scenes)).tolist()
    frames = render(scenes, times, 48, camera="ideal")
    for n, (scene, time) in enumerate(zip(scenes, times, strict=True)):
        count = int(scene.start[k.OBJECTS])
        empty = render([without_objects(scene)], [time], 48, camera="ideal")
        alone = [render([only(scene, number)], [time], 48, camera="ideal") for number in range(count)]
        depths = np.stack([empty.depth[0]] + [np.where(a.mask[0], a.depth[0], np.inf) for a in alone])
        nearest = depths.argmin(axis=0)
        np.testing.assert_array_equal(frames.depth[n], depths.min(axis=0))
        np.testing.assert_array_equal(frames.surfaces[n] >= k.OBJECT_ID, nearest > 0)
        np.testing.assert_array_equal(frames.surfaces[n][nearest > 0] - k.OBJECT_ID, nearest[nearest > 0] - 1)
        assert frames.classes[n].tolist() == [a.classes[0, 0] for a in alone] + [-1] * (4 - count)
        np.testing.assert_allclose(frames.distances[n, :count], [a.distances[0, 0] for a in alone], rtol=1e-6)
        assert np.isnan(frames.distances[n, count:]).all()


def test_boxes_bound_what_is_visible_of_each_object() -> None:
    frames = MicroSet("occlusion", 40).frames(range(40), 48)
    sizes = set()
    for surfaces, boxes in zip(frames.surfaces, frames.boxes, strict=True):
        for number, box in enumerate(boxes.tolist()):
            rows, columns = np.nonzero(surfaces == k.OBJECT_ID + number)
            sizes.add(len(rows) > 0)
            bounds = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else [0, 0, 0, 0]
            assert box == bounds
    assert sizes == {True, False}
    np.testing.assert_array_equal(frames.mask, frames.surfaces == k.OBJECT_ID)
    np.testing.assert_array_equal(frames.classes[:, 0], frames.labels)
    assert frames.surfaces.max() >= k.OCCLUDER_ID


@pytest.mark.parametrize("name", SETS)
def test_the_object_that_gives_the_label_is_the_largest_that_is_seen(name: str) -> None:
    frames = MicroSet(name, 240).frames(range(240), 24)
    areas = np.stack([(frames.surfaces == k.OBJECT_ID + n).sum((1, 2)) for n in range(k.MAX_OBJECTS)], 1)
    assert (areas.argmax(1) == 0).mean() >= 0.99
    # At 24 pixels, large occluders leave nothing of it in some pictures.
    assert (areas[:, 0] > 0).mean() >= (0.95 if name == "occlusion" else 0.99)
    others = (frames.classes[:, 1:] >= 0).sum(1)
    # From above there is less room around an object, and behind occluders none.
    low, high = {"occlusion": (0, 0), "viewpoints": (0.1, 0.4)}.get(name, (0.35, 0.7))
    assert low <= (others > 0).mean() <= high
    # What is placed is in view, unless something else hides it.
    assert (areas[:, 1:] > 0).sum() >= 0.8 * others.sum()


def test_points_seen_at_one_moment_are_found_at_another_by_depth_and_the_two_rows() -> None:
    scenes = [bare("val", i) for i in range(16)]
    earlier, later = (render(scenes, [time] * 16, 64, camera="ideal") for time in (1.0, 1.1))
    found, asked = 0, 0
    for n, scene in enumerate(scenes):
        one, two = frame_parameters(scene, 1.0), frame_parameters(scene, 1.1)
        points = rays(one, 64) * earlier.depth[n][..., None] + one[k.CAMERA : k.CAMERA + 3]
        turn = [row[k.ROTATION : k.ROTATION + 9].reshape(3, 3) for row in (one, two)]
        own = (points[earlier.mask[n]] - one[k.POSITION : k.POSITION + 3]) @ turn[0].T
        world = own @ turn[1] + two[k.POSITION : k.POSITION + 3] - two[k.CAMERA : k.CAMERA + 3]
        across, above, depth = (world @ two[k.AXES : k.AXES + 9].reshape(3, 3).T).T
        column = ((across / (depth * two[k.TANGENT]) + 1) * 32).astype(int)
        row = ((1 - above / (depth * two[k.TANGENT])) * 32).astype(int)
        inside = (column >= 0) & (column < 64) & (row >= 0) & (row < 64)
        seen = later.depth[n][row[inside], column[inside]]
        asked += inside.sum()
        found += (np.abs(seen - depth[inside]) < 0.1).sum()
    assert found / asked > 0.95


def test_a_photograph_shows_the_object_near_the_centre_and_nothing_in_the_way() -> None:
    source = MicroSet("train", 96)
    photos = source.frames(range(96), 32)
    filmed = source.frames(range(96), 32, [0.5 * CLIP_SECONDS] * 96, "ideal")

    def off_centre(frames) -> float:
        middles = frames.boxes[:, 0].reshape(-1, 2, 2).mean(1)
        return float(np.hypot(*(middles - 16).T).mean())

    assert off_centre(photos) < 0.8 * off_centre(filmed)
    assert (photos.surfaces < k.OCCLUDER_ID).all()
    assert (filmed.surfaces >= k.OCCLUDER_ID).any()
    np.testing.assert_array_equal(photos.images, photographs(source.scenes(range(96)), 32).images)
    np.testing.assert_array_equal(photos.classes, filmed.classes)
    # Where photographs are about occlusion, occluders stay, and they are still in front of the object.
    hidden = MicroSet("occlusion", 32).frames(range(32), 32)
    assert (hidden.surfaces >= k.OCCLUDER_ID).any(axis=(1, 2)).all()
    framed = photographed(MicroSet("occlusion", 1).scene(0))
    assert framed.start[k.OCCLUDER + 5] < framed.camera[3] - 1


@pytest.mark.parametrize("size", [8, 9, 33, 64, 127, 128])
def test_sizes(size: int) -> None:
    frames = MicroSet("backgrounds", 3).frames(range(3), size)
    assert frames.images.shape == (3, size, size, 3)
    assert frames.images.dtype == np.uint8
    assert frames.depth.shape == frames.mask.shape == (3, size, size)
    assert frames.depth.dtype == np.float32
    assert frames.mask.dtype == bool
    assert (frames.depth > 0).all()
    assert frames.surfaces.shape == (3, size, size)
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
    with pytest.raises(UnknownNameError, match="Valid names: filmed, ideal"):
        source.frames([0], 16, [0.0], "phone")
