"""The page's content as plain values: what the template writes, decided here and not in the template."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...results.metrics import metric
from ...results.schema import Comparison, Score, TaskRecord, View
from ..data import Record, ReportData, title_of
from ..headline import Cell, HeadlineRow, cells, row_label, tallies
from ..standing import marks
from ..wording import (
    HOLE,
    change,
    change_interval,
    condition_label,
    interval,
    unit_words,
    value_text,
    verdict,
    verdict_words,
)

_FIRST = ("identity", "weights_hash", "preprocessing", "data_digest", "n", "metric", "seed", "versions")

WORLDS = {
    "microworld": "Procedural world: scenes rendered for this benchmark, not photographs",
    "photographs": "Photographs",
}


@dataclass(frozen=True)
class ViewCell:
    """A table cell: the value, its interval, and the paired difference where there is one."""

    value: str
    span: str = ""
    n: str = ""
    change: str = ""
    change_span: str = ""
    verdict: str = ""
    words: str = ""
    absent: str = "not measured"

    @property
    def hole(self) -> bool:
        """Whether the cell is empty because nothing was measured."""
        return self.value == HOLE


@dataclass(frozen=True)
class ViewRow:
    """A table line: heading, second heading, and cells.

    Attributes:
        label: Heading.
        note: Second heading.
        part: Whether the line is a part of the one above.
        n: Number of images.
        cells: One for each column.
        world: Set where the images of another world start.
        task: Name of the task whose provenance is that of the line.
    """

    label: str
    note: str
    part: bool
    n: str
    cells: tuple[ViewCell, ...]
    world: str = ""
    task: str = ""


@dataclass(frozen=True)
class ViewTable:
    """A table: a title, the column heads and the rows.

    Attributes:
        title: For a heading and for screen readers.
        heads: Of the columns after the first; a model's name leads to its provenance.
        rows: Lines.
        note: How to read it.
        task: Name of the task whose provenance is that of every line.
        model: Name of the model that every column is about, if the columns are not models.
        tasks: Names of the columns' tasks, if models are in rows.
        against: Texts under the heads, if any.
        first: Head of the first column, if not the section's.
        under: Texts under the names of models in the heads, if any.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[ViewRow, ...]
    note: str = ""
    task: str = ""
    model: str = ""
    tasks: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    first: str = ""
    under: tuple[str, ...] = ()

    @property
    def sortable(self) -> bool:
        """Whether its lines can be sorted: more than two, with no parts or worlds."""
        return len(self.rows) > 2 and not any(row.part or row.world for row in self.rows)


def score_cell(score: Score | None, comparison: Comparison | None = None) -> ViewCell:
    """Write one score and, if given, its paired difference."""
    value = value_text(score.value, score.metric) if score else HOLE
    measured = score is not None and value != HOLE
    compared = comparison is not None and change(comparison) != HOLE
    return ViewCell(
        value=value,
        span=interval(score.ci_low, score.ci_high, score.metric) if score and measured else "",
        n=f"{score.n:,}" if score and measured else "",
        change=change(comparison) if compared else "",
        change_span=change_interval(comparison) if compared else "",
        verdict=verdict(comparison).value if comparison and compared else "",
        words=verdict_words(comparison) if comparison and compared else "",
    )


def _entry(cell: Cell) -> ViewCell:
    """An empty cell where a baseline takes no part in the task: nothing is missing there."""
    return score_cell(cell.score, cell.comparison) if cell.asked else ViewCell("")


def _common_n(row: tuple[Cell, ...]) -> str:
    counts = sorted({cell.score.n for cell in row if cell.score is not None and cell.measured})
    if not counts:
        return ""
    return f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,}–{counts[-1]:,}"


def _row(
    label: str, row: tuple[Cell, ...], *, note: str = "", part: bool = False, world: str = "", task: str = ""
) -> ViewRow:
    entries = tuple(map(_entry, row))
    return ViewRow(label, note, part, _common_n(row), entries, world=world, task=task)


