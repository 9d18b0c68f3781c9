"""LVIS's folder: its annotations, its images in COCO's folders, and what can be wrong with them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.registry import get_task
from vitobench.tasks.understanding.detection import MEDIAN
from vitobench.tests.tasks.readers.lvis_folder import COUNTS, HEIGHT, WIDTH, address, annotation, opened, write


def test_images_boxes_and_what_is_known_of_classes_come_from_the_annotations(tmp_path: Path) -> None:
    source = opened(write(tmp_path))
    assert sorted(source.image_ids) == [f"{n:012d}" for n in (1, 2, 10, 11, 12)]
    own = source.boxes_of("000000000001")
    # Frequent classes come last, rare ones first: 2 is the first class, 1 the first of the frequent ones.
    first = COUNTS["r"] + COUNTS["c"]
    assert own.classes.tolist() == [first, 0, first]
    assert own.scores.tolist() == [1, 1, 0]
    assert own.places[:2].tolist() == [[10.5, 4, 20, 30], [30, 10, 34.4, 20]]
    assert own.areas[0] == 300  # that of the outline
    assert source.absent_in("000000000001").tolist() == [1]
    assert source.absent_in("000000000002").tolist() == [first]
    assert len(source.boxes_of("000000000012")) == 0
    assert source.absent_in("000000000012").tolist() == [COUNTS["r"]]
    for name in ("000000000001", "000000000010", source.learning_ids[0]):
        assert source.picture(name).shape == (HEIGHT, WIDTH, 3)
    again = pickle.loads(pickle.dumps(source))
    assert (again.image_ids, again.digest) == (source.image_ids, source.digest)
    assert again.absent_in("000000000001").tolist() == [1]
    minival = opened(tmp_path, "lvis-minival")
    assert sorted(minival.image_ids) == ["000000000001", "000000000002"]
    assert minival.learning_ids == source.learning_ids
    assert minival.digest != source.digest
    changed = opened(write(tmp_path / "b", lambda d: d["images"][0].update(neg_category_ids=[])))
    assert changed.digest != source.digest


def test_images_to_learn_from_have_each_class_early(tmp_path: Path) -> None:
    def rare(document: dict[str, Any]) -> None:
        for one in document["annotations"]:
            one["category_id"] = 1
        document["annotations"][-1]["category_id"] = 9

    source = opened(write(tmp_path, change_train=rare))
    first, second = (source.boxes_of(name).classes.tolist() for name in source.learning_ids[:2])
    assert sorted(first + second) == [COUNTS["r"] + 2, COUNTS["r"] + COUNTS["c"]]  # 9 is the third of the common ones
    assert len(source.boxes_of(source.learning_ids[-1])) == 0
    assert len(source.learning_ids) == 8


def image(document: dict[str, Any], **told: Any) -> None:
    document["images"][0].update(told)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d["annotations"].append(annotation(8, 9, 1, [0, 0, 5, 5])), "the image 9, which is not listed"),
        (lambda d: d["annotations"].append(annotation(8, 1, 1204, [0, 0, 5, 5])), "category 1204, which is not listed"),
        (lambda d: d["annotations"].append(annotation(0, 1, 1, [0, 0, 5, 5])), "has two annotations of one number"),
        (
            lambda d: d["annotations"].append(annotation(8, 1, 1, [60, 0, 50, 5])),
            "annotation 8 is not within its image",
        ),
        (lambda d: d["images"].append(d["images"][0]), "lists an image twice"),
        (lambda d: d["images"].append(d["images"][0] | {"id": 3}), "lists an image twice"),
        (lambda d: image(d, coco_url=address("val2017", 99)), "not in train2017 or val2017, such as 000000000099"),
        (lambda d: image(d, coco_url=address("val2017", 1).replace("http:", "file:")), "image 1 names no JPEG file"),
        (lambda d: image(d, coco_url="http://x/val2017/../secret.jpg"), "image 1 names no JPEG file in train2017 or"),
        (lambda d: image(d, coco_url="http://x/val2017/..%2fa.jpg"), "image 1 names no JPEG file"),
        (lambda d: image(d, coco_url="http://x/val2017/a.jpg/"), "image 1 names no JPEG file"),
        (lambda d: image(d, coco_url="http://x/test2017/a.jpg"), "image 1 names no JPEG file"),
        (lambda d: image(d, coco_url="http://x/val2017/..\\..\\a.jpg"), "image 1 names no JPEG file"),
        (
            lambda d: image(d, neg_category_ids=[9, 2]),
            r"the category 2 is not in image 1 \(neg_category_ids\), and has",
        ),
        (lambda d: image(d, neg_category_ids=[0]), "says of image 1 whether the category 0 is there, which is not"),
        (lambda d: image(d, not_exhaustive_category_ids=[1204]), "whether the category 1204 is there, which is not"),
        (lambda d: d["images"][0].pop("neg_category_ids"), r"form of LVIS v1: .*neg_category_ids"),
        (lambda d: d["categories"].pop(), "has 1202 categories; those of LVIS v1 are numbered from 1 to 1203"),
        (lambda d: d["categories"][0].update(id=1), "has 1203 categories; those of LVIS v1 are numbered from 1"),
        (lambda d: d["categories"][0].update(frequency="x"), "category 1203 has the frequency 'x', which is none of r"),
        (lambda d: d["categories"][0].update(frequency="r"), "has 338 rare categories, where LVIS v1 has 337"),
        (
            lambda d: d["categories"][0].update(name="x"),
            "lvis_v1_train.json has other categories than annotations/lvis",
        ),
        (lambda d: d.pop("images"), r"form of LVIS v1: .*images"),
        (lambda d: d["images"].clear(), "lists no images"),
        (
            lambda d: d["images"].append(d["images"][0] | {"id": 101, "coco_url": address("train2017", 101)}),
            "1 images are in both files of annotations",
        ),
    ],
)
def test_damaged_annotations_are_named(tmp_path: Path, change: Callable[[Any], None], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        opened(write(tmp_path, change))


def test_a_folder_without_the_images_of_minival_is_named(tmp_path: Path) -> None:
    def elsewhere(document: dict[str, Any]) -> None:
        document["images"] = document["images"][2:]
        document["annotations"] = document["annotations"][3:]

    assert len(opened(write(tmp_path, elsewhere)).image_ids) == 3
    with pytest.raises(DataError, match="lists no images in val2017"):
        opened(tmp_path, "lvis-minival")


def test_an_image_of_another_size_is_a_counted_failure(tmp_path: Path) -> None:
    source = opened(write(tmp_path))
    Image.fromarray(np.zeros((WIDTH, HEIGHT, 3), np.uint8)).save(tmp_path / "train2017/000000000010.jpg")
    how = get_task("lvis").protocol
    assert how is not None
    found = how.examiner(MEDIAN, source).numbers(range(5))
    (why,) = found.failed.values()
    assert "000000000010.jpg has 48 x 64 pixels, its annotations say 64 x 48" in why.reason
    assert len(found.positions) == 4
