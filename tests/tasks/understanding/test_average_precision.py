"""COCO's twelve numbers: published values, another library on generated boxes and draws of images, and small cases."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_coco_eval import COCO, COCOeval_faster

from vitobench.tasks.understanding.average_precision import NUMBERS, Boxes, match

CLASSES, LIMITS = 4, (32.0, 96.0)
NOTHING = Boxes(np.empty((0, 4)), np.empty(0, np.int64), np.empty(0), np.empty(0))


def boxes(rows: Sequence[tuple[Any, int, float]], areas: Sequence[float] | None = None) -> Boxes:
    """From (left, top, width, height), class and score."""
    places = np.array([place for place, _, _ in rows], dtype=np.float64).reshape(-1, 4)
    own = places[:, 2] * places[:, 3] if areas is None else np.array(areas, dtype=np.float64)
    return Boxes(places, np.array([c for _, c, _ in rows], np.int64), np.array([s for _, _, s in rows], float), own)


def named(truths: Sequence[Boxes], found: Sequence[Boxes]) -> dict[str, float]:
    return dict(zip(NUMBERS, everything(truths, found)[: len(NUMBERS)].tolist(), strict=True))


def everything(truths: Sequence[Boxes], found: Sequence[Boxes], classes: int = CLASSES) -> np.ndarray:
    every = np.arange(len(truths))
    return match(truths, found, classes, LIMITS).numbers(every, np.ones((1, len(truths)), np.uint8))[0]


def by_faster_coco_eval(truths: Sequence[Boxes], found: Sequence[Boxes]) -> np.ndarray:
    """All numbers by another library; its -1, nothing asked, becomes NaN."""
    annotations, detections = [], []
    for image, (truth, own) in enumerate(zip(truths, found, strict=True), 1):
        for n in range(len(truth)):
            one = {"id": len(annotations) + 1, "image_id": image, "category_id": int(truth.classes[n]) + 1}
            crowd = int(truth.scores[n] == 0)
            annotations.append(
                one | {"bbox": truth.places[n].tolist(), "area": float(truth.areas[n]), "iscrowd": crowd}
            )
        for n in range(len(own)):
            kind, score = int(own.classes[n]) + 1, float(own.scores[n])
            detections.append({"image_id": image, "category_id": kind, "bbox": own.places[n].tolist(), "score": score})
    images = [{"id": n + 1, "width": 640, "height": 480} for n in range(len(truths))]
    categories = [{"id": n + 1, "name": str(n)} for n in range(CLASSES)]
    known = COCO({"images": images, "annotations": annotations, "categories": categories})
    judge = COCOeval_faster(known, known.loadRes(detections), "bbox")
    judge.run()
    precision = judge.eval["precision"][:, :, :, 0, -1]  # thresholds, recalls, classes
    own_classes = np.where(precision > -1, precision, np.nan).mean(axis=(0, 1))
    whole = np.array(judge.stats[:12], dtype=np.float64)
    return np.concatenate([np.where(whole < 0, np.nan, whole), own_classes])


def drawn(rng: np.random.Generator, images: int, ties: bool = True) -> tuple[list[Boxes], list[Boxes]]:
    """True boxes, some of them crowds and some images without any, and what a fair detector says.

    Scores of different images are often equal; those of one image only with ``ties``.
    """
    truths, found = [], []
    for _ in range(images):
        count = int(rng.integers(0, 7))
        size = np.exp(rng.uniform(2.5, 5.3, (count, 2)))
        place = np.column_stack([rng.uniform(0, 400, (count, 2)), size])
        kinds, crowd = rng.integers(0, CLASSES - 1, count), rng.random(count) < 0.12
        areas = place[:, 2] * place[:, 3] * rng.uniform(0.5, 1, count)
        truths.append(Boxes(place, kinds, 1.0 - crowd, areas))
        near = np.repeat(place, 2, axis=0) + rng.normal(0, 4, (2 * count, 4))
        wild = np.column_stack([rng.uniform(0, 400, (5, 2)), rng.uniform(10, 200, (5, 2))])
        where = np.concatenate([near, wild])
        where[:, 2:] = np.maximum(where[:, 2:], 1)
        said = np.concatenate([np.repeat(kinds, 2), rng.integers(0, CLASSES, 5)])
        scores = rng.integers(0, 20, len(where)) / 20 if ties else rng.permutation(20)[: len(where)] / 20
        found.append(Boxes(where, said, scores, where[:, 2] * where[:, 3]))
    return truths, found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_generated_boxes_have_the_numbers_of_another_library(seed: int) -> None:
    truths, found = drawn(np.random.default_rng(seed), 40)
    numbers = everything(truths, found)
    np.testing.assert_allclose(numbers, by_faster_coco_eval(truths, found), atol=1e-9)
    assert 0.1 < numbers[0] < 0.9
    assert np.isnan(numbers[-1])  # of the last class there are detections alone


def test_a_draw_counts_an_image_as_often_as_it_is_drawn() -> None:
    truths, found = drawn(np.random.default_rng(3), 12, ties=False)
    matches = match(truths, found, CLASSES, LIMITS)
    rng = np.random.default_rng(4)
    images = np.array([1, 2, 3, 5, 7, 8, 11])  # as two models have them in common
    counts = np.array([np.bincount(rng.integers(7, size=7), minlength=7) for _ in range(4)], dtype=np.uint8)
    numbers = matches.numbers(images, counts)
    for own, often in zip(numbers, counts, strict=True):
        chosen = np.repeat(images, often)
        expected = by_faster_coco_eval([truths[n] for n in chosen], [found[n] for n in chosen])
        np.testing.assert_allclose(own, expected, atol=1e-9)
    assert numbers[:, 0].std() > 0


def test_the_published_numbers_of_cocos_own_evaluation() -> None:
    folder = Path(os.environ.get("VITOBENCH_TEST_DATA", "")) / "coco-eval"
    if not folder.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with detections on COCO (coco-eval)")
    true = json.loads((folder / "gts/sampled_gts_bbox_area.json").read_text())
    said = json.loads((folder / "dets/sampled_bbox_results.json").read_text())["annotations"]
    kinds = {one["id"]: n for n, one in enumerate(sorted(true["categories"], key=lambda one: one["id"]))}
    of_image: dict[int, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((true["annotations"], said)):
        for row in rows:
            of_image[row["image_id"]][side].append((row["bbox"], kinds[row["category_id"]], row.get("score", 1.0)))
    order = sorted(one["id"] for one in true["images"])
    numbers = everything([boxes(of_image[n][0]) for n in order], [boxes(of_image[n][1]) for n in order], len(kinds))
    published = [0.503647, 0.696973, 0.571667, 0.593252, 0.557991, 0.489363]
    published += [0.386813, 0.593680, 0.595353, 0.654764, 0.603130, 0.553744]
    np.testing.assert_allclose(numbers[:12], published, atol=1e-6)


def test_small_cases_by_hand() -> None:
    one = boxes([((0, 0, 50, 50), 0, 1.0)])
    assert everything([one], [NOTHING])[0] == 0  # a model without any detection
    assert np.isnan(everything([NOTHING], [one])).all()  # nothing is asked
    assert np.isnan(everything([], [])).all()
    right = boxes([((0, 0, 50, 50), 0, 0.3)])
    own = named([one, NOTHING], [right, NOTHING])
    assert own["ap"] == own["ar1"] == own["ap_medium"] == pytest.approx(1)
    assert np.isnan([own["ap_small"], own["ar_large"]]).all()
    # An image without objects stays: what is seen in it with more confidence is wrong.
    ghost = boxes([((5, 5, 40, 40), 0, 0.9)])
    assert everything([one, NOTHING], [right, ghost])[0] == pytest.approx(1 / 2)
    # IoU .8: seven of ten thresholds, .50 to .80
    near = boxes([((0, 0, 50, 40), 0, 0.3)])
    assert everything([one], [near])[:3] == pytest.approx([0.7, 1, 1])
    # A crowd takes two detections, and neither counts; alone it asks nothing.
    crowd = boxes([((100, 100, 80, 80), 0, 0.0)])
    both = boxes([((0, 0, 50, 50), 0, 1.0), ((100, 100, 80, 80), 0, 0.0)])
    inside = boxes([((110, 110, 9, 9), 0, 0.9), ((140, 140, 9, 9), 0, 0.8), ((0, 0, 50, 50), 0, 0.3)])
    assert everything([both], [inside])[0] == pytest.approx(1)
    assert np.isnan(everything([crowd], [inside])[0])
    # At most one detection: the more confident one is wrong.
    two = boxes([((0, 0, 50, 50), 0, 0.5), ((200, 0, 50, 50), 0, 0.6)])
    assert named([one], [two])["ar1"] == 0


def test_an_area_at_a_limit_belongs_to_both_sizes() -> None:
    place = (0.0, 0.0, 40.0, 40.0)
    truth, said = boxes([(place, 0, 1.0)], [32.0**2]), boxes([(place, 0, 0.5)])
    own = named([truth], [said])
    assert own["ap_small"] == own["ap_medium"] == pytest.approx(1)
    assert np.isnan(own["ap_large"])
