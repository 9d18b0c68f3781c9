"""Scores as the ``model-index`` of a Hugging Face model card, and merging them into one that is there.

The form is that of https://github.com/huggingface/hub-docs/blob/main/modelcard.md; huggingface_hub lays it out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...errors import DataError
from ...reports.data import ReportData
from ...reports.rows import headline_rows
from ...results.metrics import metric
from ...results.schema import Score, View

Entry = dict[str, Any]

MARK = "vitobench"
"""Key in ``dataset.args`` by which our results are told from those of others."""

_HUB_METRICS = {"top1": "accuracy"}
"""Metrics that the Hub knows under another name."""


def headline(data: ReportData, model: str) -> list[tuple[Score, str]]:
    """The headline numbers of a model that are defined, with their labels; of human alignment the main metrics."""
    own = data.of([model])
    wanted = [(row.task, row.condition, row.metric) for row in headline_rows(own) if not row.part]
    aligned = own.tasks_with(View.ALIGNMENT)
    wanted += [(str(task["name"]), "overall", str(task["metric"])) for task in aligned]
    found = [own.score(model, *key) for key in wanted]
    return [(score, metric(score.metric).label) for score in found if score is not None and math.isfinite(score.value)]


def entry_of(data: ReportData, model: str) -> Entry:
    """The headline numbers of a model as an entry of ``model-index``.

    Values are fractions. What the Hub has no field for stands in ``args``: of a metric its 95 % interval and the number
    of images, of a data set the task's identity and the version of vitobench.
    """
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    version = str(data.run.get("versions", {}).get("vitobench", ""))
    results = []
    for score, label in headline(data, model):
        task = data.task(score.task)
        origin = {MARK: version, "task": task.get("identity"), "data": task.get("data"), "seed": task.get("seed")}
        results.append(
            EvalResult(
                task_type="image-classification",
                task_name="Image classification",
                dataset_type=score.task,
                dataset_name=_name(task),
                dataset_config=None if score.condition == "overall" else score.condition,
                dataset_revision=task.get("data_digest"),
                dataset_args={key: value for key, value in origin.items() if value is not None},
                metric_type=_HUB_METRICS.get(score.metric, score.metric),
                metric_name=label,
                metric_value=score.value,
                metric_args={"ci_low": score.ci_low, "ci_high": score.ci_high, "confidence": 0.95, "n": score.n},
            )
        )
    (entry,) = eval_results_to_model_index(model, results)
    return dict(entry)


def _name(task: Mapping[str, Any]) -> str:
    """The title; on a page where nothing else says so, that the images are no photographs."""
    title = str(task.get("title") or task["name"])
    return f"{title} (procedural micro-world)" if task.get("world") == "microworld" else title


def merged(existing: Any, entry: Entry, where: str) -> list[Entry]:
    """Put an entry into a ``model-index``.

    Results that vitobench made of the same task before are replaced in their place; everything else stays as it is.

    Args:
        existing: What the card has; None for nothing.
        entry: From `entry_of`. Where the card is of one model, the name that it has there is kept.
        where: Of the card, for messages.

    Raises:
        DataError: The card's ``model-index`` is not of the form that the Hub asks for.
    """
    found = [] if existing is None else existing
    if not (isinstance(found, list) and all(map(_is_entry, found))):
        raise DataError(
            f"{where}: model-index is not a list of entries with name and results. Fix or remove it, or name another "
            "file with --to."
        )
    named = [place for place, other in enumerate(found) if other.get("name") == entry["name"]]
    places = named or ([0] if len(found) == 1 else [])
    if not places:
        return [*found, entry]
    place = places[0]
    results = _renewed(found[place]["results"], entry["results"])
    return [*found[:place], {**found[place], "results": results}, *found[place + 1 :]]


def _renewed(old: list[Any], new: list[Entry]) -> list[Any]:
    left = {_key(result): result for result in new}
    renewed = set(left)
    kept: list[Any] = []
    for result in old:
        key = _key(result)
        if not (_is_ours(result) and key in renewed):
            kept.append(result)
        elif key in left:  # of several that are the same, one remains
            kept.append(left.pop(key))
    return [*kept, *left.values()]


def _is_entry(other: Any) -> bool:
    return isinstance(other, dict) and isinstance(other.get("results"), list)


def _key(result: Any) -> tuple[Any, ...]:
    task, data = (_part(result, name) for name in ("task", "dataset"))
    return task.get("type"), data.get("type"), data.get("config")


def _is_ours(result: Any) -> bool:
    args = _part(result, "dataset").get("args")
    return isinstance(args, dict) and MARK in args


def _part(result: Any, name: str) -> Entry:
    part = result.get(name) if isinstance(result, dict) else None
    return part if isinstance(part, dict) else {}
