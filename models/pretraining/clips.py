"""Training clips of the micro-world, rendered once into memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...tasks.data.microworld.sets import MicroSet
from ...tasks.data.microworld.vocabulary import CLIP_SECONDS

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
    """
    clip_indices = np.arange(clips) if indices is None else indices
    source = MicroSet("train", int(clip_indices.max()) + 1, seed)
    times = sample_times(clips, frames, window, np.random.default_rng([seed, 0x7153]))
    out = torch.empty((clips, frames, 3, size, size), dtype=torch.uint8)
    chunk = 128
    for start in range(0, clips, chunk):
        part = slice(start, min(start + chunk, clips))
        rows = np.repeat(clip_indices[part], frames).tolist()
        rendered = source.frames(rows, size, times[part].ravel().tolist()).images
        out[part] = torch.from_numpy(rendered).permute(0, 3, 1, 2).reshape(out[part].shape)
        if progress is not None:
            progress(part.stop, clips)
    return ClipPool(out, torch.from_numpy(source.labels[clip_indices]))
