"""Accuracy under a shift against clean accuracy, with the line of effective robustness (Taori et al., NeurIPS 2020)."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from ...results.published import timm
from ...results.published.tables import published_for
from ...results.ranking import Baseline, fit_baseline, logit
from ...results.schema import Score
from ..data import ReportData
from ..focus import Focus
from ..wording import labels
from .style import FAINT, REST, add_legend, pens, styled

_TICKS: tuple[tuple[float, ...], ...] = (
    (0.1, 0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.9),
    (0.1, 0.5, 1, 2, *range(5, 96, 5), 98, 99, 99.5, 99.9),
    (0.1, 0.5, *range(1, 100), 99.5, 99.9),
)
"""Percentages, finer where the axis is short."""
_ENOUGH = 4
_ENDS = (0.001, 0.999)
"""Log odds of 0 and 1 are infinite; values beyond these are drawn at them."""

_HOLLOW: dict[str, Any] = {"linestyle": "none", "markerfacecolor": "white", "markeredgecolor": FAINT}
_KINDS: dict[str, dict[str, Any]] = {
    "standard": {"marker": "x", "markersize": 4.5, **_HOLLOW},
    "published": {"marker": "D", "markersize": 4.5, **_HOLLOW},
}
_NAMES = {
    "standard": "trained on ImageNet-1k alone (published by timm)",
    "published": "robust training and others (published)",
}


@dataclass(frozen=True)
class Spot:
    """One model: NaN ends where no interval is known.

    Attributes:
        model: Its name.
        kind: ``"measured"``, ``"standard"`` (published, one of those that the line is fitted to) or ``"published"``.
        clean: Accuracy on the clean counterpart, with the ends of its interval.
        shifted: Accuracy under the shift, with the ends of its interval.
    """

    model: str
    kind: str
    clean: tuple[float, float, float]
    shifted: tuple[float, float, float]


def clean_of(data: ReportData, task: str) -> str:
    """Name of the clean counterpart."""
    return str(data.task(task).get("clean") or "")


def spots(data: ReportData, task: str) -> list[Spot]:
    """Every model with both numbers: those measured, then those that others published for the same photographs."""
    clean = clean_of(data, task)
    placed = []
    for model in data.model_names:
        pair = [_ends(data.score(model, name, "overall", "top1")) for name in (clean, task)]
        if all(math.isfinite(ends[0]) for ends in pair):
            placed.append(Spot(model, "measured", pair[0], pair[1]))
    if task in timm.LINES:
        for model, (x, y) in timm.accuracies_of(task).items():
            placed.append(Spot(model, "standard", _alone(x), _alone(y)))
    known = {row.model: row.value for row in published_for(clean) if row.metric == "top1"}
    for row in published_for(task):
        if row.metric == "top1" and row.model in known:
            placed.append(Spot(row.model, "published", _alone(known[row.model]), _alone(row.value)))
    return placed


def _ends(score: Score | None) -> tuple[float, float, float]:
    return _alone(math.nan) if score is None else (score.value, score.ci_low, score.ci_high)


def _alone(value: float) -> tuple[float, float, float]:
    return value, math.nan, math.nan


def line_of(points: Sequence[Spot]) -> tuple[Baseline | None, str]:
    """The line and its name: through published standard models, else through three or more measured models."""
    standard = [spot for spot in points if spot.kind == "standard"]
    words = "line of models trained on ImageNet-1k alone" if standard else "line through the measured models"
    through = standard or [spot for spot in points if spot.kind == "measured"]
    inside = [(spot.clean[0], spot.shifted[0]) for spot in through if 0 < spot.clean[0] < 1 and 0 < spot.shifted[0] < 1]
    if len(inside) < 3 or len({x for x, _ in inside}) < 2:
        return None, ""
    x, y = np.array(inside).T
    return fit_baseline(x, y), words


def clean_shifted_rows(data: ReportData, task: str) -> list[dict[str, Any]]:
    """The figure's numbers; ``line`` is the accuracy that the line predicts from the clean one."""
    points = spots(data, task)
    line, words = line_of(points)
    return [
        {
            "task": task, "clean_task": clean_of(data, task), "model": spot.model, "kind": spot.kind,
            "clean": spot.clean[0], "clean_ci_low": spot.clean[1], "clean_ci_high": spot.clean[2],
            "shifted": spot.shifted[0], "shifted_ci_low": spot.shifted[1], "shifted_ci_high": spot.shifted[2],
            "line": float(line.predict(spot.clean[0])) if line else math.nan, "line_is": words,
        }
        for spot in points
    ]  # fmt: skip


def clean_against_shifted(data: ReportData, task: str, focus: Focus | None = None) -> Figure:
    """Draw one task.

    Args:
        data: The report's input.
        task: Name of a task with a clean counterpart.
        focus: Which models are in colour, with intervals; all of them unless given.

    Returns:
        The figure: log odds on both axes, where models trained on the same images are near a line, with the band (95 %)
        in which other such models might have put it. Points above the line show effective robustness. If no line was
        published for these images, it is fitted to the measured models and shows only which of them differ from the
        others.
    """
    points = spots(data, task)
    measured = {spot.model: spot for spot in points if spot.kind == "measured"}
    focus = focus or Focus(data.model_names)
    ink = pens(focus.shown)
    with styled():
        figure = Figure(figsize=(5.6, 4.9 + 0.1 * len(focus.shown)), layout="constrained")
        axes = figure.add_subplot()
        for spot in points:
            if spot.kind != "measured":
                axes.plot([_at(spot.clean[0])], [_at(spot.shifted[0])], zorder=2.0, **_KINDS[spot.kind])
        for model in focus.rest:
            if model in measured:
                spot = measured[model]
                axes.plot([_at(spot.clean[0])], [_at(spot.shifted[0])], "o", color=REST, markersize=4, zorder=1.8)
        for model in focus.shown:
            if model in measured:
                _cross(axes, measured[model], ink[model].point)
        _limits(axes, points)
        words = _lines(axes, points)
        _number(axes, figure, points)
        clean = clean_of(data, task)
        _dress(axes, data.titles.get(clean, clean), data.titles[task])
        _key(axes, points, words)
        short = labels(focus.shown)
        texts = {model: short[model] + ("" if model in measured else " (not measured)") for model in focus.shown}
        add_legend(figure, focus.shown, line=False, labels=texts, rest=len(focus.rest), rest_marker="o")
    return figure


