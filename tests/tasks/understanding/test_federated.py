"""LVIS's numbers: another library on generated boxes, which detections count, and what is stored of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from faster_coco_eval import COCO, COCOeval_faster

from vitobench.tasks.kinds import KINDS
from vitobench.tasks.labels import Truth
from vitobench.tasks.registry import get_task
from vitobench.tasks.scoring.samples import Answers, Resampler
from vitobench.tasks.understanding.average_precision import Boxes
from vitobench.tasks.understanding.detection import MEDIAN, boxes_in, columns
from vitobench.tasks.understanding.federated import Federated, counted, open_ended
from vitobench.tests.tasks.understanding.drawn_boxes import SMALL, Drawn, boxes

GROUPS = (("rare", 4), ("common", 3), ("frequent", 5))
CLASSES = sum(count for _, count in GROUPS)
MOST = 40


@dataclass(frozen=True)
class Annotated:
    """An image: its true boxes, what is known of further classes, and all that a detector says."""

    truth: Boxes
    absent: np.ndarray
    partial: list[int]
    found: Boxes


def annotated(rng: np.random.Generator, images: int) -> list[Annotated]:
    """Some classes of each image have boxes, half of these not all of them; some are absent; of most nothing is known.

    The last rare class is never there. Detections are more than count, often of one score, and some have no inside.
    """
    made = []
    for _ in range(images):
        order = rng.permutation(CLASSES)
        order = order[order != GROUPS[0][1] - 1]
        there, absent = order[: rng.integers(0, 4)], order[4 : 4 + rng.integers(0, 4)]
        count = int(rng.integers(0, 8)) if len(there) else 0
        size = np.exp(rng.uniform(2.5, 5.3, (count, 2)))
        place = np.column_stack([rng.uniform(0, 400, (count, 2)), size])
        kinds = rng.choice(there, count) if count else np.empty(0, np.int64)
        areas = place[:, 2] * place[:, 3] * rng.uniform(0.5, 1, count)
        near = np.repeat(place, 2, axis=0) + rng.normal(0, 5, (2 * count, 4))
        wild = np.column_stack([rng.uniform(0, 400, (60, 2)), rng.uniform(10, 200, (60, 2))])
        where = np.concatenate([near, wild])
        where[:, 2:] = np.maximum(where[:, 2:], 1) * (rng.random(len(where)) < 0.97)[:, None]
        said = np.concatenate([np.repeat(kinds, 2), rng.integers(0, CLASSES, 60)])
        scores = rng.integers(0, 30, len(where)) / 30
        partial = [int(kind) for kind in there if rng.random() < 0.5 and kind in kinds]
        partial += [int(kind) for kind in order[3:6] if rng.random() < 0.2]  # of an absent class, or an unknown one
        made.append(
            Annotated(
                Boxes(place, kinds, np.ones(count), areas),
                np.sort(absent),
                partial,
                Boxes(where, said, scores, where[:, 2] * where[:, 3]),
            )
        )
    return made


def by_faster_coco_eval(images: Sequence[Annotated]) -> dict[tuple[str, str], float]:
    """LVIS's numbers by another library, which leaves the limit on detections in an image to its users."""
    listed, annotations, detections = [], [], []
    for number, image in enumerate(images, 1):
        told = {"neg_category_ids": (image.absent + 1).tolist()}
        told["not_exhaustive_category_ids"] = [kind + 1 for kind in image.partial]
        listed.append({"id": number, "width": 640, "height": 480} | told)
        for n in range(len(image.truth)):
            one = {"id": len(annotations) + 1, "image_id": number, "category_id": int(image.truth.classes[n]) + 1}
            area = float(image.truth.areas[n])
            annotations.append(one | {"bbox": image.truth.places[n].tolist(), "area": area, "iscrowd": 0})
        own = [
            {"image_id": number, "category_id": int(kind) + 1, "bbox": place.tolist(), "score": float(score)}
            for place, kind, score in zip(image.found.places, image.found.classes, image.found.scores, strict=True)
        ]
        detections += sorted(own, key=lambda one: -float(one["score"]))[:MOST]  # type: ignore[arg-type]
    letters = [name[0] for name, count in GROUPS for _ in range(count)]
    categories = [{"id": n, "name": str(n), "frequency": letter} for n, letter in enumerate(letters, 1)]
    known = COCO({"images": listed, "annotations": annotations, "categories": categories})
    judge = COCOeval_faster(known, known.loadRes(detections), "bbox", lvis_style=True, print_function=lambda *_: None)
    judge.params.maxDets = [MOST]
    judge.run()
    names = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar300")
    values = {("overall", name): float(value) for name, value in zip(names, judge.all_stats, strict=False)}
    values |= {(name, "ap"): float(value) for (name, _), value in zip(GROUPS, judge.all_stats[-3:], strict=True)}
    return {key: np.nan if value < 0 else value for key, value in values.items()}


