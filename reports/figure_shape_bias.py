"""Shape against texture: the matrix plot of the cue-conflict literature, with the pooled value and its interval."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.figure import Figure

from .data import ReportData
from .focus import Focus
from .style import FAINT, GRID, REST, add_legend, grid_along, pens, styled
from .wording import condition_label

_POOLED = -1.4


def shape_fractions(data: ReportData, task: str) -> dict[str, dict[str, float]]:
    """Fraction of shape decisions per model and category, among decisions for either cue.

    Args:
        data: The report's input.
        task: Name of a cue-conflict task.

    Returns:
        ``{model: {category: fraction}}``; NaN where a model decided for neither cue.
    """
    found: dict[str, dict[str, float]] = {model: {} for model in data.model_names}
    for row in data.shape_decisions:
        if row["task"] == task:
            total = row["shape"] + row["texture"]
            found.setdefault(str(row["model"]), {})[str(row["category"])] = row["shape"] / total if total else math.nan
    return found


def _ordered(data: ReportData, task: str, fractions: dict[str, dict[str, float]]) -> list[str]:
    """Categories by their mean shape fraction, the most shape-like at the top."""
    declared = [str(name) for name in data.task(task).get("shape_classes") or ()]
    names = list(dict.fromkeys([*declared, *(name for values in fractions.values() for name in values)]))

    def mean(name: str) -> float:
        known = [values[name] for values in fractions.values() if math.isfinite(values.get(name, math.nan))]
        return sum(known) / len(known) if known else 0.0

    # Ties keep the alphabet, so the same data always gives the same picture.
    return sorted(names, key=lambda name: (mean(name), name))


def _mirror(fraction: Any) -> Any:
    return 1 - fraction


def shape_bias(data: ReportData, task: str, focus: Focus | None = None) -> Figure:
    """Draw one cue-conflict task.

    Args:
        data: The report's input.
        task: Name of a cue-conflict task.
        focus: Which models are in colour; all of them unless given.

    Returns:
        The figure: a row per category, a marker per model, a vertical line at each model's pooled value.
    """
    fractions = shape_fractions(data, task)
    categories = _ordered(data, task, fractions)
    models = focus.shown if focus else data.model_names
    rest = focus.rest if focus else ()
    ink = pens(models)
    with styled():
        figure = Figure(figsize=(6.0, 1.7 + 0.24 * len(categories) + 0.1 * len(models)), layout="constrained")
        axes = figure.add_subplot()
        axes.axhline(-0.6, color=FAINT, linewidth=0.7)
        for y in range(len(categories)):
            axes.axhline(y, color=GRID, linewidth=0.6, zorder=0)
        axes.axvline(0.5, color=FAINT, linewidth=0.7, linestyle=(0, (2, 2)), zorder=1)
        for model in rest:
            x = [1 - fractions[model].get(name, math.nan) for name in categories]
            axes.plot(x, range(len(categories)), "|", color=REST, markersize=8, markeredgewidth=0.8, zorder=1.2)
            score = data.score(model, task, "overall", "shape_bias")
            if score is not None:
                axes.plot([1 - score.value], [_POOLED], "|", color=REST, markersize=12, markeredgewidth=0.8, zorder=1.2)
        for index, model in enumerate(models):
            pen = ink[model]
            x = [1 - fractions[model].get(name, math.nan) for name in categories]
            # A slight step per model, or models that agree would hide each other.
            step = 0.5 - (index + 0.5) / len(models)
            heights = [y + 0.4 * step for y in range(len(categories))]
            axes.plot(x, heights, linestyle="none", clip_on=False, zorder=3, **pen.point)
            score = data.score(model, task, "overall", "shape_bias")
            if score is None or not math.isfinite(score.value):
                continue
            axes.axvline(1 - score.value, color=pen.colour, linestyle=pen.dashes, linewidth=1.2, alpha=0.8, zorder=1.5)
            axes.plot(
                [1 - score.ci_high, 1 - score.ci_low], [_POOLED + 0.9 * step] * 2, color=pen.colour, linewidth=1.5
            )
            axes.plot([1 - score.value], [_POOLED + 0.9 * step], clip_on=False, **pen.point)
        axes.set_yticks([_POOLED, *range(len(categories))], ["All categories", *map(condition_label, categories)])
        axes.set_ylim(_POOLED - 0.8, len(categories) - 0.4)
        axes.set_xlim(0, 1)
        axes.set_xlabel("Fraction of 'texture' decisions")
        axes.tick_params(axis="y", length=0)
        grid_along(axes, "x")
        top = axes.secondary_xaxis("top", functions=(_mirror, _mirror))
        top.set_xlabel("Fraction of 'shape' decisions")
        add_legend(figure, models, line=True, rest=len(rest), rest_marker="|")
    return figure


def shape_bias_rows(data: ReportData, task: str) -> list[dict[str, Any]]:
    """The figure's numbers: decisions by category, then shape bias over all of them with its interval."""
    fractions = shape_fractions(data, task)
    found: list[dict[str, Any]] = []
    for row in data.shape_decisions:
        if row["task"] == task:
            cells = {name: row[name] for name in ("model", "category", "shape", "texture", "other")}
            value = fractions[str(row["model"])][str(row["category"])]
            found.append({**cells, "shape_bias": value, "ci_low": math.nan, "ci_high": math.nan})
    for model in data.model_names:
        score = data.score(model, task, "overall", "shape_bias")
        if score is not None:
            own = [row for row in found if row["model"] == model]
            sums = {name: sum(int(row[name]) for row in own) for name in ("shape", "texture", "other")}
            ends = {"shape_bias": score.value, "ci_low": score.ci_low, "ci_high": score.ci_high}
            found.append({"model": model, "category": "overall", **sums, **ends})
    return found
