"""Claims as figures: effects of single factors, methods with every run, and the dependence on T."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...results.schema import Effect
from ..data import ClaimsData, Number
from .style import FAINT, INK, grid_along, pens, styled

_ROW = 0.24
_THIN, _THICK = 1.0, 3.2


def _percent(numbers: Sequence[Number]) -> list[Number]:
    return [number for number in numbers if number.fraction]


def effects_figure(data: ClaimsData, names: Sequence[str]) -> Figure:
    """Effects side by side: a row for each number; thick the interval over images, thin the one over images and runs.

    Args:
        data: Claims with their effects.
        names: Of the effects, in any claim.
    """
    effects: dict[str, dict[tuple[str, str], Effect]] = {name: {} for name in names}
    for claim in data.claims:
        for effect in claim.effects:
            if effect.name in effects:
                effects[effect.name].setdefault((effect.task, effect.metric), effect)
    asked = [n for n in _percent(data.numbers) if any((n.task, n.metric) in rows for rows in effects.values())]
    with styled():
        figure = Figure(figsize=(2.0 + 2.1 * len(names), 1.1 + _ROW * len(asked)), layout="constrained")
        panels = figure.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            axes.axvline(0, color=FAINT, linewidth=0.8)
            for y, number in enumerate(asked):
                estimate = effects[name].get((number.task, number.metric))
                if estimate is None:
                    continue
                ends = (
                    (estimate.both_ci_low, estimate.both_ci_high, _THIN),
                    (estimate.ci_low, estimate.ci_high, _THICK),
                )
                for low, high, width in ends:
                    if math.isfinite(low):
                        axes.plot([100 * low, 100 * high], [y, y], color=INK, linewidth=width, solid_capstyle="butt")
                axes.plot([100 * estimate.value], [y], "o", color="white", markeredgecolor=INK, markersize=4.5)
            axes.set_title(name)
            axes.set_ylim(len(asked) - 0.5, -0.5)
            grid_along(axes, "x")
        panels[0].set_yticks(range(len(asked)), [number.title for number in asked])
        figure.supxlabel("Effect in percentage points", fontsize=8.5)
        _interval_legend(figure)
    return figure


def _interval_legend(figure: Figure) -> None:
    lines = [Line2D([], [], color=INK, linewidth=_THICK), Line2D([], [], color=INK, linewidth=_THIN)]
    figure.legend(lines, ["over images", "over images and runs"], loc="outside upper right", ncols=2)


def methods_figure(data: ClaimsData, columns: int = 4) -> Figure:
    """Every method in every number: a dot for each run, a bar at their mean.

    Args:
        data: Claims with their effects.
        columns: Panels side by side.
    """
    asked, names = _percent(data.numbers), list(data.methods)
    rows = math.ceil(len(asked) / columns)
    ink = pens(names)
    with styled():
        figure = Figure(figsize=(1.6 + 1.75 * columns, (0.55 + 0.17 * len(names)) * rows + 0.3), layout="constrained")
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for axes, number in zip(panels, asked, strict=False):
            for y, name in enumerate(names):
                values = 100 * np.array(data.methods[name][(number.task, number.metric)])
                axes.plot(values, np.full(len(values), y), ".", color=ink[name].colour, markersize=4)
                axes.plot([values.mean()] * 2, [y - 0.35, y + 0.35], color=ink[name].colour, linewidth=1.6)
            axes.set_title(number.title)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.tick_params(axis="y", length=0)
            grid_along(axes, "x")
        for axes in panels[len(asked) :]:
            axes.set_visible(False)
        for axes in panels[::columns]:
            axes.set_yticks(range(len(names)), names)
        figure.supxlabel("Percent; each dot is a run, each bar their mean", fontsize=8.5)
    return figure


def windows_figure(data: ClaimsData, columns: int = 5) -> Figure:
    """Numbers against T, for methods that differ in nothing else: a dot for each run, a line through their means.

    Args:
        data: Claims with their effects.
        columns: Panels side by side.
    """
    order = sorted(data.windows, key=lambda name: data.windows[name])
    # Some numbers are measured of some methods only.
    asked = [
        number
        for number in _percent(data.numbers)
        if all(np.isfinite(data.methods[name][(number.task, number.metric)]).all() for name in order)
    ]
    times = [data.windows[name] for name in order]
    rows = math.ceil(len(asked) / columns)
    with styled():
        figure = Figure(figsize=(0.6 + 1.45 * columns, 1.45 * rows + 0.4), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, number in zip(panels, asked, strict=False):
            runs = [100 * np.array(data.methods[name][(number.task, number.metric)]) for name in order]
            base = runs[0].mean()
            axes.axhline(0, color=FAINT, linewidth=0.8)
            for time, values in zip(times, runs, strict=True):
                axes.plot([time] * len(values), values - base, ".", color=FAINT, markersize=4)
            axes.plot(times, [values.mean() - base for values in runs], "o-", color=INK, markersize=3.5)
            axes.set_title(number.title, fontsize=8)
            axes.set_xticks(times, [f"{time:g}" for time in times])
            grid_along(axes, "y")
        for axes in panels[len(asked) :]:
            axes.set_visible(False)
        figure.supxlabel("T: seconds from which the two frames are drawn", fontsize=8.5)
        figure.supylabel("Points above T = 0", fontsize=8.5)
    return figure
