"""The tables by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import unknown_name
from ..results.metrics import metric
from ..results.schema import TaskRecord, View
from .data import ReportData
from .rows import headline_rows
from .table_grid import Grid, Line, grid
from .wording import condition_label


@dataclass(frozen=True)
class TableSpec:
    """A table, or one for each of several tasks.

    Attributes:
        name: What the user types, and the beginning of its files' names.
        title: What it shows.
        needs: What the scores must contain, in words for the user.
        lines: By subject (a task's name; empty where the table is one for all), the numbers to show; nothing where the
            data are not enough.
    """

    name: str
    title: str
    needs: str
    lines: Callable[[ReportData], dict[str, list[Line]]]


def _title(task: TaskRecord) -> str:
    return str(task.get("title") or task["name"])


def _line(task: TaskRecord, condition: str, name: str, label: str = "") -> Line:
    return Line(str(task["name"]), condition, name, _title(task), label or metric(name).label)


def _one(lines: list[Line]) -> dict[str, list[Line]]:
    return {"": lines} if lines else {}


def _headline(data: ReportData) -> dict[str, list[Line]]:
    return _one([
        Line(row.task, row.condition, row.metric, row.title, row.label) for row in headline_rows(data) if not row.part
    ])  # fmt: skip


def _corruptions(data: ReportData) -> dict[str, list[Line]]:
    by_task = {}
    for task in data.tasks_with(View.SEVERITIES):
        name = str(task["name"])
        members = [member for _, group in data.corruptions(name) for member in group]
        lines = [_line(task, member, "top1", condition_label(member)) for member in members]
        lines = [line for line in lines if data.has(name, "top1", line.condition)]
        if lines:
            lines.append(_line(task, "overall", "top1", "Mean"))
            lines += [_line(task, "overall", "mce")] if data.has(name, "mce") else []
            by_task[name] = lines
    return by_task


def _shifts(data: ReportData) -> dict[str, list[Line]]:
    shifted = [task for task in data.tasks_with(View.SHIFT) if task.get("clean")]
    lines = []
    for name in dict.fromkeys(str(task["clean"]) for task in shifted):
        lines += [_line(task, "overall", "top1") for task in data.task_records if task["name"] == name]
    for task in shifted:
        names = (str(task.get("metric") or "top1"), "effective_robustness")
        lines += [_line(task, "overall", name) for name in names if data.has(str(task["name"]), name)]
    return _one(lines if shifted else [])


def _calibration(data: ReportData) -> dict[str, list[Line]]:
    return _one([
        _line(task, "overall", name)
        for task in data.task_records
        for name in ("rms_calibration_error", "aurra")
        if data.has(str(task["name"]), name)
    ])  # fmt: skip


_ALIGNMENT = ("accuracy", "accuracy_difference", "observed_consistency", "error_consistency")


def _alignment(data: ReportData) -> dict[str, list[Line]]:
    """Means over data sets, whose record has no identity of its own, and the shape bias."""
    if not _has_means(data):
        return {}
    lines = []
    for task in data.tasks_with(View.ALIGNMENT):
        names = ("shape_bias",) if "identity" in task else _ALIGNMENT
        lines += [_line(task, "overall", name) for name in names if data.has(str(task["name"]), name)]
    return _one(lines)


def _has_means(data: ReportData) -> bool:
    means = [task for task in data.tasks_with(View.ALIGNMENT) if "identity" not in task]
    return any(data.has(str(task["name"]), name) for task in means for name in _ALIGNMENT)


def _alignment_sets(data: ReportData) -> dict[str, list[Line]]:
    """Single data sets; without means over them, the shape bias is in no other table."""
    names = ("accuracy", "error_consistency") if _has_means(data) else ("accuracy", "error_consistency", "shape_bias")
    return _one([
        _line(task, "overall", name)
        for task in data.tasks_with(View.ALIGNMENT)
        if "identity" in task
        for name in names
        if data.has(str(task["name"]), name)
    ])  # fmt: skip


TABLES: dict[str, TableSpec] = {
    spec.name: spec
    for spec in (
        TableSpec("headline", "Headline numbers", "any task except human alignment", _headline),
        TableSpec("corruptions", "Accuracy by corruption, mean over severities", "a task of corruptions", _corruptions),
        TableSpec("shifts", "Natural shifts and their clean counterparts", "a task with a clean counterpart", _shifts),
        TableSpec("calibration", "Calibration", "a task with one condition", _calibration),
        TableSpec(
            "alignment", "Human alignment, means over data sets", "tasks of human alignment, all data sets", _alignment
        ),
        TableSpec("alignment-sets", "Human alignment by data set", "tasks of human alignment", _alignment_sets),
    )
}
"""In the order of the listing; a new table is added here."""


def table_spec(name: str) -> TableSpec:
    """A table by name.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in TABLES:
        raise unknown_name("table", name, TABLES)
    return TABLES[name]


def tables(data: ReportData, specs: Sequence[TableSpec]) -> list[tuple[TableSpec, list[Grid]]]:
    """Fill tables; none for a spec that the data are not enough for.

    Args:
        data: Scores, and comparisons with the best of each number.
        specs: Which tables.
    """
    titles = {str(task["name"]): _title(task) for task in data.task_records}
    filled = []
    for spec in specs:
        grids = []
        for subject, lines in spec.lines(data).items():
            title = f"{spec.title}: {titles.get(subject, subject)}" if subject else spec.title
            grids.append(grid(data, f"{spec.name}-{subject}" if subject else spec.name, title, lines))
        filled.append((spec, grids))
    return filled
