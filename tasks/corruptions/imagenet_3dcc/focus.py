"""A shallow depth of field: the near or the far part of the scene is sharp (Kar et al., CVPR 2022).

The scene is split into layers by depth; each is blurred as by a thin lens, and the layers are composited from far to
near.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..filters import Pixels, gaussian_weights

LAYERS = 8
LARGEST_RADIUS = 30 / 224
"""Limit of the circle of confusion, which is unbounded close to the lens: radius as a share of the shorter side."""


def near_focus(image: Pixels, rng: np.random.Generator, *, depth: NDArray[np.float32], aperture_px: float) -> Pixels:
    """Focus on the near quarter of the scene.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One draw: which of the two nearest of the eight layers is in focus.
        depth: float32 ``(H, W)`` in units of the reference depth.
        aperture_px: Radius of the circle of confusion at infinity, in pixels.
    """
    layers = layer_depths(depth)
    return refocus(image, depth, float(layers[rng.integers(2)]), aperture_px)


def far_focus(image: Pixels, rng: np.random.Generator, *, depth: NDArray[np.float32], aperture_px: float) -> Pixels:
    """Focus on the far quarter of the scene.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One draw: which of the two farthest of the eight layers is in focus.
        depth: float32 ``(H, W)`` in units of the reference depth.
        aperture_px: Radius of the circle of confusion at half the focal depth, in pixels.
    """
    layers = layer_depths(depth)
    return refocus(image, depth, float(layers[-1 - rng.integers(2)]), aperture_px)


def layer_depths(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """The depths of the eight layers, near to far: the medians of eight equal parts of the pixels by depth.

    They are depths that occur in the image, so that an image with two planes has only two different ones.
    """
    flat = depth.ravel()
    ranks = ((np.arange(LAYERS) + 0.5) / LAYERS * flat.size).astype(np.int64)
    return np.partition(flat, ranks)[ranks]


def refocus(image: Pixels, depth: NDArray[np.float32], focal: float, aperture_px: float) -> Pixels:
    """Blur everything in front of and behind a depth.

    The circle of confusion has the radius ``aperture * |d - f| / d``. The blur is a Gaussian with the same variance:
    its standard deviation is half the radius. Both are linear in 1 / d, so a pixel between two layers is divided
    between them in proportion to its disparity.

    Args:
        image: uint8 ``(H, W, 3)``.
        depth: float32 ``(H, W)``, positive.
        focal: The depth in focus; one of `layer_depths`.
        aperture_px: Factor of the radius in the formula above, in pixels.
    """
    height, width, _ = image.shape
    centres = np.unique(layer_depths(depth))
    radii = np.minimum(
        aperture_px * np.abs(1 - focal / centres.astype(np.float64)), LARGEST_RADIUS * min(height, width)
    )
    picture = np.zeros((height, width * 4), np.float32)
    position = _position(depth, centres)
    for layer in range(len(centres) - 1, -1, -1):
        weights = gaussian_weights(float(radii[layer] / 2), 3.0).astype(np.float32)
        _lay_over(picture, image, position, np.float32(layer), weights[: len(weights) // 2 + 1])
    return _finish(picture.reshape(height, width, 4))


def _position(depth: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fractional layer of each pixel: 2.25 is a quarter of the way from layer 2 to layer 3."""
    if len(centres) == 1:
        return np.zeros_like(depth)
    # np.interp needs increasing values, but disparity decreases from layer to layer.
    place = np.interp(-1 / depth.ravel(), -1 / centres, np.arange(len(centres)))
    return place.astype(np.float32).reshape(depth.shape)


@njit(cache=True, nogil=True, fastmath=True)
def _lay_over(picture, image, position, layer, half):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Blur one layer, with colours weighted by coverage, and composite it over the picture in place.

    ``picture``: float32 ``(H, 4 W)``, red, green, blue and coverage of the layers behind. ``half``: the weights of the
    Gaussian from the outermost to the central one. The layer is extended by its edge pixels.
    """
    height, width, _ = image.shape
    radius = half.size - 1
    first, last = height, -1
    cut = np.zeros((height, width * 4), np.float32)
    for y in range(height):
        for x in range(width):
            share = np.float32(1) - abs(position[y, x] - layer)
            if share > 0:
                first, last = min(first, y), y
                cut[y, 4 * x] = share * image[y, x, 0]
                cut[y, 4 * x + 1] = share * image[y, x, 1]
                cut[y, 4 * x + 2] = share * image[y, x, 2]
                cut[y, 4 * x + 3] = share
    length = width * 4
    margin = radius * 4
    padded = np.empty(length + 2 * margin, np.float32)
    line = np.empty(length, np.float32)
    for y in range(max(0, first - radius), min(height, last + radius + 1)):
        inner = padded[margin : margin + length]
        centre = cut[y]
        weight = half[radius]
        for i in range(length):
            inner[i] = weight * centre[i]
        for k in range(radius):
            above, below, weight = cut[max(y - radius + k, 0)], cut[min(y + radius - k, height - 1)], half[k]
            for i in range(length):
                inner[i] += weight * (above[i] + below[i])
        for i in range(margin):
            padded[i] = inner[i % 4]
            padded[margin + length + i] = inner[length - 4 + i % 4]
        weight = half[radius]
        for i in range(length):
            line[i] = weight * inner[i]
        for k in range(radius):
            left, right, weight = padded[4 * k :], padded[4 * (2 * radius - k) :], half[k]
            for i in range(length):
                line[i] += weight * (left[i] + right[i])
        behind = picture[y]
        for x in range(width):
            rest = np.float32(1) - min(line[4 * x + 3], np.float32(1))
            for c in range(4 * x, 4 * x + 4):
                behind[c] = behind[c] * rest + line[c]


@njit(cache=True, nogil=True)
def _finish(picture):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Divide colours by coverage: neighbours fill the gap where a blurred edge uncovers something no layer shows."""
    height, width, _ = picture.shape
    out = np.empty((height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            scale = np.float32(1) / picture[y, x, 3]
            for c in range(3):
                out[y, x, c] = np.uint8(min(picture[y, x, c] * scale + np.float32(0.5), np.float32(255)))
    return out
