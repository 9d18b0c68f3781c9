"""``bench pretrain``, ``curve`` and ``reproduce``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...cores import usable_cores
from ...models.spec import PRECISIONS
from ...terminal import echo, open_console
from .options import along, quiet_option, running, settings_from

if TYPE_CHECKING:
    from rich.console import Console

    from ...models.pretraining.produce import Produced
    from ...models.pretraining.recipe import Recipe
    from ...tasks.clips.source import ClipSource


# ``bench pretrain``.


def _recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from ...models.pretraining.recipe import list_recipes

    return [name for name in list_recipes() if name.startswith(incomplete)]


@click.command("pretrain")
@click.argument("recipe", shell_complete=_recipes)
@click.option("--output", type=click.Path(path_type=Path), help="Folder for the run; runs/NAME-SEED by default.")
@click.option("--seed", type=int, help="Seed, instead of the recipe's.")
@click.option("--steps", type=click.IntRange(min=1), help="Number of steps, instead of the recipe's.")
@click.option("--clips", type=click.IntRange(min=1), help="Number of training clips, instead of the recipe's.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a setting of the recipe, such as window=0, augmentation.grey=0 or dino.prototypes=64. Repeatable.",
)
@click.option(
    "--data",
    metavar="CLIPS",
    help="Clips to train on, instead of the recipe's: a folder of videos, shards-{000..015}.tar or manifest.jsonl; "
    "see docs/clips.md.",
)
@click.option(
    "--workers", type=click.IntRange(min=0), default=2, show_default=True, help="Number of processes that read clips."
)
@click.option(
    "--devices",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of devices of this machine to train on.",
)
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), help="Precision, instead of the recipe's.")
@click.option(
    "--log",
    "trackers",
    multiple=True,
    type=click.Choice(["tensorboard", "wandb"]),
    help="Also log to this service. Repeatable.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def pretrain_command(
    recipe: str,
    output: Path | None,
    settings: tuple[str, ...],
    data: str | None,
    workers: int,
    devices: int,
    trackers: tuple[str, ...],
    quiet: bool,
    **changes: Any,
) -> None:
    """Pretrain RECIPE (a name from `bench recipes`, or a .toml file) and fit its linear head.

    Repeat the command to resume an interrupted run from its last checkpoint. Load the result with
    `bench run --model file:FOLDER/NAME.safetensors`; during training it is FOLDER/last.safetensors. An encoder trained
    on your own clips has no classifier: fit one with `bench probe`.
    """
    from ...models.pretraining.recipe import load_recipe
    from ..progress import stages

    settled = load_recipe(recipe, settings, **changes)
    source = None
    if data is not None or settled.data == "clips":
        settled, source = _clips(settled, data, changes.get("clips"), settings)
    folder = output or Path("runs") / f"{settled.name}-{settled.seed}"
    console = None if quiet else open_console()
    from ...models.pretraining.produce import produce

    if console is not None and source is not None:
        from ...tasks.images.walking import left_out_of

        console.print(f"{len(source):,} clips of {data}", soft_wrap=True, markup=False)
        line = left_out_of(source).line(str(data))
        if line:
            console.print(line, style="yellow", soft_wrap=True, markup=False)
    with stages(console) as stage:
        words = "" if source is None else f"clips of {data}"
        pretrained = produce(settled, folder, stage, source, words, workers, devices, trackers)
    if console is not None and pretrained is not None:
        _tell(console, settled.steps, pretrained)


def _clips(recipe: Recipe, data: str | None, clips: int | None, settings: tuple[str, ...]) -> tuple[Recipe, ClipSource]:
    from ...errors import DataError
    from ...tasks.clips.opening import open_clips

    if data is None:
        raise DataError(f"The recipe {recipe.name} trains on your own clips: name them with --data.")
    if recipe.data != "clips":
        # A micro-world recipe's number of clips does not carry over to other data: use all clips unless one is given.
        stated = clips is not None or any(setting.partition("=")[0].strip() == "clips" for setting in settings)
        recipe = replace(recipe, data="clips", clips=recipe.clips if stated else 0)
    return recipe, open_clips(data, limit=recipe.clips or None, seed=recipe.seed)


def _tell(console: Console, steps: int, pretrained: Produced) -> None:
    from ...models.sources.files import name_of
    from ...results.statistics import wilson

    console.print(f"Trained {steps} steps in {pretrained.facts['training_seconds'] / 60:.1f} min.")
    if "clean_accuracy" in pretrained.facts:
        accuracy, images = pretrained.facts["clean_accuracy"], pretrained.facts["clean_images"]
        low, high = wilson(round(accuracy * images), images)
        console.print(f"Clean accuracy with a linear head: {accuracy:.1%} [{low:.1%}, {high:.1%}], n = {images}.")
        then = f"bench run --model {name_of(pretrained.checkpoint)} --suite robustness"
    else:
        then = f"bench probe --model {name_of(pretrained.checkpoint)} --data imagefolder=DIR"
    console.print(f"Checkpoint: {pretrained.checkpoint}", soft_wrap=True)
    console.print(then, soft_wrap=True)


# ``bench curve``.


_SIDE_BY_SIDE = 3


@click.command("curve")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@along
@running
def curve_command(folder: Path, **values: Any) -> None:
    """Run a suite or tasks on all checkpoints in DIR and show every metric by training step.

    The step is read from the checkpoint's card, or from a name such as step-000500.safetensors. Predictions that the
    store already holds are not computed again: while training continues, only new checkpoints are run.

    \b
    bench curve runs/vito --suite robustness
    bench curve runs/finetune-vito --task micro-val --json curve.json
    """
    from ...files import write_json
    from ..curve import curve_json, find_checkpoints
    from ..run import execute
    from .show import check_files

    check_files(values)
    console = None if values["quiet"] else open_console()
    checkpoints = find_checkpoints(folder)
    settings = settings_from(values | {"models": tuple(checkpoints.steps.values()), "baselines": ("none",)})
    outcome = execute(settings, console, " ".join(["bench", *sys.argv[1:]]))
    if values["json_file"] is not None:
        write_json(values["json_file"], curve_json(outcome, checkpoints))
    if console is not None:
        _render(outcome, checkpoints, console)
        if values["json_file"] is not None:
            console.print(f"Curve: {values['json_file']}", soft_wrap=True, markup=False)
        work = f"{outcome.computed} units computed" if outcome.computed else "nothing computed"
        console.print(f"{work}, {outcome.seconds:.1f} s")
    if not outcome.complete:
        from ...reports.headline import failure_lines

        for line in failure_lines(outcome.data):
            echo(line, err=True)
        sys.exit(3)


def _render(outcome: Any, checkpoints: Any, console: Any) -> None:
    """Print metrics by step, a few metrics side by side in each table."""
    from rich import box
    from rich.table import Table

    from ...reports.wording import unit_words
    from ..curve import columns, points

    all_columns = columns(outcome)
    for at in range(0, len(all_columns), _SIDE_BY_SIDE):
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("step", justify="right")
        side_by_side = all_columns[at : at + _SIDE_BY_SIDE]
        for column in side_by_side:
            table.add_column(f"{column.title}\n{column.label}", justify="right")
        curves = [points(outcome, checkpoints, column) for column in side_by_side]
        for step in checkpoints.steps:
            table.add_row(f"{step:,}", *(_cell(curve[step]) for curve in curves))
        console.print(table)
    words = unit_words(column.metric for column in all_columns)
    console.print(f"{words}, with 95 % intervals.", markup=False)
    for line in checkpoints.passed_over:
        console.print(f"Skipped: {line}", soft_wrap=True, markup=False)


def _cell(score: Any) -> str:
    from ...reports.wording import interval, value_text

    if score is None:
        return "—"
    return f"{value_text(score.value, score.metric)} {interval(score.ci_low, score.ci_high, score.metric)}".strip()


# ``bench reproduce``.


def _claims(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from ..claims.declared import CLAIMS

    return [claim.key for claim in CLAIMS if claim.key.startswith(incomplete)]


@click.command("reproduce")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("reproduction"),
    show_default=True,
    help="Folder for the runs, the store, tables and figures.",
)
@click.option(
    "--claim",
    "claims",
    multiple=True,
    shell_complete=_claims,
    help="Claim to test: 0, 1, 2, 3, 4, a, b, c, d, e or f; all but 4 by default. Repeatable.",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Number of training runs per method."
)
@click.option("--steps", type=click.IntRange(min=1), help="Steps per run; 400 by default.")
@click.option("--workers", type=click.IntRange(min=1), help="Number of parallel runs; the number of cores by default.")
@click.option("--limit", type=click.IntRange(min=1), help="Maximum number of images per task, for a quick look.")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="float32",
    show_default=True,
    help="Floating-point type for measuring.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Level of significance of corrected p-values; take a lower one for a second look at the same effects.",
)
@click.option("--list", "listed", is_flag=True, help="Only list the runs and whether each is finished.")
@quiet_option
def reproduce_command(
    folder: Path,
    claims: tuple[str, ...],
    seeds: int,
    steps: int | None,
    workers: int | None,
    limit: int | None,
    precision: str,
    alpha: float,
    listed: bool,
    quiet: bool,
) -> None:
    """Test the claims of VITO's paper in the micro-world: train every method with several seeds, measure, judge.

    Takes two to four hours on two cores; the command begins with an estimate for this machine. Repeat it to resume an
    interrupted run; a further seed trains only that seed. Finished seeds beyond the number asked are judged as well:
    claim 1 with six seeds, then everything with three, ends in one analysis. Claim 4 (video over images, by features
    alone) was declared after the plan, and is measured where it is asked for. docs/claims-plan.md says what is asked
    and what confirms it, docs/claims.md describes the results.

    Exit codes: 0 everything is there, 2 wrong usage, 3 something is missing.

    \b
    bench reproduce
    bench reproduce --claim d --seeds 5
    bench reproduce --list
    """
    from ..claims.declared import STEPS
    from ..claims.reproduction import Reproduction, reproduce

    console = None if quiet else open_console()
    request = Reproduction(
        folder, claims, seeds, steps or STEPS, workers or usable_cores(), limit, precision=precision, alpha=alpha
    )
    if listed:
        for run in request.runs():
            echo(f"{'there  ' if run.finished() else 'missing'}  {run.folder}")
        return
    if console is not None and (missing := [run for run in request.runs() if not run.finished()]):
        from ..claims.budget import estimate

        console.print(f"{len(missing)} runs to train.", soft_wrap=True)
        console.print(estimate(missing, request.workers, limit).line(), soft_wrap=True)
    data, files = reproduce(request, console, " ".join(["bench", *sys.argv[1:]]))
    if console is not None:
        from ...reports.tables.claims import tally, verdict

        for claim in data.claims:
            console.print(f"({claim.key}) {claim.title}: {tally(claim, data.alpha)}", soft_wrap=True)
            for part in claim.hypotheses:
                word = verdict(part.effects, part.absent, data.alpha)
                console.print(f"    {part.key} {part.statement} ({part.effect}): {word}", soft_wrap=True)
        for path in files:
            console.print(str(path), soft_wrap=True, markup=False)
    if data.failures:
        for line in data.failures:
            echo(line, err=True)
        sys.exit(3)