def headline_view(data: ReportData, rows: list[HeadlineRow]) -> ViewTable:
    """The headline table; the first line of a task has its title, the following ones only their own label."""
    lines, last_task, last_world = [], "", ""
    for row in rows:
        first = row.task != last_task
        label, note = (row.title, row_label(row)) if first else (row_label(row), "")
        world = WORLDS.get(row.world, row.world) if row.world != last_world else ""
        lines.append(_row(label, row.cells, note=note, part=not first, world=world, task=row.task))
        last_task, last_world = row.task, row.world
    against = tuple(data.baseline(model) or "" for model in data.model_names)
    known = marks(data)
    under = tuple(known.get(model, "") for model in data.model_names)
    return ViewTable("Headline", data.model_names, tuple(lines), against=against, under=under)


def leaderboard_view(data: ReportData, rows: list[HeadlineRow]) -> ViewTable:
    """The headline of many models: each has a line of its own, and every whole task a column; parts are left out."""
    whole = [row for row in rows if not row.part]
    several = {row.task for row in whole if sum(other.task == row.task for other in whole) > 1}
    heads = tuple(f"{row.title}: {row_label(row)}" if row.task in several else row.title for row in whole)
    verdicts = {
        tally.model: f"against {tally.baseline}: {tally.better} better, {tally.worse} worse, {tally.open} with no "
        "clear difference"
        for tally in tallies(data)
    }
    known = marks(data)
    lines = []
    for place, model in enumerate(data.model_names):
        entries = tuple(_entry(row.cells[place]) for row in whole)
        note = "; ".join(filter(None, (known.get(model, ""), verdicts.get(model, ""))))
        lines.append(ViewRow(model, note, False, "", entries))
    worlds = tuple(WORLDS.get(row.world, "").partition(":")[0] for row in whole)
    return ViewTable("Headline", heads, tuple(lines), tasks=tuple(row.task for row in whole), against=worlds)


def corruption_view(data: ReportData, task: TaskRecord) -> ViewTable:
    """Every corruption with its accuracy and its corruption error, family by family."""
    name = str(task["name"])
    lines = []
    for family, members in data.corruptions(name):
        if family:
            lines.append(_row(condition_label(family), cells(data, name, family, "top1"), note="mean of the family"))
        for member in members:
            row = cells(data, name, member, "top1")
            lines.append(_row(condition_label(member), row, note="top-1", part=bool(family)))
            if data.has(name, "ce", member):
                lines.append(
                    _row(condition_label(member), cells(data, name, member, "ce"), note=metric("ce").heading, part=True)
                )
    for key in ("mce", "relative_mce"):
        if data.has(name, key):
            lines.append(_row(metric(key).heading, cells(data, name, "overall", key)))
    return ViewTable(f"Every corruption: {title_of(task)}", data.model_names, tuple(lines), task=name)


def metrics_view(data: ReportData, task: TaskRecord) -> ViewTable | None:
    """Every metric of a whole task, or None where there is only one, which the headline shows."""
    name = str(task["name"])
    keys = tuple(dict.fromkeys(s.metric for s in data.scores if s.task == name and s.condition == "overall"))
    if len(keys) < 2:
        return None
    lines = [_row(metric(key).heading, cells(data, name, "overall", key)) for key in keys]
    note = "" if all(metric(key).percent for key in keys) else f"{unit_words(keys)}."
    return ViewTable(f"Every metric: {title_of(task)}", data.model_names, tuple(lines), note, task=name)


def severity_views(data: ReportData, task: TaskRecord) -> list[ViewTable]:
    """Per model, every corruption at every severity."""
    name = str(task["name"])
    members = [member for _, group in data.corruptions(name) for member in group]
    return [
        ViewTable(
            f"Every severity: {model}, {title_of(task)}",
            tuple(f"severity {severity}" for severity in range(1, 6)),
            tuple(
                ViewRow(
                    condition_label(member),
                    "",
                    False,
                    "",
                    tuple(score_cell(data.score(model, name, f"{member}/{s}", "top1")) for s in range(1, 6)),
                )
                for member in members
            ),
            task=name,
            model=model,
        )
        for model in data.model_names
    ]


def shift_view(data: ReportData, task: TaskRecord) -> ViewTable | None:
    """The parts of a shift, if it has any."""
    name, key = str(task["name"]), str(task.get("metric") or "top1")
    parts = dict.fromkeys(
        s.condition for s in data.scores if s.task == name and s.metric == key and s.condition != "overall"
    )
    if not parts:
        return None
    lines = tuple(_row(condition_label(part), cells(data, name, part, key)) for part in parts)
    return ViewTable(f"Every condition: {title_of(task)}", data.model_names, lines, task=name)


