"""Variants against a reference: paired differences with intervals, a row per variant and a panel per number."""

from __future__ import annotations

import math
import textwrap
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..results.metrics import metric
from ..results.schema import Comparison
from .data import ReportData
from .figure_curves import panel_rows
from .focus import Focus
from .rows import HeadlineRow
from .style import BAND, FAINT, INK, grid_along, styled
from .wording import Verdict, labels, verdict

COLOURS = {Verdict.BETTER: "#0173b2", Verdict.WORSE: "#d55e00", Verdict.OPEN: FAINT}
_NAMES = {Verdict.BETTER: "better", Verdict.WORSE: "worse", Verdict.OPEN: "no clear difference"}
_MARKERS = {Verdict.BETTER: "^", Verdict.WORSE: "v", Verdict.OPEN: "o"}
_COLUMNS = 4
_TITLE = 24
_FEW = 12


def references(data: ReportData) -> list[str]:
    """Models that at least two others are compared with."""
    variants: dict[str, set[str]] = defaultdict(set)
    for row in data.comparisons:
        variants[row.b].add(row.a)
    return [name for name in data.model_names if len(variants[name]) > 1]


def variants_of(data: ReportData, reference: str) -> list[str]:
    """Models that are compared with a reference, in the order of the report."""
    compared = {row.a for row in data.comparisons if row.b == reference}
    return [name for name in data.model_names if name in compared]


def _lookup(data: ReportData, reference: str) -> dict[tuple[str, str, str, str], Comparison]:
    return {(c.a, c.task, c.condition, c.metric): c for c in data.comparisons if c.b == reference}


def ablation_rows(data: ReportData, reference: str) -> list[dict[str, Any]]:
    """The figure's numbers, differences as variant minus reference."""
    pairs = _lookup(data, reference)
    rows = []
    for line in panel_rows(data):
        for variant in variants_of(data, reference):
            pair = pairs.get((variant, line.task, line.condition, line.metric))
            if pair is not None:
                rows.append({
                    "reference": reference, "variant": variant, "task": line.task, "condition": line.condition,
                    "metric": line.metric, "difference": pair.difference, "ci_low": pair.ci_low,
                    "ci_high": pair.ci_high, "p": pair.p, "p_adjusted": pair.p_adjusted,
                    "verdict": verdict(pair).value, "n": pair.n,
                })  # fmt: skip
    return rows


def ablation(data: ReportData, reference: str, models: Focus | None = None) -> Figure:
    """Draw the differences to one reference.

    Args:
        data: The report's input.
        reference: A model that others are compared with.
        models: If some are in the background, the names of the others are in bold.

    Returns:
        The figure; markers are filled if the corrected test finds a difference, and hollow otherwise.
    """
    variants, lines, pairs = variants_of(data, reference), panel_rows(data), _lookup(data, reference)
    lines = [line for line in lines if any((v, line.task, line.condition, line.metric) in pairs for v in variants)]
    strong = set(models.shown) if models is not None and models.rest else set()
    height = -(-len(lines) // _COLUMNS) or 1
    inch = 0.24 if len(variants) <= _FEW else 0.13
    short = labels([*variants, reference], 24)
    with styled():
        figure = Figure(figsize=(9.5, 0.6 + height * (0.75 + inch * max(2, len(variants)))), layout="constrained")
        grid = figure.add_gridspec(height, _COLUMNS)
        for place, line in enumerate(lines):
            axes = figure.add_subplot(grid[place // _COLUMNS, place % _COLUMNS])
            _panel(axes, line, variants, short, pairs)
            axes.tick_params(labelleft=place % _COLUMNS == 0, labelsize=8 if len(variants) <= _FEW else 6.5)
            for name, text in zip(variants, axes.get_yticklabels(), strict=place % _COLUMNS == 0):
                text.set_fontweight("bold" if name in strong else "normal")
        handles = [Line2D([], [], label=_NAMES[kind], linestyle="none", **_point(kind)) for kind in (*COLOURS,)]
        title = f"Difference to {labels([*variants, reference], 40)[reference]}, in points"
        figure.legend(handles=handles, loc="outside upper left", ncols=3, title=title, alignment="left")
    return figure


def _point(kind: Verdict) -> dict[str, Any]:
    hollow = kind is Verdict.OPEN
    return {
        "marker": _MARKERS[kind], "markersize": 5.0 if hollow else 6.0, "color": COLOURS[kind],
        "markerfacecolor": "white" if hollow else COLOURS[kind], "markeredgewidth": 1.0 if hollow else 0.0,
    }  # fmt: skip


def _panel(
    axes: Axes,
    line: HeadlineRow,
    variants: list[str],
    short: Mapping[str, str],
    pairs: dict[tuple[str, str, str, str], Comparison],
) -> None:
    factor = metric(line.metric).scale
    reach = [1.0 if factor > 1 else 0.1]
    for y, variant in enumerate(variants):
        if y % 2 == 0:
            axes.axhspan(y - 0.5, y + 0.5, color=BAND, linewidth=0, zorder=0)
        pair = pairs.get((variant, line.task, line.condition, line.metric))
        if pair is None or not math.isfinite(pair.difference):
            continue
        kind = verdict(pair)
        if math.isfinite(pair.ci_low + pair.ci_high):
            axes.plot([factor * pair.ci_low, factor * pair.ci_high], [y, y], color=COLOURS[kind], linewidth=1.2)
            reach += [abs(factor * pair.ci_low), abs(factor * pair.ci_high)]
        axes.plot([factor * pair.difference], [y], linestyle="none", **_point(kind))
        reach.append(abs(factor * pair.difference))
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    axes.set_xlim(-1.08 * max(reach), 1.08 * max(reach))
    axes.set_ylim(len(variants) - 0.5, -0.5)
    axes.set_yticks(range(len(variants)), [short[name] for name in variants])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    reading = metric(line.metric)
    axes.set_title("\n".join(textwrap.wrap(line.title, _TITLE)[:2]))
    axes.set_xlabel(reading.heading, fontsize=7.5)
    grid_along(axes, "x")
