"""LVIS's folder: its annotations, its images in COCO's folders, and what can be wrong with them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.lvis import LvisImages
from vitobench.tasks.registry import get_task
from vitobench.tasks.understanding.detection import MEDIAN

COUNTS = {"r": 337, "c": 461, "f": 405}
CATEGORIES = 1203
LETTERS = "frc" * COUNTS["r"] + "c" * (COUNTS["c"] - COUNTS["r"]) + "f" * (COUNTS["f"] - COUNTS["r"])
"""Of the categories in the order of their numbers; the published order is another one."""

WIDTH, HEIGHT = 64, 48


def address(folder: str, number: int) -> str:
    return f"http://images.cocodataset.org/{folder}/{number:012d}.jpg"


def annotation(number: int, image: int, category: int, box: list[float]) -> dict[str, Any]:
    own = {"id": number, "image_id": image, "category_id": category, "bbox": box, "area": box[2] * box[3] / 2}
    return own | {"segmentation": [[1, 2, 3]]}


def nothing(document: dict[str, Any]) -> None:
    pass


def write(
    root: Path, change: Callable[[dict[str, Any]], None] = nothing, change_train: Callable[[Any], None] = nothing
) -> Path:
    """Five images to judge, two of them in val2017, and eight to learn from; ``change`` is made to the first file.

    Categories 1, 4 and 7 are frequent, 2 and 5 rare, 3 common. Image 1 has objects of 1 and 2, further ones of 1 are
    without a box, and 5 is absent; image 2 lacks 1; of image 12 nothing is known but that 3 is absent.
    """
    rng = np.random.default_rng(0)
    for folder in ("train2017", "val2017"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "annotations").mkdir(exist_ok=True)
    categories = [{"id": n, "name": f"c{n}", "frequency": letter} for n, letter in enumerate(LETTERS, 1)]
    objects: dict[str, list[Any]] = {
        "val": [
            annotation(0, 1, 1, [10.5, 4, 20, 30]),  # the number 0, with which other evaluations count it as missed
            annotation(1, 1, 2, [30, 10, 34.4, 20]),  # rounded to beyond its image
            annotation(2, 2, 5, [5, 5, 30, 30]),
            annotation(3, 10, 1, [0, 0, 30, 40]),
            annotation(4, 11, 2, [20, 0, 30, 40]),
        ],
        "train": [annotation(n, 100 + n, 1 + n % 3, [n, 2, 20 + n, 30]) for n in range(7)],
    }
    for part, numbers in (("val", (1, 2, 10, 11, 12)), ("train", range(100, 108))):
        images = []
        for number in numbers:
            folder = "val2017" if number < 10 else "train2017"
            pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{number:012d}.jpg")
            own = {"id": number, "width": WIDTH, "height": HEIGHT, "coco_url": address(folder, number)}
            told = {1: ([5], [1]), 2: ([1], []), 12: ([3], [])}.get(number, ([], []))
            images.append(own | dict(zip(("neg_category_ids", "not_exhaustive_category_ids"), told, strict=True)))
        document = {
            "images": images,
            "annotations": objects[part],
            "categories": [dict(one) for one in categories[::-1]],
        }
        {"val": change, "train": change_train}[part](document)
        (root / f"annotations/lvis_v1_{part}.json").write_text(json.dumps(document))
    return root


def opened(root: Path, name: str = "lvis") -> LvisImages:
    return open_source(name, {name: root}, None, 0)  # type: ignore[return-value]


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
