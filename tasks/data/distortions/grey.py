"""Distortions of grey levels: loss of colour, contrast, noise and rotation.

All distortions in this folder follow Geirhos et al., *Generalisation in humans and deep neural networks*, NeurIPS 2018
(arXiv 1808.08750), and their published code, on frames of any size. Lengths in pixels are for frames of
`REFERENCE_SIZE` and scale with the size of the frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Grey = NDArray[np.float64]

REFERENCE_SIZE = 224
"""Side in pixels of the frames that lengths refer to."""

NOISE_CONTRAST = 0.3
"""Contrast to which images are reduced before noise is added, so that most of the noise is not clipped."""

_WEIGHTS = np.array([0.2125, 0.7154, 0.0721])  # ITU-R BT.709, rounded as in the library that the authors used


def scaled(length: float, size: int) -> float:
    """A length at `REFERENCE_SIZE`, in pixels of a frame with side `size`."""
    return length * size / REFERENCE_SIZE


def greyscale(image: Pixels) -> Grey:
    """Grey levels of an image.

    Args:
        image: uint8 (H, W, 3).

    Returns:
        float64 (H, W) in [0, 1]: a weighted mean of the encoded values, without undoing their gamma.
    """
    return np.asarray(image @ (_WEIGHTS / 255.0))


def as_image(grey: Grey) -> Pixels:
    """Grey levels as an image: clipped to [0, 1], rounded, and the same in three channels.

    Args:
        grey: float (H, W).

    Returns:
        uint8 (H, W, 3).
    """
    levels = np.rint(np.clip(grey, 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)


def without_colour(image: Pixels) -> Pixels:
    """The image in grey; uint8 (H, W, 3)."""
    return as_image(greyscale(image))


def low_contrast(image: Pixels, level: float) -> Pixels:
    """Move grey levels towards mid grey.

    Args:
        image: uint8 (H, W, 3).
        level: Remaining share of the distance to 0.5, in [0, 1].
    """
    return as_image(_towards_grey(greyscale(image), level))


def uniform_noise(image: Pixels, width: float, rng: np.random.Generator) -> Pixels:
    """Reduce the contrast to `NOISE_CONTRAST`, add independent noise to every pixel, and clip to [0, 1].

    Args:
        image: uint8 (H, W, 3).
        width: Noise is uniform in [-width, width], on the 0..1 scale.
        rng: Random number generator of the noise.
    """
    grey = _towards_grey(greyscale(image), NOISE_CONTRAST)
    return as_image(grey + rng.uniform(-width, width, grey.shape))


def rotated(image: Pixels, degrees: int) -> Pixels:
    """The image in grey, rotated counter-clockwise.

    Args:
        image: uint8 (S, S, 3).
        degrees: A multiple of 90.
    """
    return np.ascontiguousarray(np.rot90(without_colour(image), degrees // 90))


def _towards_grey(grey: Grey, level: float) -> Grey:
    return (1.0 - level) / 2.0 + level * grey
