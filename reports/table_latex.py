"""Tables for a paper: LaTeX with booktabs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from .table_grid import Entry, Grid
from .wording import HOLE, labels, visible

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
    """A table as LaTeX, several ``table`` environments where one page or its width is not enough.

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
