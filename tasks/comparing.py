"""Paired differences of models, and of methods with several runs, on the same resampled units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..results import statistics
from ..results.ranking import Contest
from ..results.schema import Comparison, MethodComparison
from ..results.significance import error_towards_zero, mcnemar, minimum_detectable, t_test
from .contrasts import Methods, measured, numbers_on, over_runs, together, total
from .kinds.kind import Measure
from .prepared import Prepared
from .resampling import Sampled


def compare(prepared: Prepared, a: str, b: str, methods: Methods | None = None) -> list[Comparison]:
    """Differences in every measure that both have.

    Args:
        prepared: One task.
        a: A model, or a method.
        b: What to subtract.
        methods: The runs of each method.

    Returns:
        `MethodComparison` rows where either side is a method. Nothing where a side, or one of its runs, has no answers:
        the mean of the other runs would be another number.
    """
    runs = {side: tuple((methods or {}).get(side, (side,))) for side in (a, b)}
    several = any(side in (methods or {}) for side in (a, b))
    rows: list[Comparison] = []
    for measure, sampled, n in numbers_on(prepared, [*runs[a], *runs[b]]):
        counts = {side: len(prepared.resampler.common(runs[side])) for side in (a, b)}
        left, right = [sampled[model] for model in runs[a]], [sampled[model] for model in runs[b]]
        third = sampled[prepared.reference] if measure.needs_reference and prepared.reference else None
        found = _difference(measure, left, right, third, n, several)
        if found is None:
            continue
        kind = MethodComparison if several else Comparison
        row: dict[str, Any] = {
            "a": a,
            "b": b,
            "task": prepared.task.name,
            "condition": measure.condition,
            "metric": measure.metric,
        }
        rows.append(kind(**row, n=n, n_a=counts[a], n_b=counts[b], **found))
    return rows


def _difference(
    measure: Measure, left: Sequence[Sampled], right: Sequence[Sampled], third: Sampled | None, n: int, several: bool
) -> dict[str, Any] | None:
    parts = [(1.0, measured(measure, left, third)), (-1.0, measured(measure, right, third))]
    difference, draws = total(parts)
    if math.isnan(difference):
        return None
    low, high = statistics.interval(draws)
    found: dict[str, Any] = {"difference": difference, "ci_low": low, "ci_high": high}
    if several:
        counts = {"test": "two-way-t", "runs_a": len(left), "runs_b": len(right)}
        return found | over_runs(parts, n) | counts
    error = error_towards_zero(difference, draws)
    if measure.proportion is not None:
        hits = left[0].column(measure.proportion) > 0.5, right[0].column(measure.proportion) > 0.5
        p, test = mcnemar(int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum()))
    else:
        p, test = t_test(difference, error, n - 1), "clustered-bootstrap"
    return found | {"p": p, "test": test, "minimum_detectable": minimum_detectable(error)}


def main_numbers(prepared: Prepared, names: Sequence[str], methods: Methods | None = None) -> Contest | None:
    """The main number of a task for models and methods, on the units that all of them answered.

    Returns:
        None where one of them lacks it: a rank among the others would be another rank.
    """
    task = prepared.task
    runs = {name: tuple((methods or {}).get(name, (name,))) for name in names}
    main = (task.kind.whole(task), task.metric)
    measure = next((m for m in prepared.measures if (m.condition, m.metric) == main), None)
    if measure is None or (measure.needs_reference and prepared.reference is None):
        return None
    shared = together(prepared, [model for name in names for model in runs[name]], measure)
    if shared is None:
        return None
    sampled, n = shared
    third = sampled[prepared.reference] if measure.needs_reference and prepared.reference else None
    values, draws = [], []
    for name in names:
        value, drawn = total([(1.0, measured(measure, [sampled[model] for model in runs[name]], third))])
        values.append(value)
        draws.append(drawn)
    if not np.isfinite(values).all():
        return None
    return Contest(task.name, task.metric, tuple(names), np.array(values), np.array(draws), n)
