"""The ranks of models over a suite: sentences that say how to read them, and their table in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..results.metrics import metric
from ..terminal import shown
from .data import ReportData
from .wording import WORLDS, interval, named, value_text

if TYPE_CHECKING:
    from rich.console import Console

    from ..results.ranking import Rank
    from ..results.suite_ranking import Placed, SuiteRanking

FEW = 3
"""Up to so many models a table of pairs says it all; a report of more begins with their ranks."""

_ENOUGH_TASKS = 6  # see `rank_sets.better_on_tasks`

HEADS = ("Rank", "Mean", "Rank over images", "Rank over tasks", "Group")

LEGEND = (
    "Ranks over images: what other images of these tasks might give; over tasks: what other tasks like these might "
    "give. By paired tests of all pairs of models on the same images, so that all intervals of a column hold together "
    "with 95 %. Group 1: level with the best, no model is clearly better; group 2: level with the best of the rest; "
    "and so on."
)


def led_by_ranks(data: ReportData) -> tuple[SuiteRanking, ...]:
    """The ranks that a report begins with: those of more models than a table of pairs can show."""
    return tuple(one for one in data.rankings if len(one.rows) + len(one.unranked) > FEW)


def title(data: ReportData, ranking: SuiteRanking) -> str:
    """``50 models ranked over 10 tasks``, with the world where there are several."""
    models, tasks = len(ranking.rows), len(ranking.tasks)
    words = f"{models} models ranked over {tasks} task{'s' if tasks != 1 else ''}"
    if len(data.rankings) < 2:
        return words
    return f"{words} on {WORLDS.get(ranking.world, ranking.world)}"


def about_lines(data: ReportData, ranking: SuiteRanking) -> list[str]:
    """What is ranked by, how many models are level with the best, and everything that is missing; a sentence each."""
    names = data.titles
    reading = metric(ranking.metric)
    tasks = [names.get(one.task, one.task) for one in ranking.tasks]
    lower = "" if reading.better > 0 else "; lower is better"
    lines = [f"Ranked by {ranking.about}{lower}: {'; '.join(tasks)}."]
    level = [row.model for row in ranking.rows if row.group == 1]
    if len(level) > 1:
        lines.append(f"{len(level)} of {len(ranking.rows)} models are level with the best: {named(level)}.")
    elif level:
        lines.append(f"{level[0]} is clearly better than every other model.")
    if ranking.rows and len(ranking.tasks) < _ENOUGH_TASKS:
        lines.append(
            f"{len(ranking.tasks)} task{'s are' if len(ranking.tasks) != 1 else ' is'} too few to say what other tasks "
            "would give: six or more are needed."
        )
    lines += missing_lines(data, ranking)
    return lines


def missing_lines(data: ReportData, ranking: SuiteRanking) -> list[str]:
    """Tasks that did not enter, and models that have no rank, each with the reason."""
    names = data.titles
    by_reason: dict[str, list[str]] = {}
    for task, reason in ranking.left_out:
        by_reason.setdefault(reason, []).append(names.get(task, task))
    lines = [f"Not in the mean, {reason}: {', '.join(tasks)}." for reason, tasks in by_reason.items()]
    if not ranking.rows:
        lines.append("No two models have all of these tasks, so none is ranked.")
    models: dict[str, list[str]] = {}
    for model, reason in ranking.unranked:
        models.setdefault(reason, []).append(model)
    lines += [f"Not ranked: {named(names_of)}: {reason}." for reason, names_of in models.items()]
    return lines


def place(value: float) -> str:
    """``3`` or ``3.5``, a rank."""
    return f"{value:g}"


def places(low: float, high: float) -> str:
    """``2 to 7``, or ``2`` alone."""
    return place(low) if low == high else f"{place(low)} to {place(high)}"


def cells(row: Placed, name: str) -> tuple[str, str, str, str, str, str]:
    """Rank, mean, its interval, ranks over images, ranks over tasks, group."""
    span = interval(row.ci_low, row.ci_high, name)
    images, tasks = places(row.low, row.high), places(row.tasks_low, row.tasks_high)
    return place(row.rank), value_text(row.value, name), span, images, tasks, str(row.group)


def render_ranking(data: ReportData, ranking: SuiteRanking, console: Console) -> None:
    """Print one ranking, best first."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if ranking.rows:
        table = Table(
            box=box.SIMPLE_HEAD, title=Text(title(data, ranking)), title_justify="left", title_style="bold",
            padding=(0, 1, 0, 0),
        )  # fmt: skip
        table.add_column("Rank", justify="right", no_wrap=True)
        table.add_column("Model", overflow="fold")
        for head in ("Mean", "95 % interval", "over images", "over tasks", "Group"):
            table.add_column(head, justify="right", no_wrap=True)
        for row in ranking.rows:
            rank, mean, span, images, tasks, group = cells(row, ranking.metric)
            table.add_row(
                Text(rank), Text(shown(row.model), style="bold" if row.group == 1 else ""), Text(mean),
                Text(span, style="dim"), Text(images), Text(tasks, style="dim"), Text(group),
            )  # fmt: skip
        console.print(table)
    for line in about_lines(data, ranking):
        console.print(Text(shown(line)))
    if ranking.rows:
        console.print(Text(LEGEND, style="dim"))


# Ranks by single tasks, where there are too many models for a table of pairs.


def level_line(rows: list[Rank]) -> tuple[str, str]:
    """The best model of one task, and those that are level with it.

    Args:
        rows: Of one task, best first.
    """
    level = [row.model for row in rows if row.group == 1]
    return rows[0].model, f"{len(level)} of {len(rows)}: {named(level)}"
