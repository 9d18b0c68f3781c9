"""Points found again: where cells are, counts of right points, exact features, floors and ceilings, and the twin."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from vitobench.errors import DataError
from vitobench.tasks.kinds import KINDS
from vitobench.tasks.labels import Truth
from vitobench.tasks.microworld import vocabulary as k
from vitobench.tasks.microworld.camera import shakes
from vitobench.tasks.microworld.kernel import _to_object
from vitobench.tasks.microworld.point_pairs import POINTS, SIZE, MicroInstances, MicroPairs, moved
from vitobench.tasks.microworld.scene import frame_rows, photographed
from vitobench.tasks.microworld.sets import MicroSet, render
from vitobench.tasks.microworld.solids import distance
from vitobench.tasks.registry import get_task
from vitobench.tasks.scoring.samples import Answers, Resampler
from vitobench.tasks.understanding.cells import encoded_size, nearest_cells, own_cells, sampled
from vitobench.tasks.understanding.correspondence import (
    ANYWHERE,
    CEILINGS,
    SAME,
    Matching,
    Pair,
    expected_right,
)

HOW = Matching(("near", "far"), longer=0, within=8, stride=8)


def picture(seed: int, height: int = 48, width: int = 80) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@dataclass
class Drawn:
    """Pairs that are given."""

    pairs: list[Pair]
    name: str = "drawn"

    @property
    def image_ids(self) -> list[str]:
        return [f"s{n // 2}/{('near', 'far')[n % 2]}" for n in range(len(self.pairs))]

    def pair(self, position: int) -> Pair:
        return self.pairs[position]


@dataclass
class Rolled:
    """Each cell has a feature of its own, of which the second picture's are moved by whole cells and wrap around."""

    down: int = 0
    across: int = 0
    side: int = 0
    name: str = "rolled"
    identity: str = "rolled@1"
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def patch(self, height: int, width: int) -> int:
        return self.side

    def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
        self.seen.append(images.shape)
        height, width = images.shape[1] // stride, images.shape[2] // stride
        plain = torch.eye(height * width).reshape(height * width, height, width)
        return torch.stack([plain, *[plain.roll((self.down, self.across), (1, 2))] * (len(images) - 1)])


def pair(points: list[list[float]], truth: list[list[float]], box: tuple[float, ...] = (0, 0, 40, 20)) -> Pair:
    around = np.array([[10.0, 10.0], [30.0, 10.0]])
    return Pair(picture(0), picture(1), np.array(points, float), np.array(truth, float), np.array(box, float), around)


def test_features_at_places_are_bilinear_between_the_middles_of_cells_as_scipy_has_it() -> None:
    rng = np.random.default_rng(0)
    features, places = rng.normal(size=(3, 5, 7)).astype(np.float32), rng.random((50, 2))
    found = sampled(torch.from_numpy(features), places).numpy()
    at = np.stack([places[:, 1] * 5 - 0.5, places[:, 0] * 7 - 0.5])
    expected = np.stack([map_coordinates(one, at, order=1, mode="nearest") for one in features], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_most_similar_cell_of_the_whole_map_is_named_by_its_middle() -> None:
    features = torch.eye(6).reshape(6, 2, 3)
    found = nearest_cells(3.0 * torch.eye(6)[[4, 0]], features)  # lower row, middle column; then the first cell
    np.testing.assert_allclose(found, [[0.5, 0.75], [1 / 6, 0.25]])
    np.testing.assert_allclose(own_cells(np.array([[0.4, 0.6], [1.0, 0.0]]), 2, 3), [[0.5, 0.75], [5 / 6, 0.25]])


def test_sizes_keep_their_proportions_and_become_whole_cells() -> None:
    assert encoded_size(375, 500, 512, 8) == (384, 512)
    assert encoded_size(375, 500, 512, 14) == (378, 518)
    assert encoded_size(128, 128, 0, 14) == (126, 126)
    with pytest.raises(DataError, match="a picture of 3 x 90 pixels has no room for cells of 8"):
        encoded_size(90, 3, 0, 8)


@pytest.mark.parametrize("side", [0, 8])
def test_exact_features_find_the_middle_of_the_right_cell(side: int) -> None:
    rng = np.random.default_rng(0)
    cells = np.stack([rng.integers(0, 8, 12), rng.integers(0, 4, 12)], axis=1)  # of 10 x 6, before two to the right
    points = 8.0 * cells + 4
    encoder = Rolled(1, 2, side)
    examiner = HOW.examiner(encoder, Drawn([pair(points.tolist(), (points + np.array([16, 8])).tolist())]))  # type: ignore[arg-type]
    (found,) = examiner.found(examiner._pairs.pairs)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found, points + np.array([16, 8]), atol=1e-9)
    values = examiner.numbers([0]).values
    assert {name: column.tolist() for name, column in values.items()} == {
        "points count": [12], "0.05 count": [12], "0.10 count": [12], "0.20 count": [12],
    }  # fmt: skip
    assert encoder.seen[-1] == (2, 48, 80, 3)  # both pictures together


