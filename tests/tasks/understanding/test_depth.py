"""Depth from features: the probe against scikit-learn, errors by hand, exact features, floors, ceilings, bad input."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from torch import Tensor

from vitobench.errors import DataError
from vitobench.tasks.kinds import KINDS
from vitobench.tasks.labels import Truth
from vitobench.tasks.microworld.labelled_scenes import MicroLabelledScenes
from vitobench.tasks.registry import get_task
from vitobench.tasks.scoring.samples import Answers, Resampler
from vitobench.tasks.understanding.cells import cell_means, enlarged
from vitobench.tasks.understanding.depth import (
    CEILINGS,
    CONSTANT,
    MEASURES,
    OBJECT,
    PLACES,
    WHOLE,
    Probing,
    Sums,
    errors,
    fit_probe,
)

HOW = Probing((WHOLE, OBJECT), within=8, stride=8)


@dataclass
class Drawn:
    """Pictures whose red is the logarithm of depth, the same in each cell of 8 pixels; the left column has none."""

    image_ids: tuple[str, ...] = ("a", "b")
    learning_ids: tuple[str, ...] = tuple(f"l{n}" for n in range(10))
    digest: str = "drawn"
    name: str = "drawn"
    fitted: dict[tuple[str, str], Any] = field(default_factory=dict)
    changed: dict[str, np.ndarray] = field(default_factory=dict)

    def red(self, image_id: str) -> np.ndarray:
        cells = np.random.default_rng(list(image_id.encode())).integers(0, 200, (4, 5))
        return np.kron(cells, np.ones((8, 8))).astype(np.uint8)

    def picture(self, image_id: str) -> np.ndarray:
        return np.stack([self.red(image_id), 0 * self.red(image_id), 255 - self.red(image_id)], axis=2)

    def depth_of(self, image_id: str) -> np.ndarray:
        if image_id in self.changed:
            return self.changed[image_id]
        depth = np.exp(self.red(image_id) / 100.0)
        depth[:, 0] = np.nan
        return depth

    def object_of(self, image_id: str) -> np.ndarray:
        there = np.zeros((32, 40), bool)
        if image_id != "b":
            there[8:16, 8:16] = True
        return there


@dataclass
class Colours:
    """Features that are the colour of a cell, and one that is always the same."""

    side: int = 0
    name: str = "colours"
    identity: str = "colours@1"
    seen: int = 0

    def patch(self, height: int, width: int) -> int:
        return self.side

    def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
        self.seen += len(images)
        pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()
        pixels[:, 1] = 0.3
        return torch.nn.functional.avg_pool2d(pixels, stride)


def test_errors_by_hand_and_as_scikit_learn_has_them() -> None:
    truth, found = np.array([[2.0, 4.0], [np.nan, 1.0]]), np.array([[2.4, 3.0], [9.0, 1.0]])
    own = dict(zip(MEASURES, errors(found, truth), strict=True))
    assert own["pixels"] == 3
    assert own["squares"] == pytest.approx((0.16 + 1) / 3)
    assert own["within"] == pytest.approx(2 / 3)  # 1.2 and 1 are below 1.25, 4/3 is not
    assert own["relative"] == pytest.approx((0.2 + 0.25) / 3)
    assert own["logmean"] == pytest.approx((np.log(1.2) + np.log(0.75)) / 3)
    there = ~np.isnan(truth)
    assert own["logsquares"] == pytest.approx(mean_squared_error(np.log(truth[there]), np.log(found[there])))
    assert errors(np.array([[1.25]]), np.array([[1.0]]))[2] == 0  # a factor of 1.25 is not below it
    nothing = errors(found, np.full((2, 2), np.nan))
    assert nothing[0] == 0
    assert np.isnan(nothing[1:]).all()


def test_cell_means_are_over_the_pixels_that_have_a_value() -> None:
    values = np.array([[1.0, 2.0, np.nan, np.nan], [3.0, np.nan, np.nan, np.nan]])
    means, shares = cell_means(values, 1, 2)
    np.testing.assert_allclose(means, [[2.0, 0.0]])
    np.testing.assert_allclose(shares, [[0.75, 0.0]])
    np.testing.assert_allclose(enlarged(np.array([[0.0, 1.0]]), 2, 4), [[0, 0.25, 0.75, 1]] * 2)


def test_the_probe_is_weighted_ridge_regression_as_scikit_learn_has_it() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(12, 6, 4, 5)) * rng.uniform(1, 50, (6, 1, 1)) + rng.uniform(-9, 9, (6, 1, 1))
    features[:, 5] = 0.1
    targets = 0.02 * features[:, :3].sum(axis=1) + rng.normal(size=(12, 4, 5))
    weights = rng.random((12, 4, 5)) * (rng.random((12, 4, 5)) > 0.2)
    learning, held_out = Sums(), Sums()
    for number in range(12):
        sums = held_out if number >= 9 else learning
        sums.add(torch.from_numpy(features[number]).float(), targets[number], weights[number])
    features = features.astype(np.float32).astype(np.float64)

    def oracle(chosen: slice, penalty: float) -> tuple[Any, np.ndarray]:
        x, y, w = (v[chosen] for v in (features.transpose(0, 2, 3, 1).reshape(12, 20, 6), targets.reshape(12, 20), weights.reshape(12, 20)))  # fmt: skip # noqa: E501
        x, y, w = x.reshape(-1, 6), y.ravel(), w.ravel()
        mean = np.average(x, axis=0, weights=w)
        spread = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=w))
        scale = np.where(spread > 1e-5, 1 / np.maximum(spread, 1e-5), 0) / np.sqrt(6)
        model = Ridge(alpha=penalty * w.sum()).fit((x - mean) * scale, y, sample_weight=w)
        every = (features.transpose(0, 2, 3, 1).reshape(-1, 6) - mean) * scale
        return model, model.predict(every).reshape(12, 4, 5)

    probe = fit_probe(learning, held_out)
    off = {}
    for power in range(2, -9, -1):
        _, said = oracle(slice(0, 9), 10.0**power)
        off[10.0**power] = np.average((said - targets)[9:] ** 2, weights=weights[9:])
    assert probe.penalty == pytest.approx(min(off, key=lambda penalty: off[penalty]))
    _, expected = oracle(slice(0, 12), probe.penalty)
    known = weights > 0
    expected = np.clip(expected, targets[known].min(), targets[known].max())
    found = np.array([probe.logarithms(torch.from_numpy(one).float()) for one in features])
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("side", [0, 8])
def test_features_that_know_depth_are_as_good_as_their_cells_and_fitted_once(side: int) -> None:
    source, encoder = Drawn(), Colours(side)
    found = HOW.examiner(encoder, source).numbers([0, 1])  # type: ignore[arg-type]
    assert encoder.seen == 10 + 2
    again = HOW.examiner(encoder, source).numbers([1])  # type: ignore[arg-type]
    assert encoder.seen == 10 + 2 + 1
    best = HOW.examiner("true depth at stride 8", source).numbers([0, 1])  # type: ignore[arg-type]
    worse = HOW.examiner("true depth at stride 16", source).numbers([0, 1])  # type: ignore[arg-type]
    for name, values in best.values.items():
        np.testing.assert_allclose(found.values[name], values, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(again.values[name], found.values[name][1:])
    assert (best.values["overall squares"] < worse.values["overall squares"]).all()
    assert found.values["overall pixels"].tolist() == [32 * 39, 32 * 39]
    assert found.values["object pixels"].tolist() == [64, 0]
    assert np.isnan(found.values["object squares"]).tolist() == [False, True]
    HOW.examiner(Colours(side, identity="other@1"), source).numbers([0])  # type: ignore[arg-type]
    assert len(source.fitted) == 2
    # With cells that are as large as the picture's own, the middle of each has the exact depth.
    (depth,) = HOW.examiner(encoder, source).depths([source.picture("a")], [source.depth_of("a")])  # type: ignore[arg-type]
    middle = np.sqrt(depth[3::8, 3::8] * depth[4::8, 4::8])
    np.testing.assert_allclose(middle[1:3, 1:4], source.depth_of("a")[3::8, 3::8][1:3, 1:4], rtol=0.35)


def test_depth_that_is_linear_in_the_picture_is_exact_between_cells_too() -> None:
    source = Drawn()
    ramp = np.tile(np.linspace(0, 156, 40), (32, 1))
    source.red = lambda image_id: ramp.astype(np.uint8)  # type: ignore[method-assign]
    source.changed = {name: np.exp(ramp / 100) for name in (*source.image_ids, *source.learning_ids)}
    (depth,) = HOW.examiner(Colours(), source).depths([source.picture("a")], [source.depth_of("a")])  # type: ignore[arg-type]
    np.testing.assert_allclose(depth[:, 4:36], np.exp(ramp / 100)[:, 4:36], rtol=1e-3)


def test_the_floors_are_means_of_logarithms_of_the_pictures_to_learn_from() -> None:
    source = Drawn()
    logs = np.array([np.log(source.depth_of(name)) for name in source.learning_ids])
    truths = [np.ones((40, 24)), np.ones((32, 32))]
    examiner = HOW.examiner(CONSTANT, source)  # type: ignore[arg-type]
    for said in examiner.depths(truths, truths):
        np.testing.assert_allclose(np.log(said), np.nanmean(logs))
    (said,) = HOW.examiner(PLACES, source).depths(truths[1:], truths[1:])  # type: ignore[arg-type]
    expected = cell_means(np.nanmean(logs[:, :, 1:], axis=0), 32, 39)[0]
    np.testing.assert_allclose(np.log(said)[:, 16:24].mean(), expected[:, 19:29].mean(), rtol=0.1)
    assert np.log(said).std() > 0.05


def test_bad_depth_is_a_counted_failure_and_fails_what_is_fitted_to_it() -> None:
    for depth, reason in (
        (np.full((32, 40), np.nan), "no pixel of a has a depth"),
        (np.ones((30, 40)), "the depth of a has 40 x 30 pixels, its image 40 x 32"),
        (np.zeros((32, 40)), "a has depths that are not above 0 and finite"),
        (np.full((32, 40), np.inf), "a has depths that are not above 0 and finite"),
    ):
        found = HOW.examiner(Colours(), Drawn(changed={"a": depth})).numbers([0, 1])  # type: ignore[arg-type]
        assert found.positions.tolist() == [1]
        assert found.failed[0].reason == reason
        for encoder in (Colours(), CONSTANT):
            with pytest.raises(DataError, match=reason.replace("a has", "l1 has").replace("of a", "of l1")):
                HOW.examiner(encoder, Drawn(changed={"l1": depth})).numbers([1])  # type: ignore[arg-type]
    few = Drawn(learning_ids=("l0", "l1"))
    with pytest.raises(DataError, match="a probe needs 5 images or more to choose a penalty; there are 2"):
        HOW.examiner(Colours(), few).numbers([0])  # type: ignore[arg-type]


def test_a_picture_without_finite_features_is_a_counted_failure_of_its_own() -> None:
    class Broken(Colours):
        broken = ""

        def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
            found = super().maps(images, within, stride)
            found[torch.tensor([bool((one == source.picture(self.broken)).all()) for one in images]), 0, 1, 1] = np.inf
            return found

    source, encoder = Drawn(), Broken()
    encoder.broken = "b"
    whole = HOW.examiner(Colours(), Drawn()).numbers([0, 1])  # type: ignore[arg-type]
    found = HOW.examiner(encoder, source).numbers([0, 1])  # type: ignore[arg-type]
    assert found.positions.tolist() == [0]
    assert found.failed[1].reason == "b cannot be encoded: its features are not all finite"
    for name, values in found.values.items():
        np.testing.assert_allclose(values, whole.values[name][:1])
    alone = HOW.examiner(encoder, source).numbers([1])  # type: ignore[arg-type]
    assert (len(alone.positions), alone.values, list(alone.failed)) == (0, {}, [1])
    other, source = Broken(), Drawn()
    other.broken = "l7"
    with pytest.raises(DataError, match="l7, which the probe is fitted to, cannot be encoded: its features are not"):
        HOW.examiner(other, source).numbers([0])  # type: ignore[arg-type]


def test_rmse_is_a_mean_of_roots_and_a_root_of_the_pooled_mean_under_two_names() -> None:
    task, kind = get_task("micro-depth"), KINDS["depth"]
    rng = np.random.default_rng(0)
    off = [rng.normal(0, scale, count) for scale, count in ((1, 10), (3, 30), (2, 5))]
    logs = [rng.normal(0.1, 0.3, len(own)) for own in off]
    nan = float("nan")
    rows = {
        "pixels": [len(own) for own in off], "squares": [(own**2).mean() for own in off],
        "within": [0.5, 0.25, 1.0], "relative": [0.1, 0.2, 0.6],
        "logsquares": [(own**2).mean() for own in logs], "logmean": [own.mean() for own in logs],
    }  # fmt: skip
    numbers = {f"overall {name}": np.array(own, np.float32)[:, None] for name, own in rows.items()}
    numbers |= {f"object {name}": np.array([own[0], own[1], nan], np.float32)[:, None] for name, own in rows.items()}
    numbers["object pixels"][2] = 0
    blank = np.full((3, 1), -1, np.int16)
    own = Answers(
        "m", np.array(["a", "b", "c"]), blank, blank.astype(np.float32), np.full(3, -1), blank.astype(np.float32),
        numbers=numbers,
    )  # fmt: skip
    units = kind.units(task, own, None, Truth())
    resampler = Resampler({"m": units}, 40)
    sampled = resampler.sampled("m", units.ids)
    measures = {(m.condition, m.metric): m for m in kind.measures(task, Truth())}
    found = {key: float(m.compute(sampled.point)[0]) for key, m in measures.items()}
    roots = [np.sqrt((one**2).mean()) for one in off]
    assert found["overall", "depth_rmse"] == pytest.approx(np.mean(roots), rel=1e-6)
    assert found["overall", "depth_rmse_pooled"] == pytest.approx(np.sqrt((np.concatenate(off) ** 2).mean()), rel=1e-6)
    assert found["overall", "depth_within_125"] == pytest.approx(np.mean([0.5, 0.25, 1]))
    assert found["overall", "depth_abs_rel"] == pytest.approx(0.3)
    assert found["overall", "depth_log_rmse"] == pytest.approx(np.mean([np.sqrt((x**2).mean()) for x in logs]))
    assert found["overall", "depth_log_rmse_shifted"] == pytest.approx(np.mean([x.std() for x in logs]), rel=1e-5)
    assert found["object", "depth_rmse"] == pytest.approx(np.mean(roots[:2]), rel=1e-6)
    assert sampled.count(measures["object", "depth_rmse"]) == 2
    two = resampler.sampled("m", units.ids[[2]])
    assert np.isnan(measures["object", "depth_rmse"].compute(two.point)[0])
    draws = measures["overall", "depth_rmse"].compute(sampled.samples)
    assert min(roots) <= draws.min() < draws.max() <= max(roots)
    numbers["overall squares"] = np.full((3, 1), np.nan, np.float32)
    lost = Resampler({"m": kind.units(task, replace(own, numbers=numbers), None, Truth())}, 5).sampled("m", units.ids)
    assert np.isnan(measures["overall", "depth_rmse"].compute(lost.point)[0])


def test_scenes_of_the_micro_world_have_exact_depth_but_for_their_backdrop() -> None:
    source = MicroLabelledScenes(3)
    depth, there = source.depth_of("val-0-000001"), source.object_of("val-0-000001")
    whole = source._sets["val"].frames([1], 128, [1.28])
    assert np.isnan(depth).sum() == (whole.surfaces[0] == 0).sum()
    np.testing.assert_array_equal(depth[there], whole.depth[0][there])
    assert there.any()
    assert not np.isnan(depth[there]).any()
    assert source.learning_ids == source.memory_ids
    how = get_task("micro-depth").protocol
    assert isinstance(how, Probing)
    squares = {}
    for name in CEILINGS:
        values = how.examiner(name, source).numbers([0, 1, 2]).values  # type: ignore[arg-type]
        squares[name] = values["overall squares"]
        assert (values["object pixels"] < values["overall pixels"]).all()
    assert (squares["true depth at stride 8"] < squares["true depth at stride 16"]).all()
