"""Every headline number over the steps of a training: a panel for each number, a line for each training."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from ..results.metrics import metric
from ..results.schema import Score
from .data import ReportData
from .focus import MANY, Focus
from .rows import HeadlineRow, headline_rows
from .style import REST, add_legend, grid_along, pens, styled
from .training_curves import Training, trainings

COLUMNS = 4
_TITLE = 27  # letters that fit over a panel


def panel_rows(data: ReportData) -> list[HeadlineRow]:
    """The headline's lines that are not parts of others, if any model has a number there."""
    return [row for row in headline_rows(data) if not row.part and any(cell.measured for cell in row.cells)]


def _points(data: ReportData, training: Training, row: HeadlineRow) -> list[tuple[int, Score]]:
    scores = [(step, data.score(name, row.task, row.condition, row.metric)) for step, name in training.models.items()]
    return [(step, score) for step, score in scores if score is not None]


def curve_rows(data: ReportData) -> list[dict[str, Any]]:
    """The figure's numbers."""
    return [
        {
            "training": training.name, "step": step, "model": score.model, "task": score.task,
            "condition": score.condition, "metric": score.metric, "value": score.value, "ci_low": score.ci_low,
            "ci_high": score.ci_high, "n": score.n,
        }
        for training in trainings(data)
        for row in panel_rows(data)
        for step, score in _points(data, training, row)
    ]  # fmt: skip


def checkpoint_curves(data: ReportData, models: Focus | None = None) -> Figure:
    """Draw the trainings that `training_curves.trainings` finds.

    Args:
        data: The report's input.
        models: Trainings with a model in its ``shown`` are in colour where trainings are many, or models were chosen.

    Returns:
        The figure, with 95 % intervals as bands; a gap where a checkpoint has no number.
    """
    every = trainings(data)
    coloured = every
    if models is not None and models.rest:
        chosen = [one for one in every if set(one.models.values()) & set(models.shown)]
        coloured = chosen[:MANY] if len(every) > MANY or len(chosen) < len(every) else every
    rest = [one for one in every if one not in coloured]
    rows, names = panel_rows(data), [one.name for one in coloured]
    ink = pens(names)
    height = -(-len(rows) // COLUMNS)
    with styled():
        figure = Figure(figsize=(9.0, 0.7 + 1.9 * max(height, 1) + 0.1 * len(coloured)), layout="constrained")
        grid = figure.add_gridspec(max(height, 1), COLUMNS)
        for place, row in enumerate(rows):
            axes = figure.add_subplot(grid[place // COLUMNS, place % COLUMNS])
            factor = metric(row.metric).scale
            for training in rest:
                points = _points(data, training, row)
                axes.plot([x for x, _ in points], [factor * s.value for _, s in points], color=REST, linewidth=0.6)
            for training in coloured:
                points = _points(data, training, row)
                x, pen = [step for step, _ in points], ink[training.name]
                low, high = ([factor * getattr(s, end) for _, s in points] for end in ("ci_low", "ci_high"))
                axes.fill_between(x, low, high, color=pen.colour, alpha=0.13, linewidth=0)
                axes.plot(x, [factor * s.value for _, s in points], linestyle=pen.dashes, **pen.point)
            _dress(axes, row)
        figure.supxlabel("Training step", fontsize=8.5)
        add_legend(figure, names, line=True, rest=len(rest))
    return figure


def _dress(axes: Axes, row: HeadlineRow) -> None:
    reading = metric(row.metric)
    axes.set_title("\n".join(textwrap.wrap(row.title, _TITLE)[:2]))
    unit = " (%)" if reading.percent else ""
    axes.set_ylabel(f"{reading.label}{unit}{reading.arrow}", fontsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if not math.isfinite(axes.dataLim.y0):
        axes.set_yticks([])
    grid_along(axes, "y")
