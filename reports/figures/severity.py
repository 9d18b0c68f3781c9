"""Values against the strength of a change of the images: small panels with a curve for each model.

Corruptions have severities, and the distortions of human alignment have strengths of their own; both are drawn by
`draw_panels`.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..alignment_data import AlignmentData, Estimate
from ..data import ReportData
from ..focus import Focus
from ..wording import condition_label
from .style import (
    BAND,
    FAINT,
    FEW,
    INK,
    REST,
    Pen,
    add_legend,
    behind,
    grid_along,
    interval_cells,
    legend,
    observer_pens,
    pens,
    styled,
    whisker,
)

SEVERITIES = (1, 2, 3, 4, 5)
CHANCE = 1 / 16

_TITLE = 21  # letters that fit over the narrowest panel
_LABEL = 24  # letters that fit next to one panel
_COLUMNS = 4
_HOLE = Estimate()


@dataclass(frozen=True)
class Curve:
    """The values of one model or observer, condition by condition.

    Attributes:
        points: Values with intervals, in order of strength.
        pen: None draws a thin grey line in the background.
        reference: Whether it is the group that the others are compared with; drawn in front, its interval as a band.
    """

    points: Sequence[Estimate]
    pen: Pen | None
    reference: bool = False


@dataclass(frozen=True)
class Panel:
    """One small plot.

    Attributes:
        place: Row and column.
        title: Heading.
        ticks: Names of the conditions, in order of strength.
        curves: What is drawn, the first at the back.
        uncounted: Positions of conditions that no score counts; shaded, and the curves pale.
        axis: Text below the panel; none where panels share one.
        level: Where a dotted line goes: the value that guessing leads to.
    """

    place: tuple[int, int]
    title: str
    ticks: Sequence[str]
    curves: Sequence[Curve]
    uncounted: frozenset[int] = frozenset()
    axis: str = ""
    level: float | None = None


def draw_panels(
    panels: Sequence[Panel],
    label: str,
    levels: Sequence[float],
    *,
    columns: int,
    height: float,
    strong: bool = True,
    bands: bool = False,
) -> Figure:
    """Draw panels on a grid of which some places may stay empty; the caller adds the legend.

    Args:
        panels: What is drawn.
        label: Of the vertical axis.
        levels: Its ticks; it ends at the first and the last.
        columns: Of the grid.
        height: In inches.
        strong: Whether curves other than the reference are thick and have intervals; those of many would hide each
            other.
        bands: Whether intervals are drawn as bands instead of bars.
    """
    by_place = {panel.place: panel for panel in panels}
    rows = 1 + max((row for row, _ in by_place), default=0)
    figure = Figure(figsize=(9.0, height), layout="constrained")
    grid = figure.add_gridspec(rows, columns)
    for (row, column), panel in by_place.items():
        axes = figure.add_subplot(grid[row, column])
        counted = [place for place in range(len(panel.ticks)) if place not in panel.uncounted]
        for curve in panel.curves:
            _draw(axes, curve, counted, strong=strong or curve.reference, bands=bands)
        _dress(axes, panel, levels)
        axes.tick_params(labelleft=column == 0)
        # Panels without a text of their own share the axis of the lowest one in their column.
        axes.tick_params(labelbottom=bool(panel.axis) or (row + 1, column) not in by_place)
    # No longer than the panels are high, or it would run into the legend.
    figure.supylabel(textwrap.fill(label, _LABEL * rows), fontsize=8.5)
    return figure


def _draw(axes: Axes, curve: Curve, counted: Sequence[int], *, strong: bool, bands: bool) -> None:
    """One curve: strong where conditions count, pale where they do not."""
    x, values, pen = range(len(curve.points)), [point.value for point in curve.points], curve.pen
    if pen is None:
        axes.plot(x, values, color=REST, linewidth=0.5, zorder=1.5)
        return
    # Markers are smaller next to intervals; with many models, uncounted severities have none.
    marker = {**pen.point, "markersize": (1.0 if bands else 0.75 if strong else 0.55) * pen.size}
    if len(counted) < len(values):
        everywhere = marker if strong else {"color": pen.colour}
        axes.plot(x, values, linestyle=pen.dashes, linewidth=0.9, alpha=0.4, **everywhere)
    # Accuracy in per cent cannot leave its axis, so markers at 0 and 100 are drawn whole.
    axes.plot(
        counted, [values[place] for place in counted], linestyle=pen.dashes, linewidth=1.5 if strong else 0.8,
        zorder=3.0 if curve.reference else 2.0, clip_on=not bands, **marker,
    )  # fmt: skip
    if (bands or curve.reference) and curve.points:
        low, high = zip(*(point.span for point in curve.points), strict=True)
        axes.fill_between(x, low, high, color=pen.colour, alpha=0.14, linewidth=0)
    if strong and not bands:
        for place in counted:
            if curve.points[place].measured:
                whisker(axes, place, values[place], curve.points[place].span, pen, along="y")


def _dress(axes: Axes, panel: Panel, levels: Sequence[float]) -> None:
    """Title, axes, and what is behind the curves."""
    count = len(panel.ticks)
    for place in panel.uncounted:
        axes.axvspan(place - 0.5, place + 0.5, color=BAND, linewidth=0, zorder=0)
    if panel.level is not None:
        axes.axhline(panel.level, color=FAINT, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
    axes.set_title(textwrap.fill(panel.title, _TITLE))
    axes.set_xlabel(panel.axis, fontsize=7.5)
    margin = 0.5 if panel.uncounted else 0.25
    axes.set_xlim(-margin, count - 1 + margin)
    axes.set_xticks(range(count), list(panel.ticks), fontsize=8 if count <= len(SEVERITIES) + 1 else 7)
    for place, text in enumerate(axes.get_xticklabels()):
        text.set_color(FAINT if place in panel.uncounted else INK)
    axes.set_ylim(levels[0], levels[-1])
    axes.set_yticks(levels)
    grid_along(axes, "y")


# Corruptions by severity.


def _cell(data: ReportData, model: str, task: str, condition: str) -> Estimate:
    score = data.score(model, task, condition, "top1")
    return _HOLE if score is None else Estimate(score.value, score.ci_low, score.ci_high)


def _mean(points: Sequence[Estimate]) -> Estimate:
    # A plain sum keeps NaN: a family with a missing cell is a hole, never the mean of the rest. Averaging the ends of
    # the intervals treats the cells as fully correlated (they are the same images), which can only widen the band.
    if not points:
        return _HOLE
    value, low, high = (sum(getattr(point, end) for point in points) / len(points) for end in ("value", "low", "high"))
    return Estimate(value, low, high)


def severity_curve(data: ReportData, model: str, task: str, name: str, members: Sequence[str] = ()) -> list[Estimate]:
    """A model's accuracies at severities 0 (the clean counterpart) to 5.

    Args:
        data: The report's input.
        model: Model name.
        task: Name of the corruption task.
        name: Corruption, or family when ``members`` is given.
        members: The family's corruptions; their mean is taken where the family has no score of its own at a severity.

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