def small_task() -> Any:
    return replace(get_task("lvis"), protocol=Federated(groups=GROUPS))


def answers(images: Sequence[Annotated]) -> Answers:
    """What the store has of these images."""
    true = [open_ended(image.truth, image.partial) for image in images]
    said = [counted(own.found, one, own.absent, MOST) for own, one in zip(images, true, strict=True)]
    blank = np.full((len(images), 1), -1, np.int16)
    numbers = {name: values[:, None] for name, values in columns(true, said).items()}
    ids = np.array([f"i{n:03d}" for n in range(len(images))])
    confidence = blank.astype(np.float32)
    return Answers("m", ids, blank, confidence, np.full(len(ids), -1), confidence, numbers=numbers)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_generated_boxes_have_the_numbers_of_another_library(seed: int) -> None:
    images = annotated(np.random.default_rng(seed), 40)
    assert all(len(image.found) > MOST for image in images)
    kind, task = KINDS["federated-detection"], small_task()
    resampler = Resampler({"m": kind.units(task, answers(images), None, Truth())}, 20)
    sampled = resampler.sampled("m", np.array([f"i{n:03d}" for n in range(40)]))
    measures = {(one.condition, one.metric): one for one in kind.measures(task, Truth())}
    own = {key: float(measure.compute(sampled.point)[0]) for key, measure in measures.items()}
    expected = by_faster_coco_eval(images)
    assert own.keys() == expected.keys()
    for key, value in expected.items():
        assert own[key] == pytest.approx(value, abs=1e-9), key
    assert 0.05 < own["overall", "ap"] < 0.9
    assert len({round(own[name, "ap"], 6) for name, _ in GROUPS}) == 3
    assert measures["rare", "ap"].compute(sampled.samples).std() > 0


def value(images: Sequence[Annotated], condition: str = "overall", metric: str = "ap") -> float:
    kind, task = KINDS["federated-detection"], small_task()
    sampled = Resampler({"m": kind.units(task, answers(images), None, Truth())}, 2)
    point = sampled.sampled("m", sampled.units["m"].ids).point
    (measure,) = (one for one in kind.measures(task, Truth()) if (one.condition, one.metric) == (condition, metric))
    return float(measure.compute(point)[0])


