"""A result in a notebook: figures by name, and the headline as a small table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from ..errors import VitobenchError, unknown_name
from ..reports.data import ReportData
from ..reports.rows import Cell, failure_lines, headline_rows, hole_lines
from ..reports.wording import HOLE, MARKS, interval, percent, verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(data: ReportData, name: str, subject: str | None = None, highlight: Sequence[str] = ()) -> Figure:
    """Draw a figure of the registry; see `Result.figure`."""
    from ..reports.figure_registry import figure_spec
    from ..reports.focus import focus

    spec = figure_spec(name)
    subjects = list(spec.subjects(data))
    if not subjects:
        raise VitobenchError(f"The figure {name} cannot be drawn from this result: it needs {spec.needs}.")
    if subject is not None and subject not in subjects:
        raise unknown_name(f"subject of the figure {name} in this result", subject, subjects)
    return spec.draw(data, subjects[0] if subject is None else subject, focus(data, highlight))


def summary_html(data: ReportData) -> str:
    """The headline with intervals, then everything that is missing; safe against names from untrusted files."""
    rows = headline_rows(data)
    head = "".join(f"<th>{escape(model)}</th>" for model in data.model_names)
    body = []
    for row in rows:
        label = f"{row.title}: {row.label}"
        cells = "".join(f"<td>{_cell(cell)}</td>" for cell in row.cells)
        body.append(f'<tr><th style="text-align:left">{escape(label)}</th>{cells}</tr>')
    missing = [*failure_lines(data), *hole_lines(rows, data.undefined)]
    lines = "".join(f"<li>{escape(line)}</li>" for line in missing)
    return (
        f"<h4>{escape(data.title)}</h4><table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
        "</table><p>Percent, with 95 % intervals. ▲ ▼: significantly better or worse than the declared baseline.</p>"
        + (f"<p>Missing:</p><ul>{lines}</ul>" if lines else "")
    )


def _cell(cell: Cell) -> str:
    if not cell.measured or cell.score is None:
        return HOLE
    mark = MARKS[verdict(cell.comparison)] if cell.comparison is not None else ""
    span = interval(cell.score.ci_low, cell.score.ci_high)
    return f"{escape(percent(cell.score.value))} {mark} <small>{escape(span)}</small>"
