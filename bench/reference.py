"""docs/reference.md: models, recipes, suites and tasks, generated from the registries.

Write it with `python -m vitobench.bench.reference docs/reference.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..models.pretraining.recipe import list_recipes, load_recipe
from ..models.registry import FORMS, SOURCES
from ..tasks.registry import SUITES, TASKS
from ..tasks.task import Task

_WORLDS = {"microworld": "In the micro-world", "photographs": "On photographs"}
_SHOWN = 6  # conditions that are named one by one


def page() -> str:
    """The whole page as Markdown; nothing on it depends on the machine."""
    parts = [
        "# Reference",
        "Generated from the registries by `python -m vitobench.bench.reference docs/reference.md`; a test checks it. "
        "`bench models`, `tasks`, `suites` and `recipes` show the same, with `--json` for programs.",
        "## Models",
        _table(("--model", "label space", "baseline", "description"), _models()),
        "## Recipes",
        "`bench pretrain NAME`; [pretraining.md](pretraining.md) describes the settings.",
        _table(("recipe", "objective", "network", "steps", "description"), _recipes()),
        "## Suites",
        _table(("--suite", "tasks", "description", "ranks models by"), _suites()),
        "## Tasks",
        "Images: the number without `--limit`. Conditions: corruption and severity, or the shift.",
    ]
    for world, heading in _WORLDS.items():
        parts.append(f"### {heading}")
        parts += [_task(task) for task in TASKS.values() if task.world == world]
    return "\n\n".join(parts) + "\n"


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _models() -> Iterator[Sequence[str]]:
    for row in (row for source in SOURCES if source.shipped for row in source.listing()):
        yield f"`{row.name}`", row.label_space, f"`{row.baseline}`" if row.baseline else "", row.description
    for form, what in FORMS.items():
        yield f"`{form}`", "", "", what


def _recipes() -> Iterator[Sequence[str]]:
    for name in list_recipes():
        recipe = load_recipe(name)
        yield f"`{name}`", recipe.objective, f"`{recipe.network}`", f"{recipe.steps:,}", recipe.description


def _suites() -> Iterator[Sequence[str]]:
    for suite in SUITES.values():
        aggregate = suite.aggregate
        counted = () if aggregate is None else (" or ".join(f"`{name}`" for name in m) for m in aggregate.members)
        ranks = "" if aggregate is None else f"{aggregate.about}: {', '.join(counted)}"
        yield f"`{suite.name}`", ", ".join(f"`{name}`" for name in suite.tasks), suite.description, ranks


def _task(task: Task) -> str:
    conditions = [condition.key for condition in task.conditions]
    listed = ", ".join(conditions[:_SHOWN]) + (", …" if len(conditions) > _SHOWN else "")
    facts = [
        f"data `{task.dataset}`, {'all' if task.images is None else f'{task.images:,}'} images",
        f"{len(conditions)} condition{'s' if len(conditions) > 1 else ''} ({listed})",
        f"main metric `{task.metric}`" + (f", errors over those of `{task.reference}`" if task.reference else ""),
        f"clean counterpart `{task.clean}`" if task.clean else "",
        f"label space {task.label_space}",
    ]
    lines = [f"**`{task.name}`**: {task.title} (version {task.version}). {'; '.join(f for f in facts if f)}."]
    lines += [task.notes] if task.notes else []
    lines += [f"*{task.citation}*" if task.citation else ""]
    return "\n".join(line for line in lines if line)


def main(arguments: Sequence[str]) -> None:
    """Write the page to the file named, or print it."""
    if arguments:
        from ..files import write_file

        write_file(Path(arguments[0]), page().encode())
    else:
        print(page(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
