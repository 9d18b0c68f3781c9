"""The same kernels with the random numbers of the published scripts, to compare our output with theirs.

The published scripts draw from numpy's legacy `numpy.random.RandomState` in a fixed order. With a state of the same
seed, `corrupt_reference` returns their pixels, up to rounding. It is only meant for comparison: if images share a
random stream, each result depends on the images before it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, pdtr

from vitobench.tasks.corruptions.draws import Floats, Words
from vitobench.tasks.corruptions.engine import check, finish
from vitobench.tasks.corruptions.filters import Pixels
from vitobench.tasks.corruptions.registry import find

_WORDS = 2.0**32


class LegacyDraws:
    """Draws with the order and methods of the published scripts."""

    def __init__(self, state: np.random.RandomState) -> None:
        self._state = state

    def normal(self, mean: float, deviation: float, shape: tuple[int, ...]) -> Floats:
        """Independent Gaussian numbers."""
        return self._state.normal(mean, deviation, shape)

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> Floats:
        """Independent uniform numbers in [low, high)."""
        return np.asarray(self._state.uniform(low, high, shape))

    def integer(self, high: int) -> int:
        """A uniform integer in [0, high)."""
        return int(self._state.randint(0, high))

    def cell_words(self, count: int, span: int) -> Words:
        """The script's pairs of offsets; drawing them all at once gives the same numbers as one after the other."""
        right, down = self._state.randint(0, span, (count, 2)).T
        return _pack((right * span + down + 0.5) / span**2)

    def normal_words(self, count: int, deviation: float) -> Words:
        """The script's normals as quantiles."""
        return _pack(ndtr(self._state.normal(0.0, deviation, count) / deviation))

    def poisson_words(self, rates: NDArray[np.uint8], photons: float) -> Words:
        """The script's photon counts as the middle of their quantile intervals."""
        means = rates.ravel() / 255.0 * photons
        counts = self._state.poisson(means)
        return _pack((pdtr(counts, means) + np.where(counts > 0, pdtr(counts - 1, means), 0.0)) / 2)

    def strike_words(self, count: int, share: float) -> Words:
        """The script's two coins: whether a value is replaced, and whether by salt.

        They come from `numpy.random.choice` with the global state, as in scikit-image when the set was published; newer
        versions use a generator of their own.
        """
        struck = self._state.random_sample(count) < share
        salt = self._state.random_sample(count) < 0.5
        return _pack(np.where(struck, np.where(salt, 1.0, 0.0), 0.5))


def _pack(quantiles: Floats) -> Words:
    """Quantiles in [0, 1] as pairs of words."""
    words = np.zeros(quantiles.size + quantiles.size % 2, np.uint64)
    words[: quantiles.size] = np.clip(quantiles.ravel() * _WORDS, 0, _WORDS - 1).astype(np.uint64)
    return words[::2] | words[1::2] << np.uint64(32)


def corrupt_reference(
    image: Pixels, corruption: str, severity: int, random_state: np.random.RandomState, *, variant: str = "raw"
) -> Pixels:
    """Corrupt one image with the random numbers of the published script.

    Args:
        image: uint8 ``(H, W, 3)``, RGB. At 224 pixels the constants are ImageNet-C's, at 64 Tiny ImageNet-C's.
        corruption: One of `CORRUPTIONS` or `EXTRA`.
        severity: 1 to 5.
        random_state: Plays the part of numpy's global state in the script, and is advanced like it.
        variant: One of `VARIANTS`.

    Returns:
        A new uint8 array with the shape of `image`.

    Raises:
        UnknownNameError: `corruption` or `variant` is unknown.
        ValueError: The severity, shape or dtype is invalid.
    """
    spec = find(corruption)
    check(np.asarray(image)[None], severity, variant, spec)
    arguments = spec.parameters(int(severity), *image.shape[:2])
    return finish(spec.load()(np.ascontiguousarray(image), LegacyDraws(random_state), **arguments), variant)
