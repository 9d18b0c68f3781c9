"""Intervals, paired tests, Holm's correction, variance over images and over training runs: functions of numbers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

# Intervals and paired tests. Everything is a function of per-image columns, resampled by image.


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


def sign_draws(errors: np.ndarray, ids: Sequence[str] | np.ndarray, replicates: int = REPLICATES) -> np.ndarray:
    """Errors of means, as other images might have made them: each image's part with a random sign.

    A multiplier bootstrap with Rademacher's weights (Liu 1988, Ann. Stat. 16:1696; Chernozhukov, Chetverikov & Kato
    2013, Ann. Stat. 41:2786). An image's signs are a digest of its id, so it has the same ones in every task that shows
    it, however many others are there, and draws of several tasks can be added up: what they share counts once, and what
    they do not share is independent.

    Args:
        errors: float (k, n), by how much each image moves each of k numbers from their mean over images.
        ids: Of the n images, or whatever else is drawn; text.
        replicates: B.

    Returns:
        float64 (k, B), with the covariance of the k means.
    """
    n = len(ids)
    out = np.zeros((len(errors), replicates))
    if n < 2:
        return out
    size = -(-replicates // 8)
    piece = max(1, _PIECE // replicates)
    for start in range(0, n, piece):
        part = ids[start : start + piece]
        known = b"".join(hashlib.shake_128(str(one).encode()).digest(size) for one in part)
        bits = np.unpackbits(np.frombuffer(known, np.uint8).reshape(len(part), size), axis=1, count=replicates)
        out += errors[:, start : start + piece].astype(np.float32) @ (2 * bits.astype(np.float32) - 1)
    scaled: np.ndarray = out / math.sqrt(n * (n - 1))
    return scaled


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


# Paired tests, Holm's correction and the smallest detectable difference. Pure functions of numbers.


ALPHA = 0.05
POWER = 0.8
EXACT_UP_TO = 25
"""Discordant images up to which McNemar's test is the exact one."""

TESTS = {
    "mcnemar-exact": "McNemar's exact test, where up to 25 images tell the models apart",
    "mcnemar-mid-p": "McNemar's mid-p test, where more do",
    "clustered-bootstrap": "bootstrap over photographs with all their conditions, the tail beyond it by Student's t",
    "stratified-bootstrap": "bootstrap over stimuli, drawn within each condition, the tail beyond it by Student's t",
    "two-way-t": "Student's t by the variance over photographs and over runs",
}
"""Every ``test`` of a comparison, for people."""


def mcnemar(only_a: int, only_b: int) -> tuple[float, str]:
    """Two-sided McNemar test of two paired proportions.

    Exact (binomial) up to `EXACT_UP_TO` discordant pairs; beyond it the mid-p version, which keeps its level at every
    size where the exact one is too careful (Fagerland, Lydersen & Laake 2013, BMC Med. Res. Methodol. 13:91).

    Args:
        only_a: Images that only the first model gets right.
        only_b: Images that only the second gets right.

    Returns:
        p, 1 where there is no discordant image, and the test's name in `TESTS`.
    """
    from scipy.special import bdtr, gammaln

    n, fewer = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0, "mcnemar-exact"
    twice = 2.0 * float(bdtr(fewer, n, 0.5))
    if n <= EXACT_UP_TO:
        return min(1.0, twice), "mcnemar-exact"
    at = math.exp(gammaln(n + 1) - gammaln(fewer + 1) - gammaln(n - fewer + 1) - n * math.log(2))
    return min(1.0, max(0.0, twice - at)), "mcnemar-mid-p"


def t_test(difference: float, error: float, df: float) -> float:
    """Two-sided p-value of ``difference / error`` by Student's distribution.

    The bootstrap's own p-value cannot fall under 2 / (B + 1), which Holm's correction for hundreds of comparisons would
    turn into 1. With `error_towards_zero` this one goes on beyond that floor, and is under 0.05 where the bootstrap's
    95 % interval excludes 0 (up to the t-distribution's wider tails in small samples).

    Args:
        difference: The estimate.
        error: Its standard error, 0 or more.
        df: Degrees of freedom; at 0 or less nothing can be said, and p is 1.
    """
    from scipy.special import stdtr

    if math.isnan(difference) or math.isnan(error):
        return math.nan
    if difference == 0.0 or df <= 0:
        return 1.0
    if error == 0.0:
        # Every image differs by just the same: as unlikely as that many equal signs.
        return float(2.0 ** max(-df, -1000.0))
    return float(2.0 * stdtr(df, -abs(difference) / error))


def standard_error(draws: np.ndarray) -> float:
    """Standard deviation of bootstrap draws (B,); NaN where over a tenth of them are undefined."""
    finite = draws[np.isfinite(draws)]
    if len(finite) < 2 or len(finite) < 0.9 * len(draws):
        return math.nan
    error = float(finite.std(ddof=1))
    # Draws of a constant differ by rounding.
    return 0.0 if error <= 1e-12 * max(1.0, float(np.abs(finite).max())) else error


