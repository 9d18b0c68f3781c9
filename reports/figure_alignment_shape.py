"""Shape against texture, as Geirhos et al. (ICLR 2019) draw it, and the shape bias of every observer as bars."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .alignment_data import OVERALL, SHAPE_BIAS, AlignmentData
from .alignment_style import FEW, behind, interval_cells, legend, observer_pens
from .figure_alignment_bars import bar_rows, bars
from .focus import Focus
from .style import FAINT, GRID, REST, grid_along, styled
from .wording import condition_label


def shape_bias_rows(data: AlignmentData) -> list[dict[str, Any]]:
    """The figure's numbers: by observer and category, then over all categories, then what is published."""
    found: list[dict[str, Any]] = []
    for observer in dict.fromkeys([*data.drawn, *(str(row["observer"]) for row in data.shape_decisions)]):
        counts = data.shape_counts(observer)
        for category in (*counts, OVERALL):
            decisions = counts.get(category, tuple(map(sum, zip(*counts.values(), strict=True))) or ("", ""))
            found.append({
                "observer": observer, "kind": data.kind(observer), "category": category,
                "shape": decisions[0], "texture": decisions[1],
                **interval_cells(data.estimate(observer, data.shape_set, category, SHAPE_BIAS)),
            })  # fmt: skip
    for model, value in data.published_values(SHAPE_BIAS, data.shape_set).items():
        blank = dict.fromkeys(found[0], "") if found else {}
        found.append({**blank, "observer": model, "kind": "published", "category": OVERALL, "value": value})
    return found


def texture_fractions(data: AlignmentData, observer: str) -> dict[str, float]:
    """Share of texture decisions among those for either cue, by category; NaN where there is none."""
    return {
        category: texture / (shape + texture) if shape + texture else math.nan
        for category, (shape, texture) in data.shape_counts(observer).items()
    }


def _categories(data: AlignmentData) -> list[str]:
    """From the bottom: categories by the share of texture decisions of the group compared with, the most first."""
    known = dict.fromkeys(str(row["category"]) for row in data.shape_decisions)
    leader = texture_fractions(data, data.reference)
    if not leader:
        every = [texture_fractions(data, observer) for observer in data.drawn]
        leader = {name: sum(one.get(name, 0.0) for one in every) for name in known}

    def order(name: str) -> tuple[float, str]:
        value = leader.get(name, math.nan)
        return (-value if math.isfinite(value) else math.inf, name)

    return sorted(known, key=order)


def shape_bias_matrix(data: AlignmentData, models: Focus | None = None) -> Figure:
    """Draw the cue-conflict data set.

    Args:
        data: The figures' input.
        models: Which models are in colour; all of them unless given.

    Returns:
        The figure. Left: a row for each category, a marker for each observer, a vertical line at each observer's value
        over all trials, its interval as a band; single people as small grey dots, models in the background as
        grey ticks. Right: shape bias as bars.
    """
    categories, ink, grey = _categories(data), observer_pens(data, models), behind(models)
    drawn = [name for name in data.drawn if data.estimate(name, data.shape_set, OVERALL, SHAPE_BIAS).measured]
    shown = [name for name in drawn if name not in grey]
    few = len(shown) <= FEW + 1
    rows = bar_rows(data, SHAPE_BIAS, data.shape_set)
    with styled():
        height = max(2.4 + 0.24 * len(categories), 1.2 + 0.17 * len(rows)) + 0.05 * len(shown)
        figure = Figure(figsize=(9.0, height), layout="constrained")
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [2.1, 1]})
        for y in range(len(categories)):
            left.axhline(y, color=GRID, linewidth=0.6, zorder=0)
        left.axvline(0.5, color=FAINT, linewidth=0.7, linestyle=(0, (2, 2)), zorder=1)
        _people(left, data, categories)
        for observer in (name for name in drawn if name in grey):
            x = [texture_fractions(data, observer).get(name, math.nan) for name in categories]
            left.plot(x, range(len(categories)), "|", color=REST, markersize=8, markeredgewidth=0.8, zorder=1.2)
        for index, observer in enumerate(shown):
            pen = ink[observer]
            of_category = texture_fractions(data, observer)
            # A slight step per observer, or those that agree would hide each other.
            step = 0.0 if observer == data.reference else 0.6 * (0.5 - (index + 0.5) / len(shown))
            left.plot(
                [of_category.get(name, math.nan) for name in categories],
                [y + step for y in range(len(categories))],
                linestyle="none", clip_on=False, zorder=4 if observer == data.reference else 3, **pen.point,
            )  # fmt: skip
            found = data.estimate(observer, data.shape_set, OVERALL, SHAPE_BIAS)
            low, high = found.span
            if few and high > low:
                left.axvspan(1 - high, 1 - low, color=pen.colour, alpha=0.12, linewidth=0, zorder=0.5)
            strong = observer == data.reference or few
            left.axvline(
                1 - found.value, color=pen.colour, linestyle=pen.dashes, zorder=1.5,
                linewidth=1.3 if strong else 0.8, alpha=1.0 if strong else 0.7,
            )  # fmt: skip
        left.set_yticks(range(len(categories)), list(map(condition_label, categories)))
        left.set_ylim(-0.7, len(categories) - 0.3)
        left.set_xlim(0, 1)
        left.set_xlabel("Fraction of 'texture' decisions")
        left.tick_params(axis="y", length=0, pad=8)
        grid_along(left, "x")
        top = left.secondary_xaxis("top", functions=(_mirror, _mirror))
        top.set_xlabel("Fraction of 'shape' decisions")
        bars(right, data, rows, ink, "Shape bias")
        right.set_xlim(0, 1)
        # A few bars keep the height of many.
        right.set_ylim(max(len(rows), 12) - 0.4, -0.6)
        legend(figure, data, drawn, models, line=True, marker="|")
    return figure


def _people(axes: Axes, data: AlignmentData, categories: list[str]) -> None:
    """Single people, or simulated observers, of whom only the group has a pen of its own."""
    drawn = {*data.drawn, data.reference}
    for observer in dict.fromkeys(str(row["observer"]) for row in data.shape_decisions):
        if observer in drawn or data.kind(observer) not in ("human", "simulated"):
            continue
        of_category = texture_fractions(data, observer)
        axes.plot(
            [of_category.get(name, math.nan) for name in categories], range(len(categories)),
            linestyle="none", marker="o", markersize=2.6, color=FAINT, alpha=0.55, markeredgewidth=0, clip_on=False,
        )  # fmt: skip


def _mirror(fraction: Any) -> Any:
    return 1 - fraction
