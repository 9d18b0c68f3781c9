"""Noise: Gaussian, shot (Poisson) and impulse (salt and pepper), of Hendrycks & Dietterich (ICLR 2019)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import pdtr

from .pixels import Pixels, to_pixels, to_unit


def gaussian_noise(image: Pixels, rng: np.random.Generator, *, deviation: float) -> Pixels:
    """Add independent Gaussian noise to every value.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One normal for each value.
        deviation: Of the noise, on a scale of [0, 1].
    """
    noisy = rng.normal(scale=deviation, size=image.shape)
    noisy += to_unit(image)
    return to_pixels(noisy)


def shot_noise(image: Pixels, rng: np.random.Generator, *, photons: float) -> Pixels:
    """Count photons: every value becomes a Poisson draw around it.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One uniform for each value, turned into a Poisson count by inverting the distribution function: there are
            only 256 different rates, and a table of them is several times faster than a Poisson sampler.
        photons: Expected count of a white value; fewer are noisier.
    """
    distribution, first_guess = _photon_tables(int(photons))
    counts = _invert(image.ravel(), rng.random(image.size), distribution, first_guess)
    return to_pixels(counts.reshape(image.shape) / photons)


@lru_cache(maxsize=16)
def _photon_tables(photons: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The distribution functions of the 256 rates, and a lower bound of the count for each 256th of the uniform.

    Counts above ``photons`` are white like ``photons`` itself, so the tables end there.
    """
    rates = np.arange(256) / 255.0 * photons
    distribution = pdtr(np.arange(photons + 1)[None, :], rates[:, None])
    distribution[:, -1] = 1.0
    bins = np.arange(256) / 256
    first_guess = np.stack([np.searchsorted(row, bins, side="right") for row in distribution])
    return distribution, first_guess.astype(np.int64)


@njit(cache=True, nogil=True)
def _invert(values, uniforms, distribution, first_guess):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The smallest count whose distribution function exceeds the uniform."""
    counts = np.empty(values.size)
    for i in range(values.size):
        value, uniform = values[i], uniforms[i]
        count = first_guess[value, int(uniform * 256)]
        while distribution[value, count] <= uniform:
            count += 1
        counts[i] = count
    return counts


def impulse_noise(image: Pixels, rng: np.random.Generator, *, share: float) -> Pixels:
    """Set some values to 255 (salt) and as many to 0 (pepper), each channel on its own.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One uniform for each value decides between salt, pepper and nothing. The original asks twice, first
            whether and then which; the law is the same.
        share: Of values that are replaced, in [0, 1].
    """
    fate = rng.random(image.shape)
    noisy = to_unit(image)
    noisy[fate < share] = 0
    noisy[fate < share / 2] = 1
    return to_pixels(noisy)