def arms(difference: float, draws: np.ndarray) -> tuple[float, float]:
    """Standard errors of an estimate on its lower and its upper side, from the arms of its percentile interval.

    A ratio such as mCE has draws with one long tail, and one standard deviation would speak for neither side (recovery
    of variances from limits: Zou & Donner 2008, Stat. Med. 27:1693). Where an arm has no length it is the standard
    deviation.

    Args:
        difference: The estimate.
        draws: (B,), bootstrap draws of it.
    """
    error = standard_error(draws)
    if not error > 0.0:
        return error, error
    low, high = interval(draws)
    z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
    below, above = (difference - low) / z, (high - difference) / z
    return below if below > 0 else error, above if above > 0 else error


def error_towards_zero(difference: float, draws: np.ndarray) -> float:
    """Standard error on the side on which 0 lies; see `arms`."""
    below, above = arms(difference, draws)
    return below if difference > 0 else above if difference < 0 else max(below, above)


def minimum_detectable(error: float, df: float = math.inf) -> float:
    """Smallest true difference that a two-sided test at `ALPHA` finds with probability `POWER`.

    ``(t(1 - alpha / 2) + t(power)) * error``, about 2.8 standard errors (Cohen 1988; Bloom 1995). NaN where the
    standard error is 0 or undefined: from models that never differed nothing can be told about the spread.

    Args:
        error: Standard error of the paired difference.
        df: Its degrees of freedom; infinite for the normal distribution.
    """
    from scipy.special import ndtri, stdtrit

    if not (error > 0.0 and df > 0):
        return math.nan
    levels = (1 - ALPHA / 2, POWER)
    return error * sum(float(ndtri(level) if math.isinf(df) else stdtrit(df, level)) for level in levels)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down p-values (Holm 1979), which hold the family-wise error under any dependence.

    Args:
        p_values: Of one family; NaN is no comparison and stays NaN.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p, kind="stable")[: int(np.isfinite(p).sum())]  # NaN sorts to the end
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return [math.nan if math.isnan(value) else float(value) for value in adjusted]


# Two sources of variance in a difference of training methods: the choice of images and the training runs.
#
# A method is the mean of its runs (seeds); a contrast is a weighted sum of methods, a difference one of weights 1 and
# -1. Images are crossed with runs: every run answers the same images. The variance over images holds the runs fixed,
# the variance over runs the images; each holds the interaction of the two once, so the total is their sum less the
# interaction (as in Cameron, Gelbach & Miller 2011, J. Bus. Econ. Stat. 29:238).


@dataclass(frozen=True)
class Component:
    """A variance of an estimate, and the degrees of freedom that it is known with.

    Attributes:
        variance: NaN where it cannot be estimated.
        df: 0 where it cannot.
    """

    variance: float
    df: float


def over_runs(methods: Sequence[tuple[float, np.ndarray]]) -> Component:
    """Variance over runs of a weighted sum of methods, with the images fixed (of two methods: Welch 1947).

    Args:
        methods: Weight and (runs,) values of each. A single run is a fixed checkpoint and adds nothing.

    Returns:
        With Welch's and Satterthwaite's degrees of freedom; undefined where no method has two runs.
    """
    parts = [
        (weight**2 * float(np.var(values, ddof=1)) / len(values), len(values) - 1)
        for weight, values in methods
        if len(values) > 1
    ]
    if not parts:
        return Component(math.nan, 0.0)
    return Component(sum(v for v, _ in parts), satterthwaite(parts))


def interaction(methods: Sequence[tuple[float, np.ndarray]]) -> float:
    """Variance of a weighted sum of methods that comes from images on which the runs of one method differ.

    Args:
        methods: Weight and (runs, B) bootstrap draws of each, all on the same samples of images.
    """
    total = 0.0
    for weight, draws in methods:
        runs = len(draws)
        if runs > 1:
            apart = draws - draws.mean(axis=0)
            # Each deviation from the mean of the runs loses 1 / runs of the variance.
            spread = np.nanvar(apart, axis=1, ddof=1).sum() / (runs - 1)
            total += weight**2 * float(spread) / runs
    return total


def over_both(images: Component, runs: Component, shared: float) -> Component:
    """Variance over images and runs.

    Args:
        images: Over images with the runs fixed; from `arms`, with n - 1 degrees of freedom.
        runs: From `over_runs`; undefined where there are no runs to vary.
        shared: From `interaction`, which both hold.

    Returns:
        Never less than the larger of the two, with Satterthwaite's degrees of freedom; over images alone where there
        are no runs to vary.
    """
    if math.isnan(runs.variance):
        return images
    total = max(images.variance + runs.variance - shared, images.variance, runs.variance)
    return Component(total, satterthwaite([(images.variance, images.df), (runs.variance, runs.df)]))


def satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of variances, each with its own (Satterthwaite 1946)."""
    total = sum(variance for variance, _ in parts)
    weight = sum(variance**2 / df for variance, df in parts if df > 0)
    return total**2 / weight if weight > 0 else float(sum(df for _, df in parts))


def t_interval(difference: float, component: Component, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a difference by Student's distribution; NaN where the variance is undefined."""
    from scipy.special import stdtrit

    if math.isnan(component.variance) or component.df <= 0:
        return math.nan, math.nan
    half = float(stdtrit(component.df, 0.5 + level / 2)) * math.sqrt(component.variance)
    return difference - half, difference + half
