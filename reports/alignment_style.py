"""How observers are drawn: models in colours, the group compared with in ink, published numbers hollow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .alignment_data import AlignmentData, Estimate
from .focus import Focus
from .style import DASHES, FAINT, INK, MARKERS, REST, Pen, add_legend, pens
from .wording import labels

FEW = 6
"""Most models whose intervals are drawn along curves; those of more would hide each other."""

PUBLISHED = " (published)"
_PERSON = Pen(FAINT, "o", 3.0, "-")
_REFERENCE = Pen(INK, "D", 6.0, "-")
_BEHIND = Pen(REST, "o", 4.0, "-")


def behind(models: Focus | None) -> frozenset[str]:
    """Observers drawn in grey; none unless models were chosen."""
    return frozenset(models.rest if models else ())


def observer_pens(data: AlignmentData, models: Focus | None = None) -> dict[str, Pen]:
    """A pen for every observer.

    Ink is for the group compared with, grey for models in the background; no two others share colour and marker.
    """
    colours = [pen.colour for pen in pens([str(index) for index in range(len(MARKERS))]).values() if pen.colour != INK]
    grey = behind(models)
    by_observer = {data.reference: _REFERENCE} | {model: _BEHIND for model in data.models if model in grey}
    for index, model in enumerate(model for model in data.models if model not in grey):
        # Seven colours and eight markers have no factor in common: 56 pairs before one comes again.
        marker = MARKERS[index % len(MARKERS)]
        by_observer[model] = Pen(colours[index % len(colours)], *marker, DASHES[index % len(DASHES)])
    for record in data.observers:
        by_observer.setdefault(str(record["name"]), _PERSON)
    return by_observer


def legend(
    figure: Figure, data: AlignmentData, names: Sequence[str], models: Focus | None = None, *, line: bool, marker: str
) -> None:
    """Add the legend above the panels; observers in grey are only counted.

    Args:
        figure: The figure that gets the legend.
        data: The figures' input.
        names: Observers that are drawn.
        models: Which models are in colour.
        line: Whether those are drawn as lines.
        marker: Of those in grey; none where they are lines.
    """
    grey = behind(models)
    coloured = [name for name in names if name not in grey]
    texts = names_of(data, coloured)
    ink, rest = observer_pens(data, models), len(names) - len(coloured)
    add_legend(figure, coloured, line=line, ink=ink, labels=texts, rest=rest, rest_marker=marker)


def names_of(data: AlignmentData, observers: Sequence[str], width: int = 28) -> dict[str, str]:
    """Observers' labels, shortened except for the remark that one is simulated; no two in a figure are alike."""
    parts = {name: data.label(name).partition(" (simulated)") for name in (*data.everyone, *observers)}
    short = labels((label for label, _, _ in parts.values()), width)
    return {name: short[parts[name][0]] + "".join(parts[name][1:]) for name in observers}


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


def interval_cells(estimate: Estimate) -> dict[str, float | int | None]:
    """The columns that every figure's rows end with."""
    return {
        "value": estimate.value,
        "ci_low": estimate.low,
        "ci_high": estimate.high,
        "people_ci_low": estimate.people_low,
        "people_ci_high": estimate.people_high,
        "n": estimate.n or None,
    }
