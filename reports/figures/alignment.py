"""Figures of human alignment: the benchmark as bars, agreement between observers, consistency against accuracy."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...results.metrics import metric
from ..alignment_data import ALL, OVERALL, AlignmentData, Estimate
from ..focus import Focus
from ..wording import HOLE, MINUS, labels
from .style import (
    FAINT,
    INK,
    PUBLISHED,
    Pen,
    behind,
    grid_along,
    hollow,
    interval_cells,
    legend,
    names_of,
    observer_pens,
    styled,
    whisker,
)

# The benchmark as bars: every observer's headline with its interval, published models hollow among them.


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


# Error consistency of every observer with every other one, as a heat map for each data set.


_STEPS = [step / 10 for step in range(-2, 11)]
"""Few steps: a reader can find each in the scale, and the picture stays vectors."""

_WRITTEN = 14  # observers up to which the numbers have room


def agreement_of(data: AlignmentData, data_set: str) -> tuple[list[str], list[list[float]]]:
    """Names and matrix of a data set, models first in their order, then single people.

    Raises:
        KeyError: If there is no matrix of this data set.
    """
    for record in data.agreement:
        if record["data_set"] == data_set:
            names, values = list(map(str, record["observers"])), record["values"]
            models = sorted((name for name in names if name in data.models), key=data.models.index)
            order = [names.index(name) for name in (*models, *(name for name in names if name not in data.models))]
            return [names[row] for row in order], [[float(values[a][b]) for b in order] for a in order]
    raise KeyError(data_set)


def agreement_rows(data: AlignmentData, data_set: str) -> list[dict[str, Any]]:
    """The numbers of a matrix, a row for each pair of observers."""
    names, values = agreement_of(data, data_set)
    return [
        {"data_set": data_set, "a": names[a], "b": names[b], "error_consistency": values[a][b]}
        for a in range(len(names))
        for b in range(a)
    ]


def agreement_matrix(data: AlignmentData, data_set: str, models: Focus | None = None) -> Figure:
    """Draw one data set.

    Args:
        data: The figures' input.
        data_set: Name of one that has a matrix.
        models: Ignored; every observer has a row.

    Returns:
        The figure, with a gap between models and the observers that they are compared with.

    Raises:
        KeyError: If there is no matrix of this data set.
    """
    names, values = agreement_of(data, data_set)
    first = sum(name in data.models for name in names)
    # A gap where people begin, both ways.
    places = [row + (0.35 if row >= first and first else 0.0) for row in range(len(names))]
    size = 2.2 + max(2.0, (0.36 if len(names) <= _WRITTEN else 0.155) * len(names))
    colours = mpl.colormaps["YlGnBu"]
    norm = BoundaryNorm(_STEPS, colours.N)
    with styled():
        figure = Figure(figsize=(size + 0.7, size), layout="constrained")
        axes = figure.add_subplot()
        for a, y in enumerate(places):
            for b, x in enumerate(places):
                kappa = values[a][b]
                face = colours(norm(kappa)) if math.isfinite(kappa) else "#eeeeee"
                axes.add_patch(mpl.patches.Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, linewidth=0))
                if len(names) <= _WRITTEN and math.isfinite(kappa):
                    axes.text(x, y, _short(kappa), ha="center", va="center", fontsize=6.5,
                              color="white" if kappa >= 0.5 else INK)  # fmt: skip
        edges = (-0.55, (places[-1] if places else 0) + 0.55)
        axes.set_xlim(*edges)
        axes.set_ylim(*reversed(edges))
        axes.set_aspect("equal")
        axes.grid(False)
        _name(data, axes, names, places)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.set_title(str(data.data_set(data_set)["title"]))
        bar = figure.colorbar(mpl.cm.ScalarMappable(norm, colours), ax=axes, ticks=_STEPS[::2], shrink=0.75, pad=0.02)
        bar.set_label("Error consistency (κ)")
        bar.outline.set_visible(False)
    return figure


def _short(kappa: float) -> str:
    """Two digits without the 0 before them; adding 0 avoids −.00."""
    return f"{round(kappa, 2) + 0.0:.2f}".replace("0.", ".", 1).replace("-", MINUS)


def _name(data: AlignmentData, axes: Any, names: Sequence[str], places: Sequence[float]) -> None:
    short = names_of(data, names, 24)
    texts = [short[name] for name in names]
    small = 8 if len(names) <= _WRITTEN else 6
    axes.set_xticks(places, texts, rotation=90, fontsize=small)
    axes.set_yticks(places, texts, fontsize=small)
    axes.tick_params(length=0)
    for tick_labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        for name, text in zip(names, tick_labels, strict=True):
            text.set_color(INK if name in data.models else FAINT)


# Consistency with people against accuracy, with the consistency that accuracy alone would give.


PANELS = {"observed_consistency": "Observed consistency", "error_consistency": "Error consistency (κ)"}
_KEY = 140  # letters in a line of the key below
_SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def expected_by_chance(accuracy: float, reference: float) -> float:
    """Observed consistency of independent observers (Geirhos et al., NeurIPS 2020, eq. 1).

    It also holds for means over conditions and data sets if one of the two is equally accurate in all of them.

    Args:
        accuracy: Of one, in [0, 1].
        reference: Of the other.
    """
    return accuracy * reference + (1 - accuracy) * (1 - reference)


def scatter_rows(data: AlignmentData) -> list[dict[str, Any]]:
    """The figure's numbers: accuracy, observed, expected and error consistency of every observer."""
    metrics = ("accuracy", "observed_consistency", "expected_consistency", "error_consistency")
    rows = [
        {"observer": name, "kind": data.kind(name), "metric": metric, **interval_cells(data.headline(name, metric))}
        for name in data.drawn
        for metric in metrics
    ]
    blank = dict.fromkeys(rows[0], "") if rows else {}
    for wanted in metrics:
        for model, value in data.published_values(wanted).items():
            rows.append({**blank, "observer": model, "kind": "published", "metric": wanted, "value": value})
    return rows


