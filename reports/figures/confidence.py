"""What confidences are worth: reliability diagrams and risk-coverage curves, a panel for each task of a world."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...results.schema import Curve, CurvePoint
from ..data import ReportData
from ..focus import Focus
from ..wording import WORLDS
from .figure import Caption, FigureSpec, Place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .style import Pen

_COLUMNS = 4
_HEADS = {
    Curve.RELIABILITY: ("mean confidence (%)", "accuracy (%)"),
    Curve.RISK: ("coverage (%)", "error among answered (%)"),
}


def tasks_of(data: ReportData, world: str) -> list[str]:
    """The tasks of a world that have curves, in the order of the report."""
    known = {point.task for point in data.curves}
    return [str(t["name"]) for t in data.task_records if t["name"] in known and t.get("world", "") == world]


def rows(data: ReportData, world: str) -> list[dict[str, Any]]:
    """The numbers drawn, for the CSV file beside the figure."""
    tasks = tasks_of(data, world)
    return [
        {
            "curve": point.curve, "task": point.task, "model": point.model, "at": point.at, "value": point.value,
            "ci_low": point.ci_low, "ci_high": point.ci_high, "n": point.n,
        }
        for point in data.curves
        if point.task in tasks
    ]  # fmt: skip


def draw(data: ReportData, world: str, models: Focus | None = None) -> Figure:
    """Reliability diagrams above, risk-coverage curves below.

    Args:
        data: The report's input.
        world: Whose tasks.
        models: Which are in colour; all of them unless given.
    """
    from matplotlib.figure import Figure

    from .style import add_legend, pens, styled

    models, tasks = models or Focus(data.model_names), tasks_of(data, world)
    columns = min(_COLUMNS, len(tasks))
    lines = math.ceil(len(tasks) / _COLUMNS)
    points: dict[tuple[str, str, str], list[CurvePoint]] = {}
    for point in data.curves:
        points.setdefault((point.curve, point.task, point.model), []).append(point)
    with styled():
        width = 1.4 + 1.75 * columns if columns > 1 else 3.6
        figure = Figure(figsize=(width, 4.1 * lines + 0.5), layout="constrained")
        grid = figure.subplots(2 * lines, columns, squeeze=False)
        for number, curve in enumerate(Curve):
            block = grid[number * lines : (number + 1) * lines].ravel()
            for axes, task in zip(block, tasks, strict=False):
                own = {model: points.get((curve, task, model), []) for model in data.model_names}
                _panel(axes, curve, own, models, pens(models.shown))
                axes.set_title(data.titles[task], fontsize=7.5)
            for axes in block[len(tasks) :]:
                axes.set_axis_off()
            for place, axes in enumerate(block[: len(tasks)]):
                if place % columns == 0:
                    axes.set_ylabel(_HEADS[curve][1])
                if place + columns >= len(tasks):
                    axes.set_xlabel(_HEADS[curve][0])
        add_legend(figure, models.shown, line=True, rest=len(models.rest))
    return figure


def _panel(axes: Axes, curve: Curve, own: dict[str, list[CurvePoint]], models: Focus, ink: dict[str, Pen]) -> None:
    from .style import FAINT, FEW, REST

    if curve is Curve.RELIABILITY:
        axes.plot([0, 100], [0, 100], color=FAINT, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
        axes.set_ylim(-2, 102)
    axes.set_xlim(-2, 102)
    for model in models.rest:
        axes.plot(*_line(own[model]), color=REST, linewidth=0.8, zorder=1.5)
    for model in models.shown:
        at, values = _line(own[model])
        pen, marked = ink[model], curve is Curve.RELIABILITY
        style = {**pen.point, "markersize": 0.7 * pen.size} if marked else {"color": pen.colour}
        axes.plot(at, values, linestyle=pen.dashes, linewidth=1.2, zorder=2.5, **style)
        if len(models.shown) <= FEW and at:
            low, high = ([100 * getattr(p, end) for p in own[model]] for end in ("ci_low", "ci_high"))
            axes.fill_between(at, low, high, color=pen.colour, alpha=0.14, linewidth=0, zorder=2)
    if curve is Curve.RISK:
        axes.set_ylim(bottom=0)


def _line(points: Sequence[CurvePoint]) -> tuple[list[float], list[float]]:
    return [100 * point.at for point in points], [100 * point.value for point in points]


def _worlds(data: ReportData) -> list[str]:
    return [world for world in WORLDS if tasks_of(data, world)]


def _caption(data: ReportData, world: str) -> Caption:
    return Caption(
        f"Confidence on {WORLDS[world]}: reliability and risk against coverage",
        "Above: accuracy of predictions in 15 bins of confidence; on the dotted line confidence is what it says, below "
        "it the model is overconfident. Below: the error if only the most confident predictions are given. Bands are "
        "95 % intervals at each point.",
        folded=True,
    )


FIGURE = FigureSpec(
    name="confidence",
    title="Reliability diagrams and risk-coverage curves; one file per world",
    needs="a task with one condition",
    place=Place.FIGURES,
    subjects=_worlds,
    module=__name__,
    function="draw",
    numbers="rows",
    arguments=lambda data, world: (data, world),
    caption=_caption,
)
