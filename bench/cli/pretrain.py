"""``bench pretrain``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...terminal import open_console

if TYPE_CHECKING:
    from rich.console import Console

    from ...models.pretraining.produce import Produced
    from ...models.pretraining.recipe import Recipe
    from ...tasks.data.clips.source import ClipSource


def _recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from ...models.pretraining.recipe_files import list_recipes

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
    from ...models.pretraining.recipe_files import load_recipe
    from ..progress import stages

    settled = load_recipe(recipe, settings, **changes)
    source = None
    if data is not None or settled.data == "clips":
        settled, source = _clips(settled, data, changes.get("clips"), settings)
    folder = output or Path("runs") / f"{settled.name}-{settled.seed}"
    console = None if quiet else open_console()
    from ...models.pretraining.produce import produce

    if console is not None and source is not None:
        from ...tasks.data.walking import left_out_of

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
    from ...tasks.data.clips.opening import open_clips

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
