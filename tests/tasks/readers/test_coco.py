"""COCO's folder: its annotations, its images, and what can be wrong with them."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.datasets.coco import COCO_CLASSES
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.coco import CocoImages
from vitobench.tasks.registry import get_task
from vitobench.tasks.understanding.average_precision import match
from vitobench.tasks.understanding.detection import MEDIAN

NUMBERS = [n for n in range(1, 91) if n not in {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}]
"""Of the published categories."""


def annotation(number: int, image: int, category: int, box: list[float], **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "area": box[2] * box[3] / 2,
        "iscrowd": 0,
        "segmentation": [[1, 2, 3]],
    } | more


def write(root: Path, change: Callable[[dict[str, Any]], None] = lambda document: None) -> Path:
    """Two images to judge, the second without objects, and six to learn from; ``change`` is made to the first file."""
    rng = np.random.default_rng(0)
    for part, count in (("val", 2), ("train", 6)):
        images = []
        (root / f"{part}2017").mkdir(parents=True, exist_ok=True)
        for n in range(1, count + 1):
            name = f"{part}{n}.jpg"
            Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(root / f"{part}2017" / name)
            images.append({"id": n, "file_name": name, "width": 64, "height": 48})
        categories = [{"id": n, "name": c} for n, c in zip(NUMBERS, COCO_CLASSES, strict=True)]
        annotations = [
            annotation(0, 1, 90, [10.5, 4, 20, 30]),  # the number 0, with which other evaluations count it as missed
            annotation(7, 1, 1, [0, 0, 64.4, 9], iscrowd=1),  # rounded to beyond its image
        ]
        document = {"images": images, "annotations": annotations, "categories": categories[::-1]}
        if part == "val":
            change(document)
        (root / "annotations").mkdir(exist_ok=True)
        (root / f"annotations/instances_{part}2017.json").write_text(json.dumps(document))
    return root


def opened(root: Path) -> CocoImages:
    return open_source("coco", {"coco": root}, None, 0)  # type: ignore[return-value]


def test_images_and_boxes_come_from_the_annotations(tmp_path: Path) -> None:
    source = opened(write(tmp_path))
    assert sorted(source.image_ids) == ["val1", "val2"]
    assert sorted(source.learning_ids) == [f"train{n}" for n in range(1, 7)]
    own = source.boxes_of("val1")
    assert own.places.tolist() == [[10.5, 4, 20, 30], [0, 0, 64.4, 9]]
    assert [COCO_CLASSES[n] for n in own.classes] == ["toothbrush", "person"]
    assert own.scores.tolist() == [1, 0]
    assert own.areas[0] == 300  # that of the outline
    assert len(source.boxes_of("val2")) == 0
    assert source.picture("val2").shape == (48, 64, 3)
    again = pickle.loads(pickle.dumps(source))
    assert (again.image_ids, again.digest) == (source.image_ids, source.digest)
    before = source.digest
    assert opened(write(tmp_path, lambda d: d["annotations"].pop())).digest != before
    numbers = match([own], [own], 80, (32.0, 96.0)).numbers(np.array([0]), np.ones((1, 1), int))[0]
    assert numbers[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda d: d["annotations"].append(annotation(8, 9, 1, [0, 0, 5, 5])),
            "is of the image 9, which is not listed",
        ),
        (
            lambda d: d["annotations"].append(annotation(8, 1, 12, [0, 0, 5, 5])),
            "has the category 12, which is not listed",
        ),
        (lambda d: d["annotations"].append(annotation(7, 1, 1, [0, 0, 5, 5])), "has two annotations of one number"),
        (
            lambda d: d["annotations"].append(annotation(8, 1, 1, [60, 0, 50, 5])),
            "annotation 8 is not within its image",
        ),
        (
            lambda d: d["annotations"].append(annotation(8, 1, 1, [40, 4, -9, 5])),
            "annotation 8 is not within its image",
        ),
        (
            lambda d: d["annotations"].append(annotation(8, 1, 1, [0, 0, 5, 5], bbox=[0, 0, 5])),
            r"form of COCO's instances: .*bbox",
        ),
        (lambda d: d["images"].append(d["images"][0]), "lists an image twice"),
        (lambda d: d["images"].append(d["images"][0] | {"id": 3}), "lists an image twice"),
        (lambda d: d["images"].append(d["images"][0] | {"id": 3, "file_name": "x.jpg"}), "not in val2017, such as x"),
        (lambda d: d["images"][0].update(file_name="../a.jpg"), "names the file '../a.jpg', which is not in val2017"),
        (lambda d: (d["categories"].reverse(), d["categories"][-1].update(id=89)), "lists a category twice"),
        (lambda d: d["categories"].pop(), "has other categories than COCO's 80"),
        (lambda d: d["categories"][0].update(name="axe"), "has other categories than COCO's 80, such as 'axe'"),
        (lambda d: d.pop("images"), r"form of COCO's instances: .*images"),
    ],
)
def test_damaged_annotations_are_named(tmp_path: Path, change: Callable[[Any], None], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        opened(write(tmp_path, change))


def test_an_image_of_another_size_or_turned_is_a_counted_failure(tmp_path: Path) -> None:
    source = opened(write(tmp_path))
    turned = Image.fromarray(np.zeros((48, 64, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    turned.save(tmp_path / "val2017/val1.jpg", exif=exif)
    assert source.picture("val1").shape == (48, 64, 3)  # as stored
    turned.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "val2017/val1.jpg")
    how = get_task("coco").protocol
    assert how is not None
    found = how.examiner(MEDIAN, source).numbers([source.image_ids.index(n) for n in ("val1", "val2")])
    (why,) = found.failed.values()
    assert "val1.jpg has 48 x 64 pixels, its annotations say 64 x 48" in why.reason
    assert len(found.positions) == 1


def test_the_published_annotations_of_50_images() -> None:
    root = Path(os.environ.get("VITOBENCH_TEST_DATA", "")) / "coco"
    if not root.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with images of COCO (coco)")
    part = ("annotations/instances_val2017.json", "val2017")
    with pytest.raises(DataError, match="50 images are in both files of annotations"):
        CocoImages(root, "coco", (part, part), COCO_CLASSES, 1000)
    from vitobench.tasks.readers.coco import _read

    known = _read(root, *part, COCO_CLASSES, 0)
    assert len(known) == 50
    boxes = [own.boxes for own in known.values()]
    assert sum(map(len, boxes)) == 409
    assert sum(int((own.scores == 0).sum()) for own in boxes) == 5
    assert {int(n) for own in boxes for n in own.classes} == {*range(80)}
    for own in list(known.values())[:5]:
        with Image.open(root / own.file) as image:
            assert (image.height, image.width) == own.size
