"""Accuracy and error consistency against the strength of a distortion, a small panel for each data set."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..results.schema import DrawnSet
from .alignment_data import AlignmentData, Estimate
from .alignment_style import FEW, behind, interval_cells, legend, observer_pens, whisker
from .focus import Focus
from .style import BAND, FAINT, INK, REST, Pen, grid_along, styled

CHANCE = 1 / 16
_COLUMNS = 4
_LABEL = 24  # letters that fit beside one panel


def strength_rows(data: AlignmentData, metric: str) -> list[dict[str, Any]]:
    """The figure's numbers: data set by data set, conditions in order of strength."""
    return [
        {
            "data_set": record["name"],
            "condition": condition,
            "counted": condition not in record["excluded"],
            "observer": observer,
            "kind": data.kind(observer),
            **interval_cells(data.estimate(observer, str(record["name"]), str(condition), metric)),
        }
        for record in data.graded
        for condition in record["conditions"]
        for observer in data.drawn
    ]


def accuracy_by_strength(data: AlignmentData, models: Focus | None = None) -> Figure:
    """Draw accuracy under every condition, those that no score counts in grey.

    Args:
        data: The figures' input.
        models: Which models are in colour; all of them unless given.

    Returns:
        The figure, a panel for each data set with more than one condition; dotted where guessing leads.
    """
    return _panels(data, models, "accuracy", "Accuracy", (0.0, 1.0))


def consistency_by_strength(data: AlignmentData, models: Focus | None = None) -> Figure:
    """Draw error consistency with the group compared with; of that group, the mean over its pairs.

    Args:
        data: The figures' input.
        models: Which models are in colour; all of them unless given.

    Returns:
        The figure, a panel for each data set with more than one condition; dotted at 0, where chance alone leads.
    """
    name = f"Error consistency (κ) with {data.label(data.reference)}"
    return _panels(data, models, "error_consistency", name, (-0.2, 1.0))


def _panels(data: AlignmentData, models: Focus | None, metric: str, label: str, limits: tuple[float, float]) -> Figure:
    sets, ink, grey = data.graded, observer_pens(data, models), behind(models)
    few = len(set(data.models) - grey) <= FEW
    rows = max(1, -(-len(sets) // _COLUMNS))
    with styled():
        height = 0.7 + 1.95 * rows + 0.05 * len(set(data.drawn) - grey)
        figure = Figure(figsize=(9.0, height), layout="constrained")
        grid = figure.add_gridspec(rows, _COLUMNS)
        for index, record in enumerate(sets):
            axes = figure.add_subplot(grid[index // _COLUMNS, index % _COLUMNS])
            for observer in data.drawn:
                points = [data.estimate(observer, record["name"], c, metric) for c in record["conditions"]]
                if observer in grey:
                    axes.plot([point.value for point in points], color=REST, linewidth=0.5, zorder=1.5)
                else:
                    reference = observer == data.reference
                    _draw(axes, points, _kept(record), ink[observer], reference=reference, few=few)
            _dress(axes, record, metric, limits)
            axes.tick_params(labelleft=index % _COLUMNS == 0)
        # No longer than the panels are high, or it would run into the legend.
        figure.supylabel(textwrap.fill(label, _LABEL * rows), fontsize=8.5)
        legend(figure, data, data.drawn, models, line=True, marker="")
    return figure


def _kept(record: DrawnSet) -> list[int]:
    return [row for row, condition in enumerate(record["conditions"]) if condition not in record["excluded"]]


def _draw(axes: Axes, points: Sequence[Estimate], kept: Sequence[int], pen: Pen, *, reference: bool, few: bool) -> None:
    """A curve: strong where conditions count, pale where they do not."""
    strong, front = reference or few, 3.0 if reference else 2.0
    values = [point.value for point in points]
    # Of many models the curves are thin, and have no markers where nothing counts.
    marker = {**pen.point, "markersize": (0.75 if strong else 0.55) * pen.size}
    everywhere = marker if strong else {"color": pen.colour}
    axes.plot(range(len(points)), values, linestyle=pen.dashes, linewidth=0.9, alpha=0.4, **everywhere)
    axes.plot(
        kept, [values[row] for row in kept], linestyle=pen.dashes, linewidth=1.5 if strong else 0.8, zorder=front,
        **marker,
    )  # fmt: skip
    if reference and points:
        low, high = zip(*(point.span for point in points), strict=True)
        axes.fill_between(range(len(points)), low, high, color=pen.colour, alpha=0.15, linewidth=0)
    if strong:
        for row in kept:
            if points[row].measured:
                whisker(axes, row, values[row], points[row].span, pen, along="y")


def _dress(axes: Axes, record: DrawnSet, metric: str, limits: tuple[float, float]) -> None:
    number = len(record["conditions"])
    kept = _kept(record)
    for row in range(number):
        if row not in kept:
            axes.axvspan(row - 0.5, row + 0.5, color=BAND, linewidth=0, zorder=0)
    level = float(record.get("chance", CHANCE)) if metric == "accuracy" else 0.0
    axes.axhline(level, color=FAINT, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
    axes.set_title(str(record["title"]))
    axes.set_xlabel(str(record["axis"]), fontsize=7.5)
    axes.set_xlim(-0.5, number - 0.5)
    axes.set_xticks(range(number), [str(tick) for tick in record["ticks"]], fontsize=7)
    for row, text in enumerate(axes.get_xticklabels()):
        text.set_color(INK if row in kept else FAINT)
    axes.set_ylim(*limits)
    axes.set_yticks([step / 5 for step in range(math.ceil(5 * limits[0]), 6)])
    grid_along(axes, "y")
