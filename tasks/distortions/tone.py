"""Grey levels, contrast and noise, opponent colours, and outlines."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, generate_binary_structure, label, map_coordinates, sobel

# Distortions of grey levels: loss of colour, contrast, noise and rotation.
#
# All distortions in this folder follow Geirhos et al., *Generalisation in humans and deep neural networks*, NeurIPS
# 2018 (arXiv 1808.08750), and their published code, on frames of any size. Lengths in pixels are for frames of
# `REFERENCE_SIZE` and scale with the size of the frame.


Pixels = NDArray[np.uint8]
Grey = NDArray[np.float64]

REFERENCE_SIZE = 224
"""Side in pixels of the frames that lengths refer to."""

NOISE_CONTRAST = 0.3
"""Contrast to which images are reduced before noise is added, so that most of the noise is not clipped."""

_WEIGHTS = np.array([0.2125, 0.7154, 0.0721])  # ITU-R BT.709, rounded as in the library that the authors used


def scaled(length: float, size: int) -> float:
    """A length at `REFERENCE_SIZE`, in pixels of a frame with side `size`."""
    return length * size / REFERENCE_SIZE


def greyscale(image: Pixels) -> Grey:
    """Grey levels of an image.

    Args:
        image: uint8 (H, W, 3).

    Returns:
        float64 (H, W) in [0, 1]: a weighted mean of the encoded values, without undoing their gamma.
    """
    return np.asarray(image @ (_WEIGHTS / 255.0))


def as_image(grey: Grey) -> Pixels:
    """Grey levels as an image: clipped to [0, 1], rounded, and the same in three channels.

    Args:
        grey: float (H, W).

    Returns:
        uint8 (H, W, 3).
    """
    levels = np.rint(np.clip(grey, 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)


def without_colour(image: Pixels) -> Pixels:
    """The image in grey; uint8 (H, W, 3)."""
    return as_image(greyscale(image))


def low_contrast(image: Pixels, level: float) -> Pixels:
    """Move grey levels towards mid grey.

    Args:
        image: uint8 (H, W, 3).
        level: Remaining share of the distance to 0.5, in [0, 1].
    """
    return as_image(_towards_grey(greyscale(image), level))


def uniform_noise(image: Pixels, width: float, rng: np.random.Generator) -> Pixels:
    """Reduce the contrast to `NOISE_CONTRAST`, add independent noise to every pixel, and clip to [0, 1].

    Args:
        image: uint8 (H, W, 3).
        width: Noise is uniform in [-width, width], on the 0..1 scale.
        rng: Random number generator of the noise.
    """
    grey = _towards_grey(greyscale(image), NOISE_CONTRAST)
    return as_image(grey + rng.uniform(-width, width, grey.shape))


def rotated(image: Pixels, degrees: int) -> Pixels:
    """The image in grey, rotated counter-clockwise.

    Args:
        image: uint8 (S, S, 3).
        degrees: A multiple of 90.
    """
    return np.ascontiguousarray(np.rot90(without_colour(image), degrees // 90))


def _towards_grey(grey: Grey, level: float) -> Grey:
    return (1.0 - level) / 2.0 + level * grey


# False colours: every colour replaced by its opponent at the same luminance.


# Linear sRGB to CIE XYZ (IEC 61966-2-1) and XYZ to the cone fundamentals of Smith & Pokorny (1975), in which the sum of
# long- and middle-wave responses is the luminance Y.
_RGB_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_XYZ_TO_LMS = np.array([[0.15514, 0.54312, -0.03286], [-0.15514, 0.45684, 0.03286], [0.0, 0.0, 0.01608]])


def _opposite() -> np.ndarray:
    """The matrix (3, 3) that maps linear RGB to the opponent colour.

    In the space of Derrington, Krauskopf & Lennie (1984), with the formulas of Brainard (1996), a colour is its
    difference from mid grey along three axes: luminance, L - M, and S - luminance. Both colour axes are negated. Since
    everything is linear and all greys are on the first axis, the choice of the mid grey makes no difference.
    """
    to_cones = _XYZ_TO_LMS @ _RGB_TO_XYZ
    long, middle, short = to_cones.sum(axis=1)  # of white
    to_axes = np.array(
        [[1.0, 1.0, 0.0], [1.0, -long / middle, 0.0], [-short / (long + middle), -short / (long + middle), 1.0]]
    )
    to_opponent = to_axes @ to_cones
    return np.asarray(np.linalg.inv(to_opponent) @ np.diag([1.0, -1.0, -1.0]) @ to_opponent)


_OPPOSITE = _opposite()
_LINEAR = np.arange(256) / 255.0
_LINEAR = np.where(_LINEAR <= 0.04045, _LINEAR / 12.92, ((_LINEAR + 0.055) / 1.055) ** 2.4)


def false_colour(image: Pixels) -> Pixels:
    """Opponent colours at the same luminance, as in a colour negative with the original brightness.

    The published stimuli were made for one measured monitor; this assumes a standard sRGB one.

    Args:
        image: uint8 (H, W, 3), sRGB.

    Returns:
        uint8 (H, W, 3). Greys do not change. Opponent colours outside the gamut of a screen are clipped.
    """
    linear = np.clip(_LINEAR[image] @ _OPPOSITE.T, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255.0).astype(np.uint8)


# Objects without surface: edges, as in Geirhos et al., ICLR 2019 (arXiv 1811.12231), and silhouettes.


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
