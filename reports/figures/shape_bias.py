"""Shape against texture: the plot of the cue-conflict literature (Geirhos et al., ICLR 2019).

A row for each shape category, a marker for each observer at its share of texture decisions. `draw_matrix` draws both
tasks of models alone and the data set on which people decided, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..alignment_data import OVERALL, SHAPE_BIAS, AlignmentData, Estimate
from ..data import ReportData
from ..focus import Focus
from ..wording import condition_label
from .alignment import bar_rows, bars
from .style import (
    FAINT,
    FEW,
    GRID,
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
)

_POOLED_ROW = -1.4
"""Height of the row of all categories."""

Shares = Mapping[str, float]
"""Share of texture decisions among those for either cue, by category; NaN where there is none."""


@dataclass(frozen=True)
class Decider:
    """A model, or a group of people, that decides between two cues.

    Attributes:
        shares: By category.
        bias: Shape bias over all categories.
        pen: How it is drawn.
        reference: Whether it is the group that the others are compared with.
    """

    shares: Shares
    bias: Estimate
    pen: Pen
    reference: bool = False


def share(decisions: int, others: int) -> float:
    """Share of decisions for one cue among those for either; NaN where there is none."""
    return decisions / (decisions + others) if decisions + others else math.nan


def ordered(categories: Iterable[str], shares: Sequence[Shares]) -> list[str]:
    """Categories from the bottom: by their mean share of texture decisions, the most first."""

    def mean(name: str) -> float:
        known = [own[name] for own in shares if math.isfinite(own.get(name, math.nan))]
        return round(sum(known) / len(known), 12) if known else 1.0

    # Ties keep the alphabet, so the same data always gives the same picture.
    return sorted(categories, key=lambda name: (-mean(name), name))


def draw_matrix(
    axes: Axes,
    categories: Sequence[str],
    deciders: Sequence[Decider],
    background: Sequence[Decider] = (),
    people: Sequence[Shares] = (),
    *,
    pooled_row: bool = False,
) -> None:
    """Draw everyone's decisions, category by category, with a vertical line at each decider's value over all of them.

    Args:
        axes: Where to.
        categories: From the bottom.
        deciders: In colour.
        background: As grey ticks.
        people: Single ones, as small grey dots.
        pooled_row: Show intervals in a row below the categories; otherwise as bands, of a few deciders.
    """
    few = len(deciders) <= FEW + 1
    heights = range(len(categories))
    for y in heights:
        axes.axhline(y, color=GRID, linewidth=0.6, zorder=0)
    axes.axvline(0.5, color=FAINT, linewidth=0.7, linestyle=(0, (2, 2)), zorder=1)
    dots: dict[str, Any] = {"markersize": 2.6, "color": FAINT, "alpha": 0.55, "markeredgewidth": 0, "linestyle": "none"}
    for shares in people:
        axes.plot(_places(shares, categories), heights, "o", clip_on=False, **dots)
    ticks: dict[str, Any] = {"marker": "|", "linestyle": "none", "color": REST, "markeredgewidth": 0.8, "zorder": 1.2}
    for decider in background:
        axes.plot(_places(decider.shares, categories), heights, markersize=8, **ticks)
        if pooled_row:
            axes.plot([1 - decider.bias.value], [_POOLED_ROW], markersize=12, **ticks)
    for index, decider in enumerate(deciders):
        # A slight step for each, or those that agree would hide each other.
        step = 0.0 if decider.reference else 0.5 - (index + 0.5) / len(deciders)
        axes.plot(
            _places(decider.shares, categories), [y + 0.5 * step for y in heights],
            linestyle="none", clip_on=False, zorder=4 if decider.reference else 3, **decider.pen.point,
        )  # fmt: skip
        if decider.bias.measured:
            height = _POOLED_ROW + 0.9 * step if pooled_row else None
            _draw_bias(axes, decider, height, strong=decider.reference or few, band=few)
    names = list(map(condition_label, categories))
    if pooled_row:
        axes.axhline(-0.6, color=FAINT, linewidth=0.7)
        axes.set_yticks([_POOLED_ROW, *heights], ["All categories", *names])
    else:
        axes.set_yticks(heights, names)
    axes.set_ylim(_POOLED_ROW - 0.8 if pooled_row else -0.7, len(categories) - 0.4)
    axes.set_xlim(0, 1)
    axes.set_xlabel("Fraction of 'texture' decisions")
    axes.tick_params(axis="y", length=0, pad=8)
    grid_along(axes, "x")
    top = axes.secondary_xaxis("top", functions=(_mirror, _mirror))
    top.set_xlabel("Fraction of 'shape' decisions")


def _draw_bias(axes: Axes, decider: Decider, height: float | None, *, strong: bool, band: bool) -> None:
    """A line at the value over all categories, and its interval: at a height, else as a band."""
    pen, x = decider.pen, 1 - decider.bias.value
    right, left = (1 - end for end in decider.bias.span)
    axes.axvline(
        x, color=pen.colour, linestyle=pen.dashes, zorder=1.5,
        linewidth=1.3 if strong else 0.8, alpha=1.0 if strong else 0.7,
    )  # fmt: skip
    if height is not None:
        axes.plot([left, right], [height] * 2, color=pen.colour, linewidth=1.5)
        axes.plot([x], [height], clip_on=False, **pen.point)
    elif band and right > left:
        axes.axvspan(left, right, color=pen.colour, alpha=0.12, linewidth=0, zorder=0.5)


def _places(shares: Shares, categories: Sequence[str]) -> list[float]:
    return [shares.get(name, math.nan) for name in categories]


def _mirror(share: Any) -> Any:
    return 1 - share


# One cue-conflict task, models alone.


def model_shares(data: ReportData, task: str) -> dict[str, dict[str, float]]:
    """Share of texture decisions by model and category.

    Args:
        data: The report's input.
        task: Name of a cue-conflict task.
    """
    shares: dict[str, dict[str, float]] = {model: {} for model in data.model_names}
    for row in data.shape_decisions:
        if row["task"] == task:
            own = shares.setdefault(str(row["model"]), {})
            own[str(row["category"])] = share(row["texture"], row["shape"])
    return shares


def shape_bias(data: ReportData, task: str, focus: Focus | None = None) -> Figure:
    """Draw one cue-conflict task.

    Args:
        data: The report's input.
        task: Name of a cue-conflict task.
        focus: Which models are in colour; all of them unless given.
    """
    shares = model_shares(data, task)
    models = focus or Focus(data.model_names)
    ink = pens(models.shown)
    declared = [str(name) for name in data.task(task).get("shape_classes") or ()]
    names = dict.fromkeys([*declared, *(name for own in shares.values() for name in own)])
    categories = ordered(names, list(shares.values()))

    def decider(model: str) -> Decider:
        score = data.score(model, task, "overall", SHAPE_BIAS)
        bias = Estimate() if score is None else Estimate(score.value, score.ci_low, score.ci_high)
        return Decider(shares[model], bias, ink.get(model, Pen(REST, "|", 8, "-")))

    with styled():
        height = 1.7 + 0.24 * len(categories) + 0.1 * len(models.shown)
        figure = Figure(figsize=(6.0, height), layout="constrained")
        coloured, rest = (list(map(decider, group)) for group in (models.shown, models.rest))
        draw_matrix(figure.add_subplot(), categories, coloured, rest, pooled_row=True)
        add_legend(figure, models.shown, line=True, rest=len(models.rest), rest_marker="|")
    return figure


def shape_bias_rows(data: ReportData, task: str) -> list[dict[str, Any]]:
    """The figure's numbers: decisions by category, then shape bias over all of them with its interval."""
    rows: list[dict[str, Any]] = []
    for row in data.shape_decisions:
        if row["task"] == task:
            cells = {name: row[name] for name in ("model", "category", "shape", "texture", "other")}
            value = share(row["shape"], row["texture"])
            rows.append({**cells, "shape_bias": value, "ci_low": math.nan, "ci_high": math.nan})
    for model in data.model_names:
        score = data.score(model, task, "overall", SHAPE_BIAS)
        if score is not None:
            own = [row for row in rows if row["model"] == model]
            sums = {name: sum(int(row[name]) for row in own) for name in ("shape", "texture", "other")}
            ends = {"shape_bias": score.value, "ci_low": score.ci_low, "ci_high": score.ci_high}
            rows.append({"model": model, "category": "overall", **sums, **ends})
    return rows


