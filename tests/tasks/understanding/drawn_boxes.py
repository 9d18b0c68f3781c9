"""Images of rectangles with their boxes, and a detector that learns them in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vitobench.tasks.understanding.average_precision import Boxes
from vitobench.tasks.understanding.training import Training

SMALL = Training(
    side=64,
    finest=8,
    levels=2,
    width=32,
    convolutions=1,
    batch=8,
    steps=80,
    rate=1e-2,
    detections=9,
)


def boxes(*rows: tuple[float, ...]) -> Boxes:
    """From left, top, width, height, class and score."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4].astype(np.int64), table[:, 5], table[:, 2] * table[:, 3])


@dataclass
class Drawn:
    """A red and a blue rectangle on grey, 64 x 64, at places that the id decides."""

    image_ids: tuple[str, ...] = tuple(f"a{n}" for n in range(20))
    learning_ids: tuple[str, ...] = tuple(f"m{n}" for n in range(40))
    digest: str = "drawn"
    name: str = "drawn"
    trained: dict[tuple[str, str], Any] = field(default_factory=dict)
    changed: dict[str, Boxes] = field(default_factory=dict)

    def boxes_of(self, image_id: str) -> Boxes:
        if image_id in self.changed:
            return self.changed[image_id]
        rng = np.random.default_rng(list(image_id.encode()))
        sizes, shares = rng.integers(16, 33, (2, 2)), rng.random((2, 2))
        places = np.floor(shares * (np.array([32, 64]) - sizes)) + [[0, 0], [32, 0]][:: rng.choice([1, -1])]
        return boxes(
            *((*place, *size, kind, 1.0) for kind, (place, size) in enumerate(zip(places, sizes, strict=True)))
        )

    def size_of(self, image_id: str) -> tuple[int, int]:
        return 64, 64

    def picture(self, image_id: str) -> np.ndarray:
        pixels = np.full((64, 64, 3), 128, np.uint8)
        own = Drawn().boxes_of(image_id)
        for (left, top, width, height), kind in zip(own.places.astype(int), own.classes, strict=True):
            pixels[top : top + height, left : left + width] = [(230, 30, 30), (30, 30, 230)][kind]
        return pixels
