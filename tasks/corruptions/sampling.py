"""Compiled bilinear zooms and warps."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .filters import Floats

ZoomAxis = tuple[NDArray[np.uint32], NDArray[np.uint32], Floats, Floats]
"""For each output pixel of one axis, the two pixels it reads and their weights."""


@lru_cache(maxsize=512)
def zoom_axis(size: int, factor: float) -> ZoomAxis:
    """The input pixels and weights of each output pixel of one axis, to magnify the centre to the size of the image.

    The grid is scipy's: the outermost pixels of the crop fall on the outermost pixels of the zoomed crop.

    Args:
        size: Length of the axis in pixels.
        factor: Magnification, at least 1.
    """
    crop = int(np.ceil(size / factor))
    start = (size - crop) // 2
    zoomed = round(crop * factor)
    trim = (zoomed - size) // 2
    step = (crop - 1) / (zoomed - 1)
    position = np.arange(trim, trim + size) * step
    # scipy counts a position as outside if it exceeds the last pixel by just a rounding error, and fills in zero.
    inside = position <= crop - 1
    lower = np.minimum(np.floor(position).astype(np.int64), crop - 1)
    upper = np.minimum(lower + 1, crop - 1)
    share = position - lower
    first, second = (start + lower).astype(np.uint32), (start + upper).astype(np.uint32)
    return first, second, np.where(inside, 1 - share, 0.0), np.where(inside, share, 0.0)


def zoom_centre(field: Floats, factor: float) -> Floats:
    """Magnify the centre of a field to its size, bilinearly.

    Args:
        field: float64 ``(H, W)``.
        factor: At least 1.

    Returns:
        A new float64 array of the same shape.
    """
    out = np.empty_like(field)
    _zoom(field, out, *zoom_axis(field.shape[0], float(factor)), *zoom_axis(field.shape[1], float(factor)))
    return out


@njit(cache=True, nogil=True)
def _zoom(field, out, y0, y1, wy0, wy1, x0, x1, wx0, wx1):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width = field.shape
    line = np.empty(width)
    for y in range(height):
        upper, lower = field[y0[y]], field[y1[y]]
        a, b = wy0[y], wy1[y]
        for x in range(width):
            line[x] = a * upper[x] + b * lower[x]
        for x in range(width):
            out[y, x] = wx0[x] * line[x0[x]] + wx1[x] * line[x1[x]]


@njit(cache=True, nogil=True)
def fold(index, size, repeat_edge):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The position in a mirrored image: ``cba|abc|cba`` if the edge repeats, otherwise ``cb|abc|ba``."""
    if 0 <= index < size:
        return index
    if repeat_edge:
        index %= 2 * size
        return index if index < size else 2 * size - 1 - index
    index %= 2 * size - 2
    return index if index < size else 2 * size - 2 - index


@njit(cache=True, nogil=True)
def warp_affine(image, unit, matrix):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Warp an image by an affine map, bilinearly; the image is mirrored without repeating its edge.

    Args:
        image: uint8 ``(H, W, 3)``.
        unit: float32 ``(256,)``, the output value of each level.
        matrix: float64 ``(2, 3)``: coefficients of row, column and 1 for the row and the column to read.

    Returns:
        float32 ``(H, W, 4)``; the last channel is 0 and only fills a vector register.
    """
    height, width, _ = image.shape
    out = np.zeros((height, width, 4), np.float32)
    for y in range(height):
        for x in range(width):
            down = matrix[0, 0] * y + matrix[0, 1] * x + matrix[0, 2]
            right = matrix[1, 0] * y + matrix[1, 1] * x + matrix[1, 2]
            # Clamp the coordinates: with a nearly singular map they could exceed the range of integers.
            down, right = min(max(down, -1e7), 1e7), min(max(right, -1e7), 1e7)
            row, column = np.floor(down), np.floor(right)
            fy, fx = down - row, right - column
            top, bottom = fold(int(row), height, False), fold(int(row) + 1, height, False)
            left, rest = fold(int(column), width, False), fold(int(column) + 1, width, False)
            for c in range(3):
                above = (1 - fx) * unit[image[top, left, c]] + fx * unit[image[top, rest, c]]
                below = (1 - fx) * unit[image[bottom, left, c]] + fx * unit[image[bottom, rest, c]]
                out[y, x, c] = (1 - fy) * above + fy * below
    return out


@njit(cache=True, nogil=True)
def displace(image, down, right, amplitude):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Displace every pixel of an image, bilinearly; the image is mirrored with its edge repeated.

    Args:
        image: float32 ``(H, W, 4)`` in [0, 1]; the last channel is not read.
        down: float64 ``(H, W)``, vertical displacement in units of the amplitude.
        right: float64 ``(H, W)``, horizontal displacement in units of the amplitude.
        amplitude: Unit of the displacements in pixels. The product is rounded to single precision, as in the script.

    Returns:
        uint8 ``(H, W, 3)``.
    """
    height, width, _ = image.shape
    out = np.empty((height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            at_y, at_x = (
                y + np.float64(np.float32(down[y, x] * amplitude)),
                x + np.float64(np.float32(right[y, x] * amplitude)),
            )
            row, column = np.floor(at_y), np.floor(at_x)
            fy, fx = at_y - row, at_x - column
            top, bottom = fold(int(row), height, True), fold(int(row) + 1, height, True)
            left, rest = fold(int(column), width, True), fold(int(column) + 1, width, True)
            for c in range(3):
                above = (1 - fx) * image[top, left, c] + fx * image[top, rest, c]
                below = (1 - fx) * image[bottom, left, c] + fx * image[bottom, rest, c]
                value = np.float32((1 - fy) * above + fy * below)
                out[y, x, c] = np.uint8(min(value, np.float32(1)) * np.float32(255))
    return out
