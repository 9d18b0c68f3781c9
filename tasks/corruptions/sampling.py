"""Reading images between their pixels, compiled: bilinear zooms and warps, and a smooth random field."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .filters import Floats, gaussian_weights


@lru_cache(maxsize=512)
def _zoom_axis(size: int, factor: float) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]:
    """Where each output pixel of one axis reads: two indices and two weights.

    The grid is scipy's: the outermost pixels of the crop fall on the outermost pixels of the zoomed crop.
    """
    crop = int(np.ceil(size / factor))
    start = (size - crop) // 2
    zoomed = round(crop * factor)
    trim = (zoomed - size) // 2
    step = (crop - 1) / (zoomed - 1)
    position = np.arange(trim, trim + size) * step
    # scipy calls a position outside that exceeds the last pixel by a rounding error, and fills with zero.
    inside = position <= crop - 1
    lower = np.minimum(np.floor(position).astype(np.int64), crop - 1)
    upper = np.minimum(lower + 1, crop - 1)
    share = position - lower
    return start + lower, start + upper, np.where(inside, 1 - share, 0.0), np.where(inside, share, 0.0)


def zoom_centre(image: NDArray[Any], factor: float) -> NDArray[Any]:
    """Magnify the centre to the size of the image, bilinearly.

    Args:
        image: float32 or float64 ``(H, W, C)``.
        factor: At least 1.

    Returns:
        A new array of the same shape and dtype.
    """
    height, width, _ = image.shape
    out = np.empty_like(image)
    _zoom(image, out, *_zoom_axis(height, float(factor)), *_zoom_axis(width, float(factor)))
    return out


@njit(cache=True, nogil=True)
def _zoom(image, out, y0, y1, wy0, wy1, x0, x1, wx0, wx1):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, depth = image.shape
    rows = image.reshape(height, width * depth)
    target = out.reshape(height, width * depth)
    line = np.empty(width * depth)
    for y in range(height):
        upper, lower = rows[y0[y]], rows[y1[y]]
        a, b = wy0[y], wy1[y]
        for i in range(width * depth):
            line[i] = a * upper[i] + b * lower[i]
        for x in range(width):
            left, right, place = x0[x] * depth, x1[x] * depth, x * depth
            a, b = wx0[x], wx1[x]
            for c in range(depth):
                target[y, place + c] = a * line[left + c] + b * line[right + c]


@njit(cache=True, nogil=True)
def _fold(index, size, repeat_edge):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The pixel of a mirrored image: ``cba|abc|cba`` if the edge repeats, ``cb|abc|ba`` if not."""
    if repeat_edge:
        index %= 2 * size
        return index if index < size else 2 * size - 1 - index
    index %= 2 * size - 2
    return index if index < size else 2 * size - 2 - index


@njit(cache=True, nogil=True)
def warp(image, down, right, repeat_edge):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Read an image bilinearly at given places.

    Args:
        image: float32 ``(H, W, C)``.
        down: float64 ``(H, W)``, row coordinate that each output pixel reads, in pixels.
        right: float64 ``(H, W)``, column coordinate.
        repeat_edge: How the image is mirrored beyond its border (see `_fold`).

    Returns:
        float32 ``(H, W, C)``.
    """
    height, width, depth = image.shape
    out = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            row, column = np.floor(down[y, x]), np.floor(right[y, x])
            fy, fx = down[y, x] - row, right[y, x] - column
            top = _fold(int(row), height, repeat_edge)
            bottom = _fold(int(row) + 1, height, repeat_edge)
            left = _fold(int(column), width, repeat_edge)
            rest = _fold(int(column) + 1, width, repeat_edge)
            for c in range(depth):
                above = (1 - fx) * image[top, left, c] + fx * image[top, rest, c]
                below = (1 - fx) * image[bottom, left, c] + fx * image[bottom, rest, c]
                out[y, x, c] = (1 - fy) * above + fy * below
    return out


@lru_cache(maxsize=16)
def _smoothing_matrix(size: int, sigma: float) -> Floats:
    """The Gaussian cut at 3 sigma on one mirrored axis, as a matrix.

    A kernel of the elastic transform has up to five times as many taps as the axis has pixels; folding it once makes
    every later use one product of small matrices.
    """
    weights = gaussian_weights(sigma, 3.0)
    radius = len(weights) // 2
    source = (np.arange(size)[:, None] + np.arange(-radius, radius + 1)) % (2 * size)
    source = np.where(source < size, source, 2 * size - 1 - source)
    flat = (np.arange(size)[:, None] * size + source).ravel()
    matrix: Floats = np.bincount(flat, np.tile(weights, size), size * size).astype(np.float64)
    return matrix.reshape(size, size)


def smooth(field: Floats, sigma: float) -> Floats:
    """Smooth a field with a Gaussian, the field mirrored beyond its border with the edge repeated.

    Args:
        field: float64 ``(H, W)``.
        sigma: Standard deviation in pixels; 0 leaves the field as it is.
    """
    height, width = field.shape
    return _smoothing_matrix(height, float(sigma)) @ field @ _smoothing_matrix(width, float(sigma)).T
