"""Noise: Gaussian, shot (Poisson), impulse (salt and pepper) and speckle, of Hendrycks & Dietterich (ICLR 2019).

For each of these noises, an output is one of 256 levels whose distribution depends on the input value alone. So each
noise at each severity is a table of 256 exact distribution functions, stored as integers, and a single kernel draws
from any of them by inversion: the smallest level whose distribution function exceeds a uniform 32-bit integer. This is
several times faster than sampling normals and Poisson counts, and no pixel depends on floating-point arithmetic, which
may differ between machines.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtr, pdtr

from ..draws import Draws, Floats, Words
from ..filters import Pixels

Table = tuple[NDArray[np.uint32], NDArray[np.uint8]]
"""The largest word that gives at most a level, ``(256 values, 256 levels)``; and the smallest level possible for a word
with given highest ten bits, ``(256 values, 1024)``."""

_GUIDE_BITS = 10


def gaussian_noise(image: Pixels, draws: Draws, *, deviation: float) -> Pixels:
    """Add independent Gaussian noise to every value.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: One word for each value.
        deviation: Standard deviation of the noise, on a scale of [0, 1].
    """
    return redraw(image, draws.normal_words(image.size, deviation), _table(_gaussian_law, float(deviation)))


def speckle_noise(image: Pixels, draws: Draws, *, deviation: float) -> Pixels:
    """Add independent Gaussian noise proportional to every value.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: One word for each value.
        deviation: Standard deviation of the noise as a share of the value.
    """
    return redraw(image, draws.normal_words(image.size, deviation), _table(_speckle_law, float(deviation)))


def shot_noise(image: Pixels, draws: Draws, *, photons: float) -> Pixels:
    """Count photons: every value becomes a Poisson draw around it.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: One word for each value.
        photons: Expected count of a white value, an integer; fewer photons are noisier.
    """
    return redraw(image, draws.poisson_words(image, photons), _table(_shot_law, float(photons)))


def impulse_noise(image: Pixels, draws: Draws, *, share: float) -> Pixels:
    """Set some values to 255 (salt) and as many to 0 (pepper), independently in each channel.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: One word for each value, which decides between pepper, nothing and salt.
        share: Share of values to replace, in [0, 1].
    """
    return redraw(image, draws.strike_words(image.size, share), _table(_impulse_law, float(share)))


def _gaussian_law(deviation: float) -> Floats:
    """Probability ``[v, k]`` that value v becomes at most level k, that is, that ``v + noise`` is below ``k + 1``."""
    step = np.arange(1.0, 257) - np.arange(256.0)[:, None]
    return ndtr(step / (255.0 * deviation))


def _speckle_law(deviation: float) -> Floats:
    value = np.arange(256.0)[:, None]
    with np.errstate(divide="ignore"):  # black stays black, and all its steps are positive
        return ndtr((np.arange(1.0, 257) - value) / (value * deviation))


def _shot_law(photons: float) -> Floats:
    value, level = np.arange(256.0)[:, None], np.arange(256.0)
    levels = (np.arange(int(photons) + 1) / photons * 255).astype(int)  # of each count; truncated, like every output
    most = np.searchsorted(levels, level, side="right") - 1.0  # the largest count that gives at most this level
    return pdtr(most, value / 255.0 * photons)


def _impulse_law(share: float) -> Floats:
    value, level = np.arange(256)[:, None], np.arange(256)
    return np.where(level >= value, 1 - share / 2, share / 2)


@lru_cache(maxsize=64)
def _table(law: Callable[[float], Floats], parameter: float) -> Table:
    """A distribution as integers. Everything above white becomes white."""
    chances = law(parameter)
    chances[:, 255] = 1.0
    ends = np.ceil(chances * 2.0**32).astype(np.int64)  # exclusive
    starts = np.arange(1 << _GUIDE_BITS) << (32 - _GUIDE_BITS)
    guide = np.stack([np.searchsorted(row, starts, side="right") for row in ends])
    # Levels with probability 0 may have the end 0, so that ``ends - 1`` wraps; no guide points to them, so it is not
    # read.
    return (ends - 1).astype(np.uint32), guide.astype(np.uint8)


def redraw(image: Pixels, words: Words, table: Table) -> Pixels:
    """Replace every value by a draw from its distribution.

    Args:
        image: uint8, any shape.
        words: One word for each value.
        table: The distributions.
    """
    out = np.empty_like(image)
    _redraw(image.ravel(), words, *table, out.ravel())
    return out


@njit(cache=True, nogil=True)
def _redraw(values, words, ends, guide, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(values.size):
        word = np.uint32(words[i >> 1] >> np.uint64(32 * (i & 1)))
        value = values[i]
        level = np.uint64(guide[value, word >> np.uint32(22)])
        while word > ends[value, level]:
            level += np.uint64(1)
        out[i] = level
