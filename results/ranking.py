"""Models placed among others: ranks by one number with intervals over images, and effective robustness."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .rank_sets import better_on_images, chance_of_gaps, groups_of, rank_intervals

# Ranks of models by one number on the same images.


@dataclass(frozen=True)
class Contest:
    """One number of some models on the same images.

    Attributes:
        task: Task name.
        metric: Metric of the whole task.
        models: Names.
        values: float64 (models,).
        errors: float32 (models, B), by how much other images might have moved the values, the same ones for all models;
            with mean 0. See `statistics.sign_draws`.
        n: Images that all of them answered.
        lacking: Models that have no such number, and why.
    """

    task: str
    metric: str
    models: tuple[str, ...]
    values: np.ndarray
    errors: np.ndarray
    n: int
    lacking: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rank:
    """One model's place.

    Attributes:
        model: Model name.
        task: Task name.
        metric: Metric of the whole task.
        value: Its number on the images that all models answered.
        rank: 1 is best; equal models share the mean of their places.
        ci_low: Best place that its clear differences from the others allow.
        ci_high: Worst such place. All intervals of a task hold together with 95 %, over images.
        n: Images that all of them answered.
        group: 1 for models that are level with the best, 2 for those level with the best of the rest, and so on.
    """

    model: str
    task: str
    metric: str
    value: float
    rank: float
    ci_low: float
    ci_high: float
    n: int
    group: int = 0


def ranks_of(values: np.ndarray, better: int) -> np.ndarray:
    """Ranks along the first axis, 1 the best, ties at their mean place.

    Args:
        values: (models, ...).
        better: 1 when higher is better, -1 when lower is.
    """
    signed = better * values
    above = (signed[None] > signed[:, None]).sum(axis=1)
    level = (signed[None] == signed[:, None]).sum(axis=1)
    ranks: np.ndarray = above + (level + 1) / 2
    return ranks


def ranked(contest: Contest, better: int) -> list[Rank]:
    """Ranks with intervals over images, best first.

    Args:
        contest: Values and their errors.
        better: 1 when higher is better, -1 when lower is.
    """
    places = ranks_of(contest.values, better)
    chance = chance_of_gaps(contest.values, contest.n)
    clear = better_on_images(better * contest.values, better * contest.errors, chance)
    groups = groups_of(clear)
    rows = [
        Rank(
            model, contest.task, contest.metric, float(value), float(place), float(low), float(high), contest.n, int(g)
        )
        for model, value, place, low, high, g in zip(
            contest.models, contest.values, places, *rank_intervals(clear), groups, strict=True
        )
    ]
    return sorted(rows, key=lambda row: row.rank)


# Effective robustness: accuracy under a shift beyond what clean accuracy predicts (Taori et al., NeurIPS 2020).


def logit(p: np.ndarray | float) -> np.ndarray:
    """Log odds of a proportion; infinite at 0 and 1."""
    p = np.asarray(p, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-p)


@dataclass(frozen=True)
class Baseline:
    """A line through models without robustness measures, in log odds of clean and shifted accuracy.

    Attributes:
        slope: Rise of the shifted log odds with the clean ones; float, or float64 (B,) for several lines.
        intercept: Shifted log odds at a clean accuracy of one half; as the slope.
        models: How many models it was fitted to; 0 for a line that counts as known.
        centre: Mean of their clean log odds.
        spread: Sum of the squared distances of these from the centre.
        scatter: Standard deviation of the models around the line, in log odds.
    """

    slope: Any
    intercept: Any
    models: int = 0
    centre: float = 0.0
    spread: float = math.inf
    scatter: float = 0.0

    def predict(self, clean: np.ndarray | float) -> np.ndarray:
        """Shifted accuracy that a clean accuracy in (0, 1) lets expect."""
        return 1.0 / (1.0 + np.exp(-(self.slope * logit(clean) + self.intercept)))

    @property
    def errors(self) -> tuple[float, float]:
        """Standard errors of the slope and the intercept, as of least squares."""
        if not self.models:
            return 0.0, 0.0
        slope = self.scatter / math.sqrt(self.spread)
        return slope, self.scatter * math.sqrt(1 / self.models + self.centre**2 / self.spread)

    def band(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the line is with 95 % confidence, by Student's t with two degrees of freedom less than models.

        Args:
            at: float (n,), clean log odds.

        Returns:
            Lower and upper shifted log odds, float64 (n,); both are the line if it counts as known.
        """
        from scipy.special import stdtrit

        y = self.slope * at + self.intercept
        if self.models < 3:
            return y, y
        error = self.scatter * np.sqrt(1 / self.models + (at - self.centre) ** 2 / self.spread)
        half = stdtrit(self.models - 2, 0.975) * error
        return y - half, y + half

    def draws(self, count: int, seed: int = 0) -> Baseline:
        """Lines that other models of the same kind might have given.

        The models count as independent, which those of one family are not quite, and their scatter as normal.

        Args:
            count: How many lines B.
            seed: Of the draws.

        Returns:
            A line whose slope and intercept are float64 (B,), jointly t-distributed around those of this one.
        """
        if self.models < 3:
            return self
        random = np.random.Generator(np.random.Philox(seed))
        free = self.models - 2
        scatter = self.scatter * np.sqrt(free / random.chisquare(free, count))
        slope = self.slope + scatter / math.sqrt(self.spread) * random.standard_normal(count)
        middle = self.slope * self.centre + self.intercept
        middle = middle + scatter / math.sqrt(self.models) * random.standard_normal(count)
        return replace(self, slope=slope, intercept=middle - slope * self.centre, models=0)


def fit_baseline(clean: np.ndarray, shifted: np.ndarray) -> Baseline:
    """Fit the line by least squares in log odds.

    Args:
        clean: float (models,), accuracies on the clean set, strictly between 0 and 1.
        shifted: float (models,), accuracies of the same models on the shifted set, strictly between 0 and 1.

    Raises:
        ValueError: Fewer than two different clean accuracies, or an accuracy of 0 or 1, whose log odds are infinite.
    """
    x, y = logit(clean), logit(shifted)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a baseline needs accuracies strictly between 0 and 1")
    if len(np.unique(x)) < 2:
        raise ValueError("a baseline needs models of at least two different clean accuracies")
    spread = ((x - x.mean()) ** 2).sum()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / spread
    intercept = y.mean() - slope * x.mean()
    left = y - slope * x - intercept
    scatter = math.sqrt((left**2).sum() / (len(x) - 2)) if len(x) > 2 else 0.0
    return Baseline(float(slope), float(intercept), len(x), float(x.mean()), float(spread), scatter)


def effective_robustness(clean: np.ndarray | float, shifted: np.ndarray | float, baseline: Baseline) -> np.ndarray:
    """Shifted accuracy minus what the baseline predicts from the clean one.

    Args:
        clean: Accuracies on the clean set, in (0, 1).
        shifted: Accuracies on the shifted set, same shape.
        baseline: Of the same pair of sets.

    Returns:
        In accuracy, same shape; 0 on the line, above 0 where the model is more robust than its clean accuracy explains.
    """
    return np.asarray(shifted, dtype=np.float64) - baseline.predict(clean)
