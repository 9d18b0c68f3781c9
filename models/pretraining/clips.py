"""Which clips a step sees, and clips of the micro-world rendered once into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import DataError, VitobenchError
from ...files import replacing
from ...identity import broken_seal, digest, seal_file
from ...tasks.microworld.sets import GENERATOR_VERSION, MicroSet
from ...tasks.microworld.vocabulary import CLASSES, CLIP_SECONDS
from .monitors import NeighbourExam
from .recipe import IDEAL, PHOTOGRAPHS, UNCURATED, Recipe

# The clips of a step and the seeds of its random numbers: functions of (seed, step) alone.


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


# Training clips of the micro-world, rendered once into memory.


LONGEST_WINDOW = 4 * CLIP_SECONDS
"""With a longer window, objects leave the frame."""


@dataclass(frozen=True)
class ClipPool:
    """Frames of many clips.

    Attributes:
        frames: uint8 (clips, frames per clip, 3, S, S); the frames of a clip are at independent uniform times.
        labels: int64 (clips,), shape classes; only used by the supervised baseline and linear heads.
    """

    frames: Tensor
    labels: Tensor


def sample_times(clips: int, frames: int, window: float, rng: np.random.Generator) -> np.ndarray:
    """Times of the frames of each clip.

    Args:
        clips: Number of clips.
        frames: Frames per clip.
        window: T in seconds: the frames of a clip are drawn independently and uniformly from a window of this length at
            a random place in the clip. With 0 all frames of a clip are the same, which is image pretraining. A window
            longer than the clip extends before and after it, since scenes go on; this gives more motion.
        rng: Random number generator.

    Returns:
        float64 (clips, frames), seconds from the start of the clip.

    Raises:
        ValueError: The window is longer than `LONGEST_WINDOW`.
    """
    if not 0.0 <= window <= LONGEST_WINDOW:
        raise ValueError(f"a window of {window} s is too long for the micro-world; choose 0 to {LONGEST_WINDOW}")
    spare = CLIP_SECONDS - window
    starts = rng.uniform(0.0, spare, (clips, 1)) if spare >= 0 else np.full((clips, 1), spare / 2)
    return starts + rng.uniform(0.0, window, (clips, frames))


def render_pool(
    clips: int,
    frames: int,
    size: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    window: float = CLIP_SECONDS,
    indices: np.ndarray | None = None,
    camera: str | None = "filmed",
) -> ClipPool:
    """Render the training clips of the micro-world.

    Args:
        clips: Number of clips.
        frames: Frames per clip, at independent uniform times in the window.
        size: Side of a frame in pixels.
        seed: Seed of the world and of the times.
        progress: Called with (finished clips, total).
        window: T in seconds, see `sample_times`; the whole clip by default.
        indices: int64 (clips,), indices in the training set; the first ones by default.
        camera: One of `CAMERAS`; None takes a photograph of each scene instead, which is one frame.
    """
    clip_indices = np.arange(clips) if indices is None else indices
    source = MicroSet("train", int(clip_indices.max()) + 1, seed)
    times = sample_times(clips, frames, window, np.random.default_rng([seed, 0x7153]))
    out = torch.empty((clips, frames, 3, size, size), dtype=torch.uint8)
    chunk = 128
    for start in range(0, clips, chunk):
        part = slice(start, min(start + chunk, clips))
        rows = np.repeat(clip_indices[part], frames).tolist()
        if camera is None:
            rendered = source.frames(rows, size).images
        else:
            rendered = source.frames(rows, size, times[part].ravel().tolist(), camera).images
        out[part] = torch.from_numpy(rendered).permute(0, 3, 1, 2).reshape(out[part].shape)
        if progress is not None:
            progress(part.stop, clips)
    return ClipPool(out, torch.from_numpy(source.labels[clip_indices]))


# The micro-world as training data: the pool of a recipe, and images for its nearest-neighbour check.


EXAM_FIRST = 200_000
"""First validation image of the check, beyond those used by the tasks and for the clean accuracy."""
_BANK, _QUERIES = 1024, 256


def pool_key(recipe: Recipe) -> tuple[object, ...]:
    """Everything a pool depends on: recipes with equal keys can share a pool."""
    window = recipe.window or CLIP_SECONDS
    return recipe.data, recipe.clips, recipe.frames_per_clip, recipe.size, window, recipe.seed


def for_the_head(recipe: Recipe) -> Recipe:
    """The recipe whose pool the linear head is fitted on: photographs of the training scenes, classes balanced.

    All encoders must use the same kind of pool. Otherwise a comparison would measure the data of the heads. It is
    photographs, as heads for ImageNet are fitted on ImageNet, and as the tasks of single images show.
    """
    return replace(recipe, data=PHOTOGRAPHS, window=0.0, frames_per_clip=1)


def micro_pool(recipe: Recipe, progress: Callable[[int, int], None] | None = None) -> ClipPool:
    """Render the clips of a recipe.

    Args:
        recipe: The settings in `pool_key` are used. For windows of 0 and of the whole clip, frames are anywhere in the
            clip; for other windows they are within one window of each clip.
        progress: Called with (finished clips, total).

    Raises:
        ValueError: The window is longer than the micro-world allows.
    """
    window = recipe.window or CLIP_SECONDS  # without a window every step takes one frame, from anywhere in the clip
    camera = None if recipe.data == PHOTOGRAPHS else "ideal" if recipe.data == IDEAL else "filmed"
    return render_pool(
        recipe.clips, recipe.frames_per_clip, recipe.size, recipe.seed, progress, window, _clips_of(recipe), camera
    )


def _clips_of(recipe: Recipe) -> np.ndarray:
    """int64 (clips,): which clips of the training set a recipe learns from."""
    return uncurated_clips(recipe.clips, recipe.seed) if recipe.data == UNCURATED else np.arange(recipe.clips)


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


# Pools on disk: rendered once, and mapped into memory by every run that needs them, so that they share its pages.


def pool_file(recipe: Recipe, folder: Path) -> Path:
    """Where a folder keeps the frames of a recipe's pool; recipes with equal `pool_key` share it."""
    return folder / f"{digest([GENERATOR_VERSION, *pool_key(recipe)])[:16]}.npy"


