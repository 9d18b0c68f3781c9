"""The main number in parts of the clips in time: how long an encoder carries what it was shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...results.metrics import metric
from ..data import ReportData
from ..focus import Focus
from ..wording import labels
from .figure import Caption, FigureSpec, Place
from .understanding import Role, roles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def rows(data: ReportData, task: str) -> list[dict[str, Any]]:
    """The numbers drawn, for the CSV file beside the figure: a row for each model and part that has one."""
    name, known = str(data.task(task).get("metric") or ""), roles(data, task)
    scores = [data.score(model, task, part, name) for model in known for part in data.task(task).get("over_time", ())]
    return [
        {
            "task": task, "part": s.condition, "metric": s.metric, "model": s.model, "role": known[s.model].value,
            "value": s.value, "ci_low": s.ci_low, "ci_high": s.ci_high, "n": s.n,
        }
        for s in scores
        if s is not None and math.isfinite(s.value)
    ]  # fmt: skip


_GAP = 0.055
"""Smallest distance of two names at the right, as a share of the height."""

_NAME = 30  # letters of a model's name


def draw(data: ReportData, task: str, models: Focus | None = None) -> Figure:
    """A line for each model over the parts of the clips.

    Args:
        data: The report's input.
        task: A task with parts in time.
        models: Which encoders are in colour; the others are grey. Baselines are always drawn.
    """
    from matplotlib.figure import Figure

    from .style import FAINT, FEW, REST, add_legend, grid_along, pens, styled

    parts = list(data.task(task).get("over_time", ()))
    known, numbers = roles(data, task), rows(data, task)
    models = models or Focus(data.model_names)
    encoders = [name for name in models.shown if known.get(name) is Role.ENCODER]
    rest = [name for name in models.rest if known.get(name) is Role.ENCODER]
    ink = pens(encoders)
    reading = metric(str(data.task(task)["metric"]))
    by_model: dict[str, dict[int, dict[str, Any]]] = {}
    for row in numbers:
        by_model.setdefault(row["model"], {})[parts.index(row["part"])] = row
    ends: dict[str, float] = {}
    with styled():
        figure = Figure(figsize=(7.2, 3.7 + 0.08 * len(encoders)), layout="constrained")
        axes = figure.add_subplot()
        strong = [name for name in by_model if name not in rest]
        for place, name in enumerate(strong):
            points = by_model[name]
            # Moved sideways, so that intervals do not cover each other; a gap where a part has no number.
            x = [part + 0.05 * (place - (len(strong) - 1) / 2) for part in range(len(parts))]
            y = [reading.scale * points[part]["value"] if part in points else math.nan for part in range(len(parts))]
            pen = ink.get(name)
            look = {"color": FAINT, **_LOOKS[known[name]]} if pen is None else {"linestyle": pen.dashes, **pen.point}
            axes.plot(x, y, zorder=3 if pen else 2, **look)
            if pen is None:
                ends[name] = next((value for value in reversed(y) if math.isfinite(value)), math.nan)
            for part, row in points.items() if len(encoders) <= FEW else ():
                span = [reading.scale * row[end] for end in ("ci_low", "ci_high")]
                if all(map(math.isfinite, span)):
                    axes.plot([x[part]] * 2, span, color=look["color"], linewidth=1.0, alpha=0.7, zorder=1.8)
        for name in rest:
            parts_of = sorted(by_model.get(name, {}).items())
            values = [reading.scale * row["value"] for _, row in parts_of]
            axes.plot([part for part, _ in parts_of], values, color=REST, linewidth=0.6, zorder=1.5)
        axes.set_xlim(-0.3, len(parts) - 0.7)
        axes.set_xticks(range(len(parts)), list(map(_ordinal, range(1, len(parts) + 1))))
        axes.set_xlabel(f"part of the clip, of {len(parts)}")
        axes.set_ylabel(reading.axis)
        grid_along(axes, "y")
        _name(axes, ends)
        add_legend(figure, encoders, line=True, ink=ink, rest=len(rest))
    return figure


_LOOKS: Mapping[Role, dict[str, Any]] = {
    Role.RANDOM: {"linestyle": (0, (1.5, 1.2)), "marker": "x", "markersize": 4.5, "linewidth": 1.2},
    Role.FLOOR: {"linestyle": "-", "linewidth": 1.2},
    Role.CEILING: {"linestyle": (0, (5, 2)), "linewidth": 1.2},
}


_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def _ordinal(number: int) -> str:
    return f"{number}{_ENDINGS.get(number, 'th')}"


def _name(axes: Axes, ends: Mapping[str, float]) -> None:
    """Write names at the ends of lines, moved apart where they would cover each other."""
    from .style import FAINT

    low, high = axes.get_ylim()
    short = labels(ends, _NAME)
    at = -math.inf
    for name, value in sorted(ends.items(), key=lambda item: item[1]):
        if math.isfinite(value):
            at = max((value - low) / (high - low), at + _GAP)
            axes.annotate(
                short[name], (1.01, at), xycoords="axes fraction", va="center", fontsize=7.5, color=FAINT,
                annotation_clip=False,
            )  # fmt: skip


def _subjects(data: ReportData) -> list[str]:
    tasks = [str(record["name"]) for record in data.task_records if record.get("over_time")]
    own = set(data.model_names) - data.partial_models
    return [task for task in tasks if own & {str(row["model"]) for row in rows(data, task)}]


def _caption(data: ReportData, task: str) -> Caption:
    return Caption(
        f"{data.titles[task]}: over time",
        "Lines named on the right are grey: random networks with crosses, floors without a network solid, ceilings "
        "made from the truth dashed. Bars are 95 % intervals over clips.",
    )


FIGURE = FigureSpec(
    name="over-time",
    title="The main number in each part of the clips in time, with floors and ceilings; one file per task",
    needs="a task in which masks are carried along clips",
    place=Place.UNDERSTANDING,
    subjects=_subjects,
    module=__name__,
    function="draw",
    numbers="rows",
    arguments=lambda data, task: (data, task),
    caption=_caption,
)
