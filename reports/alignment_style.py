"""How observers are drawn: models in colours, the group compared with in ink, published numbers hollow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .alignment_data import AlignmentData, Estimate
from .style import DASHES, FAINT, INK, MARKERS, Pen, add_legend, pens
from .wording import shorten

FEW = 6
"""So many models have their intervals drawn along curves; those of more would hide each other."""

PUBLISHED = " (published)"
_PERSON = Pen(FAINT, "o", 3.0, "-")
_REFERENCE = Pen(INK, "D", 6.0, "-")


def observer_pens(data: AlignmentData) -> dict[str, Pen]:
    """A pen for every observer: ink is for the group compared with, and no two models share colour and marker."""
    colours = [pen.colour for pen in pens([str(index) for index in range(len(MARKERS))]).values() if pen.colour != INK]
    found = {data.reference: _REFERENCE}
    for index, model in enumerate(data.models):
        # Seven colours and eight markers have no factor in common: 56 pairs before one comes again.
        marker = MARKERS[index % len(MARKERS)]
        found[model] = Pen(colours[index % len(colours)], *marker, DASHES[index % len(DASHES)])
    for record in data.observers:
        found.setdefault(str(record["name"]), _PERSON)
    return found


def legend(figure: Figure, data: AlignmentData, names: Sequence[str], *, line: bool) -> None:
    """Put observers above the panels."""
    ink = observer_pens(data)
    add_legend(figure, names, line=line, ink=ink, labels={name: name_of(data, name) for name in names})


def name_of(data: AlignmentData, observer: str, width: int = 28) -> str:
    """An observer's label, shortened but for the remark that it is simulated."""
    label, mark, rest = data.label(observer).partition(" (simulated)")
    return shorten(label, width) + mark + rest


def hollow(size: float = 5.0) -> dict[str, Any]:
    """What `Axes.plot` needs for a published value."""
    return {
        "marker": "o",
        "markersize": size,
        "markerfacecolor": "white",
        "markeredgecolor": FAINT,
        "markeredgewidth": 0.9,
        "linestyle": "none",
    }


def whisker(axes: Axes, x: float, y: float, span: tuple[float, float], pen: Pen, *, along: str) -> None:
    """The interval of a value, along an axis."""
    fixed = [y, y] if along == "x" else [x, x]
    ends = (list(span), fixed) if along == "x" else (fixed, list(span))
    axes.plot(*ends, color=pen.colour, linewidth=1.1, solid_capstyle="butt")


def interval_cells(found: Estimate) -> dict[str, float | int | None]:
    """The columns that every figure's rows end with."""
    return {
        "value": found.value,
        "ci_low": found.low,
        "ci_high": found.high,
        "people_ci_low": found.people_low,
        "people_ci_high": found.people_high,
        "n": found.n or None,
    }
