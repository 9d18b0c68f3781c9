"""Options and final messages that ``bench probe`` and ``bench finetune`` share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ...models.registry import HOW_TO_NAME
from ...models.sources.files import name_of
from .options import quiet_option

F = TypeVar("F", bound=Callable[..., Any])

RUNS = Path("runs")


def learning(command: F) -> F:
    """Options for the model, the images and the checkpoint's folder."""
    options = [
        click.option("--model", required=True, help=f"{HOW_TO_NAME}."),
        click.option(
            "--data",
            "data_name",
            default="microworld",
            show_default=True,
            metavar="microworld|imagefolder=DIR",
            help="Labelled images; DIR contains one folder per WordNet id, or train/ and val/ with such folders.",
        ),
        click.option(
            "--train",
            type=click.IntRange(min=1),
            help="Maximum number of training images; by default 4096 in the micro-world, all of a folder.",
        ),
        click.option(
            "--held-out",
            type=click.IntRange(min=1),
            help="Maximum number of held-out images; by default 2000 in the micro-world, all of a folder.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0, 2**63 - 1),
            default=0,
            show_default=True,
            help="Seed of the micro-world and of training.",
        ),
        click.option(
            "--output", type=click.Path(path_type=Path), help="Folder for the checkpoint; below runs/ by default."
        ),
        click.option(
            "--device", default="auto", show_default=True, help="Device to use: auto, cpu, cuda, cuda:N or mps."
        ),
        quiet_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def folder_for(command: str, model: str) -> Path:
    """``runs/probe-NAME``: where a checkpoint goes without ``--output``."""
    stem = re.sub(r"\.(safetensors|pth?)$", "", model.partition("?")[0].rpartition("/")[2])
    return RUNS / f"{command}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', stem).strip('-')}"


def tell_notes(console: Any, notes: Sequence[str]) -> None:
    """Print notes about the images, one per line."""
    for note in notes:
        console.print(note, style="yellow", soft_wrap=True, markup=False)


def tell(console: Any, label: str, correct: int, images: int, checkpoint: Path, label_space: str) -> None:
    """Print the accuracy with Wilson's interval, the checkpoint's path and the command that evaluates it."""
    from ...results.statistics import wilson

    low, high = wilson(correct, images)
    console.print(f"{label}: {correct / images:.1%} [{low:.1%}, {high:.1%}], n = {images} held-out images.")
    console.print(f"Checkpoint: {checkpoint}", soft_wrap=True, markup=False)
    suite = "robustness" if label_space == "microworld-16" else "robustness --data imagenet=DIR"
    console.print(f"bench run --model {name_of(checkpoint)} --suite {suite}", soft_wrap=True, markup=False)
