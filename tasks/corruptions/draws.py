"""The random numbers that the kernels ask for, in two ways: counter-based, or as the published scripts drew them.

A kernel asks for what it needs in the order of the published script. The noises and glass blur ask for *words* instead
of floats: a word is a uniform integer in [0, 2**32), which the kernel turns into a grey level by inverting the exact
law (see `noise`), or into an offset. The legacy way therefore maps a normal, a count, a coin or an offset to a word
that gives it back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
"""Each element holds two words of 32 bits, the lower one first; an odd last one is left over."""


class Draws(Protocol):
    """What a kernel may draw."""

    def normal(self, mean: float, deviation: float, shape: tuple[int, ...]) -> Floats:
        """Independent Gaussian numbers."""

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> Floats:
        """Independent uniform numbers in [low, high)."""

    def integer(self, high: int) -> int:
        """A uniform integer in [0, high)."""

    def cell_words(self, count: int, span: int) -> Words:
        """Words that, times ``span * span`` and shifted by 32 bits, number a cell of a square of that side."""

    def normal_words(self, count: int, deviation: float) -> Words:
        """Words that a Gaussian quantile function takes."""

    def poisson_words(self, rates: NDArray[np.uint8], photons: float) -> Words:
        """Words that a Poisson quantile function with ``rates / 255 * photons`` takes, one for each rate."""

    def strike_words(self, count: int, share: float) -> Words:
        """Words below ``share / 2`` for pepper, above ``1 - share / 2`` for salt, and between for neither."""


class CounterDraws:
    """Draws from a counter-based generator, exact in law to one part in 2**32 or better."""

    def __init__(self, start: Callable[[], np.random.Generator]) -> None:
        """``start`` is called at the first draw; half of the corruptions make none."""
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
        """Words that number a cell of a square."""
        return self.words(count)

    def normal_words(self, count: int, deviation: float) -> Words:
        """Words that a Gaussian quantile function takes."""
        return self.words(count)

    def poisson_words(self, rates: NDArray[np.uint8], photons: float) -> Words:
        """Words that a Poisson quantile function takes."""
        return self.words(rates.size)

    def strike_words(self, count: int, share: float) -> Words:
        """Words that decide between pepper, nothing and salt."""
        return self.words(count)
