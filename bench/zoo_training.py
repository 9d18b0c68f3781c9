"""Make the package's own models: train every one of them by the same rule, and put them into ``models/zoo``.

``python -m vitobench.bench.zoo_training`` trains what is missing, several at a time; repeated, it goes on where it was.
The rule is stated in docs/shipped-models.md: seed 0, every recipe as it is shipped, nothing selected.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..cores import usable_cores
from ..errors import VitobenchError
from ..files import write_aside
from ..models.sources.zoo import ZOO_FOLDER
from ..terminal import echo, open_console
from .claims.declared import Method
from .claims.training import Run, train_missing

if TYPE_CHECKING:
    from rich.console import Console

ZOO = ("vito", "moclr", "simclr", "supervised", "l2-robust", "vito-still")
"""The models of the package, which are recipes of the same name."""

SEED = 0


def zoo_runs(folder: Path, steps: int | None = None) -> list[Run]:
    """The runs that make the zoo.

    Args:
        folder: ``FOLDER/NAME/seed-0`` holds each.
        steps: Length of each, in place of the recipes'.
    """
    from ..models.pretraining.recipe import load_recipe

    runs = []
    for name in ZOO:
        recipe = load_recipe(f"micro/{name}", steps=steps)
        runs.append(Run(Method(name, f"micro/{name}"), SEED, recipe.steps, folder / name / f"seed-{SEED}"))
    return runs


def publish(runs: Sequence[Run], zoo: Path = ZOO_FOLDER) -> list[Path]:
    """Put the weights and cards of finished runs in place of those of the zoo, and drop models that are none of them.

    Args:
        runs: Finished ones.
        zoo: The folder.

    Returns:
        The files.
    """
    files = []
    for run in runs:
        # The card last: without it a file of weights is not listed.
        for path in (run.checkpoint, run.checkpoint.with_suffix(".md"), run.checkpoint.with_suffix(".json")):
            write_aside(zoo / path.name, path.read_bytes())
            files.append(zoo / path.name)
    names = {path.name for path in files}
    for ending in ("json", "md", "safetensors"):
        for path in zoo.glob(f"*.{ending}"):
            if path.name not in names:
                path.unlink()
    return files


def make_zoo(
    folder: Path, workers: int, console: Console | None = None, steps: int | None = None, zoo: Path = ZOO_FOLDER
) -> list[Path]:
    """Train what is missing and publish all of it.

    Args:
        folder: Folder for the runs.
        workers: Runs at a time.
        console: Where to show progress; None is silent.
        steps: Length of each run, in place of the recipes'.
        zoo: Where weights and cards go.

    Returns:
        The files of the zoo.

    Raises:
        VitobenchError: A run failed; nothing is published then.
        Stopped: By a signal; the command goes on where it was.
    """
    runs = zoo_runs(folder, steps)
    if failed := train_missing(runs, workers, console):
        reasons = "\n".join(f"{run.method.name}: {reason}" for run, reason in failed.items())
        raise VitobenchError(f"Nothing was published, because runs failed:\n{reasons}")
    return publish(runs, zoo)


@click.command()
@click.option("--to", "folder", type=click.Path(path_type=Path), default=Path("runs/zoo"), show_default=True)
@click.option("--workers", type=click.IntRange(min=1), help="Runs at a time; the number of cores by default.")
def main(folder: Path, workers: int | None) -> None:
    """Train the models of the package and replace those in models/zoo."""
    try:
        files = make_zoo(folder, workers or usable_cores(), open_console(err=True))
    except VitobenchError as error:
        echo(str(error), err=True)
        sys.exit(1)
    for path in files:
        echo(str(path))


if __name__ == "__main__":
    main()