def _by_severity(
    data: ReportData,
    task: str,
    places: Iterable[tuple[int, int, str, Sequence[str]]],
    height: float,
    models: Focus | None,
) -> Figure:
    """Draw panels given as (row, column, corruption or family, members of the family)."""
    models = models or Focus(data.model_names)
    ink = pens(models.shown)

    def curve(model: str, name: str, members: Sequence[str]) -> Curve:
        points = severity_curve(data, model, task, name, members)
        in_percent = [Estimate(100 * point.value, 100 * point.low, 100 * point.high) for point in points]
        return Curve(in_percent, ink.get(model))

    panels = [
        Panel(
            (row, column),
            condition_label(name),
            ("clean", *map(str, SEVERITIES)),
            [curve(model, name, members) for model in (*models.rest, *models.shown)],
        )
        for row, column, name, members in places
    ]
    columns = 1 + max((panel.place[1] for panel in panels), default=0)
    with styled():
        height += 0.1 * len(models.shown)
        figure = draw_panels(
            panels, "Top-1 accuracy (%)", range(0, 101, 25), columns=columns, height=height, bands=True
        )
        figure.supxlabel("Severity", fontsize=8.5)
        add_legend(figure, models.shown, line=True, rest=len(models.rest))
    return figure


def accuracy_by_family(data: ReportData, task: str, models: Focus | None = None) -> Figure:
    """Draw a panel for each family of corruptions.

    Args:
        data: The report's input.
        task: Name of a corruption task.
        models: Which are in colour; all of them unless given.
    """
    families = [(name, members) for name, members in data.corruptions(task) if name]
    rows = max(1, -(-len(families) // 5))
    # Rows of equal length, as far as there are panels.
    columns = max(1, -(-len(families) // rows))
    places = [(index // columns, index % columns, name, members) for index, (name, members) in enumerate(families)]
    return _by_severity(data, task, places, 0.7 + 2.0 * rows, models)


def accuracy_by_corruption(data: ReportData, task: str, models: Focus | None = None) -> Figure:
    """Draw a panel for each corruption, the families in rows; arguments as for `accuracy_by_family`."""
    places: list[tuple[int, int, str, Sequence[str]]] = []
    row = 0
    for _, members in data.corruptions(task):
        places += [(row + index // 5, index % 5, name, ()) for index, name in enumerate(members)]
        row += 1 + (len(members) - 1) // 5
    return _by_severity(data, task, places, 0.7 + 1.65 * max(row, 1), models)


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


# Distortions of human alignment by strength.


def accuracy_by_strength(data: AlignmentData, models: Focus | None = None) -> Figure:
    """Draw accuracy under every distortion: a panel for each data set with more than one condition.

    Conditions that no score counts are shaded; a dotted line shows the accuracy of guessing.

    Args:
        data: The figures' input.
        models: Which models are in colour; all of them unless given.
    """
    return _by_strength(data, models, "accuracy", "Accuracy", 0)


def consistency_by_strength(data: AlignmentData, models: Focus | None = None) -> Figure:
    """Draw error consistency with the reference; the reference's own is the mean over pairs of its members.

    A dotted line shows 0, the consistency by chance. Panels and arguments are those of `accuracy_by_strength`.
    """
    name = f"Error consistency (κ) with {data.label(data.reference)}"
    return _by_strength(data, models, "error_consistency", name, -0.2)


def _by_strength(data: AlignmentData, models: Focus | None, metric: str, label: str, lowest: float) -> Figure:
    sets, ink, grey = data.graded, observer_pens(data, models), behind(models)
    panels = []
    for index, record in enumerate(sets):
        name, conditions = str(record["name"]), [str(condition) for condition in record["conditions"]]
        curves = [
            Curve(
                [data.estimate(observer, name, condition, metric) for condition in conditions],
                None if observer in grey else ink[observer],
                observer == data.reference,
            )
            for observer in data.drawn
        ]
        panels.append(
            Panel(
                divmod(index, _COLUMNS),
                str(record["title"]),
                [str(tick) for tick in record["ticks"]],
                curves,
                frozenset(place for place, name in enumerate(conditions) if name in record["excluded"]),
                str(record["axis"]),
                float(record.get("chance", CHANCE)) if metric == "accuracy" else 0.0,
            )
        )
    few = len(set(data.models) - grey) <= FEW
    height = 0.7 + 1.95 * max(1, -(-len(sets) // _COLUMNS)) + 0.05 * len(set(data.drawn) - grey)
    levels = [step / 5 for step in range(round(5 * lowest), 6)]
    with styled():
        figure = draw_panels(panels, label, levels, columns=_COLUMNS, height=height, strong=few)
        legend(figure, data, data.drawn, models, line=True, marker="")
    return figure


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
