"""Encoders in every task that asks for features, beside networks with random weights, floors and ceilings."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ...results.metrics import metric
from ...results.schema import Score
from ..data import ReportData
from ..focus import Focus
from ..wording import labels, named
from .figure import Caption, FigureSpec, Place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Role(StrEnum):
    """What a bar or a line stands for."""

    ENCODER = "encoder"
    RANDOM = "random weights"
    FLOOR = "floor"
    CEILING = "ceiling"


def asked(data: ReportData) -> list[str]:
    """Tasks that ask for features and in which a network has a number."""
    own = set(data.model_names) - data.partial_models
    names = [str(record["name"]) for record in data.task_records if "floors" in record]
    return [name for name in names if own & {score.model for score in mains(data, name)}]


def roles(data: ReportData, task: str) -> dict[str, Role]:
    """Models by what they stand for in a task: encoders, then random networks, floors and ceilings."""
    record = data.task(task)
    baselines = {str(name): Role.FLOOR for name in record.get("floors", ())}
    baselines |= {str(name): Role.CEILING for name in record.get("ceilings", ())}
    known = {name: Role.RANDOM if name in data.random_models else Role.ENCODER for name in data.model_names}
    known = {name: role for name, role in known.items() if name not in data.partial_models} | baselines
    return {name: role for one in Role for name, role in known.items() if role is one}


def mains(data: ReportData, task: str) -> list[Score]:
    """The main number of every model that has one, in the order of `roles`."""
    name, condition = str(data.task(task).get("metric") or "top1"), data.main_condition(task)
    scores = (data.score(model, task, condition, name) for model in roles(data, task))
    return [score for score in scores if score is not None and math.isfinite(score.value)]


def rows(data: ReportData) -> list[dict[str, Any]]:
    """The numbers drawn, for the CSV file beside the figure."""
    return [
        {
            "task": task, "metric": score.metric, "model": score.model, "role": roles(data, task)[score.model].value,
            "value": score.value, "ci_low": score.ci_low, "ci_high": score.ci_high, "n": score.n,
        }
        for task in asked(data)
        for score in mains(data, task)
    ]  # fmt: skip


def untrained(data: ReportData, task: str) -> float:
    """The best value in a task of networks with random weights and floors; NaN where neither has one."""
    known = roles(data, task)
    scores = [score for score in mains(data, task) if known[score.model] in (Role.RANDOM, Role.FLOOR)]
    best = max(scores, key=lambda score: metric(score.metric).better * score.value, default=None)
    return math.nan if best is None else best.value


_COLUMNS = 2
_BAR = 0.17
"""Inches; with many models 0.12."""

_MANY = 16
_NAME = 26  # letters of a model's name
_TITLE = 44


def draw(data: ReportData, models: Focus | None = None) -> Figure:
    """A panel for each task, with a bar for each model.

    Args:
        data: The report's input.
        models: Which encoders are in colour; the others are grey. Baselines are always drawn.
    """
    from matplotlib.figure import Figure

    from .style import pens, styled

    tasks = asked(data)
    models = models or Focus(data.model_names)
    ink = pens([name for name in models.shown if name not in data.partial_models | data.random_models])
    bars = {task: mains(data, task) for task in tasks}
    inch = _BAR if max(map(len, bars.values()), default=0) <= _MANY else 0.12
    columns = min(_COLUMNS, len(tasks)) or 1
    lines = [tasks[start : start + columns] for start in range(0, len(tasks), columns)]
    heights = [0.75 + inch * max(len(bars[task]) for task in line) for line in lines]
    with styled():
        figure = Figure(figsize=(4.7 * columns, sum(heights) + 0.5), layout="constrained")
        grid = figure.add_gridspec(len(lines) or 1, columns, height_ratios=heights or None)
        for row, line in enumerate(lines):
            for column, task in enumerate(line):
                axes = figure.add_subplot(grid[row, column])
                colours = {name: pen.colour for name, pen in ink.items()}
                _panel(axes, bars[task], roles(data, task), colours, untrained(data, task))
                axes.set_title("\n".join(textwrap.wrap(data.titles[task], _TITLE)[:2]))
                axes.tick_params(axis="y", labelsize=8 if inch == _BAR else 6)
        figure.legend(handles=_key(), loc="outside upper left", ncols=4, columnspacing=1.4)
    return figure


def _panel(axes: Axes, scores: Sequence[Score], known: dict[str, Role], colours: dict[str, str], line: float) -> None:
    from .style import FAINT, INK, grid_along

    reading = metric(scores[0].metric)
    short = labels([score.model for score in scores], _NAME)
    for y, score in enumerate(scores):
        value, ends = reading.scale * score.value, [reading.scale * end for end in (score.ci_low, score.ci_high)]
        axes.barh(y, value, height=0.72, zorder=2, **_look(known[score.model], colours.get(score.model)))
        if all(map(math.isfinite, ends)):
            axes.plot(ends, [y, y], color=INK, linewidth=1.1, solid_capstyle="butt", zorder=3)
    if math.isfinite(line):
        axes.axvline(reading.scale * line, color=FAINT, linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=2.5)
    axes.set_yticks(range(len(scores)), [short[score.model] for score in scores])
    for score, text in zip(scores, axes.get_yticklabels(), strict=True):
        text.set_color(INK if known[score.model] is Role.ENCODER else FAINT)
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(reading.axis, fontsize=7.5)
    grid_along(axes, "x")


def _look(role: Role, colour: str | None = None) -> dict[str, Any]:
    """What a bar looks like: no reader needs colour to tell the four apart."""
    from .style import BAND, FAINT, REST

    looks: dict[Role, dict[str, Any]] = {
        Role.ENCODER: {"color": colour or REST},
        Role.RANDOM: {"facecolor": "white", "edgecolor": FAINT, "hatch": "/////", "linewidth": 0.8},
        Role.FLOOR: {"facecolor": "white", "edgecolor": FAINT, "linewidth": 0.8},
        Role.CEILING: {"facecolor": BAND, "edgecolor": FAINT, "linewidth": 0.8, "linestyle": (0, (3, 2))},
    }
    return looks[role]


def _key() -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    from .style import FAINT

    words = {Role.RANDOM: "random weights", Role.FLOOR: "floor, no network", Role.CEILING: "ceiling"}
    line = Line2D([], [], color=FAINT, linewidth=1.0, linestyle=(0, (1, 1.5)), label="best without training")
    return [*(Patch(label=text, **_look(role)) for role, text in words.items()), line]


def without_random(data: ReportData) -> str:
    """Which tasks no network with random weights was run on, and the command that does it; empty where all have one."""
    random = {task: data.random_models & {score.model for score in mains(data, task)} for task in asked(data)}
    lacking = [task for task, models in random.items() if not models]
    if not lacking:
        return ""
    drawn = {s.model for task in lacking for s in mains(data, task)} - data.partial_models
    # Of predictions that were imported nothing is known that could be drawn anew.
    able = [str(m["name"]) for m in data.models if m["name"] in drawn and m.get("source") != "imported"]
    options = " ".join(f"--task {task}" for task in lacking)
    where = "" if len(lacking) == len(random) else f" on {named([data.titles[task] for task in lacking])}"
    command = f"bench run {options} --model random:{able[0] if able else 'NAME'}"
    return (
        f" No network with random weights was run{where}, so the bars do not show what training adds. To add one, with "
        f"the store, limit, seed and folders of this run: {command}"
    )


def _caption(data: ReportData, subject: str) -> Caption:
    return Caption(
        "Encoders beside random networks, floors and ceilings",
        "The main number of each task, with 95 % intervals. Floors use no network; ceilings are made from the truth "
        "and say what can be reached with cells of a size. The dotted line is the best of floors and random networks: "
        f"only what is clearly beyond it was learned.{without_random(data)}",
    )


FIGURE = FigureSpec(
    name="understanding",
    title="Encoders beside random networks, floors and ceilings, one panel per task",
    needs="a task of the suite understanding",
    place=Place.UNDERSTANDING,
    subjects=lambda data: [""] if asked(data) else [],
    module=__name__,
    function="draw",
    numbers="rows",
    arguments=lambda data, subject: (data,),
    caption=_caption,
)
