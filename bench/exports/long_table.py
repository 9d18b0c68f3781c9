"""Scores as one long table: a row for each number of each model, with what it is a number of."""

from __future__ import annotations

from typing import Any

from ...reports.data import ReportData
from ...results.metrics import metric
from ...results.schema import TaskRecord

COLUMNS = (
    "model",
    "model_identity",
    "task",
    "task_identity",
    "data",
    "data_digest",
    "seed",
    "condition",
    "metric",
    "better",
    "value",
    "ci_low",
    "ci_high",
    "n",
    "undefined",
    "vitobench",
)


def long_rows(data: ReportData) -> list[dict[str, Any]]:
    """A row for each score, in their order, with `COLUMNS`.

    Values and 95 % intervals are fractions as in the scores, NaN where a metric is undefined; ``undefined`` then says
    why, where that is known. ``better`` is ``higher`` or ``lower``. The mean of several data sets of human alignment
    has neither identity nor digest of its own.
    """
    models = {str(record["name"]): record for record in data.models}
    tasks = {record["name"]: record for record in data.tasks}
    version = data.run.get("versions", {}).get("vitobench", "")
    rows = []
    for score in data.scores:
        task = tasks.get(score.task, TaskRecord(name=score.task))
        key = (score.model, score.task, score.condition, score.metric)
        rows.append(
            {
                "model": score.model,
                "model_identity": models.get(score.model, {}).get("identity", ""),
                "task": score.task,
                "task_identity": task.get("identity", ""),
                "data": task.get("data", ""),
                "data_digest": task.get("data_digest", ""),
                "seed": task.get("seed"),
                "condition": score.condition,
                "metric": score.metric,
                "better": "higher" if metric(score.metric).better > 0 else "lower",
                "value": score.value,
                "ci_low": score.ci_low,
                "ci_high": score.ci_high,
                "n": score.n,
                "undefined": data.undefined.get(key, ""),
                "vitobench": version,
            }
        )
    return rows