def keep_pool(recipe: Recipe, folder: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Render a recipe's pool into a folder, unless it is there already.

    Args:
        recipe: A recipe for the micro-world.
        folder: Created if it does not exist. A pool takes ``clips * frames_per_clip * 3 * size * size`` bytes.
        progress: Called with (finished clips, total).

    Returns:
        The file.

    Raises:
        VitobenchError: It cannot be written.
    """
    path = pool_file(recipe, folder)
    try:
        if path.is_file() and not broken_seal(path):
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as aside:
            with aside.open("wb") as handle:
                np.save(handle, micro_pool(recipe, progress).frames.numpy())
            seal_file(aside)
    except OSError as error:
        raise VitobenchError(f"The rendered clips {path} cannot be written: {error.strerror or error}.") from None
    return path


def open_pool(recipe: Recipe, folder: Path) -> ClipPool:
    """Map a pool that `keep_pool` rendered into memory; its frames are read when they are used.

    Args:
        recipe: A recipe for the micro-world.
        folder: As for `keep_pool`.

    Raises:
        DataError: It is not there.
    """
    path = pool_file(recipe, folder)
    try:
        frames = np.load(path, mmap_mode="c")  # which torch, unlike "r", takes without a warning; nobody writes to it
    except OSError as error:
        raise DataError(f"The rendered clips {path} cannot be read: {error.strerror or error}.") from None
    indices = _clips_of(recipe)
    labels = MicroSet("train", int(indices.max()) + 1, recipe.seed).labels[indices]
    return ClipPool(torch.from_numpy(frames), torch.from_numpy(labels))
