"""Draws that depend on the image and the condition alone: counter-based, or as the published scripts make them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# Random numbers that depend only on the seed, the image and the condition.


def generator(seed: int, image_id: str, corruption: str, severity: int) -> np.random.Generator:
    """The random numbers of one image under one condition.

    Args:
        seed: The seed of the whole benchmark.
        image_id: The image's stable name.
        corruption: The corruption's name.
        severity: 1 to 5.

    Returns:
        A generator on a counter-based Philox stream whose 128-bit key is a hash of the arguments, so that streams of
        different images never overlap and need no order.
    """
    # JSON separates the parts unambiguously, whatever characters an id contains.
    text = json.dumps([int(seed), str(image_id), corruption, int(severity)])
    key = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


# The random numbers of the kernels: either counter-based, or as the published scripts drew them.
#
# A kernel draws its random numbers in the order of the published script. The noises and glass blur draw *words*
# instead of floats: uniform integers in [0, 2**32), which the kernel turns into a grey level by inverting the exact
# distribution (see `noise`), or into an offset. The legacy draws therefore map a normal, a count, a coin or an offset
# to a word that gives the same result.


Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
"""Each element contains two words of 32 bits, the lower one first; if their number is odd, the last one is unused."""


class Draws(Protocol):
    """The random numbers that a kernel can draw."""

    def normal(self, mean: float, deviation: float, shape: tuple[int, ...]) -> Floats:
        """Independent Gaussian numbers."""

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> Floats:
        """Independent uniform numbers in [low, high)."""

    def integer(self, high: int) -> int:
        """A uniform integer in [0, high)."""

    def cell_words(self, count: int, span: int) -> Words:
        """Words that, times ``span * span`` and shifted by 32 bits, are the index of a cell in such a square."""

    def normal_words(self, count: int, deviation: float) -> Words:
        """Arguments of a Gaussian quantile function, scaled to words."""

    def poisson_words(self, rates: NDArray[np.uint8], photons: float) -> Words:
        """Arguments of the quantile function of a Poisson with mean ``rates / 255 * photons``, one for each rate."""

    def strike_words(self, count: int, share: float) -> Words:
        """Words below ``share / 2`` for pepper, above ``1 - share / 2`` for salt, and between for neither."""


class CounterDraws:
    """Draws from a counter-based generator; distributions are exact to one part in 2**32 or better."""

    def __init__(self, start: Callable[[], np.random.Generator]) -> None:
        """``start`` is only called at the first draw, because half of the corruptions draw nothing."""
        self._start = start

    @cached_property
    def _rng(self) -> np.random.Generator:
        return self._start()

    def normal(self, mean: float, deviation: float, shape: tuple[int, ...]) -> Floats:
        """Independent Gaussian numbers."""
        return self._rng.normal(mean, deviation, shape)

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> Floats:
        """Independent uniform numbers in [low, high)."""
        return np.asarray(self._rng.uniform(low, high, shape))

    def integer(self, high: int) -> int:
        """A uniform integer in [0, high)."""
        return int(self._rng.integers(0, high))

    def words(self, count: int) -> Words:
        """The generator's own output, without any arithmetic."""
        return self._rng.integers(0, 1 << 64, (count + 1) // 2, dtype=np.uint64)

    def cell_words(self, count: int, span: int) -> Words:
        """See `Draws.cell_words`."""
        return self.words(count)

    def normal_words(self, count: int, deviation: float) -> Words:
        """See `Draws.normal_words`."""
        return self.words(count)

    def poisson_words(self, rates: NDArray[np.uint8], photons: float) -> Words:
        """See `Draws.poisson_words`."""
        return self.words(rates.size)

    def strike_words(self, count: int, share: float) -> Words:
        """See `Draws.strike_words`."""
        return self.words(count)