def test_with_exact_features_a_point_is_never_farther_off_than_half_a_cell() -> None:
    rng = np.random.default_rng(1)
    points = rng.random((200, 2)) * [80, 48]
    examiner = HOW.examiner(Rolled(), Drawn([pair(points.tolist(), points.tolist())]))  # type: ignore[arg-type]
    (found,) = examiner.found(examiner._pairs.pairs)  # type: ignore[attr-defined]
    assert np.abs(found - points).max() <= 4
    np.testing.assert_allclose((found - 4) % 8, 0, atol=1e-9)
    # And so are the ceilings, of the stride that they name.
    for name, stride in CEILINGS.items():
        examiner = HOW.examiner(name, Drawn([pair(points.tolist(), points.tolist())]))  # type: ignore[arg-type]
        (own,) = examiner.found(examiner._pairs.pairs)  # type: ignore[attr-defined]
        assert np.abs(own - points).max() <= stride / 2
        if stride == 8:
            np.testing.assert_allclose(own, found, atol=1e-9)


def test_a_picture_is_resized_for_the_encoder_and_distances_are_those_of_its_own_pixels() -> None:
    how = replace(HOW, longer=40)
    points = np.array([[20.0, 12.0], [72.0, 40.0]])
    encoder = Rolled()
    examiner = how.examiner(encoder, Drawn([pair(points.tolist(), points.tolist())]))  # type: ignore[arg-type]
    (found,) = examiner.found(examiner._pairs.pairs)  # type: ignore[attr-defined]
    assert encoder.seen == [(2, 24, 40, 3)]
    np.testing.assert_allclose(found, [[24, 8], [72, 40]], atol=1e-9)  # cells of 16 pixels; between two, the first


def test_points_are_right_up_to_a_share_of_the_longer_side_of_the_box() -> None:
    truth = [[40.0, 20.0], [40.0, 20.0], [40.0, 20.0], [40.0, 20.0]]
    points = [[42.0, 20.0], [40.0, 24.0], [44.0, 24.0], [40.0, 29.0]]  # off by 2, 4, 5.7 and 9, of a side of 40
    found = HOW.examiner(SAME, Drawn([pair(points, truth)])).numbers([0])  # type: ignore[arg-type]
    assert [found.values[f"{name} count"][0] for name in ("points", "0.05", "0.10", "0.20")] == [4, 1, 2, 3]
    other = pair(points, truth)
    wide = Drawn([replace(other, second=picture(2, 96, 160), truth=2 * other.truth)])  # another size, the same share
    assert HOW.examiner(SAME, wide).numbers([0]).values["0.05 count"][0] == 0  # type: ignore[arg-type]
    np.testing.assert_allclose(HOW.examiner(SAME, wide).found(wide.pairs)[0], 2 * np.array(points))  # type: ignore[arg-type]