def accuracy_against_consistency(data: AlignmentData, models: Focus | None = None) -> Figure:
    """Draw the means over data sets.

    Args:
        data: The figures' input.
        models: Which models are in colour; all of them unless given.

    Returns:
        The figure: observed and error consistency against accuracy, intervals as crosses, published models hollow and
        numbered. The dashed line is the consistency of independent observers. The bar below a marker is that for this
        observer's accuracies condition by condition; error consistency measures the line from there to the marker.
        Models in grey are only markers.
    """
    ink, grey = observer_pens(data, models), behind(models)
    observers = [name for name in data.drawn if data.headline(name, "accuracy").measured]
    numbers = _numbers(data)
    with styled():
        figure = Figure(figsize=(9.0, 4.2 + 0.05 * (len(set(observers) - grey) + len(numbers))), layout="constrained")
        for axes, (metric, name) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
            for observer in observers:
                if observer in grey:
                    x, y = (data.headline(observer, name).value for name in ("accuracy", metric))
                    axes.plot([x], [y], linestyle="none", zorder=1.8, **ink[observer].point)
                else:
                    _cross(axes, data, observer, metric, ink[observer])
            _limit(axes, data, metric)
            _published(axes, data, metric, numbers)
            _chance(axes, data, metric)
            axes.set_xlabel("OOD accuracy")
            axes.set_ylabel(f"{name} with {data.label(data.reference)}")
            grid_along(axes, "y")
        if numbers:
            # A space that does not break keeps a number with its name.
            short = labels(numbers, 30)
            key = ", ".join(f"{n} {short[model]}".replace(" ", "\u00a0") for model, n in numbers.items())
            text = textwrap.fill(f"Published: {key}", _KEY, break_on_hyphens=False)
            figure.supxlabel(text, fontsize=7, color=FAINT)
        legend(figure, data, observers, models, line=False, marker="o")
    return figure


def _numbers(data: AlignmentData) -> dict[str, int]:
    """Published models that are in either panel, the most accurate first."""
    accuracies = data.published_values("accuracy")
    known = {name for metric in PANELS for name in data.published_values(metric)}
    names = sorted(known & set(accuracies), key=lambda name: (-accuracies[name], name))
    return {name: number for number, name in enumerate(names, 1)}


