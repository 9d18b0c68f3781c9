"""Blurs: Gaussian, defocus, frosted glass, motion and zoom, of Hendrycks & Dietterich (ICLR 2019)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from . import filters
from .disk import disk_blur
from .draws import Draws
from .filters import exponentials
from .pixels import UNIT_SINGLE, Pixels, to_pixels, to_unit
from .sampling import ZoomAxis, zoom_axis


def gaussian_blur(image: Pixels, draws: Draws, *, sigma_px: float) -> Pixels:
    """Blur with a Gaussian.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Not used.
        sigma_px: Standard deviation.
    """
    return to_pixels(filters.gaussian_blur(to_unit(image), sigma_px))


def defocus_blur(image: Pixels, draws: Draws, *, radius_px: float, smoothing_px: float) -> Pixels:
    """Blur with a disk, like a lens that is out of focus.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Not used.
        radius_px: Radius of the disk.
        smoothing_px: Standard deviation of the Gaussian that softens the edge of the disk.
    """
    return disk_blur(image, float(radius_px), float(smoothing_px))


def glass_blur(image: Pixels, draws: Draws, *, sigma_px: float, reach_int_px: int, sweeps: int) -> Pixels:
    """Blur, replace pixels by near neighbours, and blur again, like frosted glass.

    The original script intends to swap two pixels but, because it writes through views, copies the neighbour over the
    pixel. Its offsets are drawn from ``[-reach, reach)``, not symmetrically. Both are part of the benchmark.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: One word for each sweep and visited pixel, in the order of visits: a horizontal and a vertical offset.
        sigma_px: Standard deviation of both Gaussian blurs.
        reach_int_px: Maximum offset of a neighbour.
        sweeps: Number of passes over the image.
    """
    height, width, _ = image.shape
    span = 2 * int(reach_int_px)
    rows, columns = max(0, height - span), max(0, width - span)
    words = draws.cell_words(int(sweeps) * rows * columns, span)
    blurred = to_pixels(filters.gaussian_blur(to_unit(image), sigma_px))
    _scatter(blurred, words, int(sweeps), int(reach_int_px))
    return to_pixels(filters.gaussian_blur(to_unit(blurred), sigma_px))


@njit(cache=True, nogil=True)
def _scatter(image, words, sweeps, reach):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Copy neighbours over pixels in place, starting at the bottom right; a pixel may read an already replaced one."""
    height, width, depth = image.shape
    span = 2 * reach
    cells = np.empty((span * span, 2), np.int64)
    for cell in range(span * span):
        cells[cell, 0], cells[cell, 1] = cell // span - reach, cell % span - reach
    visit = 0
    for _ in range(sweeps):
        for y in range(height - reach, reach, -1):
            for x in range(width - reach, reach, -1):
                word = (words[visit >> 1] >> np.uint64(32 * (visit & 1))) & np.uint64(0xFFFFFFFF)
                cell = (word * np.uint64(span * span)) >> np.uint64(32)
                v, u = y + cells[cell, 1], x + cells[cell, 0]
                for c in range(depth):
                    image[y, x, c] = image[v, u, c]
                visit += 1


def motion_blur(image: Pixels, draws: Draws, *, radius_px: float, sigma_px: float) -> Pixels:
    """Blur along a line, like a moving camera.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: One angle, uniform in [-45, 45) degrees.
        radius_px: Half the length of the line.
        sigma_px: Standard deviation of the one-sided Gaussian along the line.
    """
    return smear(image, radius_px, sigma_px, float(draws.uniform(-45, 45, ())))


def smear(image: Pixels, radius: float, sigma: float, angle: float) -> Pixels:
    """Blur along a line to one side, with the weights, offsets, edges and rounding of ImageMagick's motion blur.

    Args:
        image: uint8 ``(H, W, C)``.
        radius: Radius of the filter in pixels; it has ``2 * ceil(radius) + 1`` taps.
        sigma: Standard deviation in pixels of the Gaussian, of which one half is used.
        angle: Angle in degrees, clockwise from the horizontal.
    """
    taps, weights = _line(float(radius), float(sigma))
    down = np.ceil(taps * math.sin(math.radians(angle)) - 0.5).astype(np.int64)
    right = np.ceil(taps * math.cos(math.radians(angle)) - 0.5).astype(np.int64)
    # ImageMagick rounds; the other corruptions truncate.
    return filters.filter_line(image, down, right, weights)


@lru_cache(maxsize=64)
def _line(radius: float, sigma: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Distances and weights of the taps."""
    taps = np.arange(2 * math.ceil(radius) + 1)
    weights = exponentials(-(taps**2) / (2 * sigma * sigma))
    return taps, weights / weights.sum()


def zoom_blur(image: Pixels, draws: Draws, *, zoom_stop: float, zoom_step: float) -> Pixels:
    """Average the image with magnified copies of itself, like a camera that zooms in.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Not used.
        zoom_stop: Exclusive end of the factors, which start at 1.
        zoom_step: Step between the factors.
    """
    height, width, _ = image.shape
    down = _zoom_axes(height, float(zoom_stop), float(zoom_step))
    right = _zoom_axes(width, float(zoom_stop), float(zoom_step))
    return _average_zooms(image, UNIT_SINGLE, *down, *right)


@lru_cache(maxsize=64)
def _zoom_axes(size: int, stop: float, step: float) -> ZoomAxis:
    """`zoom_axis` of every factor, stacked."""
    axes = [zoom_axis(size, float(factor)) for factor in np.arange(1, stop, step)]
    first, second, share, rest = (np.stack(parts) for parts in zip(*axes, strict=True))
    return first, second, share, rest


@njit(cache=True, nogil=True)
def _average_zooms(image, unit, y0, y1, wy0, wy1, x0, x1, wx0, wx1):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The mean of an image and all its zooms, row by row. Four channels, because these fill a vector register."""
    height, width, _ = image.shape
    out = np.empty_like(image)
    sharp = np.zeros((height, 4 * width), np.float32)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                sharp[y, 4 * x + c] = unit[image[y, x, c]]
    count = y0.shape[0]
    line = np.empty(4 * width)
    total = np.empty(4 * width, np.float32)
    for y in range(height):
        total[:] = sharp[y]  # the first factor is 1
        for factor in range(1, count):
            upper, lower = sharp[y0[factor, y]], sharp[y1[factor, y]]
            a, b = wy0[factor, y], wy1[factor, y]
            for i in range(4 * width):
                line[i] = a * upper[i] + b * lower[i]
            for x in range(width):
                left, right = 4 * x0[factor, x], 4 * x1[factor, x]
                a, b = wx0[factor, x], wx1[factor, x]
                p, q, t = line[left : left + 4], line[right : right + 4], total[4 * x : 4 * x + 4]
                for c in range(4):
                    t[c] += np.float32(a * p[c] + b * q[c])
        for x in range(width):
            for c in range(3):
                mean = (sharp[y, 4 * x + c] + total[4 * x + c]) / np.float32(count + 1)
                out[y, x, c] = np.uint8(min(mean, np.float32(1)) * np.float32(255))
    return out
