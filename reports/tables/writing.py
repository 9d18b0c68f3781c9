"""Tables as LaTeX for a paper, and as Markdown, HTML and CSV."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest

from ..headline import escape_markdown
from ..wording import HOLE, csv_text, labels, visible
from .registry import Entry, Grid, records_of

# Tables for a paper: LaTeX with booktabs.


ACROSS = 4
"""Most models that are placed side by side, and most columns of a table with a row for each model."""

_DOWN = 45  # models that fit on a page
_WORDS = 20  # letters in a line of the first two columns

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "\"": "''", "−": "$-$", "↓": r"$\downarrow$", "κ": r"$\kappa$", "α": r"$\alpha$",
    "†": r"$^{\dagger}$", "‡": r"$^{\ddagger}$", "—": "---", "–": "--", "…": r"\ldots{}",
    "\n": " ", "\r": " ", "\t": " ",
}  # fmt: skip


def latex_escape(text: str) -> str:
    """A text that LaTeX prints as it is, whatever it holds; letters of other scripts need XeLaTeX or LuaLaTeX."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text if letter.isprintable() or letter in _SPECIAL)


def to_latex(table: Grid) -> str:
    """A table as LaTeX, several ``table`` environments if it does not fit on one page.

    Args:
        table: What to write.

    Returns:
        Text that needs ``\\usepackage{booktabs}`` and nothing else, and ends with a newline.
    """
    across = len(table.models) <= ACROSS
    parts = [_across(table)] if across else _down(table)
    blocks = []
    for number, body in enumerate(parts, 1):
        more = f" Part {number} of {len(parts)}." if len(parts) > 1 else ""
        label = f"tab:{_label(table.name)}" + (f"-{number}" if len(parts) > 1 else "")
        blocks.append("\n".join([
            r"\begin{table}", r"\centering", r"\scriptsize", r"\setlength{\tabcolsep}{2.5pt}",
            rf"\caption{{{latex_escape(table.caption(across))}{more}}}", rf"\label{{{label}}}", body, r"\end{table}",
        ]))  # fmt: skip
    return "% \\usepackage{booktabs}\n" + "\n\n".join(blocks) + "\n"


def _label(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "-:.") else "-" for c in name)


def _tabular(columns: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(head) + r" \\", r"\midrule"]
    # A row that begins with a bracket or a star would be taken for an argument of the line break before it.
    lines += ["{}" + " & ".join(row) + r" \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _across(table: Grid) -> str:
    models = labels(table.models, 40, _printed)
    head = ["Task", "Condition", *(_stacked(models[model], 16) for model in table.models)]
    groups, headings = (
        labels(texts, 3 * _WORDS, _printed)
        for texts in ((line.group for line in table.lines), (line.heading for line in table.lines))
    )
    rows, last = [], ""
    for line, entries in zip(table.lines, table.entries, strict=True):
        group = "" if line.group == last else groups[line.group]
        words = zip_longest(_broken(group), _broken(headings[line.heading]), fillvalue="")
        # A name that is too long continues in rows of its own, below its numbers.
        cells = [*map(_cell, entries)]
        for left in words:
            rows.append([*map(latex_escape, left), *cells])
            cells = [""] * len(cells)
        last = line.group
    return _tabular("ll" + "r" * len(table.models), head, rows)


def _down(table: Grid) -> list[str]:
    bodies = []
    one = len({line.group for line in table.lines}) == 1
    models = labels(table.models, 24, _printed)
    for left in range(0, len(table.lines), ACROSS):
        chosen = range(left, min(left + ACROSS, len(table.lines)))
        titles = [
            table.lines[n].heading if one else f"{table.lines[n].group}: {table.lines[n].heading}" for n in chosen
        ]
        head = ["Model", *(_stacked(title, 16) for title in titles)]
        for top in range(0, len(table.models), _DOWN):
            rows = [
                [latex_escape(models[model]), *(_cell(table.entries[n][top + place]) for n in chosen)]
                for place, model in enumerate(table.models[top : top + _DOWN])
            ]
            bodies.append(_tabular("l" + "r" * len(chosen), head, rows))
    return bodies


def _broken(text: str) -> list[str]:
    return textwrap.wrap(text, _WORDS) or [""]


def _printed(text: str) -> str:
    """A label as it is printed, where any white space is one space."""
    return latex_escape(visible(text))


def _stacked(text: str, width: int) -> str:
    """A heading of several lines, broken before its letters are escaped."""
    lines = textwrap.wrap(text, width) or [""]
    # A line that begins with a bracket would be taken for the optional argument of the line break.
    return r"\shortstack[r]{" + r"\\".join("{}" + latex_escape(line) for line in lines) + "}"


def _cell(entry: Entry) -> str:
    if entry.value == HOLE:
        return "---"
    value = latex_escape(entry.value)
    value = rf"\textbf{{{value}}}" if entry.best else value
    span = rf" {{\tiny {latex_escape(entry.span)}}}" if entry.span else ""
    return f"{value}{latex_escape(entry.mark)}{span}"


# Tables as Markdown, HTML and CSV.


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
