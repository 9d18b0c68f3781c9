"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

NO_BASELINE = "none"


def _complete(what: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        if what == "models":
            from ...models.registry import list_models

            names = [row.name for row in list_models()] + ["timm:", "torchvision:", "file:"]
        else:
            from ...tasks.registry import SUITES, TASKS

            names = list(SUITES if what == "suites" else TASKS)
        return [name for name in names if name.startswith(incomplete)]

    return complete


def _data(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for value in values:
        name, equals, folder = value.partition("=")
        if not (name and equals and folder):
            raise click.BadParameter(f"{value!r} is not of the form NAME=DIR, such as imagenet=/data/imagenet/val.")
        found[name] = Path(folder).expanduser()
    return found


def selection(command: F) -> F:
    """Options that say what is run or scored."""
    for option in reversed(
        [
            click.option(
                "--model",
                "models",
                multiple=True,
                required=True,
                shell_complete=_complete("models"),
                help="A name of `bench models`, timm:NAME, torchvision:NAME or file:PATH. Repeatable.",
            ),
            click.option(
                "--baseline",
                "baselines",
                multiple=True,
                shell_complete=_complete("models"),
                help="Model to compare with; by default the one that the model declares. 'none' for none. Repeatable.",
            ),
            click.option("--suite", shell_complete=_complete("suites"), help="A name of `bench suites`."),
            click.option(
                "--task",
                "tasks",
                multiple=True,
                shell_complete=_complete("tasks"),
                help="A name of `bench tasks`; in addition to the suite. Repeatable.",
            ),
            click.option(
                "--data",
                multiple=True,
                callback=_data,
                metavar="NAME=DIR",
                help="Folder of a data set that you bring, such as imagenet=DIR. Repeatable.",
            ),
            click.option(
                "--store",
                type=click.Path(path_type=Path),
                default=Path("bench-results"),
                show_default=True,
                help="Folder that keeps the per-image predictions.",
            ),
            click.option("--limit", type=int, help="At most this many images for each task."),
            click.option("--seed", type=int, default=0, show_default=True, help="Seed of worlds and corruptions."),
            click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write the scores here."),
            click.option(
                "--report",
                "report_file",
                type=click.Path(path_type=Path),
                help="Where to write the page; STORE/report.html by default.",
            ),
            click.option("--quiet", is_flag=True, help="No progress and no table; messages about failures remain."),
        ]
    ):
        command = option(command)
    return command


def settings_from(values: dict[str, Any]) -> Settings:
    """Build `Settings` from the options of `selection` and those of the run."""
    baselines = values["baselines"]
    return Settings(
        models=values["models"],
        baselines=None if not baselines else tuple(name for name in baselines if name != NO_BASELINE),
        suite=values["suite"],
        tasks=values["tasks"],
        data=values["data"],
        store=values["store"],
        limit=values["limit"],
        device=values.get("device") or "auto",
        workers=values.get("workers"),
        seed=values["seed"],
    )
