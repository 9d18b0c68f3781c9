"""A small folder of LVIS v1 in its published form, with all its categories."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.lvis import LvisImages

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
