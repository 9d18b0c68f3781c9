"""The headline as text: for a terminal, and as Markdown for a README or an issue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..results.metrics import metric
from .alignment_table import LEGEND as ALIGNMENT_LEGEND
from .alignment_table import render_tables
from .data import ReportData
from .rows import Cell, HeadlineRow, failure_lines, headline_rows, hole_lines, left_out_lines
from .wording import HOLE, Verdict, change, change_interval, interval, labels, percent, verdict, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["headline_rows", "render_terminal", "to_markdown"]

_SHOWN = 10
_COLOURS = {Verdict.BETTER: "green", Verdict.WORSE: "red", Verdict.OPEN: ""}
LEGEND = (
    "In percent, with 95 % intervals. Differences are paired on the same images; ▲ (better) and ▼ (worse) mark "
    "differences that are significant after Holm's correction. mCE: lower is better. Shape bias: ▲ more by shape, "
    "as people decide."
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
    table.title = Text.assemble((model, "bold"), (f"  against {baseline}" if baseline else "", "dim"))
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
    span = interval(cell.score.ci_low, cell.score.ci_high)
    return [Text(percent(cell.score.value)), Text(span, style="dim"), Text(f"{cell.score.n:,}", style="dim")]


def render_terminal(data: ReportData, console: Console) -> None:
    """Print the headline: one table per model, those with a declared baseline first.

    Args:
        data: The report's input.
        console: Where to print. A hundred columns are enough whatever the number of models.
    """
    from rich.text import Text

    rows = headline_rows(data)
    order = sorted(data.model_names, key=lambda name: data.baseline(name) is None)
    for model in order if rows else ():
        console.print(_model_table(data, rows, model))
    if rows:
        console.print(Text(LEGEND, style="dim"))
    for world in data.alignment:
        render_tables(world, console)
    if data.alignment:
        console.print(Text(ALIGNMENT_LEGEND, style="dim"))
        for note in dict.fromkeys(note for world in data.alignment for note in world.notes):
            console.print(Text(f"Note: {note}", style="dim"))
    note = world_note(rows)
    if note:
        console.print(Text(note, style="dim"))
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
    return f"{percent(cell.score.value)} {interval(cell.score.ci_low, cell.score.ci_high)}".strip()


def to_markdown(data: ReportData) -> str:
    """The headline as one Markdown table, with a difference column for every model that declares a baseline.

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
    lines += ["", LEGEND]
    note = world_note(rows)
    if note:
        lines += ["", escape_markdown(note)]
    missing = failure_lines(data) + hole_lines(rows, data.undefined)
    if missing:
        lines += ["", "Missing:", "", *(f"- {escape_markdown(line)}" for line in missing)]
    return "\n".join(lines) + "\n"
