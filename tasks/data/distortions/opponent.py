"""False colours: every colour replaced by its opponent at the same luminance."""

from __future__ import annotations

import numpy as np

from .grey import Pixels

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
