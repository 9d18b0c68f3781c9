"""Where the training frames come from: clips of the micro-world, rendered once into memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...tasks.data.microworld.sets import MicroSet
from ...tasks.data.microworld.vocabulary import CLIP_SECONDS


@dataclass(frozen=True)
class ClipPool:
    """Frames of many clips.

    Attributes:
        frames: uint8 (clips, frames per clip, 3, S, S); the frames of a clip stand at independent uniform times.
        labels: int64 (clips,), shape classes; used by the supervised baseline and by linear heads only.
    """

    frames: Tensor
    labels: Tensor


def sample_times(clips: int, frames: int, window: float, rng: np.random.Generator) -> np.ndarray:
    """Times of the frames of each clip.

    Args:
        clips: Number of clips.
        frames: Frames per clip.
        window: T in seconds: all frames of a clip fall, independently and uniformly, into a window of this length that
            lies anywhere in the clip. 0 makes them one and the same frame, which is image pretraining.
        rng: Source of randomness.

    Returns:
        float64 (clips, frames), seconds from the start of the clip.

    Raises:
        ValueError: A window that does not fit into a clip.
    """
    if not 0.0 <= window <= CLIP_SECONDS:
        raise ValueError(f"a window of {window} s does not fit a clip of {CLIP_SECONDS} s; choose 0 to {CLIP_SECONDS}")
    starts = rng.uniform(0.0, CLIP_SECONDS - window, (clips, 1))
    return starts + rng.uniform(0.0, window, (clips, frames))


def render_pool(
    clips: int, frames: int, size: int, seed: int, progress: Callable[[int, int], None] | None = None
) -> ClipPool:
    """Render the training clips of the micro-world.

    Args:
        clips: Number of clips.
        frames: Frames per clip, at independent uniform times over the whole clip.
        size: Side of a frame in pixels.
        seed: Seed of the world and of the times.
        progress: Called with (clips done, clips in all).
    """
    source = MicroSet("train", clips, seed)
    times = sample_times(clips, frames, CLIP_SECONDS, np.random.default_rng([seed, 0x7153]))
    out = torch.empty((clips, frames, 3, size, size), dtype=torch.uint8)
    chunk = 128
    for start in range(0, clips, chunk):
        stop = min(start + chunk, clips)
        indices = np.repeat(np.arange(start, stop), frames)
        rendered = source.frames(indices.tolist(), size, times[start:stop].ravel().tolist()).images
        batch = torch.from_numpy(rendered).permute(0, 3, 1, 2)
        out[start:stop] = batch.reshape(stop - start, frames, 3, size, size)
        if progress is not None:
            progress(stop, clips)
    return ClipPool(out, torch.from_numpy(source.labels))
