"""Intervals and paired tests. Everything is a function of per-image columns, resampled by image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

REPLICATES = 2000
LEVEL = 0.95
_CACHED_DRAWS = 100_000_000  # one byte each; larger problems are drawn anew every time
_PIECE = 5_000_000  # draws that are multiplied at a time


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
        columns: (n, k), one row an image; float32 for whole numbers such as hits and misses, else float64.
        replicates: B.
        seed: Seed of the draws.

    Returns:
        float64 (B, k); NaN where there is no image.
    """
    n = len(columns)
    # Hits and misses and their sums are whole numbers under 2**24, which float32 holds exactly, at twice the speed.
    whole = columns.dtype == np.float32 and n < 2**24
    values = columns if whole else np.asarray(columns, dtype=np.float64)
    if n == 0:
        return np.full((replicates, values.shape[1]), np.nan)
    out = np.empty((replicates, values.shape[1]))
    for start, counts in draws(n, replicates, seed):
        out[start : start + len(counts)] = counts.astype(values.dtype) @ values
    return out / n


def draws(n: int, replicates: int = REPLICATES, seed: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """The samples of `resampled_means`, in pieces, for numbers that are not functions of means.

    Args:
        n: Images, at least one.
        replicates: B.
        seed: Seed of the draws.

    Yields:
        The number of the first replicate of a piece, and how often each image is in each of its replicates, uint8
        (replicates of the piece, n); every row sums to n.
    """
    piece = max(1, _PIECE // n)
    known = _counts(n, replicates, seed) if n * replicates <= _CACHED_DRAWS else None
    rng = np.random.default_rng([seed, n])
    for start in range(0, replicates, piece):
        stop = min(start + piece, replicates)
        yield start, known[start:stop] if known is not None else _draw(rng, n, stop - start)


def _draw(rng: np.random.Generator, n: int, replicates: int) -> np.ndarray:
    """How often each of n images is drawn in n draws with replacement, uint8 (replicates, n)."""
    counts = np.empty((replicates, n), np.uint8)
    for row in counts:
        # No image is drawn 256 times: even at n = 300 that has a probability under 1e-500.
        row[:] = np.bincount(rng.integers(n, size=n, dtype=np.int32), minlength=n)
    return counts


@lru_cache(maxsize=2)
def _counts(n: int, replicates: int, seed: int) -> np.ndarray:
    """The draws of `resampled_means`, kept: every model and pair of a task asks for the same ones.

    Making them takes longer than using them.
    """
    counts = _draw(np.random.default_rng([seed, n]), n, replicates)
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
