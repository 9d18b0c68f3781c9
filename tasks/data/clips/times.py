"""Draw the times of a training example's frames."""

from __future__ import annotations

import numpy as np


def sample_times(duration: float, frames: int, window: float, rng: np.random.Generator) -> np.ndarray:
    """Draw times independently and uniformly from a window at a random place in the clip (VITO's views).

    Args:
        duration: Seconds of the clip, 0 or more; a photograph is a clip of 0 seconds.
        frames: Number of times.
        window: T in seconds. A shorter clip is its own window; with 0 all times are equal, which is pretraining on
            images.
        rng: Random number generator.

    Returns:
        float64 (frames,), seconds from the start of the clip, in the order they were drawn.

    Raises:
        ValueError: The duration is negative or infinite, the window is negative, or there are no frames.
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
