"""Error ratio by annotated factor, one figure for each task: where a model errs more often than elsewhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...results.schema import View
from ..data import ReportData
from ..focus import Focus
from ..wording import condition_label
from .figure import Caption, FigureSpec, Place

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATIO = "error_ratio"


def factors_of(data: ReportData, task: str) -> list[str]:
    """The factors of a task that any model has a ratio of, the most affected of the first model first."""
    known = {s.condition for s in data.scores if (s.task, s.metric) == (task, RATIO) and math.isfinite(s.value)}

    def ratio(name: str) -> float:
        scores = (data.score(model, task, name, RATIO) for model in data.model_names)
        return next((score.value for score in scores if score is not None and math.isfinite(score.value)), math.inf)

    return sorted((name for name in data.members(task) if name in known), key=ratio, reverse=True)


def rows(data: ReportData, task: str) -> list[dict[str, Any]]:
    """The numbers drawn, for the CSV file beside the figure."""
    scores = [data.score(model, task, name, RATIO) for name in factors_of(data, task) for model in data.model_names]
    return [
        {
            "task": task, "factor": s.condition, "model": s.model, "error_ratio": s.value, "ci_low": s.ci_low,
            "ci_high": s.ci_high, "n": s.n,
        }
        for s in scores
        if s is not None and math.isfinite(s.value)
    ]  # fmt: skip


def draw(data: ReportData, task: str, models: Focus | None = None) -> Figure:
    """A line for each factor, a marker with its interval for each model, on a scale of ratios.

    Args:
        data: The report's input.
        task: Name of a task of annotated factors.
        models: Which are in colour, with intervals; all of them unless given.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    from .style import BAND, FAINT, REST, add_legend, grid_along, pens, styled

    models = models or Focus(data.model_names)
    names, ink = factors_of(data, task), pens(models.shown)
    step = 0.72 / max(len(ink), 3)
    counts: dict[str, int] = {}
    ends: list[float] = [1.0]
    with styled():
        figure = Figure(figsize=(6.2, 1.1 + (0.2 + 0.05 * len(ink)) * len(names)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(1, color=FAINT, linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1)
        for y, name in enumerate(names):
            if y % 2:
                axes.axhspan(y - 0.5, y + 0.5, color=BAND, linewidth=0, zorder=0)
            for place, model in enumerate((*models.shown, *models.rest)):
                score = data.score(model, task, name, RATIO)
                if score is None or not math.isfinite(score.value):
                    continue
                counts[name] = max(counts.get(name, 0), score.n)
                if score.value == 0:  # no error at all has no place on a scale of ratios
                    continue
                ends.append(score.value)
                if model not in ink:
                    axes.plot([score.value], [y], "|", color=REST, markersize=9, markeredgewidth=0.8, zorder=1.5)
                    continue
                at = y + step * (place - (len(ink) - 1) / 2)
                low = max(score.ci_low, score.value / 20) if math.isfinite(score.ci_low) else score.value
                high = score.ci_high if math.isfinite(score.ci_high) else score.value
                ends += [low, high]
                axes.plot([low, high], [at, at], color=ink[model].colour, linewidth=1.3)
                axes.plot([score.value], [at], clip_on=False, **ink[model].point)
        axes.set_xscale("log")
        axes.set_xlim(min(ends) / 1.06, max(ends) * 1.06)
        ticks = [tick for tick in (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 10) if min(ends) <= tick <= max(ends)]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.set_yticks(range(len(names)), [f"{condition_label(name)} ({counts.get(name, 0):,})" for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_title(f"{data.titles[task]}: error ratio, lower is better")
        grid_along(axes, "x")
        add_legend(figure, models.shown, line=False, rest=len(models.rest), rest_marker="|")
    return figure


def _tasks(data: ReportData) -> list[str]:
    return [str(task["name"]) for task in data.tasks_with(View.FACTORS) if factors_of(data, str(task["name"]))]


def _caption(data: ReportData, task: str) -> Caption:
    return Caption(
        f"{data.titles[task]}: error ratio by factor",
        "Error on the images with a factor over the error on all annotated images, with 95 % intervals: 1 (dotted) "
        "where the factor makes no difference, 2 where the model errs twice as often. A model that "
        "never errs there has no marker. In brackets: images.",
    )


FIGURE = FigureSpec(
    name="factors",
    title="Error ratio by annotated factor; one file per task",
    needs="a task of annotated factors",
    place=Place.FIGURES,
    subjects=_tasks,
    module=__name__,
    function="draw",
    numbers="rows",
    arguments=lambda data, task: (data, task),
    caption=_caption,
)
