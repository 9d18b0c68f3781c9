"""Spatter, drops of water or mud on the lens, one of the extra corruptions of Hendrycks & Dietterich (ICLR 2019)."""

from __future__ import annotations

import numpy as np
from numba import njit

from .draws import Draws, Floats
from .edges import edges, rims
from .filters import gaussian_blur
from .pixels import UNIT_SINGLE, Pixels

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
    liquid = _smooth(draws.normal(mean, deviation, image.shape[:2]), sigma_px)
    if mud_sigma_px:
        mud = _smooth((liquid > threshold).astype(np.float64), mud_sigma_px).astype(np.float32)
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


def _smooth(field: Floats, sigma: float) -> Floats:
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