def test_the_random_point_is_counted_by_what_is_expected_of_it() -> None:
    one = pair([[0, 0], [0, 0]], [[11.0, 10.0], [20.0, 10.0]])  # 1 and 19 off; 10 and 10 off; of a side of 40
    assert expected_right(one) == [0.5, 0.5, 0.5]
    assert expected_right(replace(one, box=np.array([0.0, 0, 10, 50]))) == [0.5, 0.5, 0.5 + 1]
    found = HOW.examiner(ANYWHERE, Drawn([one])).numbers([0])  # type: ignore[arg-type]
    assert found.values["0.10 count"].tolist() == [0.5]
    rng = np.random.default_rng(0)
    many = replace(one, around=rng.random((500, 2)) * 40, truth=rng.random((30, 2)) * 40)
    drawn = many.around[rng.integers(0, 500, (4000, 30))]
    share = (np.linalg.norm(drawn - many.truth, axis=2) <= 4).sum(axis=1).mean()
    assert expected_right(many)[1] == pytest.approx(share, rel=0.05)


def test_points_outside_a_picture_and_empty_boxes_are_counted_failures() -> None:
    good = pair([[1, 1]], [[2, 2]])
    source = Drawn(
        [good, pair([[81, 1]], [[2, 2]]), pair([[1, 1]], [[2, -1]]), replace(good, box=np.array([5.0, 5, 5, 5]))]
    )
    found = HOW.examiner(SAME, source).numbers([0, 1, 2, 3])  # type: ignore[arg-type]
    assert found.positions.tolist() == [0]
    reasons = [found.failed[position].reason for position in (1, 2, 3)]
    assert reasons[0] == "1 points of s0/far are outside its first image of 80 x 48 pixels, such as (81, 1)"
    assert "s1/near are outside its second image" in reasons[1]
    assert reasons[2].startswith("the object's box in the second image of s1/far is empty")
    nothing = HOW.examiner(SAME, Drawn([source.pairs[1]])).numbers([0])  # type: ignore[arg-type]
    assert (len(nothing.positions), list(nothing.values)) == (0, [])


def test_a_picture_that_cannot_be_encoded_is_a_counted_failure_of_its_pair() -> None:
    class Broken(Rolled):
        def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
            found = super().maps(images, within, stride).clone()
            found[torch.tensor([bool((one == picture(9)).all()) for one in images]), 0, 0, 0] = torch.nan
            return found

    good = pair([[4, 4]], [[4, 4]])
    low = replace(good, first=picture(3, 3, 80), points=np.array([[4.0, 1.0]]))
    source = Drawn([good, replace(good, second=picture(9)), low])
    found = HOW.examiner(Broken(), source).numbers([0, 1, 2])  # type: ignore[arg-type]
    assert found.positions.tolist() == [0]
    assert found.values["0.05 count"].tolist() == [1]
    assert {position: why.reason for position, why in found.failed.items()} == {
        1: "a picture of s0/far cannot be encoded: its features are not all finite",
        2: "a picture of s1/near cannot be encoded: a picture of 80 x 3 pixels has no room for cells of 8",
    }


def answers(counts: dict[str, list[float]]) -> Answers:
    ids = np.array(sorted(counts))
    blank = np.full((len(ids), 1), -1, np.int16)
    table = np.array([counts[i] for i in ids], np.float32)
    numbers = {f"{name} count": table[:, [n]] for n, name in enumerate(("points", "0.05", "0.10", "0.20"))}
    return Answers(
        "m", ids, blank, blank.astype(np.float32), np.full(len(ids), -1), blank.astype(np.float32), numbers=numbers
    )


