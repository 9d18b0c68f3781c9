"""Digital corruptions: pixelation and JPEG, of Hendrycks & Dietterich (ICLR 2019)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..draws import Draws
from ..filters import Pixels, round_trip


def jpeg_compression(image: Pixels, draws: Draws, *, quality: int) -> Pixels:
    """Save as JPEG (4:2:0) and read back.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Not used.
        quality: JPEG quality as in libjpeg, 1 to 95.
    """
    return round_trip(image, int(quality))


def pixelate(image: Pixels, draws: Draws, *, factor: float) -> Pixels:
    """Shrink with a box filter and enlarge again; the pixels are exactly Pillow's.

    Pillow 13 shrinks images that are more than twice as high as wide along their columns first: there it differs by a
    level.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Not used.
        factor: Scale of both sides; less than 1.
    """
    height, width, _ = image.shape
    down, right = _boxes(height, int(height * factor)), _boxes(width, int(width * factor))
    return np.asarray(_pixelate(image, *down, *right))


_BITS = 22
"""Pillow's fixed-point precision: weights are multiples of 2**-22."""


@lru_cache(maxsize=64)
def _boxes(size: int, small: int) -> tuple[NDArray[np.uint32], NDArray[np.int32], NDArray[np.uint32]]:
    """The tables to shrink one axis from ``size`` to ``small`` pixels and to enlarge it again.

    Returns:
        For each small pixel the first pixel of its box, ``(small,)``, and the weights of the box, ``(small, longest)``;
        and for each pixel of the result the small pixel that it copies, ``(size,)``.
    """
    scale = size / small
    centres = (np.arange(small) + 0.5) * scale
    starts = np.maximum((centres - scale / 2 + 0.5).astype(int), 0)
    stops = np.minimum((centres + scale / 2 + 0.5).astype(int), size)
    places = starts[:, None] + np.arange((stops - starts).max())
    # A product rather than a quotient, as in Pillow: the last bit decides whether an end of the box is inside.
    distances = (places - centres[:, None] + 0.5) * (1 / scale)
    inside = (places < stops[:, None]) & (distances > -0.5) & (distances <= 0.5)
    weights = np.floor(inside / inside.sum(axis=1, keepdims=True) * (1 << _BITS) + 0.5).astype(np.int32)
    source = ((np.arange(size) + 0.5) * (small / size)).astype(np.uint32)
    return starts.astype(np.uint32), weights, source


@njit(cache=True, nogil=True)
def _pixelate(image, tops, heights, shown_y, lefts, widths, shown_x):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Shrink along the rows, round, shrink along the columns, and round again, as Pillow does."""
    height, width, _ = image.shape
    half = np.int32(1 << (_BITS - 1))
    small = lefts.size
    narrow = np.empty((height, 3 * small), np.uint8)
    for y in range(height):
        for x in range(small):
            red = green = blue = half
            for k in range(widths.shape[1]):
                weight = widths[x, k]
                if weight == 0:
                    continue
                place = lefts[x] + np.uint32(k)
                red += weight * image[y, place, 0]
                green += weight * image[y, place, 1]
                blue += weight * image[y, place, 2]
            narrow[y, 3 * x], narrow[y, 3 * x + 1], narrow[y, 3 * x + 2] = red >> _BITS, green >> _BITS, blue >> _BITS
    total = np.empty(3 * small, np.int32)
    out = np.empty_like(image)
    for y in range(height):
        row = shown_y[y]
        if y > 0 and row == shown_y[y - 1]:
            for x in range(width):
                for c in range(3):
                    out[y, x, c] = out[y - 1, x, c]
            continue
        total[:] = half
        for k in range(heights.shape[1]):
            weight = heights[row, k]
            if weight == 0:
                continue
            source = narrow[tops[row] + np.uint32(k)]
            for i in range(3 * small):
                total[i] += weight * np.int32(source[i])
        for x in range(width):
            for c in range(3):
                out[y, x, c] = total[3 * shown_x[x] + c] >> _BITS
    return out
