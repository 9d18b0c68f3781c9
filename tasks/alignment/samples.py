"""Which stimuli and which observers each bootstrap sample draws."""

from __future__ import annotations

import zlib

import numpy as np

REPLICATES = 1000
"""Default number of bootstrap samples."""

_PIECE = 4_000_000


def stimulus_counts(what: str, n: int, replicates: int, seed: int = 0) -> np.ndarray:
    """How often each of n stimuli is in each sample.

    The draws depend on these arguments alone: all observers of a condition meet the same samples, which is what makes
    consistency and differences between observers come out right, and no two conditions share theirs.

    Args:
        what: Data set and condition, such as ``"contrast/c30"``.
        n: Stimuli.
        replicates: B.
        seed: Seed.

    Returns:
        float32 (B + 1, n): first the data as they are, all ones, then B samples drawn with replacement; rows sum to n.
    """
    rng = np.random.default_rng([seed, zlib.crc32(what.encode()), n])
    counts = np.ones((replicates + 1, n), np.float32)
    piece = max(1, _PIECE // max(n, 1))
    for start in range(1, replicates + 1, piece):
        rows = min(piece, replicates + 1 - start)
        drawn = rng.integers(n, size=(rows, n)) + np.arange(rows)[:, None] * n
        counts[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
    return counts


def observer_counts(what: str, people: int, replicates: int, seed: int = 0) -> np.ndarray:
    """How often each person is in each sample of people.

    Samples that hold one person over and over are drawn again, since such a sample has no pair of people; of four
    people one sample in 64 would be one.

    Args:
        what: Data set; people of different data sets are different people.
        people: Their number.
        replicates: B.
        seed: Seed.

    Returns:
        float64 (B, people); rows sum to ``people``.
    """
    rng = np.random.default_rng([seed, zlib.crc32(b"people of " + what.encode()), people])
    shares = np.full(people, 1 / people)
    counts = rng.multinomial(people, shares, size=replicates)
    while people > 1 and (alone := (counts == people).any(axis=1)).any():
        counts[alone] = rng.multinomial(people, shares, size=int(alone.sum()))
    return counts.astype(np.float64)


def reflected(draws: np.ndarray, value: np.ndarray | float) -> np.ndarray:
    """Samples mirrored at the value found, which turns percentile intervals into basic ones (Davison & Hinkley 1997).

    Sampling adds its own noise to a squared difference, so that samples lie above the value, which lies above the truth
    already; percentiles of them may not even hold the value. Mirrored they lie below, where the truth is.
    """
    return 2 * np.asarray(value) - draws


def limits(draws: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of many quantities at once.

    Args:
        draws: float64 (B, ...).
        level: Coverage.

    Returns:
        Two float64 (...). Undefined samples are ignored where they are fewer than one in ten; else NaN.
    """
    ends = [0.5 - level / 2, 0.5 + level / 2]
    low, high = np.full(draws.shape[1:], np.nan), np.full(draws.shape[1:], np.nan)
    if len(draws) == 0:
        return low, high
    defined = np.isfinite(draws).sum(axis=0)
    whole = defined == len(draws)
    if whole.any():
        low[whole], high[whole] = np.quantile(draws[:, whole], ends, axis=0)
    partly = ~whole & (defined >= 0.9 * len(draws))
    if partly.any():
        low[partly], high[partly] = np.nanquantile(draws[:, partly], ends, axis=0)
    return low, high
