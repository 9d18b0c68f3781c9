"""Spatter, drops of water or mud on the lens, of Hendrycks & Dietterich (ICLR 2019)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..draws import Draws, Floats
from ..filters import UNIT_SINGLE, Pixels, gaussian_blur

# Edges of drops and the light on them: Canny's detector, a distance map and its relief, in integer arithmetic.
#
# The published script calls OpenCV for these steps. Integer arithmetic gives the same result on every processor,
# whatever the version of OpenCV; tests compare it with OpenCV.


Grey = NDArray[np.uint8]

WEAK, STRONG = 50, 150
"""Thresholds of Canny's method, for the sum of the absolute Sobel derivatives."""

_STRAIGHT, _DIAGONAL, _KNIGHT = 10000, 14000, 21969
"""Lengths of the steps of the distance map (Borgefors 1986), in 10000ths of a pixel.

OpenCV's builds for x86 agree. Builds without Intel's primitives round the steps to 65536ths, so that about one pixel in
several thousand is a whole pixel nearer.
"""
_FARTHEST = 20 * _STRAIGHT


@njit(cache=True, nogil=True)
def edges(image):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Canny's edges from 3x3 Sobel derivatives: thin ridges above `WEAK` that are connected to one above `STRONG`.

    Args:
        image: uint8 ``(H, W)``; extended by its edge pixels.

    Returns:
        bool ``(H, W)``.
    """
    height, width = image.shape
    along = np.empty((height, width), np.int32)
    across = np.empty((height, width), np.int32)
    slope = np.zeros((height + 2, width + 2), np.int32)
    for y in range(height):
        above, level, below = image[max(y - 1, 0)], image[y], image[min(y + 1, height - 1)]
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            dx = (np.int32(above[right]) + 2 * np.int32(level[right]) + np.int32(below[right])) - (
                np.int32(above[left]) + 2 * np.int32(level[left]) + np.int32(below[left])
            )
            dy = (np.int32(below[left]) + 2 * np.int32(below[x]) + np.int32(below[right])) - (
                np.int32(above[left]) + 2 * np.int32(above[x]) + np.int32(above[right])
            )
            along[y, x], across[y, x] = dx, dy
            slope[y + 1, x + 1] = abs(dx) + abs(dy)

    state = np.zeros((height + 2, width + 2), np.uint8)  # 1: a ridge that may be an edge, 2: an edge
    stack = np.empty((height * width, 2), np.int32)
    waiting = 0
    for y in range(1, height + 1):
        for x in range(1, width + 1):
            steep = slope[y, x]
            if steep <= WEAK:
                continue
            dx, dy = along[y - 1, x - 1], across[y - 1, x - 1]
            # The sector of the gradient: 13573 / 32768 is the tangent of 22.5 degrees, and adding 2 gives that of 67.5.
            rise, flat = np.int64(abs(dy)) << 15, np.int64(abs(dx)) * 13573
            if rise < flat:
                ridge = steep > slope[y, x - 1] and steep >= slope[y, x + 1]
            elif rise > flat + (np.int64(abs(dx)) << 16):
                ridge = steep > slope[y - 1, x] and steep >= slope[y + 1, x]
            else:
                side = -1 if (dx ^ dy) < 0 else 1
                ridge = steep > slope[y - 1, x - side] and steep > slope[y + 1, x + side]
            if ridge:
                state[y, x] = 1
                if steep > STRONG:
                    state[y, x] = 2
                    stack[waiting, 0], stack[waiting, 1] = y, x
                    waiting += 1
    while waiting:
        waiting -= 1
        y, x = stack[waiting, 0], stack[waiting, 1]
        for v in range(y - 1, y + 2):
            for u in range(x - 1, x + 2):
                if state[v, u] == 1:
                    state[v, u] = 2
                    stack[waiting, 0], stack[waiting, 1] = v, u
                    waiting += 1
    out = np.empty((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            out[y, x] = state[y + 1, x + 1] == 2
    return out


def rims(marks: NDArray[np.bool_]) -> Grey:
    """A relief of the distance from edges, lit from one corner.

    Args:
        marks: bool ``(H, W)``, edges.

    Returns:
        uint8 ``(H, W)``.
    """
    near = _means(_distance(marks), 1, 0, 9 * _STRAIGHT)  # in whole pixels, truncated
    relief = _light(_equalise(near))
    return np.asarray(_means(relief.astype(np.int64), 2, 9, 18))  # rounded


@njit(cache=True, nogil=True)
def _distance(marks):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Distance to the nearest mark, at most 20 pixels: int64 ``(H, W)`` in 10000ths, by chamfering in two passes."""
    height, width = marks.shape
    far = np.full((height + 4, width + 4), 1 << 29, np.int32)
    for y in range(2, height + 2):
        for x in range(2, width + 2):
            if marks[y - 2, x - 2]:
                far[y, x] = 0
                continue
            knight = min(far[y - 2, x - 1], far[y - 2, x + 1], far[y - 1, x - 2], far[y - 1, x + 2]) + _KNIGHT
            diagonal = min(far[y - 1, x - 1], far[y - 1, x + 1]) + _DIAGONAL
            far[y, x] = min(knight, diagonal, min(far[y - 1, x], far[y, x - 1]) + _STRAIGHT)
    for y in range(height + 1, 1, -1):
        for x in range(width + 1, 1, -1):
            knight = min(far[y + 2, x - 1], far[y + 2, x + 1], far[y + 1, x - 2], far[y + 1, x + 2]) + _KNIGHT
            diagonal = min(far[y + 1, x - 1], far[y + 1, x + 1]) + _DIAGONAL
            far[y, x] = min(far[y, x], knight, diagonal, min(far[y + 1, x], far[y, x + 1]) + _STRAIGHT)
    out = np.empty((height, width), np.int64)
    for y in range(height):
        for x in range(width):
            out[y, x] = min(far[y + 2, x + 2], _FARTHEST)
    return out


