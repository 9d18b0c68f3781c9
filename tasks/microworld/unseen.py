"""What training never shows: solids of other shapes, and scenes without any object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...errors import unknown_name
from ..images.geometry import Geometry
from ..images.source import LoadFailure
from .scene import Scene, without_objects
from .sets import RenderedSource, photographs
from .vocabulary import CLASSES, GENERATOR_VERSION, UNSEEN_CLASSES
from .worlds import NATURAL, Draws, draw_scene

WORLD = replace(NATURAL, correlation=0.0, others=(1.0, 0.0, 0.0, 0.0))
"""Any texture, and one object, so that no known solid is in the picture."""


def _solid(draws: Draws, index: int) -> Scene:
    return draw_scene(WORLD, draws, len(CLASSES) + index % len(UNSEEN_CLASSES))


def _nothing(draws: Draws, index: int) -> Scene:
    return without_objects(draw_scene(WORLD, draws, index % len(CLASSES)))


UNSEEN_SETS: dict[str, Callable[[Draws, int], Scene]] = {"unseen": _solid, "empty": _nothing}
"""Solids of `UNSEEN_CLASSES` in turn, near to what is known; and a backdrop and floor alone, far from it."""


class UnseenSet(RenderedSource):
    """Photographs of nothing that has a class; every label is -1.

    Args:
        name: One of `UNSEEN_SETS`.
        length: Number of images.
        seed: Seed of the world.

    Raises:
        UnknownNameError: There is no such set.
        ValueError: The length is less than 1.
    """

    def __init__(self, name: str, length: int, seed: int = 0) -> None:
        if name not in UNSEEN_SETS:
            raise unknown_name("micro-world set", name, UNSEEN_SETS)
        if length < 1:
            raise ValueError(f"Invalid length {length}; give 1 or more images")
        self.name, self.set_name, self.length, self.seed = f"microworld/{name}", name, length, seed

    def __len__(self) -> int:
        return self.length

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """``"unseen-0-000012"``: set, seed and index."""
        return tuple(f"{self.set_name}-{self.seed}-{i:06d}" for i in range(self.length))

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (n,), -1 for each: no class is right."""
        return np.full(self.length, -1, dtype=np.int64)

    def scene(self, index: int) -> Scene:
        """The scene of an image."""
        return UNSEEN_SETS[self.set_name](Draws(self.seed, self.set_name, index), index)

    def _facts(self) -> Any:
        """Generator version, settings and seed. Not the length, since each image has an id."""
        return self.manifest()

    def manifest(self) -> dict[str, Any]:
        """What determines the pixels."""
        settings = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(WORLD).items()}
        shapes = {"solids": list(UNSEEN_CLASSES)} if self.set_name == "unseen" else {}
        facts = {"set": self.set_name, "seed": self.seed, "generator_version": GENERATOR_VERSION}
        return facts | {"settings": settings} | shapes

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        return photographs([self.scene(index) for index in indices], geometry.size).images, {}
