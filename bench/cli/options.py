"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ...files import home_path
from ...models.registry import HOW_TO_NAME
from ...models.spec import PRECISIONS
from ..settings import DECISIONS, EXECUTORS, Settings

F = TypeVar("F", bound=Callable[..., Any])

NO_BASELINE = "none"


def _complete(what: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        if what == "models":
            from ...models.registry import complete as names_of_models

            return names_of_models(incomplete)
        from ...tasks.registry import SUITES, all_tasks

        names = list(SUITES if what == "suites" else all_tasks())
        return [name for name in names if name.startswith(incomplete)]

    return complete


complete_models = _complete("models")


def _data(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for value in values:
        name, equals, folder = value.partition("=")
        if not (name and equals and folder):
            raise click.BadParameter(f"{value!r} is not of the form NAME=DIR, such as imagenet=/data/imagenet/val.")
        found[name] = home_path(folder)
    return found


def _apply(command: F, options: list[Callable[[F], F]]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def _model(required: bool, more: str) -> Callable[[F], F]:
    return click.option(
        "--model", "models", multiple=True, required=required, shell_complete=_complete("models"), help=more
    )


def _scope(limit: str, baseline: bool = True) -> list[Callable[[F], F]]:
    chosen: list[Callable[[F], F]] = [
        click.option(
            "--baseline",
            "baselines",
            multiple=True,
            shell_complete=_complete("models"),
            help="Model to compare with; by default the one that the model declares. 'none' for none. Repeatable.",
        )
    ]
    return (chosen if baseline else []) + [
        click.option("--suite", shell_complete=_complete("suites"), help="A name of `bench suites`."),
        click.option(
            "--task",
            "tasks",
            multiple=True,
            shell_complete=_complete("tasks"),
            help="A name of `bench tasks`; in addition to the suite. Repeatable.",
        ),
        click.option("--limit", type=int, help=limit),
    ]


def store_option(command: F) -> F:
    """``--store``."""
    return click.option(
        "--store",
        default="bench-results",
        show_default=True,
        help="Folder that keeps the per-image predictions, or a URL of fsspec such as s3://bucket/results.",
    )(command)


def quiet_option(command: F) -> F:
    """``--quiet``."""
    return click.option("--quiet", is_flag=True, help="No progress and no table; messages about failures remain.")(
        command
    )


def data_option(more: str) -> Callable[[F], F]:
    """``--data``."""
    return click.option("--data", multiple=True, callback=_data, metavar="NAME=DIR", help=more)


def gallery_option(command: F) -> F:
    """``--no-gallery``."""
    return click.option(
        "--gallery/--no-gallery",
        default=True,
        show_default=True,
        help="Show images on which a model and its baseline disagree on the page.",
    )(command)


_JSON_FILE: Callable[[F], F] = click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Also write the result here, as JSON."
)


def selection(command: F) -> F:
    """Options that say what is run."""
    return _apply(
        command,
        [
            _model(True, f"{HOW_TO_NAME}. Repeatable."),
            *_scope("At most this many images for each task."),
            data_option("Folder of a data set that you bring, such as imagenet=DIR. Repeatable."),
            click.option("--seed", type=int, default=0, show_default=True, help="Seed of worlds and corruptions."),
            store_option,
            _JSON_FILE,
            click.option(
                "--report",
                "report_file",
                type=click.Path(path_type=Path),
                help="Where to write the page; STORE/report.html by default.",
            ),
            quiet_option,
        ],
    )


def along(command: F) -> F:
    """Options of ``bench curve`` that say what is run."""
    suite, task, limit = _scope("At most this many images for each task.")[1:]
    data = click.option(
        "--data",
        multiple=True,
        callback=_data,
        metavar="NAME=DIR",
        help="Folder of a data set that you bring, such as imagenet=DIR. Repeatable.",
    )
    seed = click.option("--seed", type=int, default=0, show_default=True, help="Seed of worlds and corruptions.")
    return _apply(command, [suite, task, limit, data, seed, store_option, _JSON_FILE, quiet_option])


def running(command: F) -> F:
    """Options that say where and how it is run."""
    return _apply(
        command,
        [
            click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."),
            click.option(
                "--precision",
                type=click.Choice(PRECISIONS),
                default="float32",
                show_default=True,
                help="Arithmetic of the models; another than float32 is faster on most GPUs and part of what a "
                "prediction is.",
            ),
            click.option(
                "--batch",
                type=click.IntRange(min=1),
                default=Settings.batch,
                show_default=True,
                help="Images per forward pass; halved where they do not fit into memory.",
            ),
            click.option(
                "--executor",
                type=click.Choice(EXECUTORS),
                default="local",
                show_default=True,
                help="Where units run: on this machine, or on a Ray cluster.",
            ),
            click.option(
                "--workers",
                type=click.IntRange(min=1),
                help="Worker processes; 1 by default, or as many as the Ray cluster has room for.",
            ),
            click.option(
                "--threads",
                type=click.IntRange(min=1),
                help="Threads of a worker that read and corrupt images; its share of the cores by default.",
            ),
            click.option(
                "--address", help="Ray cluster to run on ('auto', ray://HOST:10001); else one is started here."
            ),
            click.option(
                "--decisions",
                type=click.Choice(DECISIONS),
                default="mean",
                show_default=True,
                help="Human alignment: how the probabilities of ImageNet's classes become those of 16 categories.",
            ),
            click.option(
                "--new-data",
                is_flag=True,
                help="Run on a folder although its images changed since the last run on it.",
            ),
        ],
    )


def mapped(command: F) -> F:
    """Options of ``bench saliency``."""
    return _apply(
        command,
        [
            _model(True, f"{HOW_TO_NAME}. Repeatable."),
            click.option(
                "--data",
                multiple=True,
                callback=_data,
                metavar="NAME=DIR",
                help="clickme=DIR for people's maps; without it object masks of the micro-world are taken.",
            ),
            click.option("--limit", type=int, help="At most this many images."),
            click.option(
                "--smooth",
                type=click.IntRange(min=1),
                metavar="N",
                help="Also SmoothGrad, the mean gradient of N noisy copies.",
            ),
            click.option("--seed", type=int, default=0, show_default=True, help="Seed of the micro-world."),
            click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."),
            store_option,
            _JSON_FILE,
            click.option(
                "--figure",
                "figure_file",
                type=click.Path(path_type=Path),
                help="Also draw scores and the maps of a few images: FILE.png, .svg or .pdf.",
            ),
            quiet_option,
        ],
    )


def stored(command: F) -> F:
    """Options that say what is scored of a store."""
    return _apply(
        command,
        [
            _model(False, "A model of the store, by its name or identity; all by default. Repeatable."),
            *_scope("At most this many images of each task."),
            click.option("--seed", type=int, help="Seed of the tasks; by default that of the newest run."),
            store_option,
            _JSON_FILE,
            quiet_option,
        ],
    )


def pictured(command: F) -> F:
    """Options that say what of a store is drawn, or put into tables."""
    return _apply(
        command,
        [
            _model(False, "A model of the store, by its name or identity; all by default. Repeatable."),
            *_scope("At most this many images of each task."),
            click.option("--seed", type=int, help="Seed of the tasks; by default that of the newest run."),
            store_option,
            quiet_option,
        ],
    )


def compared(command: F) -> F:
    """Arguments and options that say what of a store is compared."""
    return _apply(
        command,
        [
            click.argument("models", nargs=-1, required=True, metavar="A B [C …]", shell_complete=_complete("models")),
            *_scope("At most this many images of each task.", baseline=False),
            click.option("--seed", type=int, help="Seed of the tasks; by default that of the newest run."),
            store_option,
            _JSON_FILE,
            quiet_option,
        ],
    )


def settings_from(values: dict[str, Any]) -> Settings:
    """Build `Settings` from the options of `selection` and `running`, or of `stored`."""
    baselines = values["baselines"]
    named = (
        "device",
        "precision",
        "batch",
        "executor",
        "workers",
        "threads",
        "address",
        "decisions",
        "new_data",
        "data",
    )
    return Settings(
        models=values["models"],
        baselines=None if not baselines else tuple(name for name in baselines if name != NO_BASELINE),
        suite=values["suite"],
        tasks=values["tasks"],
        store=values["store"],
        limit=values["limit"],
        seed=values["seed"] or 0,
        **{name: values[name] for name in named if name in values},
    )
