"""Digital corruptions: contrast, elastic transform, pixelation and JPEG, of Hendrycks & Dietterich (ICLR 2019)."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from .filters import Floats
from .pixels import Pixels, to_pixels, to_unit
from .sampling import smooth, warp

FARTHEST = 1e7
"""Coordinates beyond are cut: a nearly singular affine map would otherwise leave the range of integers."""


def contrast(image: Pixels, rng: np.random.Generator, *, factor: float) -> Pixels:
    """Move every value towards the mean of its channel.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        factor: What is left of the distance to the mean.
    """
    x = to_unit(image)
    means = np.mean(x, axis=(0, 1), keepdims=True)
    return to_pixels((x - means) * factor + means)


def elastic_transform(
    image: Pixels, rng: np.random.Generator, *, amplitude_px: float, sigma_px: float, affine_px: float
) -> Pixels:
    """Move three points at random, the image affinely with them, and then every pixel by a smooth random field.

    Coordinates of the affine map are exact, as in OpenCV 5; older versions of OpenCV may have rounded them.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Uniforms in [-1, 1) times their range: six for the points, then one for each pixel and direction.
        amplitude_px: Factor of the smoothed field.
        sigma_px: Standard deviation of the Gaussian that smooths the field.
        affine_px: How far the points move, at most, in each direction.
    """
    height, width, _ = image.shape
    x = np.divide(image, 255, dtype=np.float32)
    x = _random_affine(x, rng, affine_px)
    # Sideways first, then up and down: the order of the draws is the original's.
    right = smooth_field(rng, height, width, sigma_px) * amplitude_px
    down = smooth_field(rng, height, width, sigma_px) * amplitude_px
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    return to_pixels(warp(x, rows + down.astype(np.float32), columns + right.astype(np.float32), True))


def smooth_field(rng: np.random.Generator, height: int, width: int, sigma: float) -> Floats:
    """Uniform noise in [-1, 1), smoothed: float64 ``(height, width)``."""
    return smooth(rng.uniform(-1, 1, size=(height, width)), sigma)


def _random_affine(x: np.ndarray, rng: np.random.Generator, reach: float) -> np.ndarray:
    """Warp so that three corners of the central third land up to ``reach`` pixels from where they were."""
    height, width, _ = x.shape
    centre = np.array([width // 2, height // 2], np.float32)
    side = min(height, width) // 3
    corners = np.array([centre + side, [centre[0] + side, centre[1] - side], centre - side], np.float32)
    moved = corners + rng.uniform(-reach, reach, size=(3, 2)).astype(np.float32)
    # Where an output pixel reads: the map that takes the moved corners back.
    system = np.column_stack([moved.astype(np.float64), np.ones(3)])
    if abs(np.linalg.det(system)) < 1e-6:  # the three fell on one line, so no map takes them back
        return np.zeros_like(x) + x[height // 2, width // 2]
    back = np.linalg.solve(system, corners.astype(np.float64))
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    right = back[0, 0] * columns + back[1, 0] * rows + back[2, 0]
    down = back[0, 1] * columns + back[1, 1] * rows + back[2, 1]
    warped: np.ndarray = warp(x, down.clip(-FARTHEST, FARTHEST), right.clip(-FARTHEST, FARTHEST), False)
    return warped


def pixelate(image: Pixels, rng: np.random.Generator, *, factor: float) -> Pixels:
    """Shrink with a box filter and enlarge again.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        factor: Of the shrinking, for both sides.
    """
    height, width, _ = image.shape
    small = Image.fromarray(image).resize((int(width * factor), int(height * factor)), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.BOX))


def jpeg_compression(image: Pixels, rng: np.random.Generator, *, quality: int) -> Pixels:
    """Save as JPEG (4:2:0) and read back.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        quality: libjpeg's, 1 to 95.
    """
    stream = BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=int(quality))
    with Image.open(stream) as compressed:
        return np.asarray(compressed.convert("RGB"))