def test_pck_is_per_point_and_per_image_and_draws_are_of_scenes() -> None:
    task, kind = get_task("micro-correspondence"), KINDS["correspondence"]
    parts = task.protocol.parts  # type: ignore[union-attr]
    own = answers(
        {
            f"a/{parts[0]}": [10, 1, 5, 10], f"a/{parts[1]}": [2, 0, 2, 2], f"a/{parts[2]}": [0, 0, 0, 0],
            f"b/{parts[0]}": [8, 0, 2, 4], f"b/{parts[1]}": [4, 1, 1, 2],
        }
    )  # fmt: skip
    units = kind.units(task, own, None, Truth())
    assert units.ids.tolist() == ["a", "b"]
    resampler = Resampler({"m": units}, 50)
    sampled_units = resampler.sampled("m", units.ids)
    measures = {(m.condition, m.metric): m for m in kind.measures(task, Truth())}

    def value(condition: str, metric: str) -> float:
        return float(measures[condition, metric].compute(sampled_units.point)[0])

    assert value("overall", "pck_points") == pytest.approx(10 / 24)
    assert value("overall", "pck_images") == pytest.approx((5 / 10 + 2 / 2 + 2 / 8 + 1 / 4) / 4)
    assert value("overall", "pck_points_05") == pytest.approx(2 / 24)
    assert value("overall", "pck_points_20") == pytest.approx(18 / 24)
    assert value(parts[0], "pck_points") == pytest.approx(7 / 18)
    assert value(parts[1], "pck_images") == pytest.approx((1 + 1 / 4) / 2)
    assert np.isnan(value(parts[2], "pck_points"))  # its only pair has no point
    assert sampled_units.count(measures["overall", "pck_points"]) == 24
    assert sampled_units.count(measures["overall", "pck_images"]) == 4
    draws = measures["overall", "pck_points"].compute(sampled_units.samples)
    of_a, of_b, both = 7 / 12, 3 / 12, 10 / 24
    assert {round(float(x), 9) for x in draws} == {round(x, 9) for x in (of_a, of_b, both)}
    missing = replace(own, numbers=dict.fromkeys(own.numbers, np.full((5, 1), np.nan, np.float32)))
    unknown = Resampler({"m": kind.units(task, missing, None, Truth())}, 5).sampled("m", units.ids)
    assert np.isnan(measures["overall", "pck_points"].compute(unknown.point)[0])


