"""The benchmark as bars: every observer's headline with its interval, published models hollow among them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..results.metrics import metric
from .alignment_data import ALL, OVERALL, AlignmentData, Estimate
from .alignment_style import PUBLISHED, interval_cells, names_of, observer_pens
from .focus import Focus
from .style import FAINT, INK, Pen, grid_along, styled
from .wording import HOLE, labels

BENCHMARK = {
    "accuracy": "OOD accuracy",
    "accuracy_difference": "Accuracy difference, squared",
    "observed_consistency": "Observed consistency",
    "error_consistency": "Error consistency (κ)",
}
"""Metrics of the benchmark, as its paper calls them."""

_AGAINST = ("accuracy_difference", "observed_consistency", "error_consistency")


@dataclass(frozen=True)
class BarRow:
    """One bar; ``observer`` is a published model's name where ``published`` is set."""

    observer: str
    label: str
    estimate: Estimate
    published: bool = False


def bar_rows(data: AlignmentData, metric_name: str, data_set: str = ALL) -> list[BarRow]:
    """The bars of a metric, the best first, observers without a value last."""
    own, published = names_of(data, data.drawn), data.published_values(metric_name, data_set)
    others = labels(published, 30)
    rows = [BarRow(name, own[name], data.estimate(name, data_set, OVERALL, metric_name)) for name in data.drawn]
    rows += [BarRow(model, others[model] + PUBLISHED, Estimate(value), True) for model, value in published.items()]
    better = metric(metric_name).better

    def order(row: BarRow) -> tuple[float, str]:
        return (-better * row.estimate.value if row.estimate.measured else math.inf, row.label)

    return sorted(rows, key=order)


def bars(axes: Axes, data: AlignmentData, rows: list[BarRow], ink: Mapping[str, Pen], title: str) -> None:
    """Draw rows as horizontal bars: whiskers over stimuli, pale ones over people, a line at the reference group."""
    for y, row in enumerate(rows):
        estimate = row.estimate
        if not estimate.measured:
            axes.text(0, y, f" {HOLE}", va="center", color=FAINT)
            continue
        if row.published:
            axes.barh(y, estimate.value, height=0.7, facecolor="white", edgecolor=FAINT, hatch="////", linewidth=0.7)
            continue
        pen = ink[row.observer]
        axes.barh(y, estimate.value, height=0.7, color=pen.colour, alpha=1 if row.observer == data.reference else 0.75)
        if math.isfinite(estimate.people_low + estimate.people_high):
            axes.plot([estimate.people_low, estimate.people_high], [y, y], color="#b5b5b5", linewidth=3.2, zorder=3,
                      solid_capstyle="butt")  # fmt: skip
        low, high = estimate.span
        if high > low:
            # A white rim keeps ink visible on a bar of ink.
            axes.plot([low, high], [y, y], color="white", linewidth=2.2, zorder=3.5, solid_capstyle="butt")
            axes.plot([low, high], [y, y], color=INK, linewidth=1.1, zorder=4, solid_capstyle="butt")
    whole = next((row.estimate for row in rows if row.observer == data.reference and not row.published), Estimate())
    if whole.measured:
        axes.axvline(whole.value, color=INK, linewidth=0.8, linestyle=(0, (2, 2)), zorder=2.5)
    axes.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=8 if len(rows) <= 24 else 6.5)
    for row, text in zip(rows, axes.get_yticklabels(), strict=True):
        text.set_color(FAINT if row.published else INK)
        text.set_fontweight("bold" if row.observer == data.reference and not row.published else "normal")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_title(title)
    grid_along(axes, "x")


def benchmark_rows(data: AlignmentData) -> list[dict[str, Any]]:
    """The figure's numbers, metric by metric in the order of the bars."""
    return [
        {
            "metric": name,
            "observer": row.observer,
            "kind": "published" if row.published else data.kind(row.observer),
            **interval_cells(row.estimate),
        }
        for name in BENCHMARK
        for row in bar_rows(data, name)
    ]


def benchmark_bars(data: AlignmentData, models: Focus | None = None) -> Figure:
    """Draw the means over data sets.

    Args:
        data: The figures' input.
        models: Which models are in colour; all of them unless given.

    Returns:
        The figure, a panel for each of `BENCHMARK`.
    """
    ink = observer_pens(data, models)
    tables = {name: bar_rows(data, name) for name in BENCHMARK}
    longest = max((len(rows) for rows in tables.values()), default=1)
    inch = 0.175 if longest <= 24 else 0.125
    with styled():
        figure = Figure(figsize=(9.0, 1.3 + 2 * inch * max(longest, 4)), layout="constrained")
        for axes, (name, rows) in zip(figure.subplots(2, 2).flat, tables.items(), strict=True):
            bars(axes, data, rows, ink, f"{BENCHMARK[name]} {'↓' if metric(name).better < 0 else '↑'}")
            ends = [end for row in rows for end in (*row.estimate.span, row.estimate.people_high) if math.isfinite(end)]
            axes.set_xlim(min([0.0, *ends]), 1.05 * max([0.05, *ends]))
            axes.xaxis.set_major_locator(MaxNLocator(5))
            if name in _AGAINST:
                axes.set_xlabel(f"with {data.label(data.reference)}")
    return figure
