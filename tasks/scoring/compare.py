"""Paired differences of models, and weighted sums of training methods, on the same resampled units."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...results import statistics
from ...results.ranking import Contest
from ...results.schema import Comparison, Effect, MethodComparison
from ...results.statistics import arms, error_towards_zero, mcnemar, minimum_detectable, t_test
from ...results.suite_ranking import COVERED
from ..kinds.kind import Measure
from .samples import Prepared, Resampler, Sampled, errors_by_unit, estimate, point

# Weighted sums of training methods on the same resampled units: a difference of two, or an effect over many.
#
# In a factorial design the main effect of a factor is the mean of the methods that have it less the mean of those that
# have not, and an interaction is the difference of two such differences (Box, Hunter & Hunter 2005, Statistics for
# Experimenters, ch. 5). Each is a sum of methods with weights that add up to 0.


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
) -> tuple[dict[str, Sampled], np.ndarray] | None:
    """The same units of several models and of the reference, if there is one; and their ids.

    Returns:
        None where one of them has no answers, or none that all have; see `Resampler.together` for one measure.
    """
    everyone = dict.fromkeys([*models, *([prepared.reference] if prepared.reference else [])])
    return prepared.resampler.together(list(everyone), measure)


def numbers_on(
    prepared: Prepared, models: Sequence[str], main_only: bool = False
) -> Iterator[tuple[Measure, dict[str, Sampled], int]]:
    """Every measure that all of some models have, or the main one, with its units and their number."""
    whole = together(prepared, models)
    if whole is None:
        return
    main = (prepared.task.kind.whole(prepared.task), prepared.task.metric)
    for measure in prepared.measures:
        if main_only and (measure.condition, measure.metric) != main:
            continue
        if measure.needs_reference and prepared.reference is None:
            continue
        if not all(measure.applies_to(prepared.resampler.units[model].columns) for model in models):
            continue
        shared = together(prepared, models, measure) if measure.defined_only else whole
        if shared is not None:
            yield measure, shared[0], len(shared[1])


def measured(measure: Measure, runs: Sequence[Sampled], reference: Sampled | None) -> Runs:
    """A measure of several runs.

    Args:
        measure: What to compute.
        runs: The units of each run.
        reference: Those of the model that normalises errors, where the measure needs it.
    """
    estimates = [estimate(measure, run, reference) for run in runs]
    return Runs(np.array([value for value, _ in estimates]), np.array([draws for _, draws in estimates]))


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
    runs = statistics.over_runs([(weight, part.values) for weight, part in methods])
    shared = statistics.interaction([(weight, part.draws) for weight, part in methods])
    # Each side with its own arm over images.
    below, above = (
        statistics.over_both(statistics.Component(error**2, n - 1), runs, shared) for error in arms(value, draws)
    )
    both = below if value > 0 else above
    error = math.sqrt(both.variance)
    runs_low, runs_high = statistics.t_interval(value, runs)
    both_low, both_high = statistics.t_interval(value, below)[0], statistics.t_interval(value, above)[1]
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


# Paired differences of models, and of methods with several runs, on the same resampled units.


def compare(
    prepared: Prepared, a: str, b: str, methods: Methods | None = None, main_only: bool = False
) -> list[Comparison]:
    """Differences in every measure that both have.

    Args:
        prepared: One task.
        a: A model, or a method.
        b: What to subtract.
        methods: The runs of each method.
        main_only: Compare by the main number of the whole task alone.

    Returns:
        `MethodComparison` rows where either side is a method. Nothing where a side, or one of its runs, has no answers:
        the mean of the other runs would be another number.
    """
    runs = {side: tuple((methods or {}).get(side, (side,))) for side in (a, b)}
    several = any(side in (methods or {}) for side in (a, b))
    rows: list[Comparison] = []
    for measure, sampled, n in numbers_on(prepared, [*runs[a], *runs[b]], main_only):
        counts = {side: len(prepared.resampler.common(runs[side])) for side in (a, b)}
        left, right = [sampled[model] for model in runs[a]], [sampled[model] for model in runs[b]]
        third = sampled[prepared.reference] if measure.needs_reference and prepared.reference else None
        effect = _difference(measure, left, right, third, n, several)
        if effect is None:
            continue
        kind = MethodComparison if several else Comparison
        row: dict[str, Any] = {
            "a": a,
            "b": b,
            "task": prepared.task.name,
            "condition": measure.condition,
            "metric": measure.metric,
        }
        rows.append(kind(**row, n=n, n_a=counts[a], n_b=counts[b], **effect))
    return rows


def _difference(
    measure: Measure, left: Sequence[Sampled], right: Sequence[Sampled], third: Sampled | None, n: int, several: bool
) -> dict[str, Any] | None:
    parts = [(1.0, measured(measure, left, third)), (-1.0, measured(measure, right, third))]
    difference, draws = total(parts)
    if math.isnan(difference):
        return None
    low, high = statistics.interval(draws)
    effect: dict[str, Any] = {"difference": difference, "ci_low": low, "ci_high": high}
    if several:
        counts = {"test": "two-way-t", "runs_a": len(left), "runs_b": len(right)}
        return effect | over_runs(parts, n) | counts
    error = error_towards_zero(difference, draws)
    if measure.proportion is not None:
        hits = left[0].column(measure.proportion) > 0.5, right[0].column(measure.proportion) > 0.5
        p, test = mcnemar(int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum()))
    else:
        p, test = t_test(difference, error, n - 1), "clustered-bootstrap"
    return effect | {"p": p, "test": test, "minimum_detectable": minimum_detectable(error)}


# One number of many models on the same units, for ranks.


def contests(
    prepared: Prepared, names: Sequence[str], methods: Methods | None = None, counts_by: Sequence[str] = ()
) -> tuple[Contest | None, Contest | None]:
    """The main number of a task for models and methods, and that by which it enters the rank over a suite.

    Args:
        prepared: One task.
        names: Models and methods.
        methods: The runs of each method.
        counts_by: Metrics in order; the first that the task measures as a whole enters the rank over a suite.

    Returns:
        The first is None where one of them lacks it, as a rank among the others would be another rank, and of one
        model alone. The second names those that lack it, and is None without ``counts_by``.
    """
    task = prepared.task
    whole = {m.metric: m for m in prepared.measures if m.condition == task.kind.whole(task)}
    counting = next((name for name in counts_by if name in whole), None)
    wanted = {name: whole[name] for name in (task.metric if len(names) > 1 else None, counting) if name in whole}
    made = {name: _contest(prepared, measure, names, methods or {}) for name, measure in wanted.items()}
    main = made.get(task.metric)
    return None if main is None or main.lacking or len(names) < 2 else main, made.get(counting or "")


def _contest(prepared: Prepared, measure: Measure, names: Sequence[str], methods: Methods) -> Contest | None:
    """One number of those models and methods that have it, on the units that all of these answered."""
    if measure.needs_reference and prepared.reference is None:
        return None
    runs = {name: tuple(methods.get(name, (name,))) for name in names}
    lacking = _uncovered(prepared.resampler, runs)
    values: dict[str, float] = {}
    while True:
        having = [name for name in names if name not in lacking]
        shared = together(prepared, [run for name in having for run in runs[name]], measure) if having else None
        if shared is None:
            return None
        sampled, ids = shared
        third = sampled[prepared.reference] if measure.needs_reference and prepared.reference else None
        values = {name: float(np.mean([point(measure, sampled[run], third) for run in runs[name]])) for name in having}
        undefined = [name for name, value in values.items() if not math.isfinite(value)]
        if not undefined:
            break
        lacking |= dict.fromkeys(undefined, measure.undefined or "not measured under every condition")
    if measure.beyond:
        # No function of means, so that no image has a part of its own: plain bootstrap draws about their mean.
        runs_drawn = [[estimate(measure, sampled[run], third)[1] for run in runs[name]] for name in having]
        draws = np.array([np.mean(drawn, axis=0) for drawn in runs_drawn])
        draws = draws - draws.mean(axis=1, keepdims=True)
        if not np.isfinite(draws).all():
            return None
    else:
        parts = [[errors_by_unit(measure, sampled[run], third) for run in runs[name]] for name in having]
        errors = np.array([np.mean(part, axis=0) for part in parts])
        draws = statistics.sign_draws(errors, ids, prepared.resampler.replicates)
    task, many = prepared.task.name, tuple(having)
    return Contest(
        task, measure.metric, many, np.array([*values.values()]), draws.astype(np.float32), len(ids), lacking
    )


def _uncovered(resampler: Resampler, runs: Methods) -> dict[str, str]:
    """Models that have no units, or so few that the others would be compared on few, and why."""
    counts = {
        name: len(resampler.common(members)) if all(run in resampler.units for run in members) else 0
        for name, members in runs.items()
    }
    most = max(counts.values(), default=0)
    return {
        name: f"only {count:,} of {most:,} images" if count else "not measured"
        for name, count in counts.items()
        if count < COVERED * most or not count
    }