# The cue-conflict data set of human alignment, models and people.


def observer_shares(data: AlignmentData, observer: str) -> dict[str, float]:
    """Share of texture decisions of an observer by category."""
    counts = data.shape_counts(observer)
    return {category: share(texture, shape) for category, (shape, texture) in counts.items()}


def shape_bias_with_people(data: AlignmentData, models: Focus | None = None) -> Figure:
    """Draw the cue-conflict data set: the matrix on the left, shape bias as bars on the right.

    Args:
        data: The figures' input.
        models: Which models are in colour; all of them unless given.
    """
    ink, grey = observer_pens(data, models), behind(models)
    measured = [name for name in data.drawn if data.estimate(name, data.shape_set, OVERALL, SHAPE_BIAS).measured]
    rows = bar_rows(data, SHAPE_BIAS, data.shape_set)
    deciders = {
        name: Decider(
            observer_shares(data, name),
            data.estimate(name, data.shape_set, OVERALL, SHAPE_BIAS),
            ink[name],
            name == data.reference,
        )
        for name in measured
    }
    coloured = [decider for name, decider in deciders.items() if name not in grey]
    background = [decider for name, decider in deciders.items() if name in grey]
    # In the order of the group compared with; without it, of the mean over everyone.
    leader = observer_shares(data, data.reference)
    orders = [leader] if leader else [observer_shares(data, name) for name in data.drawn]
    categories = ordered(dict.fromkeys(str(row["category"]) for row in data.shape_decisions), orders)
    with styled():
        height = max(2.4 + 0.24 * len(categories), 1.2 + 0.17 * len(rows)) + 0.05 * len(coloured)
        figure = Figure(figsize=(9.0, height), layout="constrained")
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [2.1, 1]})
        draw_matrix(left, categories, coloured, background, _people(data))
        bars(right, data, rows, ink, "Shape bias")
        right.set_xlim(0, 1)
        # A few bars keep the height of many.
        right.set_ylim(max(len(rows), 12) - 0.4, -0.6)
        legend(figure, data, measured, models, line=True, marker="|")
    return figure