@njit(cache=True, nogil=True)
def _mirror(index, size):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The mirrored position of one pixel beyond either end, without repeating the edge."""
    if index < 0:
        return -index
    return index if index < size else 2 * size - 2 - index


@njit(cache=True, nogil=True)
def _means(image, times, plus, over):  # type: ignore[no-untyped-def]  # pragma: no cover
    """``(times * total + plus) // over`` of the total of 3x3 pixels: int64 ``(H, W)`` to uint8."""
    height, width = image.shape
    out = np.empty((height, width), np.uint8)
    for y in range(height):
        above, level, below = image[_mirror(y - 1, height)], image[y], image[_mirror(y + 1, height)]
        for x in range(width):
            total = 0
            for u in (_mirror(x - 1, width), x, _mirror(x + 1, width)):
                total += above[u] + level[u] + below[u]
            out[y, x] = (times * total + plus) // over
    return out


@njit(cache=True, nogil=True)
def _equalise(image):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Equalise the histogram; the darkest level becomes 0, and an image with a single level does not change."""
    height, width = image.shape
    counts = np.zeros(256, np.int64)
    for y in range(height):
        for x in range(width):
            counts[image[y, x]] += 1
    first = 0
    while counts[first] == 0:
        first += 1
    levels = np.zeros(256, np.uint8)
    rest = height * width - counts[first]
    if rest == 0:
        return image.copy()
    scale = np.float32(255) / np.float32(rest)
    total = 0
    for level in range(first + 1, 256):
        total += counts[level]
        levels[level] = np.uint8(min(np.rint(np.float32(total) * scale), np.float32(255)))
    out = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            out[y, x] = levels[image[y, x]]
    return out


@njit(cache=True, nogil=True)
def _light(image):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Correlate with ((-2, -1, 0), (-1, 1, 1), (0, 1, 2)) and clip."""
    height, width = image.shape
    out = np.empty_like(image)
    for y in range(height):
        above, level, below = image[_mirror(y - 1, height)], image[y], image[_mirror(y + 1, height)]
        for x in range(width):
            left, right = _mirror(x - 1, width), _mirror(x + 1, width)
            dark = 2 * np.int32(above[left]) + np.int32(above[x]) + np.int32(level[left])
            bright = np.int32(level[x]) + np.int32(level[right]) + np.int32(below[x]) + 2 * np.int32(below[right])
            out[y, x] = min(max(bright - dark, 0), 255)
    return out


# Spatter, drops of water or mud on the lens, one of the extra corruptions of Hendrycks & Dietterich (ICLR 2019).


WATER = np.array([175, 238, 238]) / 255.0
"""Pale turquoise."""
MUD = np.array([63, 42, 20]) / 255.0
"""Brown."""
THINNEST = 0.8
"""Mud is only visible where it covers at least this share of a pixel."""


def spatter(
    image: Pixels,
    draws: Draws,
    *,
    mean: float,
    deviation: float,
    sigma_px: float,
    threshold: float,
    strength: float,
    mud_sigma_px: float,
) -> Pixels:
    """Add drops of water with shining rims, or cover parts with mud.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: One normal for each pixel.
        mean: Mean of the noise that becomes liquid.
        deviation: Standard deviation of the noise.
        sigma_px: Standard deviation of the Gaussian that smooths the noise.
        threshold: There is no liquid where the noise is below this.
        strength: Amount of the brightest water.
        mud_sigma_px: Standard deviation of the Gaussian that rounds the mud; 0 for water.
    """
    liquid = _smooth_liquid(draws.normal(mean, deviation, image.shape[:2]), sigma_px)
    if mud_sigma_px:
        mud = _smooth_liquid((liquid > threshold).astype(np.float64), mud_sigma_px).astype(np.float32)
        mud[mud < THINNEST] = 0
        return np.asarray(_cover(image, mud, UNIT_SINGLE, MUD.astype(np.float32)))
    liquid[liquid < threshold] = 0
    # Values above white wrap around to black, as they do in the script on common processors.
    depth = (liquid * 255).astype(np.int64).astype(np.uint8)
    water = depth * rims(edges(depth)).astype(np.float32)
    if not water.any():  # no drop at all; here the script divides by zero
        return image.copy()
    amount = water / water.max() * np.float32(strength)
    return np.asarray(_add(image, amount, UNIT_SINGLE, WATER.astype(np.float32)))


def _smooth_liquid(field: Floats, sigma: float) -> Floats:
    return gaussian_blur(field[..., None], sigma)[..., 0]


@njit(cache=True, nogil=True)
def _add(image, amount, unit, colour):  # type: ignore[no-untyped-def]  # pragma: no cover
    out = np.empty_like(image)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                value = unit[image[y, x, c]] + amount[y, x] * colour[c]
                out[y, x, c] = np.uint8(min(value, np.float32(1)) * np.float32(255))
    return out


@njit(cache=True, nogil=True)
def _cover(image, share, unit, colour):  # type: ignore[no-untyped-def]  # pragma: no cover
    out = np.empty_like(image)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                value = unit[image[y, x, c]] * (np.float32(1) - share[y, x]) + colour[c] * share[y, x]
                out[y, x, c] = np.uint8(min(value, np.float32(1)) * np.float32(255))
    return out
