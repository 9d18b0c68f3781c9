"""The best model in a row of a table, and the models that are not clearly worse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..results.metrics import metric
from ..results.significance import ALPHA, holm
from .data import ReportData


@dataclass(frozen=True)
class Standing:
    """One number of several models.

    Attributes:
        best: The model with the best value; empty where fewer than two have one. Of equal ones the first.
        p_adjusted: Holm's p-value of every other model against the best, corrected within the row; a model that was not
            compared is not in it.
    """

    best: str = ""
    p_adjusted: Mapping[str, float] = field(default_factory=dict)

    @property
    def level(self) -> frozenset[str]:
        """Models that are not significantly different from the best."""
        return frozenset(model for model, p in self.p_adjusted.items() if p >= ALPHA)


def standing(
    data: ReportData, task: str, condition: str, metric_name: str, models: Sequence[str] | None = None
) -> Standing:
    """Find the best model by one number, and the tests of the others against it.

    Args:
        data: The tables' input; its comparisons of other models with the best one are used, those the other way round
            as well.
        task: Task name.
        condition: As in the scores.
        metric_name: As in the scores.
        models: Models to compare; all of them unless given.
    """
    values: dict[str, float] = {}
    for model in models if models is not None else data.model_names:
        score = data.score(model, task, condition, metric_name)
        if score is not None and math.isfinite(score.value):
            values[model] = score.value
    if len(values) < 2:
        return Standing()
    # Python's max keeps the first of equal ones.
    best = max(values, key=lambda model: metric(metric_name).better * values[model])
    p_values: dict[str, float] = {}
    for row in data.comparisons:
        if (row.task, row.condition, row.metric) == (task, condition, metric_name) and best in (row.a, row.b):
            other = row.a if row.b == best else row.b
            if other in values and math.isfinite(row.p):
                p_values.setdefault(other, row.p)
    return Standing(best, dict(zip(p_values, holm(list(p_values.values())), strict=True)))
