"""Pages as one HTML file that needs nothing else: the report of a run, and that of a curation."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...files import write_file
from ...results.schema import View
from ...text import utf8
from ..data import ReportData, title_of
from ..figures.figure import Place
from ..focus import MANY, drawn_models, left_line
from ..headline import HeadlineRow, failure_lines, headline_rows, hole_lines, left_out_lines, legend, tallies
from ..ranks import HEADS, about_lines, cells, led_by_ranks, title
from ..ranks import LEGEND as RANKS_LEGEND
from ..wording import condition_label, labels, layer_line, shorten
from .pictures import gallery_sections, understanding_sections
from .sections import (
    Section,
    ViewFigure,
    ViewSection,
    alignment_sections,
    page_figures,
    published_sections,
    standing_sections,
)
from .view import (
    ViewCell,
    ViewRow,
    ViewTable,
    comparison_view,
    corruption_view,
    factor_view,
    facts,
    headline_view,
    leaderboard_view,
    metrics_view,
    severity_views,
    shape_view,
    shift_view,
)

if TYPE_CHECKING:
    from jinja2 import Template


# Templates of pages, with automatic escaping.


TEMPLATES = Path(__file__).parent / "templates"


def template(name: str) -> Template:
    """A template by its file name; every value is escaped, and a missing one is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


# The report as one HTML file that needs no network and no other file, and works without its script.


SECTIONS: tuple[Section, ...] = (
    standing_sections,
    understanding_sections,
    published_sections,
    alignment_sections,
    gallery_sections,
)
"""Parts of the page after the figures, in their order; a new part is added here."""


def rank_sections(data: ReportData) -> list[ViewSection]:
    """A part for each world in which more models are ranked than a table of pairs can show.

    Args:
        data: The report's input.
    """
    sections = []
    for number, ranking in enumerate(led_by_ranks(data), start=1):
        rows = []
        for row in ranking.rows:
            rank, mean, span, images, tasks, group = cells(row, ranking.metric)
            values = (ViewCell(rank), ViewCell(mean, span), *map(ViewCell, (images, tasks, group)))
            rows.append(ViewRow(row.model, "", False, "", values))
        heading = title(data, ranking)
        first, *remarks = about_lines(data, ranking)
        sections.append(
            ViewSection(
                title=heading,
                anchor="ranks" if number == 1 else f"ranks-{number}",
                lede=" ".join([first, *remarks]),
                tables=(ViewTable(heading, HEADS, tuple(rows)),) if rows else (),
                first="Model",
                legend=RANKS_LEGEND if rows else "",
                figures=page_figures(replace(data, rankings=(ranking,)), Place.RANKS, f"ranks{number}-"),
                figures_first=True,
            )
        )
    return sections


def _draw(everything: ReportData, place: Place) -> tuple[ViewFigure, ...]:
    data = everything.of(drawn_models(everything))
    left = len(everything.model_names) - len(data.model_names)
    return page_figures(data, place, f"{place}-", left_line(left), f"Models: {', '.join(data.model_names)}.")


def _details(data: ReportData, sections: Sequence[ViewSection]) -> list[tuple[str, list[ViewTable]]]:
    """Collapsible groups of tables, those without rows left out."""
    groups: list[tuple[str, list[ViewTable]]] = []
    for task in data.task_records:
        views = task.get("views", ())
        if View.SEVERITIES in views:
            groups.append((f"{title_of(task)}: every corruption", [corruption_view(data, task)]))
            groups.append((f"{title_of(task)}: every severity", severity_views(data, task)))
        elif View.FACTORS in views:
            tables = [factor_view(data, task), metrics_view(data, task)]
            groups.append((f"{title_of(task)}: every factor", [table for table in tables if table]))
        elif View.SHAPE in views:
            groups.append((f"{title_of(task)}: every category", [shape_view(data, task)]))
        elif View.ALIGNMENT not in views:
            tables = [metrics_view(data, task), shift_view(data, task)]
            groups.append((f"{title_of(task)}: every number", [table for table in tables if table]))
    groups += [(title, list(tables)) for section in sections for title, tables in section.details]
    groups.append(("Every paired difference, with p-values", [comparison_view(data)]))
    filled = [(title, [table for table in tables if table.rows]) for title, tables in groups]
    return [(title, tables) for title, tables in filled if tables]


def _contents(
    leading: Sequence[ViewSection],
    rows: list[HeadlineRow],
    figures: Sequence[ViewFigure],
    sections: Sequence[ViewSection],
) -> list[tuple[str, str]]:
    """Anchors and titles of the page's parts."""
    anchors = [(section.anchor, section.title) for section in leading]
    anchors += [("headline", "Headline")] if rows else []
    anchors += [("figures", "Figures")] if figures else []
    anchors += [(section.anchor, section.title) for section in sections]
    return [*anchors, ("details", "All values"), ("provenance", "Where the numbers come from")]


def _policy(script: str) -> str:
    """Content security policy of the page: only this script may run, and nothing may be fetched."""
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = ("default-src 'none'", f"script-src 'sha256-{known}'", "style-src 'unsafe-inline'", "img-src data:")
    return "; ".join([*rules, "form-action 'none'", "base-uri 'none'"])


