"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from ...files import home_path
from ...models.registry import HOW_TO_NAME
from ...models.spec import PRECISIONS
from .. import configuration
from ..settings import DECISIONS, EXECUTORS, Settings

F = TypeVar("F", bound=Callable[..., Any])

NO_BASELINE = "none"


def _complete(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        if kind == "models":
            from ...models.registry import complete as names_of_models

            return names_of_models(incomplete)
        from ...tasks.registry import SUITES, all_tasks

        names = list(SUITES if kind == "suites" else all_tasks())
        return [name for name in names if name.startswith(incomplete)]

    return complete


complete_models = _complete("models")
complete_tasks = _complete("tasks")


def _data(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for value in values:
        name, equals, folder = value.partition("=")
        if not (name and equals and folder):
            raise click.BadParameter(f"{value!r} is not of the form NAME=DIR, such as imagenet=/data/imagenet/val.")
        folders[name] = home_path(folder)
    return folders


def _configured(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """What the user typed, or else what is configured."""
    if ctx.get_parameter_source(str(param.name)) is not ParameterSource.DEFAULT:
        return value
    return configuration.default(str(param.name), value)


def _apply(command: F, options: list[Callable[[F], F]]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def _model(required: bool, more: str) -> Callable[[F], F]:
    return click.option(
        "--model", "models", multiple=True, required=required, shell_complete=_complete("models"), help=more
    )


def _scope(limit: str, baseline: bool = True) -> list[Callable[[F], F]]:
    baseline_option: list[Callable[[F], F]] = [
        click.option(
            "--baseline",
            "baselines",
            multiple=True,
            shell_complete=_complete("models"),
            help="Model to compare with; by default the one that the model declares; 'none' compares with no model. "
            "Repeatable.",
        )
    ]
    return (baseline_option if baseline else []) + [
        click.option("--suite", shell_complete=_complete("suites"), help="A suite from `bench suites`."),
        click.option(
            "--task",
            "tasks",
            multiple=True,
            shell_complete=_complete("tasks"),
            help="A task from `bench tasks`, in addition to the suite. Repeatable.",
        ),
        click.option("--limit", type=int, help=limit),
    ]


def store_option(command: F) -> F:
    """``--store``."""
    return click.option(
        "--store",
        default="bench-results",
        show_default=True,
        help="Folder for the per-image predictions, or an fsspec URL such as s3://bucket/results.",
    )(command)


def _folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="dir")]


def layer_option(command: F) -> F:
    """``--also``."""
    return click.option(
        "--also",
        multiple=True,
        metavar="URL",
        default=configuration.further_stores,
        shell_complete=_folders,
        callback=lambda ctx, param, values: tuple(v if "://" in v else str(home_path(v)) for v in values),
        help="A store to read where --store lacks something, and never written to: a folder, or an fsspec URL such as "
        "https://HOST/results or hf://datasets/OWNER/NAME. Repeatable.",
    )(command)


def quiet_option(command: F) -> F:
    """``--quiet``."""
    return click.option("--quiet", is_flag=True, help="Show no progress and no table; failures are still reported.")(
        command
    )


def data_option(more: str) -> Callable[[F], F]:
    """``--data``."""
    return click.option("--data", multiple=True, callback=_data, metavar="NAME=DIR", help=more)


def device_option(command: F) -> F:
    """``--device``."""
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        callback=_configured,
        help="Device to use: auto, cpu, cuda, cuda:N or mps.",
    )(command)


def precision_option(command: F) -> F:
    """``--precision``."""
    return click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default="float32",
        show_default=True,
        callback=_configured,
        help="Floating-point type of the models. bfloat16 and float16 are faster on most GPUs; predictions are stored "
        "per precision.",
    )(command)


def gallery_option(command: F) -> F:
    """``--no-gallery``."""
    return click.option(
        "--gallery/--no-gallery",
        default=True,
        show_default=True,
        help="Add images on which a model and its baseline disagree to the page.",
    )(command)


def masks_option(command: F) -> F:
    """``--masks``."""
    return click.option(
        "--masks",
        is_flag=True,
        help="Add pictures of carried masks and segmented images to the page. Up to three models are loaded and "
        "compute those of three examples of each task again, with everything that this needs: the clips of the "
        "examples, and all labelled images.",
    )(command)


def recompute_scores_option(command: F) -> F:
    """``--recompute-scores``."""
    return click.option(
        "--recompute-scores",
        is_flag=True,
        help="Score and draw everything anew instead of taking what STORE/cache has kept of an earlier time.",
    )(command)


_JSON_FILE: Callable[[F], F] = click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Also write the result here, as JSON."
)


def selection(command: F) -> F:
    """Options that select what to run."""
    return _apply(
        command,
        [
            _model(True, f"{HOW_TO_NAME}. Repeatable."),
            *_scope("Maximum number of images per task."),
            data_option("Folder of a data set, such as imagenet=DIR, instead of a configured one. Repeatable."),
            click.option(
                "--seed",
                type=int,
                default=0,
                show_default=True,
                help="Random seed of the micro-world and the corruptions.",
            ),
            store_option,
            layer_option,
            _JSON_FILE,
            click.option(
                "--report",
                "report_file",
                type=click.Path(path_type=Path),
                help="File for the HTML page; STORE/report.html by default.",
            ),
            quiet_option,
        ],
    )


