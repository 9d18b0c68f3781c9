"""Ranks of models by one score, with intervals over images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .statistics import interval


@dataclass(frozen=True)
class Contest:
    """The main number of some models on the same images.

    Attributes:
        task: Task name.
        metric: Metric of the whole task.
        models: Names.
        values: float64 (models,).
        draws: float64 (models, B), on the same bootstrap samples.
        n: Images that all of them answered.
    """

    task: str
    metric: str
    models: tuple[str, ...]
    values: np.ndarray
    draws: np.ndarray
    n: int


@dataclass(frozen=True)
class Rank:
    """One model's place.

    Attributes:
        model: Model name.
        task: Task name.
        metric: Metric of the whole task.
        value: Its number on the images that all models answered.
        rank: 1 is best; equal models share the mean of their places.
        ci_low: Best place in the 95 % interval over images.
        ci_high: Worst place in it.
        n: Images that all of them answered.
    """

    model: str
    task: str
    metric: str
    value: float
    rank: float
    ci_low: float
    ci_high: float
    n: int


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
    """Ranks with percentile intervals over the bootstrap samples, best first.

    Args:
        contest: Values and draws.
        better: 1 when higher is better, -1 when lower is.
    """
    places = ranks_of(contest.values, better)
    whole = contest.draws[:, np.isfinite(contest.draws).all(axis=0)]
    drawn = ranks_of(whole, better)
    rows = []
    for number, model in enumerate(contest.models):
        ends = interval(drawn[number]) if whole.shape[1] else (np.nan, np.nan)
        value, place = float(contest.values[number]), float(places[number])
        rows.append(Rank(model, contest.task, contest.metric, value, place, *ends, contest.n))
    return sorted(rows, key=lambda row: row.rank)


def mean_ranks(rows: Sequence[Rank]) -> dict[str, float]:
    """Mean place of each model over tasks, in the order of their first appearance."""
    places: dict[str, list[float]] = {}
    for row in rows:
        places.setdefault(row.model, []).append(row.rank)
    return {model: float(np.mean(found)) for model, found in places.items()}