def test_small_cases_by_hand() -> None:
    object_ = (0.0, 0, 50, 50)
    right, ghost = (*object_, 0, 0.3), (300.0, 0, 50, 50)
    truth, nothing = boxes((*object_, 0, 1.0)), np.empty(0, np.int64)

    def image(*found: tuple[float, ...], absent: Sequence[int] = (), partial: Sequence[int] = ()) -> Annotated:
        return Annotated(truth, np.array(absent, dtype=np.int64), list(partial), boxes(*found))

    other = replace(image(), truth=boxes(), found=boxes((*ghost, 0, 0.9)))
    assert value([image(right)]) == pytest.approx(1)
    # A more confident detection beside the object halves precision, unless further objects may have no box.
    assert value([image(right, (*ghost, 0, 0.9))]) == pytest.approx(1 / 2)
    assert value([image(right, (*ghost, 0, 0.9), partial=[0])]) == pytest.approx(1)
    assert value([image(right, (300, 0, 0, 50, 0, 0.9), partial=[0])]) == pytest.approx(1)
    assert value([image(right, (300, 0, 0, 50, 0, 0.9))]) == pytest.approx(1 / 2)
    # In an image of which nothing is known of the class it counts neither way; where the class is absent it is wrong.
    assert value([image(right), other]) == pytest.approx(1)
    assert value([image(right), replace(other, absent=np.array([0]))]) == pytest.approx(1 / 2)
    # So many of classes of which nothing is known that the right one is not among those that count.
    crowd = [(*ghost, 7, 0.9)] * (MOST - 1)
    assert value([image(*crowd, right)]) == pytest.approx(1)
    assert value([image(*crowd, (*ghost, 7, 0.3), right)]) == 0
    assert value([image(*crowd, right, (*ghost, 7, 0.3))]) == pytest.approx(1)  # of equal ones the first
    assert len(counted(boxes(), truth, nothing, MOST)) == 0
    # Groups: classes 0 to 3 are rare.
    two = replace(image(right), truth=boxes((*object_, 0, 1.0), (*ghost, 3, 1.0)))
    assert value([two]) == value([two], "rare") == pytest.approx(1 / 2)
    assert value([replace(two, truth=boxes((*object_, 0, 1.0), (*ghost, 4, 1.0)))], "rare") == pytest.approx(1)
    assert np.isnan(value([two], "common"))
    assert value([two], metric="ar300") == pytest.approx(1 / 2)


@dataclass
class Federation(Drawn):
    """Drawn images; of a blue rectangle's class nothing is known in the first, and it is absent from the second."""

    told: dict[str, list[int]] = field(default_factory=lambda: {"a1": [1]})

    def absent_in(self, image_id: str) -> np.ndarray:
        return np.array(self.told.get(image_id, []), dtype=np.int64)


def test_detections_of_classes_of_which_nothing_is_known_are_not_stored() -> None:
    how = Federated(within=8, stride=8, training=SMALL, groups=(("rare", 1), ("frequent", 1)))
    red = boxes((0, 0, 20, 20, 0, 1.0))
    source = Federation(changed={"a0": red, "a1": red, "a2": open_ended(red, [1])})
    found = how.examiner(MEDIAN, source).numbers(range(4))  # type: ignore[arg-type]
    assert [own.classes.tolist() for own in boxes_in(found.values, "found", 4)] == [[0], [0, 1], [0, 1], [0, 1]]
    (everywhere,) = boxes_in({n: v.astype(np.float32) for n, v in found.values.items()}, "true", 4)[2].places[1:]
    assert everywhere.tolist() == [-(2**20), -(2**20), 2**21, 2**21]
    with pytest.raises(ValueError, match="the images of drawn do not say which classes were looked for"):
        how.examiner(MEDIAN, Drawn())  # type: ignore[arg-type]


def test_protocols_are_told_apart_and_that_of_coco_stays() -> None:
    how = get_task("lvis").protocol
    assert isinstance(how, Federated)
    assert how.count == 1203
    facts = how.facts()
    assert (facts["groups"], facts["most"]) == ([["rare", 337], ["common", 461], ["frequent", 405]], 300)
    assert replace(how, groups=GROUPS).facts() != facts
    coco = get_task("coco").protocol
    assert coco is not None
    assert {*coco.facts()} == {"detecting", "scaled_on", "classes", "within", "stride", "limits", "training"}
    with pytest.raises(ValueError, match="coco does not say which groups of classes there are"):
        KINDS["federated-detection"].measures(get_task("coco"), Truth())
