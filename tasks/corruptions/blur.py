"""Blurs: defocus, frosted glass, motion and zoom, of Hendrycks & Dietterich (ICLR 2019)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .filters import Floats, filter_taps, gaussian_blur
from .pixels import Pixels, to_pixels, to_unit
from .sampling import zoom_centre

Taps = tuple[NDArray[np.int64], NDArray[np.int64], Floats]
"""Vertical offsets, horizontal offsets and weights of a filter."""


def defocus_blur(image: Pixels, rng: np.random.Generator, *, radius_px: float, smoothing_px: float) -> Pixels:
    """Blur with a disk, as a lens that is out of focus.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        radius_px: Of the disk.
        smoothing_px: Standard deviation of the Gaussian that softens the edge of the disk.
    """
    return to_pixels(filter_taps(to_unit(image), *_disk(float(radius_px), float(smoothing_px)), "reflect"))


@lru_cache(maxsize=64)
def _disk(radius: float, smoothing: float) -> Taps:
    """A disk on the pixel grid, normalised, then softened by a Gaussian of 3 (from a radius above 8: 5) taps.

    The grid ends at 8 pixels, or at the radius if that is larger; what the Gaussian moves beyond is lost, and what it
    looks for beyond is mirrored, as in the original.
    """
    half, reach = (8, 1) if radius <= 8 else (math.ceil(radius), 2)
    grid = np.arange(-half, half + 1)
    disk = (grid[:, None] ** 2 + grid[None, :] ** 2 <= radius**2).astype(np.float32)
    disk /= disk.sum()
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * smoothing**2))
    weights /= weights.sum()
    padded = np.pad(disk.astype(np.float64), reach, mode="reflect")
    size = grid.size
    rows = sum(w * padded[i : i + size] for i, w in enumerate(weights))
    soft = sum(w * rows[:, i : i + size] for i, w in enumerate(weights)).astype(np.float32)
    down, right = np.nonzero(soft)
    return down - half, right - half, soft[down, right].astype(np.float64)


def glass_blur(image: Pixels, rng: np.random.Generator, *, sigma_px: float, reach_int_px: int, sweeps: int) -> Pixels:
    """Blur, replace pixels by near neighbours, and blur again, as frosted glass does.

    The original means to swap two pixels but, writing through views, copies the neighbour over the pixel; and its
    neighbours are drawn from ``[-reach, reach)``. Both are part of the benchmark.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: For each sweep and visited pixel, in order of the visits: a horizontal and a vertical offset.
        sigma_px: Standard deviation of both Gaussian blurs.
        reach_int_px: How far a neighbour may be.
        sweeps: How often the image is swept.
    """
    height, width, _ = image.shape
    visited = (int(sweeps), height - 2 * reach_int_px, width - 2 * reach_int_px, 2)
    offsets = rng.integers(-reach_int_px, reach_int_px, size=visited, dtype=np.int8)
    blurred = to_pixels(gaussian_blur(to_unit(image), sigma_px))
    _scatter(blurred, offsets, reach_int_px)
    return to_pixels(gaussian_blur(to_unit(blurred), sigma_px))


@njit(cache=True, nogil=True)
def _scatter(image, offsets, reach):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Copy neighbours over pixels in place, from the bottom right; a pixel reads what earlier visits wrote."""
    height, width, depth = image.shape
    for sweep in range(offsets.shape[0]):
        for i in range(offsets.shape[1]):
            y = height - reach - i
            for j in range(offsets.shape[2]):
                x = width - reach - j
                right, down = offsets[sweep, i, j]
                for c in range(depth):
                    image[y, x, c] = image[y + down, x + right, c]


def motion_blur(image: Pixels, rng: np.random.Generator, *, radius_px: float, sigma_px: float) -> Pixels:
    """Blur along a line, as a moving camera does.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One angle, uniform in [-45, 45) degrees.
        radius_px: Half the length of the line.
        sigma_px: Standard deviation of the one-sided Gaussian along the line.
    """
    return smear(image, radius_px, sigma_px, rng.uniform(-45, 45))


def smear(image: Pixels, radius: float, sigma: float, angle: float) -> Pixels:
    """Blur along a line to one side, as ImageMagick's motion blur does: weights, offsets, edges and rounding.

    Args:
        image: uint8 ``(H, W, C)``.
        radius: Of the filter in pixels; it has ``2 * ceil(radius) + 1`` taps.
        sigma: Standard deviation of the Gaussian in pixels, of which one half is used.
        angle: In degrees, clockwise from the horizontal.
    """
    taps = np.arange(2 * math.ceil(radius) + 1)
    weights = np.exp(-(taps**2) / (2 * sigma * sigma))
    weights /= weights.sum()
    down = np.ceil(taps * math.sin(math.radians(angle)) - 0.5).astype(np.int64)
    right = np.ceil(taps * math.cos(math.radians(angle)) - 0.5).astype(np.int64)
    blurred = filter_taps(image.astype(np.float64), down, right, weights, "edge")
    blurred += 0.5  # ImageMagick rounds where the other corruptions truncate
    return np.clip(blurred, 0, 255).astype(np.uint8)


def zoom_blur(image: Pixels, rng: np.random.Generator, *, zoom_stop: float, zoom_step: float) -> Pixels:
    """Average the image with its own magnifications, as a camera that moves towards the scene.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        zoom_stop: Where the factors, which start at 1, stop.
        zoom_step: Between one factor and the next.
    """
    sharp = to_unit(image).astype(np.float32)
    factors = np.arange(1, zoom_stop, zoom_step)
    total = np.zeros_like(sharp)
    for factor in factors:
        total += zoom_centre(sharp, factor)
    return to_pixels((sharp + total) / (len(factors) + 1))
