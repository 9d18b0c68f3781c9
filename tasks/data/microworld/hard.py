"""Frames that a fixed committee gets wrong: what ImageNet-A is to ImageNet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from ....identity import digest
from .sets import MicroSet
from .vocabulary import CLASSES

if TYPE_CHECKING:
    from ..geometry import Geometry
    from ..source import LoadFailure


def facts() -> dict[str, Any]:
    """How the frames were chosen: the set and seed, the frames searched, the committee's weights, the indices found."""
    found: dict[str, Any] = json.loads(resources.files(__package__).joinpath("hard.json").read_text(encoding="utf-8"))
    return found


class HardSet:
    """The frames that all models of a committee got wrong when they were chosen, once and for all.

    The committee are the models that the package shipped at that time; none of them is right on any of these, as
    ResNet-50 is on no image of ImageNet-A. There is one draw of the set, whatever the seed of a run.

    Args:
        length: Number of frames taken from the front; never more than there are.
    """

    label_space = "microworld-16"
    name = "microworld/hard"

    def __init__(self, length: int) -> None:
        chosen = facts()
        self._indices = tuple(chosen["indices"][:length])
        self._frames = MicroSet(chosen["set"], max(chosen["indices"]) + 1, chosen["seed"])

    def __len__(self) -> int:
        return len(self._indices)

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """Ids of the frames in the set that they come from."""
        return tuple(f"{self._frames.set_name}-{self._frames.seed}-{i:06d}" for i in self._indices)

    @property
    def labels(self) -> np.ndarray:
        """int64 (n,) shape classes."""
        return np.array(self._indices, dtype=np.int64) % len(CLASSES)

    @property
    def digest(self) -> str:
        """Identity of the pixels; the length does not enter."""
        return digest((self.name, self._frames.digest, facts()["indices"]))

    def manifest(self) -> dict[str, Any]:
        """How the frames were chosen, and what they are of."""
        return facts() | {"frames": self._frames.manifest()}

    def load(self, indices: Sequence[int], geometry: Geometry) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """Render at the model's own size; see `ImageSource.load`."""
        return self._frames.load([self._indices[i] for i in indices], geometry)