def factor_view(data: ReportData, task: TaskRecord) -> ViewTable:
    """Error ratio of every factor, with accuracy below it."""
    name = str(task["name"])
    ratio, top1 = (metric(key).heading for key in ("error_ratio", "top1"))
    lines = []
    for factor in data.members(name):
        lines.append(_row(condition_label(factor), cells(data, name, factor, "error_ratio"), note=ratio))
        lines.append(_row(condition_label(factor), cells(data, name, factor, "top1"), note=top1, part=True))
    note = "Error ratio: error on the images with a factor over error on all; 100 where it makes no difference."
    return ViewTable(f"Every factor: {title_of(task)}", data.model_names, tuple(lines), note, task=name)


def shape_view(data: ReportData, task: TaskRecord) -> ViewTable:
    """Shape bias per category, with the counts of decisions behind it."""
    name = str(task["name"])
    counts = {(r["model"], r["category"]): r for r in data.shape_decisions if r["task"] == name}
    known = dict.fromkeys([*(task.get("shape_classes") or ()), *(category for _, category in counts)])
    lines = []
    for category in known:
        line = []
        for model in data.model_names:
            row = counts.get((model, category))
            score = data.score(model, name, category, "shape_bias")
            entry = score_cell(score)
            if row is not None:
                decided = row["shape"] + row["texture"]
                if entry.hole and decided:
                    # Counts alone still give the value; the interval is left out rather than invented.
                    entry = ViewCell(value_text(row["shape"] / decided, "shape_bias"))
                entry = replace(entry, change=f"{row['shape']} / {row['texture']} / {row['other']}")
            line.append(entry)
        lines.append(ViewRow(condition_label(str(category)), "", False, "", tuple(line)))
    note = "Second line: decisions for shape / texture / neither."
    return ViewTable(f"Every category: {title_of(task)}", data.model_names, tuple(lines), note, task=name)


def p_words(p: float) -> str:
    """``0.012``, ``< 0.001``, or a dash."""
    if not math.isfinite(p):
        return HOLE
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def comparison_view(data: ReportData) -> ViewTable:
    """Every paired difference except those of single cells, with p-values, plain and corrected.

    Those of human alignment are in its own section, on its own scale.
    """
    titles = data.titles
    elsewhere = {str(task["name"]) for task in data.tasks_with(View.ALIGNMENT)}
    lines, names = [], []
    for pair in data.comparisons:
        if "/" in pair.condition or pair.task in elsewhere:
            continue
        names.append(pair.metric)
        state = verdict(pair).value if change(pair) != HOLE else ""
        lines.append(
            ViewRow(
                f"{pair.a} − {pair.b}",
                f"{titles.get(pair.task, pair.task)}, {condition_label(pair.condition)}, {metric(pair.metric).label}",
                False,
                f"{pair.n:,}",
                (
                    ViewCell(change(pair), change_interval(pair), verdict=state),
                    ViewCell(p_words(pair.p)),
                    ViewCell(p_words(pair.p_adjusted)),
                ),
                task=pair.task,
            )
        )
    note = (
        f"{unit_words(names)}. "
        "Corrected p: Holm's correction, applied separately within the main metrics of whole tasks, their other "
        "metrics, and means over conditions. ▲ and ▼ use the corrected p; intervals are not corrected."
    )
    return ViewTable("Every paired difference", ("difference", "p", "corrected p"), tuple(lines), note)


def plain(value: Any) -> str:
    """A provenance value as text: ``size 64; mean 0.5, 0.5, 0.5``, records within records as compact JSON."""
    if value is None or value == "":
        return HOLE
    if isinstance(value, Mapping):
        if not any(isinstance(entry, Mapping) for entry in value.values()):
            return "; ".join(f"{str(key).replace('_', ' ')} {plain(entry)}" for key, entry in value.items()) or HOLE
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(map(str, value)) or HOLE
    return str(value)


def facts(record: Record, skip: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """A provenance record as (name, text) pairs: what identifies it first, then in its own order."""
    order = dict.fromkeys([*(key for key in _FIRST if key in record), *record])
    if record.get("source") == "imported":  # nothing is known of what the predictions were made with
        skip = (*skip, "weights_hash", "preprocessing", "precision")
    return [
        (key.replace("_", " "), plain(value))
        for key, value in ((key, record[key]) for key in order)
        if key not in skip and value not in ({}, [])
    ]