def _people(data: AlignmentData) -> list[Shares]:
    """Single people, or simulated observers, of which only the group has its own pen."""
    drawn = {*data.drawn, data.reference}
    names = dict.fromkeys(str(row["observer"]) for row in data.shape_decisions)
    single = (name for name in names if name not in drawn and data.kind(name) in ("human", "simulated"))
    return [observer_shares(data, name) for name in single]


def shape_bias_with_people_rows(data: AlignmentData) -> list[dict[str, Any]]:
    """The figure's numbers: by observer and category, then over all categories, then what is published."""
    rows: list[dict[str, Any]] = []
    for observer in dict.fromkeys([*data.drawn, *(str(row["observer"]) for row in data.shape_decisions)]):
        counts = data.shape_counts(observer)
        for category in (*counts, OVERALL):
            decisions = counts.get(category, tuple(map(sum, zip(*counts.values(), strict=True))) or ("", ""))
            rows.append({
                "observer": observer, "kind": data.kind(observer), "category": category,
                "shape": decisions[0], "texture": decisions[1],
                **interval_cells(data.estimate(observer, data.shape_set, category, SHAPE_BIAS)),
            })  # fmt: skip
    for model, value in data.published_values(SHAPE_BIAS, data.shape_set).items():
        blank = dict.fromkeys(rows[0], "") if rows else {}
        rows.append({**blank, "observer": model, "kind": "published", "category": OVERALL, "value": value})
    return rows
