"""Compiled part of `evidence`: how well a contour and a surface stand out from the rest of a small picture."""

from __future__ import annotations

import math

import numba
import numpy as np

# A picture is split into two bands of spatial frequency: fine detail at full size, coarser detail at half size. In
# each, the gradient across the true outline is averaged along the outline with its sign, so that noise and unrelated
# detail cancel. The same is measured along the outline displaced to four other places, where only the rest of the
# picture is.


_NEAR = 2  # pixels from the outline that belong to it: the reach of the weights below
_TAPS = np.array([1.0, 4.0, 6.0, 4.0, 1.0], np.float32) / np.float32(16.0)
_WEIGHTS = np.outer(_TAPS, _TAPS).astype(np.float32)
_MOVES = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.int64)
_INSIDE, _OUTSIDE, _OUTLINE = 1, 2, 3


@numba.njit(nogil=True, error_model="numpy", cache=True)
def stand_out(images: np.ndarray, masks: np.ndarray, out: np.ndarray) -> None:
    """Measure pictures in place.

    Args:
        images: uint8 (N, S, S, 3); S a multiple of 8.
        masks: bool (N, S, S), true where the object is visible.
        out: float64 (N, 6), written, as mean squares of grey levels per pixel in [0, 1]: of the gradient across the
            outline and across displaced outlines, in the fine band and in the coarse one; of the gradient inside the
            object and outside of it, both bands together.
    """
    size = images.shape[1]
    grey = np.empty((size, size), np.float32)
    cover = np.empty((size, size), np.float32)
    small_grey = np.empty((size // 2, size // 2), np.float32)
    small_cover = np.empty((size // 2, size // 2), np.float32)
    red, green, blue = np.float32(0.2125 / 255.0), np.float32(0.7154 / 255.0), np.float32(0.0721 / 255.0)
    for n in range(images.shape[0]):
        for i in range(size):
            for j in range(size):
                grey[i, j] = red * images[n, i, j, 0] + green * images[n, i, j, 1] + blue * images[n, i, j, 2]
                cover[i, j] = 1.0 if masks[n, i, j] else 0.0
        _halve(grey, small_grey)
        _halve(cover, small_cover)
        fine = _band(grey, cover)
        coarse = _band(small_grey, small_cover)
        out[n, 0], out[n, 1], out[n, 2], out[n, 3] = fine[0], fine[1], coarse[0], coarse[1]
        out[n, 4], out[n, 5] = fine[2] + coarse[2], fine[3] + coarse[3]


@numba.njit(nogil=True, error_model="numpy")
def _halve(whole: np.ndarray, half: np.ndarray) -> None:
    """Means of two by two pixels."""
    for i in range(half.shape[0]):
        for j in range(half.shape[1]):
            upper = whole[2 * i, 2 * j] + whole[2 * i, 2 * j + 1]
            lower = whole[2 * i + 1, 2 * j] + whole[2 * i + 1, 2 * j + 1]
            half[i, j] = np.float32(0.25) * (upper + lower)


@numba.njit(nogil=True, error_model="numpy")
def _band(grey: np.ndarray, cover: np.ndarray) -> tuple[float, float, float, float]:
    """Mean squares in one band: along the outline, along displaced ones, inside and outside."""
    size = grey.shape[0]
    band = _detail(grey)
    rows, columns, strength, normal_y, normal_x = _outline(cover)
    count = len(rows)
    place = np.empty((size, size), np.int8)
    for i in range(size):
        for j in range(size):
            c = cover[i, j]
            place[i, j] = _INSIDE if c > 0.99 else _OUTSIDE if c < 0.01 else _OUTLINE
    for k in range(count):
        for i in range(max(rows[k] - _NEAR, 0), min(rows[k] + _NEAR + 1, size)):
            for j in range(max(columns[k] - _NEAR, 0), min(columns[k] + _NEAR + 1, size)):
                place[i, j] = _OUTLINE
    across = np.zeros((size, size), np.float32)
    weight = np.zeros((size, size), np.float32)
    there, share = _along(band, place, rows, columns, strength, normal_y, normal_x, 0, 0, 1, across, weight)
    signal = there / max(share, 1e-6)
    elsewhere, total = 0.0, 0.0
    for move in range(4):
        down, right = _MOVES[move, 0] * (size // 4), _MOVES[move, 1] * (size // 4)
        there, share = _along(band, place, rows, columns, strength, normal_y, normal_x, down, right, 2, across, weight)
        elsewhere += there
        total += share
    inside, outside, pixels_inside, pixels_outside = 0.0, 0.0, 0, 0
    for i in range(0, size, 2):
        for j in range(i // 2 % 2, size, 2):
            if place[i, j] != _OUTLINE:
                y, x = _gradient(band, i, j)
                energy = 0.5 * (y * y + x * x)
                if place[i, j] == _INSIDE:
                    inside += energy
                    pixels_inside += 1
                else:
                    outside += energy
                    pixels_outside += 1
    return signal, elsewhere / max(total, 1e-6), inside / max(pixels_inside, 1), outside / max(pixels_outside, 1)


@numba.njit(nogil=True, error_model="numpy")
def _detail(grey: np.ndarray) -> np.ndarray:
    """A picture minus its binomial blur over five pixels."""
    size = grey.shape[0]
    half = np.empty_like(grey)
    a, b, c = _TAPS[0], _TAPS[1], _TAPS[2]
    last = size - 1
    for i in range(size):
        for j in range(2):
            half[i, j] = (
                a * (grey[i, max(j - 2, 0)] + grey[i, j + 2]) + b * (grey[i, max(j - 1, 0)] + grey[i, j + 1])
            ) + c * grey[i, j]
        for j in range(2, size - 2):
            half[i, j] = a * (grey[i, j - 2] + grey[i, j + 2]) + b * (grey[i, j - 1] + grey[i, j + 1]) + c * grey[i, j]
        for j in range(size - 2, size):
            half[i, j] = (
                a * (grey[i, j - 2] + grey[i, min(j + 2, last)]) + b * (grey[i, j - 1] + grey[i, min(j + 1, last)])
            ) + c * grey[i, j]
    detail = np.empty_like(grey)
    for i in range(size):
        up, upper, lower, low = max(i - 2, 0), max(i - 1, 0), min(i + 1, last), min(i + 2, last)
        for j in range(size):
            blurred = a * (half[up, j] + half[low, j]) + b * (half[upper, j] + half[lower, j]) + c * half[i, j]
            detail[i, j] = grey[i, j] - blurred
    return detail


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _gradient(band: np.ndarray, i: int, j: int) -> tuple[float, float]:
    last = band.shape[0] - 1
    return (
        np.float32(0.5) * (band[min(i + 1, last), j] - band[max(i - 1, 0), j]),
        np.float32(0.5) * (band[i, min(j + 1, last)] - band[i, max(j - 1, 0)]),
    )


@numba.njit(nogil=True, error_model="numpy")
def _outline(cover: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels where the object's coverage changes: row, column, by how much, and the unit normal."""
    size = cover.shape[0]
    rows = np.empty(size * size, np.int64)
    columns = np.empty(size * size, np.int64)
    strength = np.empty(size * size, np.float32)
    normal_y = np.empty(size * size, np.float32)
    normal_x = np.empty(size * size, np.float32)
    count = 0
    for i in range(size):
        for j in range(size):
            y, x = _gradient(cover, i, j)
            if y != 0.0 or x != 0.0:
                length = np.float32(math.sqrt(y * y + x * x))
                rows[count], columns[count], strength[count] = i, j, length
                normal_y[count], normal_x[count] = y / length, x / length
                count += 1
    return rows[:count], columns[:count], strength[:count], normal_y[:count], normal_x[:count]


@numba.njit(nogil=True, error_model="numpy")
def _along(
    band: np.ndarray,
    place: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    strength: np.ndarray,
    normal_y: np.ndarray,
    normal_x: np.ndarray,
    down: int,
    right: int,
    step: int,
    across: np.ndarray,
    weight: np.ndarray,
) -> tuple[float, float]:
    """Sum of squares of the smoothed gradient across an outline, and the sum of weights.

    ``across`` and ``weight`` are zero before and after.
    """
    size = band.shape[0]
    for k in range(len(rows)):
        i, j = (rows[k] + down) % size, (columns[k] + right) % size
        if (down == 0 and right == 0) or place[i, j] != _OUTLINE:
            y, x = _gradient(band, i, j)
            across[i, j] = strength[k] * (y * normal_y[k] + x * normal_x[k])
            weight[i, j] = strength[k]
    squares, total = 0.0, 0.0
    for k in range(0, len(rows), step):
        i, j = (rows[k] + down) % size, (columns[k] + right) % size
        if weight[i, j] > 0.0:
            above, below = np.float32(0.0), np.float32(0.0)
            for u in range(max(i - _NEAR, 0), min(i + _NEAR + 1, size)):
                for v in range(max(j - _NEAR, 0), min(j + _NEAR + 1, size)):
                    share = _WEIGHTS[u - i + _NEAR, v - j + _NEAR]
                    above += share * across[u, v]
                    below += share * weight[u, v]
            mean = above / below
            squares += weight[i, j] * mean * mean
            total += weight[i, j]
    for k in range(len(rows)):
        i, j = (rows[k] + down) % size, (columns[k] + right) % size
        across[i, j] = 0.0
        weight[i, j] = 0.0
    return squares, total
