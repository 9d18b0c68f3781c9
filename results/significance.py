"""Paired tests, Holm's correction and the smallest detectable difference. Pure functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from .statistics import LEVEL, interval

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
