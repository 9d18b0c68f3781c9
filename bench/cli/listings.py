"""``bench models``, ``bench tasks``, ``bench suites``, ``bench recipes``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import click

from ...files import json_text
from ...terminal import echo, open_console, shown

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


_WHOLE = ("model", "task", "source")


def print_rows(
    rows: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool, footer: Sequence[str] = ()
) -> None:
    """Print rows as a table, or as JSON.

    Args:
        rows: One dictionary of plain values per row.
        columns: Fields to show in the table.
        as_json: Print all fields as JSON instead.
        footer: Lines below the table.
    """
    if as_json:
        echo(json_text(rows))
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    needed = min(22, max((len(shown(row[columns[-1]])) for row in rows), default=1))
    for number, column in enumerate(columns):
        last = number + 1 == len(columns)
        # Names must not wrap, or they could not be copied; the last column holds sentences and takes the rest.
        keep_whole = number == 0 or column in _WHOLE
        table.add_column(
            column.replace("_", " "), no_wrap=keep_whole, overflow="fold", min_width=needed if last else None
        )
    for row in rows:
        table.add_row(*(shown(row[column]) if row[column] is not None else "" for column in columns))
    # If output is piped, rich assumes 80 columns and would cut names.
    console = open_console(markup=False)
    console.print(table)
    for line in footer:
        console.print(line, soft_wrap=True)


def tell_problems(problems: Iterable[str]) -> None:
    """Print what cannot be used to standard error, one problem per line: standard output may be JSON for a program."""
    for problem in dict.fromkeys(filter(None, problems)):
        echo(shown(problem), err=True)


@click.command("models")
@_JSON
def models_command(as_json: bool) -> None:
    """List the named models, and the name patterns that load others."""
    from ...models.registry import FORMS, SOURCES
    from ...plugins import MODELS, unreadable

    listed = [(source, row) for source in SOURCES for row in source.listing()]
    rows = [asdict(row) for _, row in listed]
    for row in rows:
        row["about"] = row["problem"] or row["description"]
    footer = [f"{form}: {meaning}" for form, meaning in FORMS.items()]
    columns = ("name", "source", "label_space", "baseline", "about")
    if as_json:
        rows = [{k: v for k, v in row.items() if k != "about"} for row in rows]
    print_rows(rows, columns, as_json, footer)
    tell_problems([*(row.problem for source, row in listed if not source.shipped), *unreadable(MODELS)])


@click.command("tasks")
@_JSON
def tasks_command(as_json: bool) -> None:
    """List the tasks."""
    from ...plugins import TASKS as PLUGGED
    from ...plugins import unreadable
    from ...tasks.opening import USER_DATA
    from ...tasks.plugin_tasks import listed
    from ...tasks.registry import TASKS

    plugged = listed(TASKS)
    tasks = [(task, "vitobench") for task in TASKS.values()]
    tasks += [(task, plugin.origin) for plugin, task, _ in plugged if task is not None]
    rows = [
        {
            "name": task.name,
            "title": task.title,
            "kind": task.kind.name,
            "label_space": task.label_space,
            "data": task.dataset,
            "images": task.images,
            "conditions": len(task.conditions),
            "metric": task.metric,
            "reference": task.reference,
            "citation": task.citation,
            "notes": task.notes,
            "source": origin,
            "problem": "",
        }
        for task, origin in tasks
    ]
    rows += [
        dict.fromkeys(rows[0]) | {"name": plugin.name, "title": problem, "source": plugin.origin, "problem": problem}
        for plugin, task, problem in plugged
        if task is None
    ]
    own_sets = ("imagenet", "imagenet-depth")
    footer = [f"{name}: {USER_DATA[name]}" for name in own_sets]
    footer.append("Published data sets: --data NAME=DIR; `bench data list` shows where to get them.")
    # Without plugins, every row would have the same source.
    source = ("source",) if plugged else ()
    print_rows(rows, ("name", "kind", "images", "conditions", "metric", *source, "title"), as_json, footer)
    tell_problems([*(problem for _, _, problem in plugged), *unreadable(PLUGGED)])


@click.command("suites")
@_JSON
def suites_command(as_json: bool) -> None:
    """List the suites."""
    from ...tasks.registry import SUITES

    rows = [asdict(suite) | {"tasks": list(suite.tasks), "headline": list(suite.headline)} for suite in SUITES.values()]
    table_rows = rows
    if not as_json:
        about = {suite.name: suite.aggregate.about if suite.aggregate else "" for suite in SUITES.values()}
        table_rows = [row | {"tasks": ", ".join(row["tasks"]), "ranks by": about[row["name"]]} for row in rows]
    print_rows(table_rows, ("name", "description", "tasks", "ranks by"), as_json)


@click.command("recipes")
@_JSON
def recipes_command(as_json: bool) -> None:
    """List the pretraining recipes."""
    from ...models.pretraining.methods import plugged
    from ...models.pretraining.recipe import list_recipes, load_recipe, recipe_facts
    from ...plugins import METHODS, unreadable

    rows = [{"recipe": name} | recipe_facts(load_recipe(name)) for name in list_recipes()]
    print_rows(rows, ("recipe", "objective", "architecture", "steps", "description"), as_json)
    tell_problems([*(problem for _, _, problem in plugged()), *unreadable(METHODS)])
