"""Accuracy against severity: small multiples, one panel per corruption family or per corruption."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .data import ReportData
from .focus import Focus
from .style import REST, Pen, add_legend, grid_along, pens, styled
from .wording import condition_label

SEVERITIES = (1, 2, 3, 4, 5)


class Point(NamedTuple):
    """Value and interval of one model at one severity; NaN where it is not measured."""

    value: float
    low: float
    high: float


_TITLE = 21  # letters that fit over the narrowest panel
_HOLE = Point(math.nan, math.nan, math.nan)


def _cell(data: ReportData, model: str, task: str, condition: str) -> Point:
    score = data.score(model, task, condition, "top1")
    return _HOLE if score is None else Point(score.value, score.ci_low, score.ci_high)


def _mean(points: Sequence[Point]) -> Point:
    # A plain sum keeps NaN: a family with a missing cell is a hole, never the mean of the rest. Averaging the ends of
    # the intervals treats the cells as fully correlated (they are the same images), which can only widen the band.
    return Point(*(sum(column) / len(points) for column in zip(*points, strict=True))) if points else _HOLE


def severity_curve(data: ReportData, model: str, task: str, name: str, members: Sequence[str] = ()) -> list[Point]:
    """A model's points at severities 0 (the clean counterpart) to 5.

    Args:
        data: The report's input.
        model: Model name.
        task: Name of the corruption task.
        name: Corruption, or family when ``members`` is given.
        members: The family's corruptions; their mean stands where the family has no score of its own at a severity.

    Returns:
        Six points.
    """
    clean = data.task(task).get("clean")
    points = [_cell(data, model, str(clean), "overall") if clean else _HOLE]
    for severity in SEVERITIES:
        own = _cell(data, model, task, f"{name}/{severity}")
        if members and not math.isfinite(own.value):
            own = _mean([_cell(data, model, task, f"{member}/{severity}") for member in members])
        points.append(own)
    return points


def _draw(axes: Axes, points: Sequence[Point], pen: Pen) -> None:
    x = range(len(points))
    low, high = [100 * p.low for p in points], [100 * p.high for p in points]
    axes.fill_between(x, low, high, color=pen.colour, alpha=0.13, linewidth=0)
    # Markers at 0 and 100 are whole: nothing lies beyond them that the edge would have to hide.
    axes.plot(x, [100 * p.value for p in points], linestyle=pen.dashes, clip_on=False, **pen.point)


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(textwrap.fill(title, _TITLE))
    axes.set_xlim(-0.25, 5.25)
    axes.set_ylim(0, 100)
    axes.set_xticks(range(6), ["clean", *map(str, SEVERITIES)])
    axes.set_yticks(range(0, 101, 25))
    grid_along(axes, "y")


def _panels(
    data: ReportData,
    task: str,
    panels: Iterable[tuple[int, int, str, Sequence[str]]],
    height: float,
    models: Focus | None,
) -> Figure:
    """Draw panels given as (row, column, condition, members) on a grid of which some places may stay empty."""
    models = models or Focus(data.model_names)
    size = (9.0, height + 0.1 * len(models.shown))
    placed = list(panels)
    rows = 1 + max((row for row, *_ in placed), default=0)
    columns = 1 + max((column for _, column, *_ in placed), default=0)
    ink = pens(models.shown)
    with styled():
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.add_gridspec(rows, columns)
        taken = {(row, column) for row, column, *_ in placed}
        for row, column, name, members in placed:
            axes = figure.add_subplot(grid[row, column])
            for model in models.rest:
                behind = severity_curve(data, model, task, name, members)
                axes.plot(range(len(behind)), [100 * p.value for p in behind], color=REST, linewidth=0.5, zorder=1.5)
            for model in models.shown:
                _draw(axes, severity_curve(data, model, task, name, members), ink[model])
            _dress(axes, condition_label(name))
            axes.tick_params(labelleft=column == 0)
            # A panel with nothing below it carries the axis of its column.
            axes.tick_params(labelbottom=(row + 1, column) not in taken)
        figure.supxlabel("Severity", fontsize=8.5)
        figure.supylabel("Top-1 accuracy (%)", fontsize=8.5)
        add_legend(figure, models.shown, line=True, rest=len(models.rest))
    return figure


def accuracy_by_family(data: ReportData, task: str, models: Focus | None = None) -> Figure:
    """One panel per corruption family.

    Args:
        data: The report's input.
        task: Name of a corruption task.
        models: Which are in colour; all of them unless given.

    Returns:
        The figure.
    """
    families = [(name, members) for name, members in data.corruptions(task) if name]
    rows = max(1, -(-len(families) // 5))
    # Rows of equal length, as far as there are panels.
    columns = max(1, -(-len(families) // rows))
    panels = [(index // columns, index % columns, name, members) for index, (name, members) in enumerate(families)]
    return _panels(data, task, panels, 0.7 + 2.0 * rows, models)


def accuracy_by_corruption(data: ReportData, task: str, models: Focus | None = None) -> Figure:
    """One panel per corruption, the families in rows.

    Args:
        data: The report's input.
        task: Name of a corruption task.
        models: Which are in colour; all of them unless given.

    Returns:
        The figure.
    """
    panels: list[tuple[int, int, str, Sequence[str]]] = []
    row = 0
    for _, members in data.corruptions(task):
        panels += [(row + index // 5, index % 5, name, ()) for index, name in enumerate(members)]
        row += 1 + (len(members) - 1) // 5
    return _panels(data, task, panels, 0.7 + 1.65 * max(row, 1), models)


def severity_rows(data: ReportData, task: str, families: bool) -> list[dict[str, Any]]:
    """The figures' numbers: corruption by corruption or family by family, severity 0 the clean counterpart."""
    groups = data.corruptions(task)
    lines: list[tuple[str, Sequence[str]]] = [(name, ()) for _, members in groups for name in members]
    if families:
        lines = [(name, members) for name, members in groups if name]
    return [
        {
            "task": task, "family" if families else "corruption": name, "severity": severity, "model": model,
            "top1": point.value, "ci_low": point.low, "ci_high": point.high,
        }
        for name, members in lines
        for model in data.model_names
        for severity, point in enumerate(severity_curve(data, model, task, name, members))
    ]  # fmt: skip
