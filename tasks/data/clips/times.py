"""At which times of a clip the frames of a training example stand."""

from __future__ import annotations

import numpy as np


def sample_times(duration: float, frames: int, window: float, rng: np.random.Generator) -> np.ndarray:
    """Draw times independently and uniformly from a window that lies anywhere in the clip (VITO's views).

    Args:
        duration: Seconds of the clip, 0 or more; a photograph is a clip of 0 seconds.
        frames: Number of times.
        window: T in seconds. A clip shorter than that is its own window; 0 makes all times one and the same, which is
            pretraining on images.
        rng: Source of randomness.

    Returns:
        float64 (frames,), seconds from the start of the clip, in the order they were drawn.

    Raises:
        ValueError: A duration that is negative or endless, a negative window, or no frames.
    """
    if not 0.0 <= duration < float("inf"):
        raise ValueError(f"a clip of {duration} s has no times to draw from")
    if not window >= 0.0:
        raise ValueError(f"Invalid window {window} s; give 0 or more")
    if frames < 1:
        raise ValueError(f"Invalid number of frames {frames}; give 1 or more")
    length = min(window, duration)
    start = rng.uniform(0.0, duration - length)
    return np.minimum(start + rng.uniform(0.0, length, frames), duration)
