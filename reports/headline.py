"""The headline: one row per task and condition group, with paired differences; as text and as Markdown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..results.metrics import metric
from ..results.schema import Comparison, HeadlineLine, Score, TaskRecord, View
from ..terminal import shown
from .data import ReportData
from .ranks import led_by_ranks, render_ranking
from .standing import marks, standing_lines
from .tables.alignment import LEGEND as ALIGNMENT_LEGEND
from .tables.alignment import render_tables
from .wording import (
    HOLE,
    Verdict,
    change,
    change_interval,
    condition_label,
    interval,
    labels,
    unit_words,
    value_text,
    verdict,
    visible,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


# The headline: one row per task and condition group, with every model's value and its paired difference.


@dataclass(frozen=True)
class Cell:
    """One model's entry in a row.

    Attributes:
        model: Model name.
        score: The score, or None where nothing was recorded.
        comparison: The paired difference to the model's baseline, if there is one.
        asked: Whether the model is run on the task.
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
    row = []
    for model in data.model_names:
        score = data.score(model, task, condition, metric_name)
        asked = score is not None or model not in data.partial_models
        row.append(Cell(model, score, data.comparison(model, task, condition, metric_name), asked))
    return tuple(row)


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
                    title=data.titles[name],
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


def main_lines(data: ReportData) -> list[str]:
    """A line for each task that has been measured, with its main number for every model."""
    lines = []
    for row in _main_rows(data):
        values = [
            f"{shown(cell.model)} {value_text(cell.score.value, cell.score.metric)}"
            for cell in row.cells
            if cell.score and cell.measured
        ]
        if values:
            lines.append(f"{shown(row.title)}, {row_label(row)}: {', '.join(values)}")
    return lines


def tallies(data: ReportData) -> list[Tally]:
    """Count the verdicts of every model that has a baseline: one for each task, by its main metric.

    Accuracy and mCE of a corruption task come from the same predictions; both would count it twice.
    """
    counted = []
    rows = _main_rows(data)
    # Those without a line of their own in the headline count as well.
    without_line = [(str(t["name"]), str(t["metric"])) for t in data.asked_tasks if t.get("headline") == []]
    for position, model in enumerate(data.model_names):
        baseline = data.baseline(model)
        if baseline is None:
            continue
        pairs = [row.cells[position].comparison for row in rows]
        pairs += [data.comparison(model, task, "overall", name) for task, name in without_line]
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
    titles = data.titles
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


# The headline as text: for a terminal, and as Markdown for a README or an issue.


__all__ = ["headline_rows", "render_terminal", "to_markdown"]

_SHOWN = 10
_COLOURS = {Verdict.BETTER: "green", Verdict.WORSE: "red", Verdict.OPEN: ""}


def legend(data: ReportData) -> str:
    """How to read the headline, and over how many comparisons its marks are corrected."""
    whole = sum(row.family == "primary" for row in data.comparisons)
    which = "one main number that is" if whole == 1 else f"{whole:,} main numbers that are"
    over = f", over the {which} compared here and separately over all others" if whole else ""
    return (
        f"{unit_words(row.metric for row in headline_rows(data))}, with 95 % intervals. Differences are paired on the "
        "same images; ▲ (better) and ▼ (worse) mark "
        f"differences that are significant after Holm's correction{over}. mCE: lower is better. Shape bias: ▲ more by "
        "shape, as people decide."
    )


def row_label(row: HeadlineRow) -> str:
    """The label of a line, with an arrow where lower is better."""
    return f"{row.label}{metric(row.metric).arrow}"


def world_note(rows: list[HeadlineRow]) -> str:
    """A sentence that names the tasks which are not made of photographs; empty when all are."""
    procedural = list(dict.fromkeys(row.title for row in rows if row.world == "microworld"))
    if not procedural:
        return ""
    every = len(procedural) == len({row.title for row in rows})
    which = "Every task" if every else "; ".join(procedural)
    return f"{which}: images of a procedural world, not photographs."


