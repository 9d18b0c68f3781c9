"""Scores as CSV, JSON and Parquet."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from ...files import json_text, plain, write_file
from ...reports.data import ReportData
from ...reports.wording import csv_text
from ...results.metrics import metric
from ...results.schema import TaskRecord
from ..run import Outcome
from ..scoring.trials import plain_alignment
from .exporter import Handover, put

# Scores as one long table: a row for each number of each model, with its task, condition and metric.


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


# Scores as CSV.


def export_csv(handover: Handover) -> list[str]:
    """See `Exporter`."""
    rows = long_rows(handover.outcome.data)
    return put(handover, csv_text(rows), f"{len(rows):,} scores")


# Scores as JSON.


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The whole outcome as plain data: ``scores``, ``comparisons``, ``failures`` and provenance."""
    data = outcome.data
    return plain(
        {
            "scores": data.scores,
            "comparisons": data.comparisons,
            "failures": data.failures,
            "models": data.models,
            "tasks": data.tasks,
            **({"alignment": [plain_alignment(alignment) for alignment in data.alignment]} if data.alignment else {}),
            "run": data.run,
        }
    )


# The whole outcome as JSON.


def export_json(handover: Handover) -> list[str]:
    """See `Exporter`."""
    document = as_json(handover.outcome)
    text = f"{json_text(document)}\n"
    return put(handover, text, f"{len(document['scores']):,} scores, {len(document['comparisons']):,} comparisons")


# Scores as Parquet, with their provenance in the file's metadata.


METADATA = b"vitobench"
"""Key of the metadata: models, tasks and the run, as JSON."""

_FLOATS = ("value", "ci_low", "ci_high")
_WHOLE = ("seed", "n")


def export_parquet(handover: Handover) -> list[str]:
    """See `Exporter`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = long_rows(handover.outcome.data)
    everything = as_json(handover.outcome)
    origin = {key: everything[key] for key in ("models", "tasks", "run")}
    schema = pa.schema([(name, _type(pa, name)) for name in COLUMNS], {METADATA: json.dumps(origin).encode()})
    held = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), held)
    write_file(Path(handover.to), held.getvalue())
    return [f"{len(rows):,} scores: {handover.to}"]


def _type(pa: Any, column: str) -> Any:
    return pa.float64() if column in _FLOATS else pa.int64() if column in _WHOLE else pa.string()
