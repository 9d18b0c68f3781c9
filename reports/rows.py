"""The headline: one row per task and condition group, with every model's value and its paired difference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ..results.metrics import metric
from ..results.schema import Comparison, HeadlineLine, Score, TaskRecord
from ..terminal import shown
from .data import ReportData
from .wording import Verdict, condition_label, verdict


@dataclass(frozen=True)
class Cell:
    """One model's entry in a row.

    Attributes:
        model: Model name.
        score: The score, or None where nothing was recorded.
        comparison: The paired difference to the declared baseline, if there is one.
        asked: Whether the model takes part in the task.
    """

    model: str
    score: Score | None
    comparison: Comparison | None
    asked: bool = True

    @property
    def measured(self) -> bool:
        """Whether there is a number to show."""
        return self.score is not None and math.isfinite(self.score.value)


@dataclass(frozen=True)
class HeadlineRow:
    """One line of the headline table.

    Attributes:
        task: Task name.
        title: Task title for a person.
        world: ``microworld``, ``photographs`` or empty.
        condition: Condition as in the scores.
        metric: Metric as in the scores.
        label: Name of the line within its task.
        part: Whether the line is a part of another one (a family of a corruption task).
        cells: One entry per model, in the order of the report.
    """

    task: str
    title: str
    world: str
    condition: str
    metric: str
    label: str
    part: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Tally:
    """On how many whole tasks a model is clearly better, worse, or neither than its baseline."""

    model: str
    baseline: str
    better: int
    worse: int
    open: int
    missing: int


def cells(data: ReportData, task: str, condition: str, metric_name: str) -> tuple[Cell, ...]:
    """Every model's entry for one condition and metric."""
    found = []
    for model in data.model_names:
        score = data.score(model, task, condition, metric_name)
        asked = score is not None or model not in data.partial_models
        found.append(Cell(model, score, data.comparison(model, task, condition, metric_name), asked))
    return tuple(found)


def _lines(task: TaskRecord) -> list[tuple[str, str, str, bool]]:
    """(condition, metric, label, part) for each line of one task."""
    main: HeadlineLine = {"condition": "overall", "metric": str(task.get("metric") or "top1"), "part": False}
    return [
        (
            line["condition"],
            line["metric"],
            condition_label(line["condition"]) if line["part"] else metric(line["metric"]).label,
            line["part"],
        )
        for line in task.get("headline", [main])
    ]


def headline_rows(data: ReportData) -> list[HeadlineRow]:
    """Lay out the headline.

    Args:
        data: The report's input.

    Returns:
        One row per (task, condition group), in the order of the tasks. Rows without any measurement are included, or
        readers would not notice what is missing.
    """
    rows = []
    for task in data.task_records:
        name = str(task["name"])
        for condition, metric_name, label, part in _lines(task):
            rows.append(
                HeadlineRow(
                    task=name,
                    title=str(task.get("title") or name),
                    world=str(task.get("world") or ""),
                    condition=condition,
                    metric=metric_name,
                    label=label,
                    part=part,
                    cells=cells(data, name, condition, metric_name),
                )
            )
    return rows


def _main_rows(data: ReportData) -> list[HeadlineRow]:
    """The line of each task that has its main metric; if none has, the first one."""
    main = {str(task["name"]): task.get("metric") for task in data.task_records}
    chosen: dict[str, HeadlineRow] = {}
    for row in headline_rows(data):
        if not row.part and (row.task not in chosen or row.metric == main[row.task]):
            chosen[row.task] = row
    return list(chosen.values())


def tallies(data: ReportData) -> list[Tally]:
    """Count the verdicts of every model that has a baseline: one for each task, by its main metric.

    Accuracy and mCE of a corruption task are made of the same answers; both would count it twice.
    """
    counted = []
    rows = _main_rows(data)
    # Those without a line of their own in the headline count as well.
    beside = [(str(t["name"]), str(t["metric"])) for t in data.asked_tasks if t.get("headline") == []]
    for position, model in enumerate(data.model_names):
        baseline = data.baseline(model)
        if baseline is None:
            continue
        pairs = [row.cells[position].comparison for row in rows]
        pairs += [data.comparison(model, task, "overall", name) for task, name in beside]
        seen = Counter(verdict(pair) for pair in pairs if pair is not None and math.isfinite(pair.difference))
        counted.append(
            Tally(
                model,
                baseline,
                better=seen[Verdict.BETTER],
                worse=seen[Verdict.WORSE],
                open=seen[Verdict.OPEN],
                missing=len(pairs) - seen.total(),
            )
        )
    return counted


def hole_lines(rows: list[HeadlineRow], undefined: Mapping[tuple[str, str, str, str], str] | None = None) -> list[str]:
    """One sentence per model and task whose headline has holes.

    Args:
        rows: The headline.
        undefined: Why a number is undefined although everything was measured; see `ReportData`.
    """
    holes: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        for cell in row.cells:
            if cell.asked and not cell.measured:
                why = (undefined or {}).get((cell.model, row.task, row.condition, row.metric))
                what = "not measured" if why is None else f"undefined: {why}"
                holes.setdefault((cell.model, row.title, what), []).append(row.label)
    return [f"{model}, {title}: {', '.join(labels)} {what}" for (model, title, what), labels in holes.items()]


def left_out_lines(data: ReportData) -> list[str]:
    """A line for each data set whose folder has files that were left out but may belong to it."""
    records = [task.get("left_out") for task in data.task_records]
    lines = [str(record.get("line") or "") for record in records if isinstance(record, Mapping)]
    return [line for line in dict.fromkeys(lines) if line]


def failure_lines(data: ReportData) -> list[str]:
    """One sentence per distinct failure.

    Images that failed for the same reason are counted, not listed; whole tasks that did are named in one sentence.
    """
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for failure in data.failures:
        key = (failure.model, failure.task, failure.condition, failure.reason)
        groups.setdefault(key, []).append(failure.image_id)
    titles = {str(task["name"]): str(task.get("title") or task["name"]) for task in data.task_records}
    lines: dict[tuple[str, str, str], list[str]] = {}
    for (model, task, condition, reason), images in groups.items():
        who = "every model" if model == "*" else model
        title = "every task" if task == "*" else titles.get(task, task)
        where = title if condition in ("*", "overall") else f"{title}, {condition_label(condition)}"
        named = [image for image in images if image != "*"]
        what = "" if len(named) < len(images) else f" ({named[0] if len(named) == 1 else f'{len(named)} images'})"
        whole = condition == "*" and not what
        lines.setdefault((who, reason, "" if whole else where + what), []).append(where + what)
    return [shown(f"{who}, {', '.join(places)}: {reason}") for (who, reason, _), places in lines.items()]
