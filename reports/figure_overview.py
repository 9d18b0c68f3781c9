"""The headline as one dot plot: every metric with its interval, the models in their colours.

A radar plot is not drawn: its area depends on the order of its axes, its axes share no scale, and it has no room for
intervals. Positions along a common scale are read most exactly (Cleveland & McGill 1984, JASA 79:531).
"""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..results.metrics import metric
from .data import ReportData
from .focus import Focus
from .rows import HeadlineRow, headline_rows
from .style import BAND, FAINT, INK, REST, Pen, add_legend, grid_along, pens, styled


def _groups(rows: list[HeadlineRow]) -> list[tuple[str, list[HeadlineRow]]]:
    """Rows by metric, since accuracies, error ratios and biases share no axis."""
    groups: dict[str, list[HeadlineRow]] = {}
    for row in rows:
        groups.setdefault(row.metric, []).append(row)
    return list(groups.items())


def _limits(rows: list[HeadlineRow]) -> tuple[float, float]:
    """The span of the intervals plus a margin; accuracies stay within 0 and 100."""
    ends = [
        100 * end
        for row in rows
        for cell in row.cells
        if cell.score is not None
        for end in (cell.score.ci_low, cell.score.ci_high, cell.score.value)
        if math.isfinite(end)
    ]
    if not ends:
        return 0.0, 100.0
    # At least twenty points wide: a closer look would make noise look like a result.
    air = max(2.0, 0.06 * (max(ends) - min(ends)), (20 - (max(ends) - min(ends))) / 2)
    low, high = min(ends) - air, max(ends) + air
    return max(0.0, low), high if metric(rows[0].metric).better < 0 else min(100.0, high)


def _panel(axes: Axes, rows: list[HeadlineRow], ink: dict[str, Pen], step: float) -> None:
    for y, row in enumerate(rows):
        # Bands tell which markers belong to a row once several models share it.
        if y % 2 == 0:
            axes.axhspan(y - 0.5, y + 0.5, color=BAND, linewidth=0, zorder=0)
        places = {model: index - (len(ink) - 1) / 2 for index, model in enumerate(ink)}
        for cell in row.cells:
            if cell.score is None or not cell.measured:
                continue
            if cell.model not in ink:
                axes.plot([100 * cell.score.value], [y], "|", color=REST, markersize=9, markeredgewidth=0.8, zorder=1.5)
                continue
            pen = ink[cell.model]
            at = y + step * places[cell.model]
            score = cell.score
            axes.plot([100 * score.ci_low, 100 * score.ci_high], [at, at], color=pen.colour, linewidth=1.3)
            axes.plot([100 * score.value], [at], clip_on=False, **pen.point)
    axes.set_yticks(range(len(rows)), [row.label.lower() if row.part else row.title for row in rows])
    for row, label in zip(rows, axes.get_yticklabels(), strict=True):
        label.set_color(FAINT if row.part else INK)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(*_limits(rows))
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True))
    reading = metric(rows[0].metric)
    arrow = {1: "higher is better", -1: "lower is better"}[reading.better]
    if rows[0].metric == "shape_bias":
        arrow = "higher: more by shape"
    axes.set_title(f"{reading.label} (%), {arrow}")
    grid_along(axes, "x")


def overview(data: ReportData, models: Focus | None = None) -> Figure:
    """Draw every headline value.

    Args:
        data: The report's input.
        models: Which are in colour, with intervals; all of them unless given.

    Returns:
        The figure, one panel per metric, as tall as its rows need.
    """
    models = models or Focus(data.model_names)
    groups = _groups(headline_rows(data))
    count = len(models.shown)
    # Eight models share a row without touching; one model does not float in a tall one.
    inch = 0.2 + 0.05 * count
    heights = [len(rows) for _, rows in groups] or [1]
    with styled():
        height = 0.6 + inch * sum(heights) + 0.62 * len(heights) + 0.1 * count
        figure = Figure(figsize=(6.2, height), layout="constrained")
        grid = figure.add_gridspec(max(1, len(groups)), 1, height_ratios=heights)
        for place, (_, rows) in enumerate(groups):
            _panel(figure.add_subplot(grid[place]), rows, pens(models.shown), step=0.72 / max(count, 3))
        add_legend(figure, models.shown, line=False, rest=len(models.rest), rest_marker="|")
    return figure


def overview_rows(data: ReportData) -> list[dict[str, Any]]:
    """The figure's numbers: a row for each line of the headline and model."""
    return [
        {
            "task": row.task, "condition": row.condition, "metric": row.metric, "model": cell.model,
            "value": cell.score.value if cell.score else math.nan,
            "ci_low": cell.score.ci_low if cell.score else math.nan,
            "ci_high": cell.score.ci_high if cell.score else math.nan,
            "n": cell.score.n if cell.score else 0,
        }
        for row in headline_rows(data)
        for cell in row.cells
    ]  # fmt: skip
