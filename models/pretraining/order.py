"""The clips of a step and the seeds of its random numbers: functions of (seed, step) alone."""

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
        step: Step, from 0.
        part: Part of the step, from 0 to the recipe's ``accumulate`` - 1.
        rank: This process.
        ranks: Number of processes.
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
    """Number of clips in a rank's part of a step.

    Raises:
        DataError: The batch cannot be divided evenly.
    """
    size, rest = divmod(recipe.batch, ranks * recipe.accumulate)
    if rest or size == 0:
        raise DataError(
            f"A batch of {recipe.batch} cannot be shared by {ranks} devices in {recipe.accumulate} parts; choose a "
            f"multiple of {ranks * recipe.accumulate} with --set batch=..."
        )
    return size


def clips_at(place: Place, recipe: Recipe, clips: int) -> Tensor:
    """Clips of a part of a step: int64 (n,). Every epoch has its own order; an incomplete last batch is left out.

    Args:
        place: Step, part and rank.
        recipe: The run.
        clips: Total number of clips.

    Raises:
        DataError: There are fewer clips than a batch, or the batch cannot be divided evenly.
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
    """A 63-bit seed from integers; different keys give independent streams."""
    words = np.random.SeedSequence([key % (1 << 32) for key in keys]).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def view_seed(place: Place, recipe: Recipe) -> int:
    """Seed of the views of a part of a step."""
    return seed_of(recipe.seed, 1, place.step, place.part, place.rank)


def network_seed(place: Place, recipe: Recipe) -> int:
    """Seed of the random numbers inside a network (such as dropped paths) in a step."""
    return seed_of(recipe.seed, 2, place.step, place.rank)
