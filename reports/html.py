"""The report as one HTML file that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..results.folder import write_aside
from .data import Record, ReportData
from .rows import failure_lines, headline_rows, hole_lines, tallies
from .table import LEGEND
from .view import (
    ViewTable,
    comparison_view,
    corruption_view,
    facts,
    headline_view,
    metrics_view,
    severity_views,
    shape_view,
    shift_view,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class ViewFigure:
    """A picture of the page: its element, a heading, and how to read it."""

    title: str
    svg: str
    caption: str


def _title(task: Record) -> str:
    return str(task.get("title") or task["name"])


def _draw(data: ReportData) -> list[ViewFigure]:
    from . import figures
    from .style import to_svg

    found: list[ViewFigure] = []

    def add(figure: Figure, title: str, caption: str) -> None:
        label = f"{title}. {caption} Models: {', '.join(data.model_names)}. The tables hold the same numbers."
        found.append(ViewFigure(title, to_svg(figure, f"fig{len(found) + 1}", label), caption))

    add(
        figures.overview(data),
        "Overview",
        "Each marker is one model's value, the bar its 95 % interval; grey labels are parts of the task above them. "
        "Intervals of two models may overlap and the paired difference still be clear: the table decides.",
    )
    band = "Bands are 95 % intervals; severity 0 is the clean counterpart. A gap in a line is a cell not measured."
    for task in data.tasks_of_kind("corruptions"):
        name, title = str(task["name"]), _title(task)
        by_family, by_corruption = figures.accuracy_by_severity(data, name)
        flat = "The flatter a line, the more robust the model."
        families = any(family for family, _ in data.corruptions(name))
        if families:
            add(by_family, f"{title}: accuracy by severity, family means", f"{flat} {band}")
        hint = "Families in rows." if families else flat
        add(by_corruption, f"{title}: accuracy by severity, every corruption", f"{hint} {band}")
    for task in data.tasks_of_kind("cue-conflict"):
        add(
            figures.shape_bias(data, str(task["name"])),
            f"{_title(task)}: shape against texture",
            "Images whose shape and texture belong to different categories. A marker is the share of decisions for "
            "the texture (left is more by shape) on images of one shape category; vertical lines are the values over "
            "all categories, with their 95 % intervals at the foot. Decisions for neither cue are left out.",
        )
    return found


def _details(data: ReportData) -> list[tuple[str, list[ViewTable]]]:
    """Collapsible groups of tables, those without rows left out."""
    groups: list[tuple[str, list[ViewTable]]] = []
    for task in data.task_records:
        kind = task.get("kind", "shift")
        tables: list[ViewTable | None] = []
        if kind == "corruptions":
            groups.append((f"{_title(task)}: every corruption", [corruption_view(data, task)]))
            groups.append((f"{_title(task)}: every severity", severity_views(data, task)))
        elif kind == "cue-conflict":
            tables = [shape_view(data, task)]
            groups.append((f"{_title(task)}: every category", [t for t in tables if t]))
        else:
            tables = [metrics_view(data, task), shift_view(data, task)]
            groups.append((f"{_title(task)}: every number", [t for t in tables if t]))
    groups.append(("Every paired difference, with p-values", [comparison_view(data)]))
    kept = [(title, [table for table in tables if table.rows]) for title, tables in groups]
    return [(title, tables) for title, tables in kept if tables]


def render_html(data: ReportData) -> str:
    """Lay out the page.

    Args:
        data: The report's input.

    Returns:
        A complete HTML document.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = headline_rows(data)
    worlds = {str(task.get("world") or "") for task in data.task_records}
    return environment.get_template("report.html.j2").render(
        title=data.title,
        # The day is for the reader; the run's own record below keeps the full time.
        date=str(data.run.get("date") or "")[:10],
        run_facts=facts(data.run),
        models=[(str(record["name"]), facts(record, skip=("name",))) for record in data.models],
        tasks=[(_title(task), facts(task, skip=("title",))) for task in data.task_records],
        counts=(len(data.model_names), len(data.task_records)),
        procedural="microworld" in worlds,
        photographs="photographs" in worlds,
        tallies=tallies(data),
        failures=failure_lines(data),
        holes=hole_lines(rows, data.undefined),
        headline=headline_view(data, rows),
        baselines={model: data.baseline(model) for model in data.model_names},
        legend=LEGEND,
        # The only markup that is not escaped: it comes from matplotlib, which escapes the text inside.
        figures=[(figure.title, Markup(figure.svg), figure.caption) for figure in _draw(data)],
        details=_details(data),
    )


def write_html(data: ReportData, path: Path) -> None:
    """Write the page; a reader never sees half of it.

    Args:
        data: The report's input.
        path: Where to put the file. Its folder is made if needed.

    Raises:
        StoreError: It cannot be written.
    """
    write_aside(Path(path), render_html(data).encode())
