"""Consistency with people against accuracy, with the consistency that accuracy alone would give."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .alignment_data import AlignmentData
from .alignment_style import behind, hollow, interval_cells, legend, observer_pens, whisker
from .focus import Focus
from .style import FAINT, Pen, grid_along, styled
from .wording import labels

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
    for metric in metrics:
        for model, value in data.published_values(metric).items():
            rows.append({**blank, "observer": model, "kind": "published", "metric": metric, "value": value})
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