def along(command: F) -> F:
    """Options of ``bench curve`` that select what to run."""
    suite, task, limit = _scope("Maximum number of images per task.")[1:]
    data = click.option(
        "--data",
        multiple=True,
        callback=_data,
        metavar="NAME=DIR",
        help="Folder of a data set, such as imagenet=DIR, instead of a configured one. Repeatable.",
    )
    seed = click.option(
        "--seed", type=int, default=0, show_default=True, help="Random seed of the micro-world and the corruptions."
    )
    return _apply(command, [suite, task, limit, data, seed, store_option, layer_option, _JSON_FILE, quiet_option])


def running(command: F) -> F:
    """Options for where and how to run."""
    return _apply(
        command,
        [
            device_option,
            precision_option,
            click.option(
                "--batch",
                type=click.IntRange(min=1),
                default=Settings.batch,
                show_default=True,
                help="Images per forward pass; halved if they do not fit into memory.",
            ),
            click.option(
                "--executor",
                type=click.Choice(EXECUTORS),
                default="local",
                show_default=True,
                help="Where to run: on this machine, or on a Ray cluster.",
            ),
            click.option(
                "--workers",
                type=click.IntRange(min=1),
                help="Number of worker processes; 1 by default, on a Ray cluster as many as fit.",
            ),
            click.option(
                "--threads",
                type=click.IntRange(min=1),
                help="Threads per worker that read and corrupt images; the worker's share of the cores by default.",
            ),
            click.option(
                "--address", help="Ray cluster to run on ('auto', ray://HOST:10001); by default one is started here."
            ),
            click.option(
                "--decisions",
                type=click.Choice(DECISIONS),
                default="mean",
                show_default=True,
                help="Human alignment: how to combine the probabilities of ImageNet's classes into 16 categories.",
            ),
            click.option(
                "--new-data",
                is_flag=True,
                help="Run on a folder even if its images have changed since the last run.",
            ),
            click.option(
                "--recompute",
                is_flag=True,
                help="Compute everything that --store lacks; take nothing from --also or the package.",
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
                help="clickme=DIR for people's maps; without it, object masks of the micro-world are used.",
            ),
            click.option("--limit", type=int, help="Maximum number of images."),
            click.option(
                "--smooth",
                type=click.IntRange(min=1),
                metavar="N",
                help="Also compute SmoothGrad, the mean gradient of N noisy copies.",
            ),
            click.option("--seed", type=int, default=0, show_default=True, help="Seed of the micro-world."),
            device_option,
            store_option,
            layer_option,
            _JSON_FILE,
            click.option(
                "--figure",
                "figure_file",
                type=click.Path(path_type=Path),
                help="Also draw the scores and a few maps: FILE.png, .svg or .pdf.",
            ),
            quiet_option,
        ],
    )


_FOR_SCORES = data_option(
    "Folder that scores need and the store lacks, such as imagenet-x=DIR for annotations that are not installed. "
    "Repeatable."
)


def stored(command: F, folders: Callable[[F], F] = _FOR_SCORES) -> F:
    """Options that select what to score in a store."""
    return _apply(
        command,
        [
            _model(False, "A model in the store, by name or identity; all by default. Repeatable."),
            *_scope("Maximum number of images per task."),
            click.option("--seed", type=int, help="Seed of the tasks; the newest run's by default."),
            folders,
            store_option,
            layer_option,
            _JSON_FILE,
            recompute_scores_option,
            quiet_option,
        ],
    )


def pictured(command: F) -> F:
    """Options that select what to draw, tabulate or export from a store."""
    return _apply(
        command,
        [
            _model(False, "A model in the store, by name or identity; all by default. Repeatable."),
            *_scope("Maximum number of images per task."),
            click.option("--seed", type=int, help="Seed of the tasks; the newest run's by default."),
            _FOR_SCORES,
            store_option,
            layer_option,
            recompute_scores_option,
            quiet_option,
        ],
    )


def compared(command: F) -> F:
    """Arguments and options that select what to compare in a store."""
    return _apply(
        command,
        [
            click.argument("models", nargs=-1, required=True, metavar="A B [C …]", shell_complete=_complete("models")),
            *_scope("Maximum number of images per task.", baseline=False),
            click.option("--seed", type=int, help="Seed of the tasks; the newest run's by default."),
            _FOR_SCORES,
            store_option,
            layer_option,
            _JSON_FILE,
            recompute_scores_option,
            quiet_option,
        ],
    )


def settings_from(values: dict[str, Any]) -> Settings:
    """Build `Settings` from the options of `selection` and `running`, or of `stored`."""
    baselines = values["baselines"]
    passed_on = (
        "device",
        "precision",
        "batch",
        "executor",
        "workers",
        "threads",
        "address",
        "decisions",
        "new_data",
        "recompute_scores",
        "also",
        "recompute",
    )
    folders = configuration.Folders(values.get("data", {}), {})
    if "device" in values:  # what only scores opens no folder that was not asked for
        folders = configuration.data_folders(folders.paths)
    return Settings(
        models=values["models"],
        baselines=None if not baselines else tuple(name for name in baselines if name != NO_BASELINE),
        suite=values["suite"],
        tasks=values["tasks"],
        store=values["store"],
        limit=values["limit"],
        seed=values["seed"] or 0,
        data=folders.paths,
        origins=folders.origins,
        **{name: values[name] for name in passed_on if name in values},
    )
