"""A detector on frozen features: its channels, what it learns, its boxes in columns, numbers over images, bad input."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from vitobench.errors import DataError
from vitobench.tasks.kinds import KINDS
from vitobench.tasks.labels import Truth
from vitobench.tasks.microworld.object_scenes import MicroObjectScenes
from vitobench.tasks.microworld.vocabulary import OBJECT_ID
from vitobench.tasks.registry import get_task
from vitobench.tasks.scoring.samples import Answers, Resampler
from vitobench.tasks.understanding.average_precision import match
from vitobench.tasks.understanding.detection import COLOURS, MEDIAN, SIDES, Detecting, boxes_in, columns
from vitobench.tasks.understanding.detector import scaling, train
from vitobench.tests import processes
from vitobench.tests.tasks.understanding.drawn_boxes import SMALL, Drawn, boxes

HOW = Detecting(("red", "blue"), within=8, stride=8, limits=(16.0, 24.0), training=SMALL)


@dataclass(eq=False)
class Noise:
    """Features that know nothing."""

    name: str = "noise"
    identity: str = "noise"
    side: int = 0
    seen: int = 0

    def patch(self, height: int, width: int) -> int:
        return self.side

    def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
        self.seen += len(images)
        rng = np.random.default_rng(len(images))
        return torch.from_numpy(rng.normal(size=(len(images), 5, 64 // stride, 64 // stride)).astype(np.float32))


@pytest.fixture(scope="module")
def source() -> Drawn:
    return Drawn()


def precision(source: Drawn, who: Any) -> np.ndarray:
    found = HOW.examiner(who, source).numbers(range(20))  # type: ignore[arg-type]
    assert not found.failed
    true, said = (boxes_in(found.values, side, 20) for side in SIDES)
    np.testing.assert_array_equal(true[3].places, source.boxes_of("a3").places)
    return match(true, said, 2, HOW.limits).numbers(np.arange(20), np.ones((1, 20), int))[0]


def test_a_detector_finds_what_features_know_and_a_median_box_does_not(source: Drawn) -> None:
    colours, noise, median = (precision(source, who)[1] for who in (COLOURS, Noise(), MEDIAN))  # AP50
    assert colours > 0.8
    assert max(noise, median) < 0.4


def test_detectors_are_trained_once_and_say_the_same_of_an_image_in_any_company(source: Drawn) -> None:
    noise = Noise()
    examiner = HOW.examiner(noise, source)  # type: ignore[arg-type]
    before = torch.get_num_threads(), torch.random.get_rng_state()
    whole = HOW.examiner(COLOURS, source).numbers([0, 1, 2]).values  # type: ignore[arg-type]
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.random.get_rng_state(), before[1])
    alone = HOW.examiner(COLOURS, source).numbers([1]).values  # type: ignore[arg-type]
    for name, values in alone.items():
        np.testing.assert_allclose(whole[name][1], values[0], atol=1e-3)
    examiner.numbers([0])
    seen = noise.seen
    examiner.numbers([1])
    assert noise.seen == seen + 1


def learned() -> str:
    """Of a detector that is trained anew on colours: a digest of its weights and of what it finds."""
    few = replace(HOW, training=replace(SMALL, steps=5, score=0.0))
    examiner = few.examiner(COLOURS, Drawn())  # type: ignore[arg-type]
    found = examiner.numbers([0, 1, 2]).values
    assert np.isfinite(found["found 000 left"]).all()
    weights = examiner._detector()[1].state_dict()
    values = (*(weights[name].numpy() for name in sorted(weights)), *(found[name] for name in sorted(found)))
    return hashlib.sha256(b"".join(one.tobytes() for one in values)).hexdigest()


def test_a_detector_is_the_same_to_the_last_bit_when_it_is_trained_again(tmp_path: Path) -> None:
    first, threads = learned(), torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert learned() == first
    finally:
        torch.set_num_threads(threads)
    code = "from vitobench.tests.tasks.understanding.test_detection import learned; print(learned())"
    fresh = processes.run_from_nothing(code, cwd=tmp_path, variables={"OMP_NUM_THREADS": "1"})
    assert (fresh.code, fresh.out.strip()) == (0, first)


def test_a_detector_learns_at_its_rate_and_says_when_it_cannot() -> None:
    truth = {"boxes": torch.tensor([[8.0, 8, 40, 40]]), "labels": torch.tensor([1])}
    maps = torch.zeros(10, 3, 8, 8).half()
    maps[:, 1, 1:5, 1:5] = 1
    losses = []
    for rate in (1e-9, 1e-2):
        detector = train(maps, [truth] * 10, 64, 2, replace(SMALL, steps=20, rate=rate))
        assert not detector.training
        with torch.inference_mode():
            losses.append(float(detector.loss(maps, [truth] * 10)))
    assert losses[1] < losses[0] / 2
    nothing = {"boxes": torch.empty(0, 4), "labels": torch.empty(0, dtype=torch.int64)}
    train(maps[:3], [nothing] * 3, 64, 2, replace(SMALL, steps=1))  # images without objects are learned from as well
    with pytest.raises(DataError, match="loss on these features does not stay finite"):
        train(torch.full_like(maps, torch.nan), [truth] * 10, 64, 2, replace(SMALL, steps=1))


def test_all_that_a_detector_depends_on_is_in_the_identity_of_its_task() -> None:
    facts = HOW.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["training"] == asdict(SMALL)
    assert replace(HOW, training=replace(SMALL, rate=2e-3)).facts() != facts


def test_channels_have_one_scale_and_many_become_principal_components() -> None:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6)) * [1, 100, 1, 0.01, 5, 1] + 7
    mixed[:, 5] = 3.0
    maps = torch.from_numpy(mixed.reshape(3, 10, 10, 6).transpose(0, 3, 1, 2).astype(np.float32))
    plain = scaling(maps, 6)(maps).float()
    np.testing.assert_allclose(plain.mean(dim=(0, 2, 3)), 0, atol=1e-2)
    np.testing.assert_allclose(plain.std(dim=(0, 2, 3)), [1, 1, 1, 1, 1, 0], atol=1e-2)
    few = scaling(maps, 2)(maps).float().permute(0, 2, 3, 1).reshape(-1, 2).numpy()
    expected = PCA(2).fit_transform(plain.permute(0, 2, 3, 1).reshape(-1, 6).numpy())
    np.testing.assert_allclose(np.abs(few), np.abs(expected), atol=2e-2)
    maps[0, 0, 0, 0] = torch.inf
    for call in (lambda: scaling(maps, 6), lambda: scaling(maps[1:], 6)(maps)):
        with pytest.raises(DataError, match="features are not all finite"):
            call()


def test_the_median_box_is_that_of_all_images_and_common_classes_come_first() -> None:
    source = Drawn(learning_ids=("x", "y"))
    source.changed = {"x": boxes((0, 0, 10, 20, 1, 1.0), (10, 10, 30, 40, 1, 1.0)), "y": boxes((5, 5, 20, 30, 0, 1.0))}
    (found,) = HOW.examiner(MEDIAN, source).detected([np.zeros((32, 128, 3), np.uint8)])  # type: ignore[arg-type]
    assert found.classes.tolist() == [1, 0]
    np.testing.assert_allclose(found.scores, [2 / 3, 1 / 3])
    # The middles are (5, 10), (25, 30) and (15, 20), the median size 20 x 30; an image twice as wide and half as high.
    np.testing.assert_allclose(found.places, [[10, 2.5, 40, 15]] * 2)


def test_boxes_come_back_from_their_columns() -> None:
    some = [boxes((1, 2, 3, 4, 0, 0.5), (5, 6, 7, 8, 1, 0.25)), boxes(), boxes((9, 9, 9, 9, 1, 1.0))]
    values = columns([boxes()] * 3, some)
    assert np.isnan(values["true 000 left"]).all()  # that there is nothing is said as well
    for one, other in zip(boxes_in(values, "found", 3), some, strict=True):
        np.testing.assert_array_equal(one.places, other.places)
        np.testing.assert_array_equal(one.classes, other.classes)
        np.testing.assert_array_equal(one.scores, other.scores)
    assert [len(one) for one in boxes_in(values, "true", 3)] == [0, 0, 0]


def test_wrong_classes_are_counted_failures_and_fail_the_model_among_the_learned() -> None:
    wrong = boxes((0, 0, 9, 9, 2, 1.0))
    found = HOW.examiner(MEDIAN, Drawn(changed={"a1": wrong})).numbers([0, 1])  # type: ignore[arg-type]
    assert found.positions.tolist() == [0]
    assert found.failed[1].reason == "a1 has a box of class 2; there are 2 classes, from 0"
    for changed in ({"m1": wrong}, {name: boxes() for name in Drawn().learning_ids}):
        who = COLOURS if "m0" not in changed else MEDIAN
        with pytest.raises(DataError, match=r"m1 has a box of class 2|images to learn from have no boxes"):
            HOW.examiner(who, Drawn(changed=changed)).numbers([0])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="64 x 64 pixels have no room for 1 patches of 128"):
        HOW.examiner(Noise(side=128), Drawn())  # type: ignore[arg-type]
    with pytest.raises(DataError, match="there are no images to learn from"):
        HOW.examiner(COLOURS, Drawn(learning_ids=())).numbers([0])  # type: ignore[arg-type]


def test_features_that_are_not_finite_are_counted_failures_and_fail_the_model_among_the_learned() -> None:
    class Broken(Noise):
        wanted = ""

        def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
            found = super().maps(images, within, stride)
            same = [bool((one == source.picture(self.wanted)).all()) for one in images]
            found[torch.tensor(same), 1, 2, 2] = torch.inf
            return found

    source, encoder = Drawn(), Broken()
    encoder.wanted = "a1"
    found = HOW.examiner(encoder, source).numbers([0, 1, 2])  # type: ignore[arg-type]
    assert found.positions.tolist() == [0, 2]
    assert found.failed[1].reason == "features of a1 are not all finite"
    np.testing.assert_array_equal(boxes_in(found.values, "true", 2)[1].places, source.boxes_of("a2").places)
    only = HOW.examiner(encoder, source).numbers([1])  # type: ignore[arg-type]
    assert (len(only.positions), list(only.failed)) == (0, [1])
    other = Broken(identity="other")
    other.wanted = "m1"
    with pytest.raises(DataError, match="features are not all finite"):
        HOW.examiner(other, source).numbers([0])  # type: ignore[arg-type]


def test_numbers_of_a_task_are_of_all_images_and_draws_are_of_images() -> None:
    task, kind = get_task("micro-detection"), KINDS["detection"]
    rng = np.random.default_rng(0)
    true = [
        boxes(*((*rng.uniform(0, 60, 2), *rng.uniform(10, 60, 2), rng.integers(3), 1.0) for _ in range(3)))
        for _ in range(12)
    ]
    said = [replace(own, places=own.places + rng.normal(0, 3, (3, 4)), scores=rng.random(3)) for own in true]
    numbers = {name: values.astype(np.float32)[:, None] for name, values in columns(true, said).items()}
    blank = np.full((12, 1), -1, np.int16)
    ids = np.array([f"i{n:02d}" for n in range(12)])
    answers = Answers(
        "m", ids, blank, blank.astype(np.float32), np.full(12, -1), blank.astype(np.float32), numbers=numbers
    )
    units = kind.units(task, answers, None, Truth())
    resampler = Resampler({"m": units}, 50)
    measures = {(one.condition, one.metric): one for one in kind.measures(task, Truth())}
    exact = match(true, said, 16, (16.0, 48.0))
    for chosen in (np.arange(12), np.array([2, 5, 7])):
        sampled = resampler.sampled("m", units.ids[chosen])
        expected = exact.numbers(chosen, np.ones((1, len(chosen)), int))[0]
        for place, (condition, metric) in (
            (0, ("overall", "ap")),
            (5, ("overall", "ap_large")),
            (13, ("box", "class_ap")),
        ):
            value = measures[condition, metric].compute(sampled.point)[0]
            assert value == pytest.approx(expected[place], abs=1e-4, nan_ok=True)
    draws = measures["overall", "ap"].compute(resampler.sampled("m", units.ids).samples)
    assert draws.shape == (50,)
    assert draws.std() > 0
    assert len(measures) == 12 + 16


def test_scenes_of_the_micro_world_have_a_box_around_what_is_seen_of_each_object() -> None:
    source = MicroObjectScenes(4)
    assert source.image_ids == MicroObjectScenes(9).image_ids[:4]
    assert source.digest == MicroObjectScenes(9).digest != MicroObjectScenes(4, seed=1).digest
    assert len(source.learning_ids) == 320
    assert not {*source.image_ids} & {*source.learning_ids}
    assert source.picture(source.image_ids[0]).shape == (128, 128, 3)
    seen = []
    for name in source.image_ids:
        own = source.boxes_of(name)
        frames = source._sets["val"].frames([int(name[-6:])], 128, [1.28])
        assert (frames.classes >= 0).sum() >= 2
        parts = [frames.surfaces[0] == OBJECT_ID + n for n in range(4)]
        for part, place, kind, area in zip(
            [p for p in parts if p.any()], own.places, own.classes, own.areas, strict=True
        ):
            rows, across = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
            left, top = across[0], rows[0]
            assert place.tolist() == [left, top, across[-1] + 1 - left, rows[-1] + 1 - top]
            assert area == part.sum()
            seen.append(kind)
        assert own.scores.tolist() == (own.areas >= 16).tolist()
    assert len({*seen}) > 2
