"""Batches of views, computed ahead of the network: from clips in memory, and from clips read during training."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ...interruption import leave_to_parent
from ...tasks.clips.opening import FailedClips, draw_example
from ...tasks.clips.source import ClipSource, UnreadableClipError
from .clips import ClipPool, Place, clips_at, places, seed_of, view_seed
from .learners import Batch
from .monitors import NeighbourExam
from .recipe import Recipe
from .views import centre_view, frame_view, random_view, stored_side

# Batches from clips in memory: a thread computes views of whole batches ahead of the network.


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


# Batches from clips that are read during training: videos, folders of images, shards, manifests.


_EXAM = 768
Item = tuple[tuple[Tensor, ...], int]


class ClipViews(Dataset[Item]):
    """Views of clips by (step, clip); they only depend on these and the recipe's seed.

    Args:
        source: The clips.
        recipe: Window, size, views and seed.
        views: Number of views, 1 or 2.
    """

    def __init__(self, source: ClipSource, recipe: Recipe, views: int) -> None:
        self.source, self.recipe = source, recipe
        self.failed = FailedClips(len(source))
        self.views = [frame_view(recipe.augmentation, number, recipe.size) for number in range(views)]

    def __getitem__(self, key: tuple[int, int]) -> Item:
        """Views (3, S, S) and the class, of another clip if this one cannot be read."""
        step, clip = key
        recipe = self.recipe
        frames = len(self.views) if recipe.window > 0 else 1
        side = stored_side(recipe.augmentation, recipe.size)
        example = draw_example(
            self.source, clip, frames, recipe.window, (seed_of(recipe.seed, 3, step),), self.failed, side
        )
        images = torch.from_numpy(example.frames).permute(0, 3, 1, 2)
        # torchvision draws from the global generator; `fork_rng` restores it afterwards.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(recipe.seed, 4, step, clip))
            views = tuple(view(images[min(n, frames - 1)]) for n, view in enumerate(self.views))
        return views, self.source.label(example.clip)


@dataclass(frozen=True)
class ClipFeed:
    """Feeds a run from clips.

    Attributes:
        source: The clips.
        recipe: The run; its ``clips`` limits their number, 0 takes all.
        workers: Number of reader processes; 0 reads in the training process. Each prepares at most two parts ahead.
    """

    source: ClipSource
    recipe: Recipe
    workers: int = 0

    @property
    def clips(self) -> int:
        """Number of clips."""
        return min(len(self.source), self.recipe.clips or len(self.source))

    @cached_property
    def classes(self) -> int:
        """Number of classes; 0 if no clip has a label."""
        return max(self.source.label(clip) for clip in range(self.clips)) + 1

    @cached_property
    def exam(self) -> NeighbourExam | None:
        """Middle frames of labelled clips, two thirds of them as the bank; None if there are too few."""
        if not self.recipe.monitor_every or self.classes < 2:
            return None
        order = torch.randperm(self.clips, generator=torch.Generator().manual_seed(seed_of(self.recipe.seed, 5)))
        images, labels = [], []
        for clip in order.tolist():
            if (label := self.source.label(clip)) < 0:
                continue
            try:
                frame = self.source.frames(clip, [0.5 * self.source.seconds(clip)], self.recipe.size)[0]
            except UnreadableClipError:
                continue
            images.append(centre_view(torch.from_numpy(frame).permute(2, 0, 1), self.recipe.size))
            labels.append(label)
            if len(images) == _EXAM:
                break
        if len(images) < 3:
            return None
        bank = 2 * len(images) // 3
        frames, classes = torch.stack(images), torch.tensor(labels)
        return NeighbourExam(frames[:bank], classes[:bank], frames[bank:], classes[bank:])

    def batches(self, recipe: Recipe, views: int, first: int, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """Batches of a rank from step ``first`` to the end, part by part.

        Raises:
            DataError: Too many clips cannot be read.
        """
        keys = (
            [(place.step, clip) for clip in clips_at(place, recipe, self.clips).tolist()]
            for place in places(recipe, first, rank, ranks)
        )
        loader = DataLoader(
            ClipViews(self.source, recipe, views),
            batch_sampler=_Once(keys),
            num_workers=self.workers,
            prefetch_factor=2 if self.workers else None,
            worker_init_fn=leave_to_parent,
            collate_fn=_Collate(recipe.channels_last),
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator().manual_seed(recipe.seed),  # by default it would advance the global generator
        )
        yield from loader


class _Once:
    """Turns an iterator into the iterable that a loader expects; it can be iterated once."""

    def __init__(self, keys: Iterator[list[tuple[int, int]]]) -> None:
        self._keys = keys

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return self._keys


@dataclass(frozen=True)
class _Collate:
    channels_last: bool

    def __call__(self, items: list[Item]) -> Batch:
        views = [torch.stack(view) for view in zip(*(views for views, _ in items), strict=True)]
        if self.channels_last:
            views = [view.contiguous(memory_format=torch.channels_last) for view in views]
        return Batch(tuple(views), torch.tensor([label for _, label in items]))
