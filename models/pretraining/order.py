"""Which clips a step sees, and the seeds of all that is random in it: functions of (seed, step) alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ...errors import DataError
from .recipe import Recipe


@dataclass(frozen=True)
class Place:
    """One part of a step on one rank.

    Attributes:
        step: From 0.
        part: From 0 to the recipe's ``accumulate``.
        rank: The process.
        ranks: How many there are.
    """

    step: int
    part: int = 0
    rank: int = 0
    ranks: int = 1


def places(recipe: Recipe, first: int, rank: int, ranks: int) -> Iterator[Place]:
    """The parts of all steps from ``first`` to the recipe's last, as a rank sees them."""
    for step in range(first, recipe.steps):
        for part in range(recipe.accumulate):
            yield Place(step, part, rank, ranks)


def part_size(recipe: Recipe, ranks: int) -> int:
    """Clips that a rank sees at once.

    Raises:
        DataError: The batch cannot be shared out evenly.
    """
    size, rest = divmod(recipe.batch, ranks * recipe.accumulate)
    if rest or size == 0:
        raise DataError(
            f"A batch of {recipe.batch} cannot be shared by {ranks} devices in {recipe.accumulate} parts; choose a "
            f"multiple of {ranks * recipe.accumulate} with --set batch=..."
        )
    return size


def clips_at(place: Place, recipe: Recipe, clips: int) -> Tensor:
    """Clips of a part of a step: int64 (n,). Every epoch has its own order; what fills no batch is left out.

    Args:
        place: Step, part and rank.
        recipe: The run.
        clips: Clips in all.

    Raises:
        DataError: Fewer clips than a batch, or a batch that cannot be shared out evenly.
    """
    size = part_size(recipe, place.ranks)
    if clips < recipe.batch:
        raise DataError(f"There are {clips} clips, fewer than a batch of {recipe.batch}; choose --set batch={clips}.")
    epoch, number = divmod(place.step, clips // recipe.batch)
    start = number * recipe.batch + (place.part * place.ranks + place.rank) * size
    return _order(clips, recipe.seed, epoch)[start : start + size]


@lru_cache(maxsize=2)
def _order(clips: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(clips, generator=torch.Generator().manual_seed(seed_of(seed, 0, epoch)))


def seed_of(*keys: int) -> int:
    """A seed of 63 bits from integers; different keys give unrelated streams."""
    words = np.random.SeedSequence([key % (1 << 32) for key in keys]).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def view_seed(place: Place, recipe: Recipe) -> int:
    """Seed of the views of a part of a step."""
    return seed_of(recipe.seed, 1, place.step, place.part, place.rank)


def network_seed(place: Place, recipe: Recipe) -> int:
    """Seed of whatever is random inside a network (dropped paths) in a step."""
    return seed_of(recipe.seed, 2, place.step, place.rank)