def _model_table(data: ReportData, rows: list[HeadlineRow], model: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    position = data.model_names.index(model)
    baseline = data.baseline(model)
    table = Table(box=box.SIMPLE_HEAD, title_justify="left", title_style="", padding=(0, 1, 0, 0))
    mark = marks(data).get(model)
    words = (f"  {mark}" if mark else "", f"  against {baseline}" if baseline else "")
    table.title = Text.assemble((model, "bold"), ("".join(words), "dim"))
    # Words may wrap on a narrow terminal, numbers must not: rich narrows the columns that may wrap first.
    table.add_column("Task", max_width=26)
    table.add_column("Condition", max_width=18)
    for head in ("Score", "95 % interval", "n", *(("Difference", "95 % interval") if baseline else ())):
        table.add_column(head, justify="right", no_wrap=True)
    last = ""
    for row in rows:
        cell = row.cells[position]
        if not cell.asked:
            continue
        line = [
            Text(row.title if row.task != last else ""),
            Text(("  " if row.part else "") + row_label(row), style="dim" if row.part else ""),
            *_numbers(cell),
        ]
        if baseline:
            colour = _COLOURS[verdict(cell.comparison)] if cell.comparison else ""
            line.append(Text(change(cell.comparison), style=colour))
            line.append(Text(change_interval(cell.comparison), style="dim"))
        table.add_row(*line)
        last = row.task
    return table


def _numbers(cell: Cell) -> list[Text]:
    from rich.text import Text

    if cell.score is None or not cell.measured:
        return [Text(HOLE, style="yellow"), Text(""), Text("")]
    score = cell.score
    span = interval(score.ci_low, score.ci_high, score.metric)
    return [Text(value_text(score.value, score.metric)), Text(span, style="dim"), Text(f"{score.n:,}", style="dim")]


def _factor_table(data: ReportData, task: TaskRecord) -> Table:
    """Error ratio of every factor, models in columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    name, key = str(task["name"]), "error_ratio"
    table = Table(box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))
    table.title = Text(f"{data.titles[name]}: error ratio, 100 where a factor makes no difference")
    table.add_column("Factor")
    table.add_column("n", justify="right")
    for model in labels(data.model_names).values():
        table.add_column(Text(model), justify="right", no_wrap=True)
    for factor in data.members(name):
        row = cells(data, name, factor, key)
        count = max((cell.score.n for cell in row if cell.score is not None), default=0)
        values = (value_text(cell.score.value if cell.score is not None else None, key) for cell in row)
        table.add_row(condition_label(factor), f"{count:,}", *values)
    return table


_FEW = 6  # models in the columns of a table


def render_terminal(data: ReportData, console: Console) -> None:
    """Print the headline: the ranks of many models, then one table per model, those with a baseline first.

    Args:
        data: The report's input.
        console: Where to print. A hundred columns are enough whatever the number of models.
    """
    from rich.text import Text

    rows = headline_rows(data)
    for ranking in led_by_ranks(data):
        render_ranking(data, ranking, console)
    order = sorted(data.model_names, key=lambda name: data.baseline(name) is None)
    for model in order if rows else ():
        console.print(_model_table(data, rows, model))
    for task in data.tasks_with(View.FACTORS) if len(data.model_names) <= _FEW else ():
        if any(score.task == task["name"] and score.metric == "error_ratio" for score in data.scores):
            console.print(_factor_table(data, task))
    if rows:
        console.print(Text(legend(data), style="dim"))
    for world in data.alignment:
        render_tables(world, console)
    if data.alignment:
        console.print(Text(ALIGNMENT_LEGEND, style="dim"))
        for note in dict.fromkeys(note for world in data.alignment for note in world.notes):
            console.print(Text(f"Note: {note}", style="dim"))
    note = world_note(rows)
    if note:
        console.print(Text(note, style="dim"))
    for line in standing_lines(data):
        console.print(Text(f"Note: {line}", style="yellow"))
    for line in left_out_lines(data):
        console.print(Text(line, style="yellow"))
    missing = failure_lines(data) + hole_lines(rows, data.undefined)
    if missing:
        console.print(Text(f"\nMissing ({len(missing)})", style="bold yellow"))
        for line in missing[:_SHOWN]:
            console.print(Text(f"  {line}"))
        if len(missing) > _SHOWN:
            console.print(Text(f"  … and {len(missing) - _SHOWN} more; the HTML page lists all", style="dim"))


def escape_markdown(text: str) -> str:
    """Keep a name from ending a cell or starting a tag; Markdown renderers pass HTML through."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(escaped.replace("|", "\\|").split())


def _markdown_cell(cell: Cell) -> str:
    if cell.score is None or not cell.measured:
        return HOLE
    score = cell.score
    return f"{value_text(score.value, score.metric)} {interval(score.ci_low, score.ci_high, score.metric)}".strip()


def to_markdown(data: ReportData) -> str:
    """The headline as one Markdown table, with a difference column for every model that has a baseline.

    Args:
        data: The report's input.

    Returns:
        Markdown text that ends with a newline.
    """
    rows = headline_rows(data)
    header = ["Task", "Condition"]
    align = ["---", "---"]
    models = labels(data.model_names, None, lambda label: visible(escape_markdown(label)))
    for model in data.model_names:
        header.append(escape_markdown(models[model]))
        align.append("---:")
        baseline = data.baseline(model)
        if baseline:
            header.append(f"{escape_markdown(models[model])} − {escape_markdown(models[baseline])}")
            align.append("---:")
    lines = [f"# {escape_markdown(data.title)}", "", "| " + " | ".join(header) + " |", "| " + " | ".join(align) + " |"]
    for row in rows:
        entries = [escape_markdown(row.title), escape_markdown(row_label(row))]
        for cell in row.cells:
            entries.append(_markdown_cell(cell))
            if data.baseline(cell.model):
                entries.append(f"{change(cell.comparison)} {change_interval(cell.comparison)}".strip())
        lines.append("| " + " | ".join(entries) + " |")
    lines += ["", legend(data)]
    note = world_note(rows)
    if note:
        lines += ["", escape_markdown(note)]
    for line in standing_lines(data):
        lines += ["", f"Note: {escape_markdown(line)}"]
    missing = failure_lines(data) + hole_lines(rows, data.undefined)
    if missing:
        lines += ["", "Missing:", "", *(f"- {escape_markdown(line)}" for line in missing)]
    return "\n".join(lines) + "\n"
