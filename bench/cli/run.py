"""``bench run``, ``plan``, ``score``, ``report`` and ``saliency``."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...files import check_output, write_json
from ...terminal import echo, open_console
from .options import (
    NO_BASELINE,
    data_option,
    gallery_option,
    mapped,
    masks_option,
    recompute_scores_option,
    running,
    selection,
    settings_from,
    stored,
)

if TYPE_CHECKING:
    from ..engine.estimate import Budget


# ``bench run``.


@click.command("run")
@selection
@gallery_option
@masks_option
@recompute_scores_option
@running
def run_command(**values: Any) -> None:
    """Run a suite or tasks on models, show the table and write the HTML page.

    Predictions that the store already holds are not computed again: repeat the command to resume an interrupted run,
    or add a model to run only that one. Baselines and reference models run too. `bench plan` with the same arguments
    estimates the cost. Several runs can share a store, on one machine or many; each skips what the others have done.

    \b
    bench run --model vito --suite robustness
    bench run --model efficientnet-lite0 --suite robustness --data imagenet=DIR
    bench run --model file:mine.safetensors --baseline vito --suite robustness --json scores.json
    bench run --model timm:resnet50 --suite robustness --data imagenet=DIR --executor ray --address auto
    """
    from .show import run_and_show

    run_and_show(values)


# ``bench plan``.


@click.command("plan")
@selection
@running
@click.option("--no-measure", is_flag=True, help="Do not load the models and do not estimate the time.")
def plan_command(no_measure: bool, **values: Any) -> None:
    """Show what `bench run` with the same arguments would do: units, images, minutes, disk space, missing data.

    The time is estimated by running the models on a few of the images on this machine; nothing is stored.
    """
    from ...files import write_json
    from ...results.store import Store
    from ..engine.estimate import budget
    from ..engine.executors import check_executor
    from ..progress import counting
    from ..run import planned
    from .show import check_files

    check_files(values)
    settings = settings_from(values)
    check_executor(settings)
    console = None if values["quiet"] else open_console(width=100)
    store = Store(settings.store, settings.layers)
    plan = planned(settings, store, console)
    with counting(console, "Measuring") as progress:
        cost = budget(plan, store, not no_measure, progress)
    if values["json_file"] is not None:
        write_json(values["json_file"], cost)
    if console is not None:
        _show(cost, store.location, console)
        for problem in store.layer_problems:
            console.print(problem, style="yellow", soft_wrap=True, markup=False)
    if cost.failures:
        for failure in cost.failures:
            echo(f"{failure.model}: {failure.reason}", err=True)
        sys.exit(3)


def _show(cost: Budget, location: str, console: Any) -> None:
    from rich import box
    from rich.table import Table

    from ...tasks.datasets.registry import publication_of
    from ..configuration import files

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("task")
    for name in ("images", "conditions", "units done", "units missing", "predictions to compute"):
        table.add_column(name, justify="right")
    for row in cost.tasks:
        table.add_row(row.task, *(f"{n:,}" for n in (row.images, row.conditions, row.done, row.missing, row.answers)))
    console.print(table)
    console.print(f"Models: {', '.join(cost.models)}", markup=False)
    console.print(f"Images to read: {cost.images:,}; predictions to compute: {cost.answers:,}")
    console.print(f"Disk: about {_size(cost.bytes)} more in {location}", soft_wrap=True, markup=False)
    if cost.seconds is not None:
        console.print(f"Time: about {_duration(cost.seconds)} on {cost.device}")
    for read in cost.folders:
        tasks = ", ".join(read.tasks)
        line = f"Reads {read.folder} ({read.name}, from {read.origin}): {tasks}"
        console.print(line, soft_wrap=True, markup=False)
    for file in files():
        console.print(f"Configuration: {file}", soft_wrap=True, markup=False)
    for name, how in cost.absent.items():
        published = publication_of(name)
        where = f" (`bench data get {published[0]}`)" if published else ""
        console.print(f"Missing: {name}; it needs {how}{where}", style="yellow", markup=False, soft_wrap=True)


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


# ``bench score``.


_FOLDER = click.Path(path_type=Path)


@click.command("score")
@stored
@click.option(
    "--human",
    type=_FOLDER,
    help="Score human alignment from folders instead of a store: people's trials as CSV in model-vs-human's format, "
    "one folder per data set. Without --responses, scores only the people: the ceilings.",
)
@click.option("--responses", type=_FOLDER, help="Predictions of models in the same format, to compare with --human.")
@click.option(
    "--compat",
    type=click.Choice(["model-vs-human"]),
    help="With --human: error consistency is 1 instead of undefined if two observers are never wrong.",
)
def score_command(human: Path | None, responses: Path | None, compat: str | None, **values: Any) -> None:
    """Compute scores, intervals and comparisons from a store. No model is loaded and no image is read.

    Scores all models in the store unless you give --model, and all tasks unless you give --suite or --task. Missing
    predictions are listed, and the exit code is then 3. With --human, --task names data sets and --model observers.

    \b
    bench score
    bench score --store /data/results --model vito --baseline moclr --suite robustness --json scores.json
    bench score --suite human-alignment --human raw-data --responses my-responses --json alignment.json
    """
    if human is not None:
        _score_folders(human, responses, compat, values)
        return
    for name, value in (("--responses", responses), ("--compat", compat)):
        if value is not None:
            raise click.UsageError(f"{name} needs --human DIR, the folder of people's trials.")
    from ...results.store import Store
    from .show import score_and_show

    if values["suite"] == "human-alignment" and not Store(values["store"], values["also"]).exists():
        raise click.UsageError(
            "--suite human-alignment needs --human DIR, the folder of people's trials, or a --store with "
            "predictions of a run."
        )

    score_and_show(values, page=False)


def _score_folders(human: Path, responses: Path | None, compat: Any, values: dict[str, Any]) -> None:
    from ..scoring.trials import SUITE, Request, as_json, problem_lines, render, score_folders

    if values["suite"] not in (None, SUITE):
        raise click.UsageError(f"--human works only with --suite {SUITE}, not with {values['suite']}.")
    if values["limit"] is not None:
        raise click.UsageError("--limit cannot be used with --human: people and models must see the same stimuli.")
    if responses is None and (values["models"] or values["baselines"]):
        raise click.UsageError("--model and --baseline need --responses DIR, the folder of the models' predictions.")
    json_file = values["json_file"]
    check_output(json_file)
    baselines = values["baselines"]
    request = Request(
        human,
        responses,
        models=values["models"],
        baselines=tuple(name for name in baselines if name != NO_BASELINE) if baselines else None,
        data_sets=values["tasks"],
        seed=values["seed"] or 0,
        compat=compat,
    )
    started = time.monotonic()
    scored = score_folders(request)
    if json_file is not None:
        write_json(json_file, as_json(scored, request))
    if values["quiet"]:
        for line in problem_lines(scored):
            echo(line, err=True)
    else:
        # If output is piped, rich falls back to 80 columns and would cut the table.
        console = open_console()
        render(scored, request, console)
        if json_file is not None:
            console.print(f"Scores: {json_file}", soft_wrap=True, markup=False)
        console.print(f"{len(scored.scores):,} scores, {time.monotonic() - started:.1f} s")
    if scored.problems:
        sys.exit(3)


# ``bench report``.


@click.command("report")
@partial(
    stored,
    folders=data_option(
        "Folder of photographs to show examples from, such as imagenet=DIR, or that scores need, such as "
        "imagenet-x=DIR. Repeatable."
    ),
)
@gallery_option
@masks_option
@click.option(
    "--report", "report_file", type=click.Path(), help="File for the HTML page; STORE/report.html by default."
)
def report_command(**values: Any) -> None:
    """Score the predictions in a store and rewrite the HTML page, without running a model (except for --masks).

    Works like `bench score`: missing predictions are listed, and the exit code is then 3.
    """
    from .show import score_and_show

    score_and_show(values, page=True)


# ``bench saliency``.


_FORMATS = (".png", ".svg", ".pdf")


@click.command("saliency")
@mapped
def saliency_command(json_file: Path | None, figure_file: Path | None, quiet: bool, **values: Any) -> None:
    """Compare saliency maps of models with people's maps, or with the object masks of the micro-world.

    A map is the gradient of the true class's logit; models with attention pooling also give their attention mask. Maps
    that the store already holds are not computed again: repeat the command to resume an interrupted run.

    \b
    bench saliency --model vito --model moclr
    bench saliency --model vito --model moclr --smooth 16 --figure saliency.png
    bench data get clickme --to DIR
    bench saliency --model timm:resnet50 --data clickme=DIR --json saliency.json
    """
    _check_files(json_file, figure_file)

    from ...reports.headline import failure_lines
    from ..exports.files import as_json
    from ..saliency import render, run, settings_for

    # Where output is piped, rich would fall back to 80 columns and cut the table.
    console = None if quiet else open_console()
    outcome = run(settings_for(**values), console, " ".join(["bench", *sys.argv[1:]]))
    missing = [f"Missing: {line}" for line in failure_lines(outcome.data)]
    # Files first: what is shown may meet a screen that cannot take it.
    if json_file is not None:
        write_json(json_file, as_json(outcome))
    if figure_file is not None:
        from ..saliency import write_figure

        write_figure(outcome, figure_file)
    if console is not None:
        render(outcome, console)
        for line in missing:
            console.print(line, markup=False, soft_wrap=True)
        for what, path in (("Scores", json_file), ("Figure", figure_file)):
            if path is not None:
                console.print(f"{what}: {path}", soft_wrap=True, markup=False)
        images = outcome.effort.images
        done = f"{images:,} maps computed" if outcome.computed else "nothing computed"
        console.print(f"{done}, {outcome.seconds:.1f} s")
    else:
        for line in missing:
            echo(line, err=True)
    if missing:
        sys.exit(3)


def _check_files(json_file: Path | None, figure_file: Path | None) -> None:
    from ...errors import VitobenchError

    for path in (json_file, figure_file):
        check_output(path)
    if figure_file is not None and figure_file.suffix.lower() not in _FORMATS:
        raise VitobenchError(f"--figure {figure_file}: the name must end in {', '.join(_FORMATS)}.")