def render_html(data: ReportData) -> str:
    """Lay out the page.

    Args:
        data: The report's input.

    Returns:
        A complete HTML document.
    """
    from markupsafe import Markup

    rows = headline_rows(data)
    short = labels(data.model_names)
    leading = rank_sections(data)
    sections = [section for make in SECTIONS for section in make(data)]
    shown_figures = _draw(data, Place.FIGURES)
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    worlds = {str(task.get("world") or "") for task in data.task_records}
    return template("report.html.j2").render(
        title=data.title,
        # The day is for the reader; the run's own record below keeps the full time.
        date=str(data.run.get("date") or "")[:10],
        run_facts=facts(data.run, skip=("layers", "layer_problems")),
        layers=[*map(layer_line, data.run.get("layers", [])), *data.run.get("layer_problems", [])],
        models=[(str(record["name"]), facts(record, skip=("name",))) for record in data.models],
        tasks=[
            (str(task["name"]), title_of(task), facts(task, skip=("title", "left_out", "views", "headline")))
            for task in data.task_records
        ],
        model_ids={str(record["name"]): f"model-{n}" for n, record in enumerate(data.models, start=1)},
        task_ids={str(task["name"]): f"task-{n}" for n, task in enumerate(data.task_records, start=1)},
        contents=_contents(leading, rows, shown_figures, sections),
        leading=leading,
        policy=_policy(script),
        base64=lambda content: base64.b64encode(content).decode(),
        condition_label=condition_label,
        shorten=lambda name: short.get(name) or shorten(name),
        counts=(len(data.model_names) - len(data.partial_models), len(data.asked_tasks), len(data.partial_models)),
        procedural="microworld" in worlds,
        photographs="photographs" in worlds,
        tallies=tallies(data),
        failures=failure_lines(data),
        left_out=left_out_lines(data),
        holes=hole_lines(rows, data.undefined),
        # With many models the headline has a line for each of them instead of a column.
        headline=leaderboard_view(data, rows) if len(data.model_names) > MANY else headline_view(data, rows),
        legend=legend(data),
        # The only markup that is not escaped: figures by matplotlib, which escapes the text inside, and our own script.
        markup=Markup,
        script=Markup(script),
        overview=_draw(data, Place.TOP),
        figures=shown_figures,
        sections=sections,
        details=_details(data, sections),
    )


def write_html(data: ReportData, path: Path) -> None:
    """Write the page; a reader never sees half of it.

    Args:
        data: The report's input.
        path: The file. Its folder is created if needed.

    Raises:
        StoreError: It cannot be written.
    """
    write_file(Path(path), utf8(render_html(data)))


# The page of a curation: what was kept, what was dropped and why, with pictures.


_OPEN_CLASSES = 30
"""Classes whose bars are shown at once; the others are folded."""


@dataclass(frozen=True)
class ShownClip:
    """A clip of the contact sheet.

    Attributes:
        clip: Its id.
        title: Of the video.
        reason: The verdict.
        kept: Whether it is in the set.
        named: Its class; empty if it has none.
        answer: The classifier's first answer to the middle frame; empty if it was not asked.
        confidence: Of that answer, 0 to 1.
        duplicate_of: What it looks like; empty if nothing.
        problem: Why it could not be read; empty if it could.
        picture: JPEG; None where there is none.
    """

    clip: str
    title: str
    reason: str
    kept: bool
    named: str
    answer: str
    confidence: float
    duplicate_of: str
    problem: str
    picture: bytes | None

    @property
    def picture_text(self) -> str:
        """The picture in base 64; empty if there is none."""
        return base64.b64encode(self.picture).decode("ascii") if self.picture else ""


def render_curation_page(summary: Mapping[str, Any], clips: Sequence[ShownClip]) -> str:
    """Lay out the page: one file, no script, nothing from elsewhere.

    Args:
        summary: As in ``summary.json``.
        clips: Clips for the contact sheet, those of a verdict together.
    """
    groups: dict[str, list[ShownClip]] = {}
    for clip in clips:
        groups.setdefault(clip.reason, []).append(clip)
    classes = list(summary["classes"])
    return template("curation.html.j2").render(
        summary=summary,
        truth=summary.get("truth"),
        unnamed=summary["classes_asked"] - summary["classes_named"],
        classes=classes[:_OPEN_CLASSES],
        more=classes[_OPEN_CLASSES:],
        largest=max((row["candidates"] for row in classes), default=1),
        most=max((row["clips"] for row in summary["reasons"]), default=1),
        # Readers look at the kept clips first; the table above has the verdicts in the order in which they apply.
        groups=[(row, groups[row["reason"]]) for row in reversed(summary["reasons"]) if row["reason"] in groups],
        settings=[(name.replace("_", " "), _words(value)) for name, value in summary["settings"].items()],
    )


def _words(value: Any) -> str:
    if value is None:
        return "median over classes"  # the one setting that may be absent is the quota
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def write_curation_page(summary: Mapping[str, Any], clips: Sequence[ShownClip], path: Path) -> None:
    """Write the page; a reader never sees half of it.

    Raises:
        StoreError: It cannot be written.
    """
    write_file(path, utf8(render_curation_page(summary, clips)))
