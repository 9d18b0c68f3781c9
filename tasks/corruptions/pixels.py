"""Convert between uint8 pixels and floats, with the rounding that is part of the benchmark."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""One image: uint8, shape ``(H, W, 3)``, RGB."""

UNIT: NDArray[np.float64] = np.arange(256) / 255.0
"""The 256 levels on a scale of [0, 1], rounded as the published scripts round them."""

UNIT_SINGLE: NDArray[np.float32] = np.arange(256, dtype=np.float32) / np.float32(255)
"""The same in single precision, which some of the scripts use."""


def to_unit(image: Pixels) -> NDArray[np.float64]:
    """Pixels as float64 in [0, 1]."""
    return image / 255.0


def to_pixels(unit: NDArray[Any]) -> Pixels:
    """Clip to [0, 1] and scale to uint8, truncating as the published scripts do.

    Args:
        unit: float32 or float64 of any shape, contiguous.

    Returns:
        A new uint8 array. Truncation instead of rounding makes ImageNet-C half a level darker, but is part of it.
    """
    out = np.empty(unit.shape, np.uint8)
    _truncate(unit.ravel(), unit.dtype.type(255), out.ravel())
    return out


@njit(cache=True, nogil=True)
def pad(image, top, bottom, left, right, mirror):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Extend an image beyond its borders, like `numpy.pad` but with less overhead.

    Args:
        image: uint8 ``(H, W, C)``.
        top: Rows to add above.
        bottom: Rows to add below.
        left: Columns to add on the left.
        right: Columns to add on the right.
        mirror: Add the mirror image, without repeating edge pixels, instead of the edge pixels. Any length is possible.

    Returns:
        uint8 ``(top + H + bottom, left + W + right, C)``.
    """
    height, width, depth = image.shape
    out = np.empty((top + height + bottom, left + width + right, depth), np.uint8)
    for row in range(out.shape[0]):
        y = row - top
        if y < 0 or y >= height:
            y = abs((y + height - 1) % (2 * height - 2) - height + 1) if mirror else min(max(y, 0), height - 1)
        out[row, left : left + width] = image[y]
        for column in range(-left, 0):
            x = abs((column + width - 1) % (2 * width - 2) - width + 1) if mirror else 0
            out[row, left + column] = image[y, x]
        for column in range(width, width + right):
            x = abs((column + width - 1) % (2 * width - 2) - width + 1) if mirror else width - 1
            out[row, left + column] = image[y, x]
    return out


@njit(cache=True, nogil=True)
def _truncate(unit, white, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    zero, one = white - white, white / white
    for i in range(unit.size):
        out[i] = np.uint8(min(max(unit[i], zero), one) * white)
