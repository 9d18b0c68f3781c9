"""Batches from clips in memory: a thread computes views of whole batches ahead of the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from .clips import ClipPool
from .learners.learner import Batch
from .monitors import NeighbourExam
from .order import Place, clips_at, places, view_seed
from .recipe import Recipe
from .views import random_view

AHEAD = 2
"""Number of parts to prepare ahead of the network; this many batches of views are in memory."""


def pool_batch(pool: ClipPool, recipe: Recipe, views: int, place: Place) -> Batch:
    """The views of one part of a step; always the same for the same arguments.

    Args:
        pool: The clips.
        recipe: The run; with a window, the two views come from two frames of the clip, otherwise from the same frame.
        views: Number of views of each clip, 1 or 2.
        place: Step, part and rank.
    """
    clips = clips_at(place, recipe, len(pool.labels))
    rng = torch.Generator().manual_seed(view_seed(place, recipe))
    choices = torch.rand(len(clips), pool.frames.shape[1], generator=rng).argsort(dim=1)
    frames = choices[:, :1].expand(-1, 2) if recipe.window == 0 else choices[:, :2]
    batch_views: list[Tensor] = []
    for number in range(views):
        view = random_view(pool.frames[clips, frames[:, number]], recipe.augmentation, number, rng)
        batch_views.append(view.contiguous(memory_format=torch.channels_last) if recipe.channels_last else view)
    return Batch(tuple(batch_views), pool.labels[clips])


@dataclass(frozen=True)
class PoolFeed:
    """Feeds a run from a pool.

    Attributes:
        pool: The clips.
        classes: Number of classes.
        exam: Images for the nearest-neighbour check, or None.
    """

    pool: ClipPool
    classes: int = 16
    exam: NeighbourExam | None = None

    def batches(self, recipe: Recipe, views: int, first: int, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """Batches of a rank from step ``first`` to the end, part by part, prepared ahead in a thread."""
        waiting: deque[Future[Batch]] = deque()
        maker = ThreadPoolExecutor(1, "views")
        try:
            for place in places(recipe, first, rank, ranks):
                waiting.append(maker.submit(pool_batch, self.pool, recipe, views, place))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            maker.shutdown(cancel_futures=True)
