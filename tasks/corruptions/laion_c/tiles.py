"""Distortions that are made of small pictures: a mosaic of them, and stickers (Li et al., ICML 2025)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..filters import Pixels
from .bank import PICTURES, mean_colours, resized

# Every field of the image replaced by the picture whose mean colour is nearest.


def mosaic(image: Pixels, rng: np.random.Generator, *, tile_px: float) -> Pixels:
    """Replace fields of the image by pictures of about their mean colour.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        tile_px: Side of a field. Borders are at the nearest pixels; the last fields may be cut off.
    """
    rows, columns = _borders(image.shape[0], tile_px), _borders(image.shape[1], tile_px)
    means = _field_means(image, rows, columns)
    chosen = _by_colour().query(means.reshape(-1, 3))[1].reshape(means.shape[:2])
    out = np.empty_like(image)
    # All fields of one size at a time; their sizes differ by a pixel where the side is no whole number.
    heights, widths = np.diff(rows), np.diff(columns)
    whole = max(1, int(np.ceil(tile_px)))
    for height in np.unique(heights).tolist():
        down = np.flatnonzero(heights == height)
        for width in np.unique(widths).tolist():
            right = np.flatnonzero(widths == width)
            # A field that the border cuts off shows the beginning of its picture.
            tall = whole if height < int(tile_px) else height
            wide = whole if width < int(tile_px) else width
            _place(out, resized(tall, wide), chosen, rows, columns, down, right, height, width)
    return out


@cache
def _by_colour() -> cKDTree:
    return cKDTree(mean_colours())


def _borders(length: int, tile_px: float) -> NDArray[np.int64]:
    """The first pixel of each field along an axis, and the length."""
    count = int(np.ceil(length / tile_px - 1e-9))
    return np.unique(np.minimum(np.rint(np.arange(count + 1) * tile_px), length).astype(np.int64))


@njit(cache=True, nogil=True)
def _field_means(image, rows, columns):  # type: ignore[no-untyped-def]  # pragma: no cover
    out = np.zeros((rows.size - 1, columns.size - 1, 3))
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            for y in range(rows[i], rows[i + 1]):
                for x in range(columns[j], columns[j + 1]):
                    for c in range(3):
                        out[i, j, c] += image[y, x, c]
            out[i, j] /= (rows[i + 1] - rows[i]) * (columns[j + 1] - columns[j])
    return out


@njit(cache=True, nogil=True)
def _place(  # type: ignore[no-untyped-def]  # pragma: no cover
    out, tiles, chosen, rows, columns, down, right, height, width
):
    for i in down:
        for j in right:
            for y in range(height):
                for x in range(width):
                    for c in range(3):
                        out[rows[i] + y, columns[j] + x, c] = tiles[chosen[i, j], y, x, c]


# Small pictures pasted over the image.


def stickers(image: Pixels, rng: np.random.Generator, *, count: int, side_px: int) -> Pixels:
    """Paste pictures at random places; a later one hides an earlier one.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: For each sticker its picture, row and column, each uniform.
        count: How many.
        side_px: Side of a sticker. None touches the lower or the right border, as in the authors' script.
    """
    height, width, _ = image.shape
    which = rng.integers(0, PICTURES, count)
    rows = rng.integers(0, height - side_px, count)
    columns = rng.integers(0, width - side_px, count)
    out = image.copy()
    _paste(out, resized(side_px, side_px), which, rows, columns)
    return out


@njit(cache=True, nogil=True)
def _paste(out, tiles, which, rows, columns):  # type: ignore[no-untyped-def]  # pragma: no cover
    side = tiles.shape[1]
    for n in range(which.size):
        for y in range(side):
            for x in range(side):
                for c in range(3):
                    out[rows[n] + y, columns[n] + x, c] = tiles[which[n], y, x, c]
