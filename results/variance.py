"""Two sources of variance in a difference of training methods: the choice of images and the training runs.

A method is the mean of its runs (seeds); a contrast is a weighted sum of methods, a difference one of weights 1 and -1.
Images are crossed with runs: every run answers the same images. The variance over images holds the runs fixed, the
variance over runs the images; each holds the interaction of the two once, so the total is their sum less the
interaction (as in Cameron, Gelbach & Miller 2011, J. Bus. Econ. Stat. 29:238).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .statistics import LEVEL


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
        images: Over images with the runs fixed; from `significance.arms`, with n - 1 degrees of freedom.
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
