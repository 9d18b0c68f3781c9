"""Linear filters on whole images, compiled: a separable Gaussian and a filter of few taps."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@lru_cache(maxsize=64)
def gaussian_weights(sigma: float, truncate: float) -> Floats:
    """A normalised Gaussian, cut where scipy cuts it.

    Args:
        sigma: Standard deviation in pixels; 0 gives the identity.
        truncate: Radius in standard deviations.

    Returns:
        Weights of length ``2 * int(truncate * sigma + 0.5) + 1``.
    """
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return np.ones(1)
    offset = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offset**2)
    return np.asarray(weights / weights.sum())


def gaussian_blur(image: Floats, sigma: float) -> Floats:
    """Blur each channel as ``skimage.filters.gaussian`` does: cut at 4 sigma, edge pixels repeated.

    Args:
        image: float64 ``(H, W, C)``.
        sigma: Standard deviation in pixels.

    Returns:
        A new array. The order of the sums is scipy's, because the truncation to uint8 that follows shows the last bit.
    """
    weights = gaussian_weights(float(sigma), 4.0)
    if len(weights) == 1:
        return image.copy()
    return np.asarray(_blur_separable(image, weights[: len(weights) // 2 + 1]))


@njit(cache=True, nogil=True)
def _blur_separable(image, half):  # type: ignore[no-untyped-def]  # pragma: no cover
    """``half``: the weights from the outermost to the central one."""
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
            above = rows[max(y - radius + k, 0)]
            below = rows[min(y + radius - k, height - 1)]
            weight = half[k]
            for i in range(length):
                inner[i] += (above[i] + below[i]) * weight
        for i in range(margin):
            padded[i] = inner[i % depth]
            padded[margin + length + i] = inner[length - depth + i % depth]
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


def filter_taps(image: Floats, down: NDArray[np.int64], right: NDArray[np.int64], weights: Floats, mode: str) -> Floats:
    """Correlate each channel with a filter that is given as a list of taps.

    Args:
        image: float64 ``(H, W, C)``.
        down: Vertical offset of each tap in pixels, positive downwards.
        right: Horizontal offset of each tap in pixels.
        weights: Of each tap.
        mode: What continues the image, in the words of `numpy.pad`: ``"edge"`` or ``"reflect"`` (without repeating the
            edge pixel).

    Returns:
        A new float64 array of the shape of `image`.
    """
    height, width, depth = image.shape
    top, left = max(0, -int(down.min())), max(0, -int(right.min()))
    margins = ((top, max(0, int(down.max()))), (left, max(0, int(right.max()))), (0, 0))
    padded = np.pad(image, margins, mode=mode)  # type: ignore[call-overload]
    rows = padded.reshape(padded.shape[0], -1)
    out = np.zeros((height, width * depth))
    _add_taps(rows, out, down + top, (right + left) * depth, weights)
    return out.reshape(height, width, depth)


@njit(cache=True, nogil=True)
def _add_taps(rows, out, first_row, first_value, weights):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, length = out.shape
    whole = weights.size - weights.size % 4
    for y in range(height):
        target = out[y]
        for tap in range(0, whole, 4):  # four at once, because reading and writing the sums is what takes time
            a, b, c, d = weights[tap], weights[tap + 1], weights[tap + 2], weights[tap + 3]
            p = rows[y + first_row[tap], first_value[tap] : first_value[tap] + length]
            q = rows[y + first_row[tap + 1], first_value[tap + 1] : first_value[tap + 1] + length]
            r = rows[y + first_row[tap + 2], first_value[tap + 2] : first_value[tap + 2] + length]
            s = rows[y + first_row[tap + 3], first_value[tap + 3] : first_value[tap + 3] + length]
            for i in range(length):
                target[i] += a * p[i] + b * q[i] + c * r[i] + d * s[i]
        for tap in range(whole, weights.size):
            a = weights[tap]
            p = rows[y + first_row[tap], first_value[tap] : first_value[tap] + length]
            for i in range(length):
                target[i] += a * p[i]
