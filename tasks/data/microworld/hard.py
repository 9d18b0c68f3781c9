"""Frames that a fixed committee of models gets wrong: the micro-world's counterpart of ImageNet-A."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from .sets import MicroSet, RenderedSource
from .vocabulary import CLASSES

if TYPE_CHECKING:
    from ..geometry import Geometry
    from ..source import LoadFailure


def facts() -> dict[str, Any]:
    """How the frames were chosen: set and seed, searched frames, the committee's weights, and the chosen indices."""
    record: dict[str, Any] = json.loads(resources.files(__package__).joinpath("hard.json").read_text(encoding="utf-8"))
    return record


class HardSet(RenderedSource):
    """A fixed list of frames that all models of a committee get wrong.

    The committee consists of the models that the package shipped when the list was made; none of them classifies any of
    these frames correctly, just as ResNet-50 fails on every image of ImageNet-A. The set does not depend on a run's
    seed.

    Args:
        length: Number of frames taken from the front; never more than there are.
    """

    name = "microworld/hard"

    def __init__(self, length: int) -> None:
        record = facts()
        self._indices = tuple(record["indices"][:length])
        self._frames = MicroSet(record["set"], max(record["indices"]) + 1, record["seed"])

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """Ids of the frames in the set that they come from."""
        return tuple(f"{self._frames.set_name}-{self._frames.seed}-{i:06d}" for i in self._indices)

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (n,) shape classes."""
        return np.array(self._indices, dtype=np.int64) % len(CLASSES)

    def _facts(self) -> Any:
        """Which frames of which set. The length is not part of it, because each image has its own id."""
        return self.name, self._frames.digest, facts()["indices"]

    def manifest(self) -> dict[str, Any]:
        """How the frames were chosen, and the manifest of the set they come from."""
        return facts() | {"frames": self._frames.manifest()}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        return self._frames.load([self._indices[i] for i in indices], geometry)
