"""Corruptions of colour: brightness, saturation and contrast, of Hendrycks & Dietterich (ICLR 2019)."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..draws import Draws
from ..filters import UNIT, Pixels, to_pixels


def brightness(image: Pixels, draws: Draws, *, shift: float) -> Pixels:
    """Raise the value (V) of every pixel in HSV.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Not used.
        shift: Added to the value, on a scale of [0, 1].
    """
    return _through_hsv(image, UNIT, 1.0, 0.0, float(shift))


def saturate(image: Pixels, draws: Draws, *, factor: float, shift: float) -> Pixels:
    """Change the saturation of every pixel in HSV.

    In HSV a grey pixel has the hue of red, so that any shift tints it; that is part of the benchmark.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Not used.
        factor: Multiplies the saturation.
        shift: Added to the product, on a scale of [0, 1].
    """
    return _through_hsv(image, UNIT, float(factor), float(shift), 0.0)


@njit(cache=True, nogil=True)
def _through_hsv(image, unit, factor, shift, value_shift):  # type: ignore[no-untyped-def]  # pragma: no cover
    """RGB to HSV, new S and V, and back, in scikit-image's order of operations: truncation exposes the last bit."""
    out = np.empty_like(image)
    height, width, _ = image.shape
    for y in range(height):
        for x in range(width):
            r, g, b = unit[image[y, x, 0]], unit[image[y, x, 1]], unit[image[y, x, 2]]
            value = max(r, g, b)
            span = value - min(r, g, b)
            saturation, hue = 0.0, 0.0
            if span > 0:
                saturation = span / value
                if b == value:
                    hue = 4.0 + (r - g) / span
                elif g == value:
                    hue = 2.0 + (b - r) / span
                else:
                    hue = (g - b) / span
                hue /= 6.0
                if hue < 0:
                    hue += 1.0
                if hue >= 1:  # a tiny negative hue rounds up to 1, which is 0
                    hue = 0.0
            saturation = min(max(saturation * factor + shift, 0.0), 1.0)
            value = min(value + value_shift, 1.0)
            sector = int(hue * 6.0)
            rest = hue * 6.0 - sector
            p = value * (1.0 - saturation)
            q = value * (1.0 - rest * saturation)
            t = value * (1.0 - (1.0 - rest) * saturation)
            if sector == 0 or sector == 6:
                r, g, b = value, t, p
            elif sector == 1:
                r, g, b = q, value, p
            elif sector == 2:
                r, g, b = p, value, t
            elif sector == 3:
                r, g, b = p, q, value
            elif sector == 4:
                r, g, b = t, p, value
            else:
                r, g, b = value, p, q
            out[y, x, 0] = np.uint8(min(max(r, 0.0), 1.0) * 255)
            out[y, x, 1] = np.uint8(min(max(g, 0.0), 1.0) * 255)
            out[y, x, 2] = np.uint8(min(max(b, 0.0), 1.0) * 255)
    return out


def contrast(image: Pixels, draws: Draws, *, factor: float) -> Pixels:
    """Move every value towards the mean of its channel.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Not used.
        factor: Remaining share of the distance to the mean.
    """
    means = _sums(image) / (255.0 * (image.size // 3))
    levels = to_pixels((UNIT - means[:, None]) * factor + means[:, None])
    return _look_up(image, levels)


@njit(cache=True, nogil=True)
def _sums(image):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The exact sum of each channel."""
    red, green, blue = 0, 0, 0
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            red += image[y, x, 0]
            green += image[y, x, 1]
            blue += image[y, x, 2]
    return np.array([red, green, blue])


@njit(cache=True, nogil=True)
def _look_up(image, levels):  # type: ignore[no-untyped-def]  # pragma: no cover
    """``levels[channel, value]``."""
    out = np.empty_like(image)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                out[y, x, c] = levels[c, image[y, x, c]]
    return out
