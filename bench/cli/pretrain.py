"""``bench pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


def _recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from ...models.pretraining.recipe_files import list_recipes

    return [name for name in list_recipes() if name.startswith(incomplete)]


@click.command("pretrain")
@click.argument("recipe", shell_complete=_recipes)
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the run; runs/NAME-SEED by default.")
@click.option("--seed", type=int, help="Seed in place of the recipe's.")
@click.option("--steps", type=click.IntRange(min=1), help="Steps in place of the recipe's.")
@click.option("--clips", type=click.IntRange(min=1), help="Training clips in place of the recipe's.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting of the recipe in place of its own, such as window=0 or augmentation.grey=0. Repeatable.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
def pretrain_command(recipe: str, output: Path | None, settings: tuple[str, ...], quiet: bool, **changes: Any) -> None:
    """Pretrain RECIPE (a name of `bench recipes`, or a .toml file) and fit its linear head.

    An interrupted run goes on from its last checkpoint when the same command is given again. The result is loaded by
    `bench run --model file:FOLDER/NAME.safetensors`.
    """
    from rich.console import Console

    from ...models.pretraining.recipe_files import load_recipe
    from ...results.statistics import wilson
    from ..progress import bar

    chosen = load_recipe(recipe, settings, **changes)
    folder = output or Path("runs") / f"{chosen.name}-{chosen.seed}"
    console = None if quiet else Console(highlight=False)
    from ...models.pretraining.produce import CLEAN_IMAGES, produce

    opened: dict[str, Any] = {}

    def stage(title: str, done: int, total: int, remark: str) -> None:
        # Stages follow one another; each has a bar of its own, closed when the next begins.
        if opened.get("title") != title:
            close()
            manager = bar(console, title, total)
            opened.update(title=title, manager=manager, advance=manager.__enter__(), done=0)
        opened["advance"](done - opened["done"], remark)
        opened["done"] = done

    def close() -> None:
        if opened:
            opened.pop("manager").__exit__(None, None, None)
            opened.clear()

    try:
        made = produce(chosen, folder, stage)
    finally:
        close()
    if console is not None:
        accuracy = made.facts["clean_accuracy"]
        low, high = wilson(round(accuracy * CLEAN_IMAGES), CLEAN_IMAGES)
        seconds = made.facts["training_seconds"]
        console.print(f"Trained {chosen.steps} steps in {seconds / 60:.1f} min.")
        console.print(f"Clean accuracy with a linear head: {accuracy:.1%} [{low:.1%}, {high:.1%}], n = {CLEAN_IMAGES}.")
        console.print(f"Checkpoint: {made.checkpoint}", soft_wrap=True)
        console.print(f"bench run --model file:{made.checkpoint} --suite robustness", soft_wrap=True)