def _at(value: float) -> float:
    return float(logit(min(max(value, _ENDS[0]), _ENDS[1])))


def _cross(axes: Axes, spot: Spot, point: dict[str, Any]) -> None:
    x, y = _at(spot.clean[0]), _at(spot.shifted[0])
    if math.isfinite(spot.clean[1] + spot.clean[2]):
        axes.plot([_at(spot.clean[1]), _at(spot.clean[2])], [y, y], color=point["color"], linewidth=1.1, zorder=2.5)
    if math.isfinite(spot.shifted[1] + spot.shifted[2]):
        axes.plot([x, x], [_at(spot.shifted[1]), _at(spot.shifted[2])], color=point["color"], linewidth=1.1, zorder=2.5)
    axes.plot([x], [y], zorder=3, linestyle="none", **point)


def _limits(axes: Axes, points: Sequence[Spot]) -> None:
    """Set the limits to the span of all points plus a margin, wide enough that noise does not look like a trend."""
    for setter, name in ((axes.set_xlim, "clean"), (axes.set_ylim, "shifted")):
        values = [_at(value) for spot in points for value in getattr(spot, name) if math.isfinite(value)] or [-1.0, 1.0]
        low, high = min(values), max(values)
        air = max(0.08 * (high - low), (0.8 - (high - low)) / 2)
        setter(low - air, high + air)


def _lines(axes: Axes, points: Sequence[Spot]) -> str:
    """Draw the line of no loss and the fitted line; returns the name of the fitted one."""
    ends = axes.get_xlim()
    bottom, top = axes.get_ylim()
    axes.plot(ends, ends, color=FAINT, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
    line, words = line_of(points)
    if line is not None:
        at = np.linspace(*ends, 60)
        axes.fill_between(at, *line.band(at), color=FAINT, alpha=0.18, linewidth=0, zorder=0.9)
        y = [line.intercept + line.slope * end for end in ends]
        axes.plot(ends, y, color=FAINT, linewidth=1.1, linestyle=(0, (5, 2)), zorder=1)
    axes.set_xlim(*ends)
    axes.set_ylim(bottom, top)
    return words


def _dress(axes: Axes, clean: str, shifted: str) -> None:
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        inside = _inside(low, high)
        axis.set_major_locator(FixedLocator([float(logit(tick / 100)) for tick in inside]))
        axis.set_major_formatter(FixedFormatter([_tick(tick) for tick in inside]))
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"{clean}: top-1 accuracy (%), in log odds")
    axes.set_ylabel(f"{shifted}: top-1 accuracy (%), in log odds")


def _tick(percentage: float) -> str:
    """The first and the last tick also mean all values beyond them."""
    low, high = (100 * end for end in _ENDS)
    sign = "≤ " if percentage <= low else "≥ " if percentage >= high else ""
    return f"{sign}{percentage:g}"


def _key(axes: Axes, points: Sequence[Spot], words: str) -> None:
    """Explain lines and hollow markers inside the panel."""
    handles = [Line2D([], [], color=FAINT, linewidth=0.8, linestyle=(0, (1, 1.5)), label="no loss")]
    if words:
        handles.append(Line2D([], [], color=FAINT, linewidth=1.1, linestyle=(0, (5, 2)), label=f"{words}, 95 % band"))
    kinds = {spot.kind for spot in points}
    handles += [Line2D([], [], label=_NAMES[kind], **_KINDS[kind]) for kind in _KINDS if kind in kinds]
    axes.legend(handles=handles, loc="best", fontsize=7, labelcolor=FAINT, handlelength=2.6)


def _number(axes: Axes, figure: Figure, points: Sequence[Spot]) -> None:
    """Number the published models, and name them below the panel."""
    named = [spot for spot in points if spot.kind == "published"]
    for number, spot in enumerate(named, 1):
        axes.annotate(
            str(number), (_at(spot.clean[0]), _at(spot.shifted[0])), (5, -1), textcoords="offset points", fontsize=7,
            color=FAINT, va="center",
        )  # fmt: skip
    if named:
        # A space that does not break keeps a number with its name.
        short = labels((spot.model for spot in named), 60)
        key = ", ".join(f"{n} {short[spot.model]}".replace(" ", "\u00a0") for n, spot in enumerate(named, 1))
        figure.supxlabel(textwrap.fill(f"Published: {key}", 92, break_on_hyphens=False), fontsize=7, color=FAINT)


def _inside(low: float, high: float) -> list[float]:
    """The coarsest set of ticks with enough of them between two log odds."""
    chosen: list[float] = []
    for ticks in _TICKS:
        chosen = [tick for tick in ticks if low <= float(logit(tick / 100)) <= high]
        if len(chosen) >= _ENOUGH:
            break
    return chosen
