"""Segmentation by retrieval: the cells of an image take the classes of the most similar cells of labelled images.

Nothing is trained: a memory of cells with their classes is made from labelled images, and each cell of another image
takes the classes of its nearest neighbours in it (Balazevic et al., NeurIPS 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ...errors import DataError
from .segmentation import ClassesOfPixels, Learner, Reader, seeded_by, shares_of

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

_QUERIES, _KEYS = 1024, 16384
"""Cells of an image, and of the memory, that are compared at once: 64 MB of similarities."""


@dataclass(frozen=True)
class Retrieval(ClassesOfPixels):
    """How classes are retrieved. The defaults are those of the published evaluation, of its smaller memories.

    Attributes:
        neighbours: Cells of the memory that decide.
        temperature: Of the softmax over their similarities (cosines).
        memory: Most cells in the memory, shared equally by its images.
    """

    kind: ClassVar[str] = "retrieval"
    version: ClassVar[int] = 1
    shows_maps: ClassVar[bool] = True

    neighbours: int = 30
    temperature: float = 0.02
    memory: int = 102_400

    def learner(self, images: int) -> Remembering:
        """See `ClassesOfPixels.learner`."""
        return Remembering(self, max(1, self.memory // images))


@dataclass(frozen=True)
class Memory:
    """Cells of labelled images.

    Attributes:
        keys: float32 (m, C), of length 1.
        shares: float32 (m, classes): how much of each cell has each class; a row sums to 1.
    """

    keys: Tensor
    shares: Tensor

    def retrieve(self, features: Tensor, neighbours: int, temperature: float) -> Tensor:
        """Classes of each cell of a map, from its exact nearest neighbours.

        Args:
            features: float32 (C, h, w).
            neighbours: Cells of the memory that decide; all of a smaller memory.
            temperature: Of the softmax over cosines.

        Returns:
            float32 (classes, h, w), shares that sum to 1.
        """
        import torch

        height, width = features.shape[1:]
        count = min(neighbours, len(self.keys))
        parts = []
        for queries in _unit(features).split(_QUERIES):
            values = queries.new_empty((len(queries), 0))
            places = torch.empty((len(queries), 0), dtype=torch.int64, device=queries.device)
            for start in range(0, len(self.keys), _KEYS):
                similar = queries @ self.keys[start : start + _KEYS].T
                best, where = similar.topk(min(count, similar.shape[1]), dim=1)
                values, places = torch.cat([values, best], 1), torch.cat([places, where + start], 1)
                values, kept = values.topk(min(count, values.shape[1]), dim=1)
                places = places.gather(1, kept)
            weights = (values / temperature).softmax(dim=1)
            parts.append((self.shares[places] * weights.unsqueeze(2)).sum(dim=1))
        return torch.cat(parts).T.reshape(-1, height, width)


class Remembering(Learner):
    """The memory while it is made.

    Args:
        how: The protocol.
        each: Most cells of an image.
    """

    def __init__(self, how: Retrieval, each: int) -> None:
        self._how, self._each = how, each
        self._keys: list[Tensor] = []
        self._shares: list[Tensor] = []

    def see(self, name: str, features: Tensor, counts: np.ndarray, area: float) -> None:
        """Remember as many cells of an image as there is room for; those without a class are left out."""
        import torch

        shares = shares_of(counts)
        kept = chosen_cells(shares, self._each, seeded_by(name))
        self._keys.append(_unit(features)[torch.from_numpy(kept).to(features.device)])
        self._shares.append(torch.from_numpy(shares[kept]).to(features.device))

    def reader(self) -> Reader:
        """See `Learner.reader`."""
        import torch

        memory = Memory(torch.cat(self._keys), torch.cat(self._shares))
        if not len(memory.keys):
            raise DataError("no pixel of the labelled images has a class")
        return partial(memory.retrieve, neighbours=self._how.neighbours, temperature=self._how.temperature)


def chosen_cells(shares: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Which cells of an image are remembered: int64, sorted; those of rare classes rather than of common ones.

    The score of a cell is the number of cells that hold one of its classes, summed over its classes, times a uniform
    number; the smallest are kept (Balazevic et al. 2023, as their evaluation is published).

    Args:
        shares: float (cells, classes); cells of zeros are never chosen.
        count: Most cells.
        rng: Source of the uniform numbers.
    """
    import numpy as np

    holds = shares > 0
    scores = (holds * holds.sum(axis=0)).sum(axis=1) * rng.random(len(shares))
    possible = np.flatnonzero(holds.any(axis=1))
    return np.sort(possible[np.argsort(scores[possible], kind="stable")[:count]])


def _unit(features: Tensor) -> Tensor:
    """(h w, C) of length 1, from (C, h, w)."""
    import torch

    return torch.nn.functional.normalize(features.flatten(1).T, dim=1)
