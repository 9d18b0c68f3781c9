"""Figures of the headline numbers: of all models, over the steps of a training run, and against a reference."""

from __future__ import annotations

import math
import textwrap
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from ...results.metrics import metric
from ...results.schema import Comparison, Score
from ..data import ReportData
from ..focus import MANY, Focus, Training, trainings
from ..headline import HeadlineRow, headline_rows
from ..wording import Verdict, labels, verdict
from .style import BAND, FAINT, INK, REST, Pen, add_legend, grid_along, pens, styled

# The headline as one dot plot: every metric with its interval, the models in their colours.
#
# A radar plot is not drawn: its area depends on the order of its axes, its axes share no scale, and it has no room for
# intervals. Positions along a common scale are read most exactly (Cleveland & McGill 1984, JASA 79:531).


def _groups(rows: list[HeadlineRow]) -> list[tuple[str, list[HeadlineRow]]]:
    """Rows by metric, since accuracies, error ratios and biases share no axis."""
    groups: dict[str, list[HeadlineRow]] = {}
    for row in rows:
        groups.setdefault(row.metric, []).append(row)
    return list(groups.items())


def _limits(rows: list[HeadlineRow]) -> tuple[float, float]:
    """The span of the intervals plus a margin; accuracies stay within 0 and 100, and other units begin at 0."""
    reading = metric(rows[0].metric)
    ends = [
        reading.scale * end
        for row in rows
        for cell in row.cells
        if cell.score is not None
        for end in (cell.score.ci_low, cell.score.ci_high, cell.score.value)
        if math.isfinite(end)
    ]
    if not ends:
        return 0.0, reading.scale
    if not reading.percent:
        return min(0.0, *ends), max(0.0, *ends) * 1.06 or 1.0
    # At least twenty points wide: a closer look would make noise look like a result.
    air = max(2.0, 0.06 * (max(ends) - min(ends)), (20 - (max(ends) - min(ends))) / 2)
    low, high = min(ends) - air, max(ends) + air
    return max(0.0, low), high if reading.better < 0 else min(100.0, high)


def _panel(axes: Axes, rows: list[HeadlineRow], ink: dict[str, Pen], step: float) -> None:
    reading = metric(rows[0].metric)
    factor = reading.scale
    for y, row in enumerate(rows):
        # Bands tell which markers belong to a row once several models share it.
        if y % 2 == 0:
            axes.axhspan(y - 0.5, y + 0.5, color=BAND, linewidth=0, zorder=0)
        places = {model: index - (len(ink) - 1) / 2 for index, model in enumerate(ink)}
        for cell in row.cells:
            if cell.score is None or not cell.measured:
                continue
            if cell.model not in ink:
                value = factor * cell.score.value
                axes.plot([value], [y], "|", color=REST, markersize=9, markeredgewidth=0.8, zorder=1.5)
                continue
            pen = ink[cell.model]
            at = y + step * places[cell.model]
            score = cell.score
            axes.plot([factor * score.ci_low, factor * score.ci_high], [at, at], color=pen.colour, linewidth=1.3)
            axes.plot([factor * score.value], [at], clip_on=False, **pen.point)
    axes.set_yticks(range(len(rows)), [row.label.lower() if row.part else row.title for row in rows])
    for row, label in zip(rows, axes.get_yticklabels(), strict=True):
        label.set_color(FAINT if row.part else INK)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(*_limits(rows))
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=reading.percent))
    arrow = {1: "higher is better", -1: "lower is better"}[reading.better]
    if rows[0].metric == "shape_bias":
        arrow = "higher: more by shape"
    axes.set_title(f"{reading.label}{' (%)' if reading.percent else ''}, {arrow}")
    grid_along(axes, "x")


def overview(data: ReportData, models: Focus | None = None) -> Figure:
    """Draw every headline value.

    Args:
        data: The report's input.
        models: Which are in colour, with intervals; all of them unless given.

    Returns:
        The figure, one panel per metric, as tall as its rows need.
    """
    models = models or Focus(data.model_names)
    groups = _groups(headline_rows(data))
    count = len(models.shown)
    # Eight models share a row without touching; one model does not float in a tall one.
    inch = 0.2 + 0.05 * count
    heights = [len(rows) for _, rows in groups] or [1]
    with styled():
        height = 0.6 + inch * sum(heights) + 0.62 * len(heights) + 0.1 * count
        figure = Figure(figsize=(6.2, height), layout="constrained")
        grid = figure.add_gridspec(max(1, len(groups)), 1, height_ratios=heights)
        for place, (_, rows) in enumerate(groups):
            _panel(figure.add_subplot(grid[place]), rows, pens(models.shown), step=0.72 / max(count, 3))
        add_legend(figure, models.shown, line=False, rest=len(models.rest), rest_marker="|")
    return figure


def overview_rows(data: ReportData) -> list[dict[str, Any]]:
    """The figure's numbers: a row for each line of the headline and model."""
    return [
        {
            "task": row.task, "condition": row.condition, "metric": row.metric, "model": cell.model,
            "value": cell.score.value if cell.score else math.nan,
            "ci_low": cell.score.ci_low if cell.score else math.nan,
            "ci_high": cell.score.ci_high if cell.score else math.nan,
            "n": cell.score.n if cell.score else 0,
        }
        for row in headline_rows(data)
        for cell in row.cells
    ]  # fmt: skip


