"""Tables as Markdown, HTML and CSV."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping

from .csv_rows import csv_text
from .table import escape_markdown
from .table_grid import Entry, Grid, records_of
from .table_latex import ACROSS, to_latex
from .wording import labels, visible

ENDINGS = {"latex": "tex", "markdown": "md", "csv": "csv", "html": "html"}
"""Formats, and how their files end."""


def _laid_out(table: Grid, cell: Callable[[Entry], str], text: Callable[[str], str]) -> list[list[str]]:
    """Head and rows; models side by side while they are few."""
    models = labels(table.models, None, lambda label: visible(text(label)))
    if len(table.models) <= ACROSS:
        rows = [["Task", "Condition", *(text(models[model]) for model in table.models)]]
        for line, entries in zip(table.lines, table.entries, strict=True):
            rows.append([text(line.group), text(line.heading), *map(cell, entries)])
        return rows
    rows = [["Model", *(text(f"{line.group}: {line.heading}") for line in table.lines)]]
    for place, model in enumerate(table.models):
        rows.append([text(models[model]), *(cell(entries[place]) for entries in table.entries)])
    return rows


def _markdown_cell(entry: Entry) -> str:
    value = f"**{entry.value}**" if entry.best else entry.value
    return f"{value}{entry.mark} {entry.span}".strip()


def to_markdown_table(table: Grid) -> str:
    """A table as Markdown, its caption below it; ends with a newline."""
    head, *rows = _laid_out(table, _markdown_cell, escape_markdown)
    words = 2 if len(table.models) <= ACROSS else 1
    align = ["---"] * words + ["---:"] * (len(head) - words)
    lines = ["| " + " | ".join(row) + " |" for row in (head, align, *rows)]
    return "\n".join([*lines, "", escape_markdown(table.caption(words == 2))]) + "\n"


def _html_cell(entry: Entry) -> str:
    value = f"<b>{html.escape(entry.value)}</b>" if entry.best else html.escape(entry.value)
    mark = f"<sup>{entry.mark}</sup>" if entry.mark else ""
    return f"{value}{mark}{f' <small>{html.escape(entry.span)}</small>' if entry.span else ''}"


def to_html_table(table: Grid) -> str:
    """A table as one ``<table>`` element without any style; ends with a newline."""
    head, *rows = _laid_out(table, _html_cell, html.escape)
    words = 2 if len(table.models) <= ACROSS else 1
    lines = ["<table>", f"<caption>{html.escape(table.caption(words == 2))}</caption>"]
    lines += ["<thead><tr>" + "".join(f'<th scope="col">{cell}</th>' for cell in head) + "</tr></thead>", "<tbody>"]
    for row in rows:
        names = "".join(f'<th scope="row">{cell}</th>' for cell in row[:words])
        lines.append(f"<tr>{names}{''.join(f'<td>{cell}</td>' for cell in row[words:])}</tr>")
    return "\n".join([*lines, "</tbody>", "</table>"]) + "\n"


def to_csv_table(table: Grid) -> str:
    """A line for each number of each model, in fractions."""
    return csv_text(records_of(table))


WRITERS: Mapping[str, Callable[[Grid], str]] = {
    "latex": to_latex,
    "markdown": to_markdown_table,
    "csv": to_csv_table,
    "html": to_html_table,
}
