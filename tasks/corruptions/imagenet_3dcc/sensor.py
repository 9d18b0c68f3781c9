"""The sensor: photon and electronic noise, too little light, too few bits (Kar et al., CVPR 2022)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..filters import Pixels

_BINS = 256


def iso_noise(image: Pixels, rng: np.random.Generator, *, photons: float, deviation: float) -> Pixels:
    """Photon noise (Poisson) that stays the same, and electronic noise (Gaussian) that grows with severity.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One uniform and one normal for each value.
        photons: Expected count of a white value.
        deviation: Standard deviation of the electronic noise, on a scale of [0, 1].
    """
    return photograph(image, np.arange(256) / 255, rng, photons, deviation)


def low_light(image: Pixels, rng: np.random.Generator, *, brightest: float, photons: float, deviation: float) -> Pixels:
    """Darken, and add the noise of a dark picture.

    The image's own range of levels is stretched to [0, 1], squared (a gamma of 2) and scaled to [0, brightest].

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One uniform and one normal for each value.
        brightest: Largest value of the darkened image without noise, on a scale of [0, 1].
        photons: Expected count of a value of 1.
        deviation: Standard deviation of the electronic noise, on a scale of [0, 1].
    """
    return photograph(image, darkening(image, brightest), rng, photons, deviation)


def darkening(image: Pixels, brightest: float) -> NDArray[np.float64]:
    """The new value of each of the 256 levels: float64 (256,) in [0, brightest].

    An image with a single level counts as having the range [0, 255].
    """
    lowest, highest = int(image.min()), int(image.max())
    if lowest == highest:
        lowest, highest = 0, 255
    return np.clip((np.arange(256) - lowest) / (highest - lowest), 0, 1) ** 2 * brightest


def color_quant(image: Pixels, rng: np.random.Generator, *, bits: int) -> Pixels:
    """Keep the highest bits of every value and set the others to zero.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        bits: Number of bits to keep, 1 to 8.
    """
    return image & np.uint8(256 - 2 ** (8 - int(bits)))


def photograph(
    image: Pixels, exposure: NDArray[np.float64], rng: np.random.Generator, photons: float, deviation: float
) -> Pixels:
    """Count photons, add electronic noise, and read out.

    Args:
        image: uint8 ``(H, W, 3)``.
        exposure: float64 (256,), brightness of each level of the image; 1 is white.
        rng: One uniform for each value, which becomes a Poisson count by inverting the distribution function (there are
            at most 256 different rates, for which a table is faster than a sampler), then one normal for each.
        photons: Expected count of white.
        deviation: Standard deviation of the normals, on a scale of [0, 1].

    Returns:
        uint8 ``(H, W, 3)``: ``(count / photons + normal) * 255``, rounded and clipped.
    """
    rates = exposure * photons
    distribution, first_guess = _count_tables(rates, int(rates.max() + 10 * np.sqrt(rates.max()) + 20))
    uniforms = rng.random(image.shape)
    normals = rng.standard_normal(image.shape, dtype=np.float32)
    out = np.empty_like(image)
    scale = 255 / photons
    _read_out(image.ravel(), uniforms.ravel(), normals.ravel(), distribution, first_guess, scale, 255 * deviation, out)
    return out


@njit(cache=True, nogil=True)
def _count_tables(rates, most):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Poisson distribution functions for several rates, and a lower bound of the count per 256th of the uniform."""
    distribution = np.empty((rates.size, most + 1))
    first_guess = np.empty((rates.size, _BINS), np.int64)
    for row in range(rates.size):
        probability = np.exp(-rates[row])
        total = 0.0
        for count in range(most + 1):
            total += probability
            distribution[row, count] = total
            probability *= rates[row] / (count + 1)
        distribution[row, most] = 1.0
        count = 0
        for k in range(_BINS):
            while distribution[row, count] <= k / _BINS:
                count += 1
            first_guess[row, k] = count
    return distribution, first_guess


@njit(cache=True, nogil=True)
def _read_out(  # type: ignore[no-untyped-def]  # pragma: no cover
    values, uniforms, normals, distribution, first_guess, scale, deviation, out
):
    flat = out.reshape(-1)
    for i in range(values.size):
        row, uniform = values[i], uniforms[i]
        count = first_guess[row, int(uniform * _BINS)]
        while distribution[row, count] <= uniform:
            count += 1
        flat[i] = np.uint8(min(max(count * scale + deviation * normals[i] + 0.5, 0.0), 255.0))