# Every headline number over the steps of a training: a panel for each number, a line for each training.


COLUMNS = 4
_TITLE = 27  # letters that fit over a panel


def panel_rows(data: ReportData) -> list[HeadlineRow]:
    """The headline's lines that are not parts of others, if any model has a number there."""
    return [row for row in headline_rows(data) if not row.part and any(cell.measured for cell in row.cells)]


def _points(data: ReportData, training: Training, row: HeadlineRow) -> list[tuple[int, Score]]:
    scores = [(step, data.score(name, row.task, row.condition, row.metric)) for step, name in training.models.items()]
    return [(step, score) for step, score in scores if score is not None]


def curve_rows(data: ReportData) -> list[dict[str, Any]]:
    """The figure's numbers."""
    return [
        {
            "training": training.name, "step": step, "model": score.model, "task": score.task,
            "condition": score.condition, "metric": score.metric, "value": score.value, "ci_low": score.ci_low,
            "ci_high": score.ci_high, "n": score.n,
        }
        for training in trainings(data)
        for row in panel_rows(data)
        for step, score in _points(data, training, row)
    ]  # fmt: skip


def checkpoint_curves(data: ReportData, models: Focus | None = None) -> Figure:
    """Draw the trainings that `focus.trainings` finds.

    Args:
        data: The report's input.
        models: Trainings with a model in its ``shown`` are in colour where trainings are many, or models were chosen.

    Returns:
        The figure, with 95 % intervals as bands; a gap where a checkpoint has no number.
    """
    every = trainings(data)
    coloured = every
    if models is not None and models.rest:
        chosen = [one for one in every if set(one.models.values()) & set(models.shown)]
        coloured = chosen[:MANY] if len(every) > MANY or len(chosen) < len(every) else every
    rest = [one for one in every if one not in coloured]
    rows, names = panel_rows(data), [one.name for one in coloured]
    ink = pens(names)
    height = -(-len(rows) // COLUMNS)
    with styled():
        figure = Figure(figsize=(9.0, 0.7 + 1.9 * max(height, 1) + 0.1 * len(coloured)), layout="constrained")
        grid = figure.add_gridspec(max(height, 1), COLUMNS)
        for place, row in enumerate(rows):
            axes = figure.add_subplot(grid[place // COLUMNS, place % COLUMNS])
            factor = metric(row.metric).scale
            for training in rest:
                points = _points(data, training, row)
                axes.plot([x for x, _ in points], [factor * s.value for _, s in points], color=REST, linewidth=0.6)
            for training in coloured:
                points = _points(data, training, row)
                x, pen = [step for step, _ in points], ink[training.name]
                low, high = ([factor * getattr(s, end) for _, s in points] for end in ("ci_low", "ci_high"))
                axes.fill_between(x, low, high, color=pen.colour, alpha=0.13, linewidth=0)
                axes.plot(x, [factor * s.value for _, s in points], linestyle=pen.dashes, **pen.point)
            _dress(axes, row)
        figure.supxlabel("Training step", fontsize=8.5)
        add_legend(figure, names, line=True, rest=len(rest))
    return figure


def _dress(axes: Axes, row: HeadlineRow) -> None:
    reading = metric(row.metric)
    axes.set_title("\n".join(textwrap.wrap(row.title, _TITLE)[:2]))
    axes.set_ylabel(reading.axis, fontsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if not math.isfinite(axes.dataLim.y0):
        axes.set_yticks([])
    grid_along(axes, "y")


# Variants against a reference: paired differences with intervals, a row per variant and a panel per number.


COLOURS = {Verdict.BETTER: "#0173b2", Verdict.WORSE: "#d55e00", Verdict.OPEN: FAINT}
_NAMES = {Verdict.BETTER: "better", Verdict.WORSE: "worse", Verdict.OPEN: "no clear difference"}
_MARKERS = {Verdict.BETTER: "^", Verdict.WORSE: "v", Verdict.OPEN: "o"}
_COLUMNS = 4
_ABLATION_TITLE = 24
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
            _ablation_panel(axes, line, variants, short, pairs)
            axes.tick_params(labelleft=place % _COLUMNS == 0, labelsize=8 if len(variants) <= _FEW else 6.5)
            for name, text in zip(variants, axes.get_yticklabels(), strict=place % _COLUMNS == 0):
                text.set_fontweight("bold" if name in strong else "normal")
        handles = [Line2D([], [], label=_NAMES[kind], linestyle="none", **_point(kind)) for kind in (*COLOURS,)]
        title = f"Difference to {labels([*variants, reference], 40)[reference]}"
        figure.legend(handles=handles, loc="outside upper left", ncols=3, title=title, alignment="left")
    return figure


def _point(kind: Verdict) -> dict[str, Any]:
    hollow = kind is Verdict.OPEN
    return {
        "marker": _MARKERS[kind], "markersize": 5.0 if hollow else 6.0, "color": COLOURS[kind],
        "markerfacecolor": "white" if hollow else COLOURS[kind], "markeredgewidth": 1.0 if hollow else 0.0,
    }  # fmt: skip


def _ablation_panel(
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
    axes.set_title("\n".join(textwrap.wrap(line.title, _ABLATION_TITLE)[:2]))
    points = " (points)" if reading.percent else ""
    axes.set_xlabel(f"{reading.label}{points}{reading.arrow}", fontsize=7.5)
    grid_along(axes, "x")
