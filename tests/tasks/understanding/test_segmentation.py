"""Classes of pixels retrieved from labelled images: the counts, the memory, exact features, and bad input."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassJaccardIndex

from vitobench.errors import DataError
from vitobench.tasks.kinds import KINDS
from vitobench.tasks.kinds.segmentation import mean_iou
from vitobench.tasks.labels import Truth
from vitobench.tasks.microworld.labelled_scenes import MicroLabelledScenes
from vitobench.tasks.registry import get_task
from vitobench.tasks.scoring.samples import Answers, Resampler
from vitobench.tasks.understanding.pixel_head import LinearHead
from vitobench.tasks.understanding.retrieval import Memory, Retrieval, chosen_cells
from vitobench.tasks.understanding.segmentation import (
    MEAN_MASK,
    MEASURES,
    OBSERVERS,
    VOID,
    _enlarged,
    cell_counts,
    pixel_counts,
    shares_of,
)
from vitobench.tests.tasks.understanding.drawn import Colours, Drawn

HOW = Retrieval(("ground", "red", "blue"), side=32, within=8, stride=8, neighbours=3)


def test_counts_of_maps_made_by_hand() -> None:
    truth = np.array([[0, 0, 1, 1], [0, 0, 1, 255]], np.uint8)
    said = np.array([[0, 1, 1, 1], [0, 0, 2, 2]], np.uint8)
    np.testing.assert_array_equal(pixel_counts(said, truth, 4), [[3, 2, 0, 0], [4, 4, 1, 0], [4, 3, 0, 0]])
    both, union, _ = pixel_counts(said, truth, 4)
    assert mean_iou(both[None], union[None])[0] == pytest.approx((3 / 4 + 2 / 4 + 0) / 3)  # the fourth is nowhere
    assert np.isnan(mean_iou(np.zeros((1, 4)), np.zeros((1, 4)))).all()
    assert np.isnan(mean_iou(np.array([[1.0, np.nan]]), np.array([[1.0, np.nan]]))).all()


def segmentation_answers(rng: np.random.Generator, images: int, known: int) -> tuple[Answers, np.ndarray, np.ndarray]:
    truth = rng.integers(0, known, (images, 12, 10)).astype(np.uint8)
    said = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, known, truth.shape)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.1] = VOID
    counts = np.array([pixel_counts(s, t, known) for s, t in zip(said, truth, strict=True)])
    numbers = {
        f"{c:03d} {m}": counts[:, row, c : c + 1].astype(np.float32)
        for row, m in enumerate(MEASURES)
        for c in range(known)
    }
    blank = np.full((images, 1), -1, np.int16)
    ids = np.array([f"i{n:02d}" for n in range(images)])
    answers = Answers(
        "m", ids, blank, blank.astype(np.float32), np.full(images, -1), blank.astype(np.float32), numbers=numbers
    )
    return answers, said, truth


def test_miou_is_over_the_pixels_of_the_whole_set_as_torchmetrics_has_it_and_draws_are_of_images() -> None:
    task, kind = get_task("micro-segmentation"), KINDS["segmentation"]
    answers, said, truth = segmentation_answers(np.random.default_rng(0), 12, 17)

    def oracle(chosen: np.ndarray) -> float:
        metric = MulticlassJaccardIndex(num_classes=17, average="macro", ignore_index=VOID)
        return float(metric(torch.from_numpy(said[chosen].astype(int)), torch.from_numpy(truth[chosen].astype(int))))

    units = kind.units(task, answers, None, Truth())
    resampler = Resampler({"m": units}, 50)
    sampled = resampler.sampled("m", units.ids)
    measures = {(m.condition, m.metric): m for m in kind.measures(task, Truth())}
    miou = measures["overall", "miou"]
    assert miou.compute(sampled.point)[0] == pytest.approx(oracle(np.arange(12)), abs=1e-6)
    there = truth != VOID
    accuracy = measures["overall", "pixel_accuracy"].compute(sampled.point)[0]
    assert accuracy == pytest.approx((said == truth)[there].mean())
    per_class = MulticlassJaccardIndex(num_classes=17, average=None, ignore_index=VOID)(
        torch.from_numpy(said.astype(int)), torch.from_numpy(truth.astype(int))
    )
    for number, name in enumerate(task.protocol.classes):  # type: ignore[union-attr]
        assert measures[name, "class_iou"].compute(sampled.point)[0] == pytest.approx(
            float(per_class[number]), abs=1e-6
        )
    draws = miou.compute(sampled.samples)
    assert draws.std() > 0
    assert abs(draws.mean() - oracle(np.arange(12))) < 0.05
    two = resampler.sampled("m", units.ids[[3, 8]])
    assert miou.compute(two.point)[0] == pytest.approx(oracle(np.array([3, 8])), abs=1e-6)


def test_shares_of_cells_leave_void_pixels_out() -> None:
    truth = np.array([[0, 1, VOID, VOID], [1, 1, VOID, VOID], [0, 0, 2, VOID]], np.uint8)
    shares = shares_of(cell_counts(truth[:2], 3, 1, 2))
    np.testing.assert_allclose(shares, [[0.25, 0.75, 0], [0, 0, 0]])
    np.testing.assert_allclose(shares_of(cell_counts(truth, 3, 3, 4))[11], [0, 0, 0])
    np.testing.assert_allclose(shares_of(cell_counts(truth, 3, 1, 1)), [[3 / 7, 3 / 7, 1 / 7]])
    # 5 columns in 2 cells: the middle pixel is in the right one
    np.testing.assert_allclose(shares_of(cell_counts(np.array([[0, 0, 1, 1, 1]], np.uint8), 2, 1, 2)), [[1, 0], [0, 1]])


def test_rare_classes_are_remembered_rather_than_common_ones() -> None:
    shares = np.zeros((100, 3), np.float32)
    shares[:90, 0] = shares[90:95, 1] = 1  # five cells of a rare class, five of nothing
    chosen = [chosen_cells(shares, 10, np.random.default_rng(seed)) for seed in range(50)]
    assert all(len(one) == 10 and (one < 95).all() and (np.diff(one) > 0).all() for one in chosen)
    assert np.mean([(one >= 90).sum() for one in chosen]) > 4
    np.testing.assert_array_equal(chosen_cells(shares, 1000, np.random.default_rng(0)), np.arange(95))


def test_scores_of_many_classes_are_enlarged_in_parts_and_the_largest_wins() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(70, 5, 6, generator=generator)
    scores[40] = scores[3]  # of equal ones the first
    whole = torch.nn.functional.interpolate(scores[None], (23, 31), mode="bilinear", align_corners=False)[0]
    expected = whole.numpy().argmax(axis=0)
    assert expected.max() > 32
    np.testing.assert_array_equal(_enlarged(scores, (23, 31)), expected)


def test_neighbours_are_exact_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.neighbors import NearestNeighbors

    generator = torch.Generator().manual_seed(0)
    keys = torch.nn.functional.normalize(torch.randn(300, 8, generator=generator), dim=1)
    shares = torch.rand(300, 4, generator=generator).softmax(dim=1)
    features = torch.randn(8, 5, 7, generator=generator)
    monkeypatch.setattr("vitobench.tasks.understanding.retrieval._KEYS", 70)
    monkeypatch.setattr("vitobench.tasks.understanding.retrieval._QUERIES", 9)
    found = Memory(keys, shares).retrieve(features, 6, 0.02)
    far, where = (
        NearestNeighbors(n_neighbors=6, metric="cosine", algorithm="brute")
        .fit(keys.numpy())
        .kneighbors(features.flatten(1).T.numpy())
    )
    weights = np.exp((1 - far) / 0.02)
    weights /= weights.sum(axis=1, keepdims=True)
    expected = (shares.numpy()[where] * weights[..., None]).sum(axis=1)
    np.testing.assert_allclose(found.flatten(1).T.numpy(), expected, atol=1e-4)
    few = Memory(keys[:2], shares[:2]).retrieve(features, 6, 0.02)
    np.testing.assert_allclose(few.sum(dim=0), 1, atol=1e-5)


def test_features_that_know_the_classes_find_them_and_the_memory_is_made_once() -> None:
    source, encoder = Drawn(), Colours()
    found = HOW.examiner(encoder, source).numbers([0, 1])  # type: ignore[arg-type]
    assert found.positions.tolist() == [0, 1]
    assert encoder.seen == 3 + 2
    again = HOW.examiner(encoder, source).numbers([1])  # type: ignore[arg-type]
    assert encoder.seen == 3 + 2 + 1
    for name, values in found.values.items():
        assert again.values[name][0] == values[1]
    total = {m: np.array([[found.values[f"{c:03d} {m}"].sum() for c in range(3)]]) for m in MEASURES}
    assert total["area"].sum() == 2 * 32 * 32
    # A cell's class is right; the border between cells is where bilinear enlargement puts it.
    assert total["intersection"].sum() / total["area"].sum() > 0.9
    ceiling = HOW.examiner("true classes at stride 8", source).numbers([0, 1])  # type: ignore[arg-type]
    for name, values in found.values.items():
        np.testing.assert_array_equal(ceiling.values[name], values)
    patches = HOW.examiner(Colours(side=8), source)  # type: ignore[arg-type]
    np.testing.assert_array_equal(patches.numbers([0]).values["001 union"], found.values["001 union"][:1])
    with pytest.raises(DataError, match="32 x 32 pixels have no room for patches of 64"):
        HOW.examiner(Colours(side=64), source)  # type: ignore[arg-type]
    alive = weakref.ref(encoder)
    del encoder
    gc.collect()
    assert alive() is None  # a memory that is kept does not keep its model


def test_the_mean_of_the_memory_reads_no_image() -> None:
    source = Drawn(changed={name: np.full((32, 32), 2, np.uint8) for name in ("m0", "m1")})
    (a,) = HOW.examiner(MEAN_MASK, source).segmented([np.zeros((40, 24, 3), np.uint8)], [np.zeros((40, 24), np.uint8)])  # type: ignore[arg-type]
    assert a.shape == (40, 24)
    assert (a == 2).all()


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        (np.full((32, 32), 3, np.uint8), "a has pixels of class 3; there are 3 classes, from 0"),
        (np.zeros((30, 32), np.uint8), "the classes of a have 32 x 30 pixels, its image 32 x 32"),
    ],
)
def test_bad_maps_of_classes_are_counted_failures_and_fail_the_model_in_the_memory(
    classes: np.ndarray, reason: str
) -> None:
    found = HOW.examiner(Colours(), Drawn(changed={"a": classes})).numbers([0, 1])  # type: ignore[arg-type]
    assert found.positions.tolist() == [1]
    assert found.failed[0].reason == reason
    with pytest.raises(DataError, match=reason.replace("a has", "m1 has").replace("of a have", "of m1 have")):
        HOW.examiner(Colours(), Drawn(changed={"m1": classes})).numbers([1])  # type: ignore[arg-type]
    everywhere = {name: np.full((32, 32), VOID, np.uint8) for name in Drawn().memory_ids}
    with pytest.raises(DataError, match="no pixel of the labelled images has a class"):
        HOW.examiner(Colours(), Drawn(changed=everywhere)).numbers([1])  # type: ignore[arg-type]


def test_features_that_are_not_finite_are_counted_failures_and_fail_the_model_in_the_memory() -> None:
    class Broken(Colours):
        broken = ""

        def maps(self, images: np.ndarray, within: int, stride: int) -> torch.Tensor:
            found = super().maps(images, within, stride)
            same = [bool((one == source.picture(self.broken)).all()) for one in images]
            found[torch.tensor(same), 1, 2, 2] = torch.nan
            return found

    source, encoder = Drawn(), Broken()
    encoder.broken = "b"
    found = HOW.examiner(encoder, source).numbers([0, 1])  # type: ignore[arg-type]
    assert found.positions.tolist() == [0]
    assert found.failed[1].reason == "features of b are not all finite"
    other = Broken()
    other.broken = "m1"
    with pytest.raises(DataError, match="features of the labelled image m1 are not all finite"):
        HOW.examiner(other, source).numbers([0])  # type: ignore[arg-type]


def test_a_bound_on_labelled_images_takes_the_same_ones_in_any_order() -> None:
    ids = tuple(f"m{number}" for number in range(9))
    how, encoder = replace(HOW, labelled=4), Colours()
    first = how.examiner(encoder, Drawn(memory_ids=ids, digest="one"))  # type: ignore[arg-type]
    first.numbers([0])
    assert encoder.seen == 4 + 1
    other = how.examiner(encoder, Drawn(memory_ids=ids[::-1], digest="two"))  # type: ignore[arg-type]
    chosen = how.labelled_ids(Drawn(memory_ids=ids))
    assert sorted(chosen) == sorted(how.labelled_ids(Drawn(memory_ids=ids[::-1]))) != list(ids[:4])
    for name, values in first.numbers([0]).values.items():
        np.testing.assert_array_equal(other.numbers([0]).values[name], values)
    assert how.facts() == {**HOW.facts(), "labelled": 4}
    assert HOW.labelled_ids(Drawn(memory_ids=ids)) == ids


def test_an_estimate_counts_the_labelled_images_and_reads_few_of_them() -> None:
    ids = tuple(f"m{number}" for number in range(9))
    source = Drawn(memory_ids=ids)
    for how in (HOW, LinearHead(HOW.classes, side=32, within=8, stride=8)):
        assert how.learns(source) == 9  # type: ignore[arg-type]
        assert replace(how, labelled=7).learns(source) == 7  # type: ignore[arg-type]
        encoder = Colours()
        how.brief().examiner(encoder, source).numbers([0, 1])  # type: ignore[arg-type]
        assert encoder.seen == 5 + 2


def test_scenes_of_the_micro_world_have_the_classes_of_their_objects() -> None:
    source = MicroLabelledScenes(4)
    assert source.image_ids == MicroLabelledScenes(9).image_ids[:4]
    assert source.digest == MicroLabelledScenes(9).digest != MicroLabelledScenes(4, seed=1).digest
    seen = [set(np.unique(source.classes_of(name)).tolist()) for name in source.image_ids]
    for number, own in enumerate(seen):
        assert number % 16 + 1 in own  # the first object's class
    assert max(map(max, seen)) <= 16
    assert source.picture(source.image_ids[0]).shape == (128, 128, 3)
    assert (source.picture("train-0-000000") != source.picture("val-0-000000")).any()
    below = MicroLabelledScenes(1, seed=-1)
    assert (below.picture(below.image_ids[0]) != source.picture("val-0-000000")).any()
    how = get_task("micro-segmentation").protocol
    assert isinstance(how, Retrieval)
    right = {}
    for name in OBSERVERS:
        if name != MEAN_MASK:
            values = how.examiner(name, source).numbers([0, 1, 2, 3]).values  # type: ignore[arg-type]
            right[name] = sum(v.sum() for k, v in values.items() if k.endswith("intersection"))
    assert right["true classes at stride 16"] < right["true classes at stride 8"] < 4 * 128 * 128
