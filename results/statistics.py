"""Intervals and paired tests. Everything is a function of per-image columns, resampled by image."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

REPLICATES = 2000
LEVEL = 0.95
_CACHED_DRAWS = 5_000_000  # draws kept in memory, 40 MB; larger problems are drawn in pieces of this size

Statistic = Callable[[np.ndarray], np.ndarray]
"""From column means, float64 (B, columns), to B values."""


def wilson(successes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927).

    Args:
        successes: 0..n.
        n: Trials; 0 gives NaN.
        level: Coverage.

    Returns:
        Lower and upper end, in [0, 1].
    """
    if n == 0:
        return math.nan, math.nan
    from statistics import NormalDist

    z = NormalDist().inv_cdf(0.5 + level / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At the ends the bound is the proportion itself, which rounding would miss by 1e-17.
    return 0.0 if successes == 0 else max(0.0, centre - half), 1.0 if successes == n else min(1.0, centre + half)


def resampled_means(columns: np.ndarray, replicates: int = REPLICATES, seed: int = 0) -> np.ndarray:
    """Bootstrap means of per-image columns, images drawn with replacement.

    An image is the unit, with all its columns: the same photograph recurs in every condition, so drawing conditions
    apart would make intervals too narrow. The draws depend on (number of images, replicates, seed) alone, so two models
    with the same images meet the same samples and their replicates can be subtracted.

    Args:
        columns: float (n, k), one row an image.
        replicates: B.
        seed: Seed of the draws.

    Returns:
        float64 (B, k); NaN where there is no image.
    """
    n = len(columns)
    values = np.asarray(columns, dtype=np.float64)
    if n == 0:
        return np.full((replicates, values.shape[1]), np.nan)
    if n * replicates <= _CACHED_DRAWS:
        return _counts(n, replicates, seed) @ values / n
    rng = np.random.default_rng([seed, n])
    out = np.empty((replicates, values.shape[1]))
    chunk = max(1, _CACHED_DRAWS // n)
    for start in range(0, replicates, chunk):
        stop = min(start + chunk, replicates)
        out[start:stop] = rng.multinomial(n, np.full(n, 1.0 / n), size=stop - start).astype(np.float64) @ values / n
    return out


@lru_cache(maxsize=3)
def _counts(n: int, replicates: int, seed: int) -> np.ndarray:
    """How often each image is drawn in each replicate, float64 (replicates, n).

    Every model and pair of a task asks for the same draws, and making them takes longer than using them.
    """
    rng = np.random.default_rng([seed, n])
    counts = rng.multinomial(n, np.full(n, 1.0 / n), size=replicates).astype(np.float64)
    counts.flags.writeable = False
    return counts


def interval(replicates: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval; NaN where a replicate is undefined."""
    if not np.isfinite(replicates).all():
        finite = replicates[np.isfinite(replicates)]
        if len(finite) < 0.9 * len(replicates):
            return math.nan, math.nan
        replicates = finite
    low, high = np.quantile(replicates, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def two_sided_p(replicates: np.ndarray) -> float:
    """Bootstrap p-value of no difference: twice the smaller tail beyond 0, never under 2 / (B + 1)."""
    finite = replicates[np.isfinite(replicates)]
    if len(finite) == 0:
        return math.nan
    below, above = int((finite <= 0).sum()), int((finite >= 0).sum())
    return min(1.0, 2.0 * (min(below, above) + 1) / (len(finite) + 1))
