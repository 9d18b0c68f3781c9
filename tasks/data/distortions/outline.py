"""Objects without surface: edges, as in Geirhos et al., ICLR 2019 (arXiv 1811.12231), and silhouettes."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter, generate_binary_structure, label, map_coordinates, sobel

from .grey import Grey, Pixels, greyscale, scaled

LOW, HIGH = 0.15, 0.375
"""Thresholds of Canny's method, as lengths of the Sobel gradient of grey levels: to continue and to start an edge."""

_BLUR = math.sqrt(2.0)  # pixels at 224
_LEAST_BLUR = 0.6  # pixels of the frame; with less blur, the steps of a slanted contour become edges themselves


def on_white(image: Pixels, mask: np.ndarray) -> Pixels:
    """Cut an object out of its background.

    Args:
        image: uint8 (H, W, 3).
        mask: bool (H, W), true on the object.
    """
    return np.where(mask[:, :, None], image, np.uint8(255))


def edges(image: Pixels, mask: np.ndarray) -> Pixels:
    """Edges of an object: black lines on white, one pixel wide.

    Args:
        image: uint8 (H, W, 3).
        mask: bool (H, W), true on the object.
    """
    # Pad with white, so that an object that is cut off has a contour at the border of the frame.
    grey = np.pad(greyscale(on_white(image, mask)), 1, constant_values=1.0)
    lines = canny(grey, max(scaled(_BLUR, len(image)), _LEAST_BLUR), LOW, HIGH)[1:-1, 1:-1]
    return _black_on_white(lines)


def silhouette(mask: np.ndarray) -> Pixels:
    """The object in black on white.

    Args:
        mask: bool (H, W), true on the object.

    Returns:
        uint8 (H, W, 3).
    """
    return _black_on_white(mask)


def canny(grey: Grey, deviation: float, low: float, high: float) -> np.ndarray:
    """Edges by Canny's method (1986).

    Args:
        grey: float64 (H, W); extended by its edge pixels.
        deviation: Standard deviation of the initial blur, in pixels.
        low: Least gradient of a ridge that is an edge if it is connected to one above ``high``.
        high: Least gradient of a ridge that is always an edge.

    Returns:
        bool (H, W); never true in the outermost pixels.
    """
    smooth = gaussian_filter(grey, deviation, mode="nearest")
    down, right = sobel(smooth, 0, mode="nearest"), sobel(smooth, 1, mode="nearest")
    steep = np.hypot(down, right)
    # A pixel is on a ridge if it is at least as steep as both neighbours across the edge. These are interpolated at the
    # points where the gradient crosses the square of the eight surrounding pixels.
    reach = np.maximum(np.maximum(np.abs(down), np.abs(right)), 1e-12)
    at = np.indices(grey.shape)
    step = np.stack([down / reach, right / reach])
    sides = [map_coordinates(steep, at + sign * step, order=1, mode="nearest") for sign in (-1.0, 1.0)]
    ridge = (steep >= sides[0]) & (steep >= sides[1]) & (steep >= low)
    ridge[[0, -1], :] = ridge[:, [0, -1]] = False
    pieces, count = label(ridge, generate_binary_structure(2, 2))
    is_edge = np.zeros(count + 1, dtype=bool)
    is_edge[np.unique(pieces[ridge & (steep >= high)])] = True
    return np.asarray(is_edge[pieces] & ridge)


def _black_on_white(black: np.ndarray) -> Pixels:
    return np.repeat(np.where(black, np.uint8(0), np.uint8(255))[:, :, None], 3, axis=2)
