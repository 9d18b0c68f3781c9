"""Weighted sums of training methods on the same resampled units: a difference of two, or an effect over many.

In a factorial design the main effect of a factor is the mean of the methods that have it less the mean of those that
have not, and an interaction is the difference of two such differences (Box, Hunter & Hunter 2005, Statistics for
Experimenters, ch. 5). Each is a sum of methods with weights that add up to 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..results import statistics, variance
from ..results.schema import Effect
from ..results.significance import arms, minimum_detectable, t_test
from .kinds.kind import Measure
from .prepared import Prepared, estimate
from .resampling import Sampled

Methods = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Runs:
    """A measure of the runs of one method.

    Attributes:
        values: (runs,).
        draws: (runs, B), all on the same samples of units.
    """

    values: np.ndarray
    draws: np.ndarray


def together(
    prepared: Prepared, models: Sequence[str], measure: Measure | None = None
) -> tuple[dict[str, Sampled], int] | None:
    """The same units of several models and of the reference, if there is one; and how many.

    Returns:
        None where one of them has no answers, or none that all have; see `Resampler.together` for one measure.
    """
    everyone = dict.fromkeys([*models, *([prepared.reference] if prepared.reference else [])])
    return prepared.resampler.together(list(everyone), measure)


def numbers_on(prepared: Prepared, models: Sequence[str]) -> Iterator[tuple[Measure, dict[str, Sampled], int]]:
    """Every measure that all of some models have, with the units that it is computed on and their number."""
    whole = together(prepared, models)
    if whole is None:
        return
    for measure in prepared.measures:
        if measure.needs_reference and prepared.reference is None:
            continue
        shared = together(prepared, models, measure) if measure.defined_only else whole
        if shared is not None:
            yield measure, *shared


def measured(measure: Measure, runs: Sequence[Sampled], reference: Sampled | None) -> Runs:
    """A measure of several runs.

    Args:
        measure: What to compute.
        runs: The units of each run.
        reference: Those of the model that normalises errors, where the measure needs it.
    """
    found = [estimate(measure, run, reference) for run in runs]
    return Runs(np.array([value for value, _ in found]), np.array([draws for _, draws in found]))


def averaged(units: np.ndarray) -> Runs:
    """The mean over units of several runs; equal numbers of units meet equal samples.

    Args:
        units: float64 (runs, n), the same units for every run.
    """
    return Runs(units.mean(axis=1), statistics.resampled_means(np.ascontiguousarray(units.T)).T)


def total(methods: Sequence[tuple[float, Runs]]) -> tuple[float, np.ndarray]:
    """The weighted sum of the means of methods, and its draws (B,)."""
    value = sum(weight * float(runs.values.mean()) for weight, runs in methods)
    draws = np.sum([weight * runs.draws.mean(axis=0) for weight, runs in methods], axis=0)
    return value, draws


def over_runs(methods: Sequence[tuple[float, Runs]], n: int) -> dict[str, Any]:
    """What the runs add to a weighted sum of methods: its interval over runs, over both, p and detectable size.

    Args:
        methods: Weight and runs of each.
        n: Units.

    Returns:
        Fields that `MethodComparison` and `Effect` share.
    """
    value, draws = total(methods)
    runs = variance.over_runs([(weight, part.values) for weight, part in methods])
    shared = variance.interaction([(weight, part.draws) for weight, part in methods])
    # Each side with its own arm over images.
    below, above = (
        variance.over_both(variance.Component(error**2, n - 1), runs, shared) for error in arms(value, draws)
    )
    both = below if value > 0 else above
    error = math.sqrt(both.variance)
    runs_low, runs_high = variance.t_interval(value, runs)
    both_low, both_high = variance.t_interval(value, below)[0], variance.t_interval(value, above)[1]
    return {
        "p": t_test(value, error, both.df),
        "minimum_detectable": minimum_detectable(error, both.df),
        "runs_ci_low": runs_low,
        "runs_ci_high": runs_high,
        "both_ci_low": both_low,
        "both_ci_high": both_high,
        "df": both.df,
    }


def contrast(prepared: Prepared, name: str, weights: Mapping[str, float], methods: Methods) -> list[Effect]:
    """A weighted sum of methods in every measure of a task.

    Args:
        prepared: One task.
        name: What the sum is called.
        weights: By method; a method without runs of its own is a model.
        methods: The runs of each method.

    Returns:
        Nothing where a run has no answers: the mean of the others would be another number.
    """
    runs = {method: tuple(methods.get(method, (method,))) for method in weights}
    rows = []
    for measure, sampled, n in numbers_on(prepared, [run for members in runs.values() for run in members]):
        other = sampled[prepared.reference] if measure.needs_reference and prepared.reference else None
        parts = [
            (weight, measured(measure, [sampled[run] for run in runs[method]], other))
            for method, weight in weights.items()
        ]
        if math.isnan(total(parts)[0]):
            continue
        rows.append(effect(name, prepared.task.name, measure.condition, measure.metric, parts, n))
    return rows


def effect(name: str, task: str, condition: str, metric: str, methods: Sequence[tuple[float, Runs]], n: int) -> Effect:
    """A weighted sum of methods in one measure, with its intervals.

    Args:
        name: What the sum is called.
        task: Task name.
        condition: As in `Score`.
        metric: As in `Score`.
        methods: Weight and runs of each.
        n: Units.
    """
    value, draws = total(methods)
    low, high = statistics.interval(draws)
    runs = sum(len(part.values) for _, part in methods)
    return Effect(name, task, condition, metric, value, low, high, n=n, runs=runs, **over_runs(methods, n))
