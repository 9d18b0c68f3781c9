"""The micro-world as training data: the pool of a recipe, and images for its nearest-neighbour check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from ...tasks.data.microworld.sets import MicroSet
from ...tasks.data.microworld.vocabulary import CLASSES, CLIP_SECONDS
from .clips import ClipPool, render_pool
from .monitors import NeighbourExam
from .recipe import Recipe

EXAM_FIRST = 200_000
"""First validation image of the check, beyond those used by the tasks and for the clean accuracy."""
_BANK, _QUERIES = 1024, 256


def pool_key(recipe: Recipe) -> tuple[object, ...]:
    """Everything a pool depends on: recipes with equal keys can share a pool."""
    window = recipe.window or CLIP_SECONDS
    return recipe.data, recipe.clips, recipe.frames_per_clip, recipe.size, window, recipe.seed


def for_the_head(recipe: Recipe) -> Recipe:
    """The recipe whose pool the linear head is fitted on: balanced classes, frames from anywhere in the clip.

    All encoders must use the same kind of pool. Otherwise a comparison would measure the data of the heads.
    """
    return replace(recipe, data="micro", window=0.0)


def micro_pool(recipe: Recipe, progress: Callable[[int, int], None] | None = None) -> ClipPool:
    """Render the clips of a recipe.

    Args:
        recipe: Its ``data``, ``clips``, ``frames_per_clip``, ``size``, ``window`` and ``seed`` are used. For windows of
            0 and of the whole clip, frames are anywhere in the clip; for other windows they are within one window of
            each clip.
        progress: Called with (finished clips, total).

    Raises:
        ValueError: The window is longer than the micro-world allows.
    """
    window = recipe.window or CLIP_SECONDS  # without a window every step takes one frame, from anywhere in the clip
    indices = uncurated_clips(recipe.clips, recipe.seed) if recipe.data == "micro-uncurated" else None
    return render_pool(recipe.clips, recipe.frames_per_clip, recipe.size, recipe.seed, progress, window, indices)


def uncurated_clips(clips: int, seed: int) -> np.ndarray:
    """Clips as they come without curation: their classes follow Zipf's law, in a random order.

    Args:
        clips: Number of clips.
        seed: Seed of the draw.

    Returns:
        int64 (clips,), distinct indices into the training set, whose clip i has class ``i % 16``.
    """
    count = len(CLASSES)
    rng = np.random.default_rng([seed, 0x21BF])
    shares = 1.0 / np.arange(1, count + 1)
    labels = rng.permutation(count)[rng.choice(count, clips, p=shares / shares.sum())]
    indices = np.empty(clips, np.int64)
    for label in range(count):
        rows = np.flatnonzero(labels == label)
        indices[rows] = label + count * np.arange(len(rows))
    return indices


def micro_exam(pool: ClipPool, size: int, seed: int) -> NeighbourExam:
    """First frames of training clips as the bank, fresh validation images as queries."""
    numbers = range(EXAM_FIRST, EXAM_FIRST + _QUERIES)
    query_frames = MicroSet("val", EXAM_FIRST + _QUERIES, seed).frames(numbers, size)
    queries = torch.from_numpy(query_frames.images).permute(0, 3, 1, 2).contiguous()
    return NeighbourExam(pool.frames[:_BANK, 0], pool.labels[:_BANK], queries, torch.from_numpy(query_frames.labels))