def test_points_of_the_object_are_where_the_renderer_and_opencv_have_them() -> None:
    scene, times = MicroSet("val", 1).scene(7), np.array([0.0, 1.7])
    before, after = frame_rows([scene, scene], times, shakes([scene, scene], times))
    rng = np.random.default_rng(0)
    places, depth = rng.random((20, 2)), rng.uniform(2, 5, 20)
    there, deep = moved(before, depth, places, after)
    same, as_deep = moved(before, depth, places, before)
    np.testing.assert_allclose(same, places, atol=1e-12)
    np.testing.assert_allclose(as_deep, depth, atol=1e-12)

    def camera(row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """OpenCV's: down is positive."""
        return np.diag([1.0, -1.0, 1.0]) @ row[k.AXES : k.AXES + 9].reshape(3, 3), row[k.CAMERA : k.CAMERA + 3]

    def lens(row: np.ndarray) -> np.ndarray:
        return np.array([[0.5 / row[k.TANGENT], 0, 0.5], [0, 0.5 / row[k.TANGENT], 0.5], [0, 0, 1.0]])

    axes, place = camera(before)
    rays = np.linalg.solve(lens(before), np.column_stack([places, np.ones(20)]).T)
    world = (axes.T @ (rays * depth)).T + place
    points = np.array([_to_object.py_func(before, 0, *point) for point in world]) * before[k.SCALE]
    axes, place = camera(after)
    turned = after[k.ROTATION : k.ROTATION + 9].reshape(3, 3)
    shift = axes @ (after[k.POSITION : k.POSITION + 3] - place)
    expected, _ = cv2.projectPoints(points, cv2.Rodrigues(axes @ turned.T)[0], shift, lens(after), None)
    np.testing.assert_allclose(there, expected[:, 0], atol=1e-9)
    np.testing.assert_allclose(deep, (points @ turned @ axes.T + shift)[:, 2], atol=1e-9)


def test_pairs_of_the_micro_world_share_their_first_frame_and_show_their_points_on_the_object() -> None:
    source = MicroPairs(7, 3)
    assert source.image_ids[:3] == tuple(f"pairs-3-000000/{gap} s" for gap in (0.2, 1.28, 2.56))
    assert source.image_ids[3] == "pairs-3-000001/0.2 s"
    assert MicroPairs(60, 3).digest == source.digest != MicroPairs(7, 4).digest
    assert MicroPairs(60, 3).image_ids[:7] == source.image_ids
    copy = pickle.loads(pickle.dumps(source))
    pairs = [source.pair(position) for position in range(3)]
    assert all(one.first is pairs[0].first for one in pairs)
    for one, other in zip(pairs, [copy.pair(position) for position in range(3)], strict=True):
        np.testing.assert_array_equal(one.truth, other.truth)
        assert 0 < len(one.points) == len(one.truth) <= POINTS
        assert one.second.shape == (SIZE, SIZE, 3)
        on = {(int(x), int(y)) for x, y in one.around}
        assert {(int(x), int(y)) for x, y in one.truth} <= on
        left, top, right, bottom = one.box
        assert (one.truth >= [left, top]).all()
        assert (one.truth <= [right, bottom]).all()
    steps = [np.median(np.linalg.norm(one.truth - one.points, axis=1)) for one in pairs]
    assert steps[0] < steps[2]  # the longer the farther
    assert (MicroPairs(1, -1).pair(0).first != pairs[0].first).any()  # seeds may be negative
    with pytest.raises(ValueError, match="Invalid length 0"):
        MicroPairs(0)


def photographed_rows(numbers: list[int], seed: int = 0) -> np.ndarray:
    """The kernel's rows of photographs of scenes of the set val."""
    scenes = [photographed(scene) for scene in MicroSet("val", 1, seed).scenes(numbers)]
    return frame_rows(scenes, np.full(len(scenes), 1.28))


def on_object(row: np.ndarray, depth: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """What pixels show, in the coordinates of the first object: float64 (n, 3)."""
    u, v = 2 * (across + 0.5) / SIZE - 1, 1 - 2 * (down + 0.5) / SIZE
    rays = np.column_stack([row[k.TANGENT] * u, row[k.TANGENT] * v, np.ones(len(u))])
    world = row[k.CAMERA : k.CAMERA + 3] + depth[down, across, None] * (rays @ row[k.AXES : k.AXES + 9].reshape(3, 3))
    return np.array([_to_object.py_func(row, 0, *point) for point in world])


def test_pairs_of_instances_are_of_one_class_of_different_scenes_and_of_the_sides_that_they_name() -> None:
    source = MicroInstances(9, 3)
    assert source.image_ids[:4] == (
        "instances-3-000000/0 to 30 degrees",
        "instances-3-000000/30 to 60 degrees",
        "instances-3-000000/60 to 90 degrees",
        "instances-3-000001/0 to 30 degrees",
    )
    assert MicroInstances(60, 3).digest == source.digest != MicroInstances(9, 4).digest
    assert MicroInstances(60, 3).image_ids[:9] == source.image_ids
    used: set[int] = set()
    for group in range(12):
        numbers = source.scenes_of(group)
        used |= set(numbers)
        rows = photographed_rows(numbers, 3)
        assert {k.CLASSES[int(row[k.SHAPE])] for row in rows} == {k.POSED[group % 6]}
        sides = np.array([_to_object.py_func(row, 0, *row[k.CAMERA : k.CAMERA + 3]) for row in rows])
        sides /= np.linalg.norm(sides, axis=1, keepdims=True)
        angles = np.rad2deg(np.arccos(sides[1:] @ sides[0]))
        assert all(low <= angle < high for angle, (low, high) in zip(angles, k.VIEWS.values(), strict=True))
    assert len(used) == 12 * 4


def test_points_of_instances_are_the_same_in_the_coordinates_of_both_objects() -> None:
    source = MicroInstances(18, 0)
    off, height = [], []
    for group in range(6):
        numbers = source.scenes_of(group)
        frames, rows = MicroSet("val", 1).frames(numbers, SIZE), photographed_rows(numbers)
        for other in (1, 2, 3):
            pair = source.pair(3 * group + other - 1)
            assert len(pair.points) == POINTS
            np.testing.assert_array_equal(pair.first, frames.images[0])
            np.testing.assert_array_equal(pair.second, frames.images[other])
            first = on_object(rows[0], frames.depth[0], *pair.points.astype(int).T)
            second = on_object(rows[other], frames.depth[other], *pair.truth.astype(int).T)
            off.append(np.linalg.norm(second - first, axis=1))
            height.append([distance(frames.labels[0], *point) for point in first])
    assert np.abs(height).max() < 0.01  # above or below the surface of the solid
    assert np.median(off) < 0.015
    assert np.max(off) < 0.1  # a pixel's middle is not the point, most of all on steep parts


def test_instances_of_one_scene_have_their_points_in_one_place_and_turned_ones_where_a_clip_has_them() -> None:
    source, scene = MicroInstances(3), MicroSet("val", 1).scene(7)
    around = np.array([0.4, 0.0, 0.0, 0.0])  # the camera's azimuth alone
    still = replace(
        scene, spins=0 * scene.spins, drifts=0 * scene.drifts, camera_velocity=around, light_turn=0.0,
        occluder_velocity=0 * scene.occluder_velocity,
    )  # fmt: skip
    turned = replace(still, camera=1.28 * around + still.camera)
    middle = np.full(3, 1.28)
    frames = render([still, still, turned], middle.tolist(), SIZE, camera="ideal")
    same, other = source._paired(0, frames, frame_rows([still, still, turned], middle))
    np.testing.assert_allclose(same.truth, same.points, atol=1e-9)
    assert len(same.points) == POINTS
    times = np.array([1.28, 2.56])
    clip = render([still, still], times.tolist(), SIZE, camera="ideal")
    (later,) = source._paired(0, clip, frame_rows([still, still], times))
    np.testing.assert_array_equal(other.second, later.second)
    np.testing.assert_array_equal(other.points, later.points)
    np.testing.assert_allclose(other.truth, later.truth, atol=1e-9)
    assert np.abs(other.truth - other.points).max() > 3


@dataclass
class Knowing:
    """Features are the object's coordinates, as points of a sphere in four dimensions; elsewhere its other pole."""

    known: dict[bytes, np.ndarray]
    identity: str = "knowing@1"

    def patch(self, height: int, width: int) -> int:
        return 0

    def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
        assert stride == 1  # so that no feature is between the object and what is behind it
        return torch.from_numpy(np.stack([self.known[image.tobytes()] for image in images]))


def test_who_knows_the_coordinates_of_the_objects_finds_their_points() -> None:
    source, known = MicroInstances(9, 0), {}
    for group in range(3):
        numbers = source.scenes_of(group)
        frames = MicroSet("val", 1).frames(numbers, SIZE)
        for row, image, depth, mask in zip(
            photographed_rows(numbers), frames.images, frames.depth, frames.mask, strict=True
        ):
            features = np.zeros((4, SIZE, SIZE), np.float32)
            features[3] = -1
            down, across = np.nonzero(mask)
            features[:3, down, across] = on_object(row, depth, across, down).T / 2
            features[3, down, across] = np.sqrt(1 - (features[:3, down, across] ** 2).sum(axis=0))
            known[image.tobytes()] = features
    how = get_task("micro-semantic-correspondence").protocol
    assert isinstance(how, Matching)
    exact = replace(how, stride=1).examiner(Knowing(known), source).numbers(range(9)).values  # type: ignore[arg-type]
    assert exact["points count"].tolist() == [POINTS] * 9
    assert exact["0.05 count"].sum() > 0.99 * 9 * POINTS
    unmoved = how.examiner(SAME, source).numbers(range(9)).values  # type: ignore[arg-type]
    assert unmoved["0.10 count"].sum() < 0.3 * 9 * POINTS
