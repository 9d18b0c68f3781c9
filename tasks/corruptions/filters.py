"""Linear filters on whole images, compiled: separable Gaussians and filters along a line.

The separable Gaussian adds in scipy's order, because the truncation to uint8 that follows exposes the last bit.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .pixels import Pixels, pad

Floats = NDArray[np.float64]


def exponentials(powers: NDArray[np.floating[Any]]) -> Floats:
    """`numpy.exp`, correctly rounded.

    The last bit of `numpy.exp` depends on the processor. Here that bit is visible: if the weights add up to slightly
    less than 1, truncation darkens every flat region by a level.
    """
    return np.array([float(Decimal(power).exp()) for power in powers.tolist()])


@lru_cache(maxsize=64)
def gaussian_weights(sigma: float, truncate: float) -> Floats:
    """A normalised Gaussian, cut off where scipy cuts it off.

    Args:
        sigma: Standard deviation in pixels; 0 gives the identity.
        truncate: Radius in standard deviations.

    Returns:
        Weights of length ``2 * int(truncate * sigma + 0.5) + 1``.
    """
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return np.ones(1)
    weights = exponentials(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    return np.asarray(weights / weights.sum())


def gaussian_blur(image: Floats, sigma: float, truncate: float = 4.0, mirror: bool = False) -> Floats:
    """Blur each channel as ``skimage.filters.gaussian`` does.

    Args:
        image: float64 ``(H, W, C)``.
        sigma: Standard deviation in pixels.
        truncate: Radius of the filter in standard deviations.
        mirror: Extend the image by its mirror image, with edge pixels repeated, instead of by its edge pixels. The
            radius must not exceed the image's sides.

    Returns:
        A new array.
    """
    weights = gaussian_weights(float(sigma), truncate)
    if len(weights) == 1:
        return image.copy()
    return np.asarray(_blur_separable(image, weights[: len(weights) // 2 + 1], mirror))


@njit(cache=True, nogil=True)
def _blur_separable(image, half, mirror):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Blur columns, then rows; `half` contains the weights from the outermost to the central one."""
    height, width, depth = image.shape
    radius = half.size - 1
    length = width * depth
    rows = image.reshape(height, length)
    out = np.empty((height, length))
    padded = np.empty(length + 2 * radius * depth)
    margin = radius * depth
    for y in range(height):
        inner = padded[margin : margin + length]
        centre = rows[y]
        for i in range(length):
            inner[i] = centre[i] * half[radius]
        for k in range(radius):
            over, under = y - radius + k, y + radius - k
            if over < 0:
                over = -1 - over if mirror else 0
            if under >= height:
                under = 2 * height - 1 - under if mirror else height - 1
            above, below = rows[over], rows[under]
            weight = half[k]
            for i in range(length):
                inner[i] += (above[i] + below[i]) * weight
        for p in range(radius):
            source = p if mirror else 0
            for c in range(depth):
                padded[(radius - 1 - p) * depth + c] = inner[source * depth + c]
                padded[margin + length + p * depth + c] = inner[(width - 1 - source) * depth + c]
        target = out[y]
        for i in range(length):
            target[i] = inner[i] * half[radius]
        for k in range(radius):
            left = padded[k * depth :]
            right = padded[(2 * radius - k) * depth :]
            weight = half[k]
            for i in range(length):
                target[i] += (left[i] + right[i]) * weight
    return out.reshape(height, width, depth)


def filter_line(image: Pixels, down: NDArray[np.int64], right: NDArray[np.int64], weights: Floats) -> Pixels:
    """Correlate each channel with a filter given as a list of taps, and round.

    Args:
        image: uint8 ``(H, W, C)``; extended by its edge pixels.
        down: Vertical offset of each tap in pixels, positive downwards.
        right: Horizontal offset of each tap in pixels.
        weights: Weight of each tap; not negative, with sum 1.

    Returns:
        A new uint8 array with the shape of `image`.
    """
    height, width, depth = image.shape
    top, left = max(0, -int(down.min())), max(0, -int(right.min()))
    padded = pad(image, top, max(0, int(down.max())), left, max(0, int(right.max())), False)
    out = np.empty_like(image)
    rows, target = padded.reshape(padded.shape[0], -1), out.reshape(height, width * depth)
    _add_taps(rows, target, down + top, (right + left) * depth, weights)
    return out


@njit(cache=True, nogil=True)
def _add_taps(rows, out, first_row, first_value, weights):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, length = out.shape
    in_fours = weights.size - weights.size % 4
    total = np.empty(length)
    for y in range(height):
        total[:] = 0.5
        for tap in range(0, in_fours, 4):  # four at a time, because reading and writing the sums takes most of the time
            a, b, c, d = weights[tap], weights[tap + 1], weights[tap + 2], weights[tap + 3]
            p = rows[y + first_row[tap], first_value[tap] : first_value[tap] + length]
            q = rows[y + first_row[tap + 1], first_value[tap + 1] : first_value[tap + 1] + length]
            r = rows[y + first_row[tap + 2], first_value[tap + 2] : first_value[tap + 2] + length]
            s = rows[y + first_row[tap + 3], first_value[tap + 3] : first_value[tap + 3] + length]
            for i in range(length):
                total[i] += a * p[i] + b * q[i] + c * r[i] + d * s[i]
        for tap in range(in_fours, weights.size):
            a = weights[tap]
            p = rows[y + first_row[tap], first_value[tap] : first_value[tap] + length]
            for i in range(length):
                total[i] += a * p[i]
        for i in range(length):
            out[y, i] = np.uint8(min(total[i], 255.0))
