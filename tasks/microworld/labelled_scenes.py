"""Scenes of the micro-world with a class and a depth for each pixel: its counterpart of VOC, ADE20K and NYUv2."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .sets import MicroSet, ReadByProtocol
from .vocabulary import BACKDROP_ID, CLIP_SECONDS, MAX_OBJECTS, OBJECT_ID

SIZE = 128
"""Pixels, twice those of training, as is usual for dense tasks."""

MEMORY = 160
"""Labelled scenes: ten whose first object has a given class."""

_KEPT = 16
"""Scenes that are kept once rendered, of 0.15 MB each: tasks ask for the same ones in turn."""


@dataclass(frozen=True, eq=False)
class _Scene:
    """What is known of a scene's pixels."""

    picture: np.ndarray
    classes: np.ndarray
    depth: np.ndarray
    first: np.ndarray


class MicroLabelledScenes(ReadByProtocol):
    """The middle frames of clips of the set "val", and of "train" to learn from, as their cameras film them.

    Args:
        length: Number of images.
        seed: Seed of the world.
    """

    name = "microworld/scenes"

    def __init__(self, length: int, seed: int = 0) -> None:
        super().__init__(length, seed)
        self._sets = {"val": MicroSet("val", length, seed), "train": MicroSet("train", MEMORY, seed)}

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """Those of the clips."""
        return self._sets["val"].image_ids

    @cached_property
    def memory_ids(self) -> tuple[str, ...]:
        """See `LabelledImages`."""
        return self._sets["train"].image_ids

    @property
    def learning_ids(self) -> tuple[str, ...]:
        """See `DepthImages`: the scenes of the memory."""
        return self.memory_ids

    def _facts(self) -> Any:
        """Everything but the length, since each image has an id."""
        return self.name, {name: source.digest for name, source in self._sets.items()}, MEMORY, SIZE

    def manifest(self) -> dict[str, Any]:
        """What determines the pixels and their classes."""
        sets = {name: source.manifest() for name, source in self._sets.items()}
        return {"size": SIZE, "seconds": CLIP_SECONDS / 2, "memory": MEMORY, "clips": sets}

    @cached_property
    def _known(self) -> dict[str, _Scene]:
        return {}

    @cached_property
    def fitted(self) -> dict[tuple[str, str], Any]:
        """See `DepthImages.fitted`."""
        return {}

    def _rendered(self, image_id: str) -> _Scene:
        if image_id not in self._known:
            name, number = image_id.partition("-")[0], int(image_id.rpartition("-")[2])
            frames = self._sets[name].frames([number], SIZE, [CLIP_SECONDS / 2])
            classes = np.zeros(256, np.uint8)
            classes[OBJECT_ID : OBJECT_ID + MAX_OBJECTS] = (
                frames.classes[0] + 1
            )  # of `SCENE_CLASSES`; an absent one is -1 and on no pixel
            depth = np.where(frames.surfaces[0] == BACKDROP_ID, np.float32(np.nan), frames.depth[0])
            while len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[image_id] = _Scene(frames.images[0], classes[frames.surfaces[0]], depth, frames.mask[0])
        return self._known[image_id]

    def picture(self, image_id: str) -> np.ndarray:
        """See `LabelledImages.picture`."""
        return self._rendered(image_id).picture

    def classes_of(self, image_id: str) -> np.ndarray:
        """See `LabelledImages.classes_of`."""
        return self._rendered(image_id).classes

    def depth_of(self, image_id: str) -> np.ndarray:
        """See `DepthImages.depth_of`: in radii of the first object; the backdrop has none."""
        return self._rendered(image_id).depth

    def object_of(self, image_id: str) -> np.ndarray:
        """See `DepthImages.object_of`: where the first object is visible."""
        return self._rendered(image_id).first