def _chance(axes: Axes, data: AlignmentData, metric: str) -> None:
    whole = data.headline(data.reference, "accuracy").value
    if metric == "error_consistency":
        ends = (0.0, 0.0)
    elif math.isfinite(whole):
        ends = (expected_by_chance(0, whole), expected_by_chance(1, whole))
    else:
        return
    axes.plot([0, 1], ends, color=FAINT, linewidth=1.0, linestyle=(0, (4, 2)), zorder=1)
    # Starts in the middle and below the line, so that a rising line does not cross the words.
    x = axes.get_xlim()[0] + 0.62 * (axes.get_xlim()[1] - axes.get_xlim()[0])
    axes.annotate(
        "expected by chance", (x, ends[0] + x * (ends[1] - ends[0])), (0, -5), textcoords="offset points",
        fontsize=7, color=FAINT, va="top",
    )  # fmt: skip


def _cross(axes: Axes, data: AlignmentData, observer: str, metric: str, pen: Pen) -> None:
    x, y = data.headline(observer, "accuracy"), data.headline(observer, metric)
    if not y.measured:
        return
    alone = data.headline(observer, "expected_consistency").value
    if metric == "observed_consistency" and math.isfinite(alone):
        axes.plot([x.value, x.value], [alone, y.value], color=pen.colour, linewidth=0.7, alpha=0.5, zorder=1.5)
        axes.plot([x.value], [alone], marker="_", markersize=7, color=pen.colour, linestyle="none", zorder=2)
    whisker(axes, x.value, y.value, x.span, pen, along="x")
    whisker(axes, x.value, y.value, y.span, pen, along="y")
    axes.plot([x.value], [y.value], zorder=4 if observer == data.reference else 3, **pen.point)


def _published(axes: Axes, data: AlignmentData, metric: str, numbers: Mapping[str, int]) -> None:
    """Hollow markers, each with its number on the side that has the most room."""
    accuracies, values = data.published_values("accuracy"), data.published_values(metric)
    points = {name: (accuracies[name], values[name]) for name in numbers if name in values}
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    taken = [((x - left) / (right - left), (y - low) / (high - low)) for x, y in points.values()]
    for (name, (x, y)), (across, up) in zip(points.items(), list(taken), strict=True):
        axes.plot([x], [y], zorder=2.2, **hollow())

        def room(side: tuple[int, int], across: float = across, up: float = up) -> float:
            at = (across + 0.024 * side[0], up + 0.018 * side[1])
            return min(math.dist(at, other) for other in taken if other != (across, up)) if len(taken) > 1 else 0.0

        side = max(_SIDES, key=room)
        taken.append((across + 0.024 * side[0], up + 0.018 * side[1]))
        axes.annotate(
            str(numbers[name]), (x, y), (4.2 * side[0], 3.6 * side[1]), textcoords="offset points", fontsize=6,
            ha="left" if side[0] > 0 else "right" if side[0] < 0 else "center", va="center", color=FAINT, zorder=2.3,
        )  # fmt: skip


def _limit(axes: Axes, data: AlignmentData, metric: str) -> None:
    """Set the limits to the range of the values plus a margin, wide enough that noise does not look like a result."""
    accuracies, values = data.published_values("accuracy"), data.published_values(metric)
    x = [accuracies[name] for name in values if name in accuracies]
    y = [values[name] for name in values if name in accuracies]
    for name in data.drawn:
        x += data.headline(name, "accuracy").span
        y += data.headline(name, metric).span
        if metric == "observed_consistency":
            y.append(data.headline(name, "expected_consistency").value)
    if metric == "error_consistency":
        y.append(0.0)
    axes.set_xlim(*_roomy(x))
    axes.set_ylim(*_roomy(y))


def _roomy(values: Sequence[float]) -> tuple[float, float]:
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    air = max(0.08 * (high - low), (0.3 - (high - low)) / 2)
    return low - air, min(high + air, 1.0)
