"""Scenes of the micro-world with a box around each object: its counterpart of COCO."""

from __future__ import annotations

from functools import cached_property
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ..understanding.average_precision import Boxes
from .sets import MicroSet, ReadByProtocol
from .vocabulary import CLIP_SECONDS, MAX_OBJECTS, OBJECT_ID, OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 128
"""Pixels, twice those of training, as is usual for dense tasks."""

LEARNING_SCENES = 320
"""Scenes of which detectors see the boxes."""

_FEWEST = 2
"""Objects of a scene: around a single one, a box that never moves is half right."""

_SMALLEST = 16
"""Visible pixels below which nothing is asked of an object: detecting it counts neither way, as in COCO's crowds."""


class MicroObjectScenes(ReadByProtocol):
    """The middle frames of clips with two to four objects, of the set "val", and of "train" for detectors.

    A box is around the visible part of an object, and its area is that of this part.

    Args:
        length: Number of images.
        seed: Seed of the world.
    """

    name = "microworld/boxes"

    def __init__(self, length: int, seed: int = 0) -> None:
        super().__init__(length, seed)
        self._sets = {"val": MicroSet("val", length, seed), "train": MicroSet("train", LEARNING_SCENES, seed)}
        self._last: tuple[str, np.ndarray, Boxes] | None = None

    def _crowded(self, name: str) -> Iterator[str]:
        """Ids of the clips with enough objects, in order."""
        for number in count():
            if self._sets[name].scene(number).start[OBJECTS] >= _FEWEST:
                yield f"{name}-{self.seed}-{number:06d}"

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """Those of the clips."""
        return tuple(islice(self._crowded("val"), self.length))

    @cached_property
    def learning_ids(self) -> tuple[str, ...]:
        """See `BoxedImages`."""
        return tuple(islice(self._crowded("train"), LEARNING_SCENES))

    @cached_property
    def trained(self) -> dict[tuple[str, str], Any]:
        """See `BoxedImages.trained`."""
        return {}

    def _facts(self) -> Any:
        """Everything but the length, since each image has an id."""
        sets = {name: source.digest for name, source in self._sets.items()}
        return self.name, sets, LEARNING_SCENES, SIZE, _FEWEST, _SMALLEST

    def manifest(self) -> dict[str, Any]:
        """What determines the pixels and boxes."""
        return {
            "size": SIZE,
            "seconds": CLIP_SECONDS / 2,
            "learning_scenes": LEARNING_SCENES,
            "fewest": _FEWEST,
            "smallest": _SMALLEST,
            "clips": {name: source.manifest() for name, source in self._sets.items()},
        }

    def _rendered(self, image_id: str) -> tuple[np.ndarray, Boxes]:
        """A picture, uint8 (S, S, 3), and its boxes."""
        if self._last is None or self._last[0] != image_id:
            name, number = image_id.partition("-")[0], int(image_id.rpartition("-")[2])
            frames = self._sets[name].frames([number], SIZE, [CLIP_SECONDS / 2])
            areas = np.bincount(frames.surfaces[0].ravel(), minlength=OBJECT_ID + MAX_OBJECTS)[OBJECT_ID:][:MAX_OBJECTS]
            (seen,) = np.nonzero(areas)
            left, top, right, bottom = frames.boxes[0, seen].astype(np.float64).T
            places = np.column_stack([left, top, right - left, bottom - top])
            asked = (areas[seen] >= _SMALLEST).astype(np.float64)
            boxes = Boxes(places, frames.classes[0, seen], asked, areas[seen].astype(np.float64))
            self._last = (image_id, frames.images[0], boxes)
        return self._last[1], self._last[2]

    def picture(self, image_id: str) -> np.ndarray:
        """See `BoxedImages.picture`."""
        return self._rendered(image_id)[0]

    def boxes_of(self, image_id: str) -> Boxes:
        """See `BoxedImages.boxes_of`."""
        return self._rendered(image_id)[1]

    def size_of(self, image_id: str) -> tuple[int, int]:
        """See `BoxedImages.size_of`."""
        return SIZE, SIZE
