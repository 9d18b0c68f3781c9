"""``bench probe`` and ``bench finetune``, and the options that they share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ...models.registry import HOW_TO_NAME
from ...models.sources.files import name_of
from ...terminal import open_console
from .options import device_option, quiet_option

# Options and final messages that ``bench probe`` and ``bench finetune`` share.


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
        device_option,
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


# ``bench probe``.


@click.command("probe")
@learning
@click.option(
    "--head",
    type=click.Choice(["linear", "knn", "attentive"]),
    default="linear",
    show_default=True,
    help="Kind of head to fit.",
)
@click.option(
    "--k", type=click.IntRange(min=1), default=20, show_default=True, help="knn: number of neighbours that vote."
)
@click.option(
    "--temperature",
    type=click.FloatRange(min=0, min_open=True),
    default=0.07,
    show_default=True,
    help="knn: a vote weighs exp(cosine similarity / temperature).",
)
@click.option(
    "--layers",
    type=click.IntRange(min=1),
    help="linear and knn: how many of the last layers to read; by default the network's own features.",
)
@click.option(
    "--pool",
    type=click.Choice(["cls", "mean", "cls+mean"]),
    help="What to read of each layer: class token, mean of patches or positions, or as in DINOv2 all class tokens and "
    "the mean of the last layer; mean by default with --layers.",
)
@click.option(
    "--features",
    type=click.Path(path_type=Path),
    default=RUNS / "features",
    show_default=True,
    help="Folder to store features in, so that fitting another head does not compute them again.",
)
@click.option("--batch", type=click.IntRange(min=1), default=50, show_default=True, help="Images per forward pass.")
def probe_command(
    model: str,
    data_name: str,
    train: int | None,
    held_out: int | None,
    seed: int,
    output: Path | None,
    device: str,
    quiet: bool,
    head: str,
    k: int,
    temperature: float,
    layers: int | None,
    pool: str | None,
    features: Path,
    batch: int,
) -> None:
    """Fit a head on the frozen features of a model and write both as one checkpoint.

    Use the checkpoint HEAD.safetensors anywhere as file:PATH. linear is a logistic regression whose L2 penalty is
    chosen on a fifth of the training images; knn stores the training features and lets the nearest neighbours vote;
    attentive trains one query that attends to all positions; its weight decay and learning rate are chosen likewise.
    The held-out images only measure.

    \b
    bench probe --model vito
    bench probe --model vito --head knn
    bench probe --model timm:vit_small_patch14_dinov2 --layers 4 --pool cls+mean --data imagefolder=DIR
    bench probe --model timm:resnet50 --head attentive --data imagefolder=DIR
    """
    from ..progress import stages

    console = None if quiet else open_console()
    folder = output or folder_for("probe", model)
    from ...models.probing.data import open_data
    from ...models.probing.heads import HeadSpec
    from ...models.probing.probe import probe
    from ...models.registry import load
    from ..engine.executors import choose_device

    read = {} if layers is None and pool is None else {"layers": layers or 1, "pool": pool or "mean"}
    spec = HeadSpec(head, k=k, temperature=temperature, **read)  # type: ignore[arg-type]
    suffix = f"-{spec.layers}-{spec.pool}" if spec.read else ""
    checkpoint = folder / f"{head}{suffix}.safetensors"
    with stages(console) as stage:
        loaded = load(model, stage).to(choose_device(device))
        data = open_data(
            data_name, train, held_out, seed, features, lambda done, total: stage("Hashing images", done, total)
        )
        fitted = probe(loaded, data, spec, checkpoint, features, seed, batch, stage)
    if console is not None:
        tell_notes(console, data.notes)
        settings = ", ".join(
            f"{name.replace('_', ' ')} {value}"
            for name, value in fitted.facts.items()
            if name not in ("kind", "correct", "images", "accuracy")
        )
        console.print(f"Fitted on {data.description}: {settings}.", soft_wrap=True, markup=False)
        tell(console, f"Accuracy of the {head} head", fitted.correct, fitted.images, checkpoint, data.label_space)


# ``bench finetune``.


@click.command("finetune")
@learning
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Passes over the training images; 10 by default, unless --steps is given.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Optimiser steps, instead of --epochs.")
@click.option("--batch", type=click.IntRange(min=2), default=64, show_default=True, help="Training images per step.")
@click.option(
    "--lr",
    "learning_rate",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-3,
    show_default=True,
    help="Peak learning rate of the last layer.",
)
@click.option(
    "--layer-decay",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.75,
    show_default=True,
    help="Each layer's learning rate as a share of the next layer's; 1 uses the same rate everywhere.",
)
@click.option(
    "--weight-decay", type=click.FloatRange(min=0), default=0.05, show_default=True, help="Weight decay of AdamW."
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Floating-point type of the forward and backward pass.",
)
@click.option(
    "--every",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Keep a checkpoint every N steps, for `bench curve`; 0 keeps only the last one.",
)
def finetune_command(
    model: str,
    data_name: str,
    train: int | None,
    held_out: int | None,
    seed: int,
    output: Path | None,
    device: str,
    quiet: bool,
    epochs: int | None,
    steps: int | None,
    batch: int,
    **values: Any,
) -> None:
    """Fine-tune a whole model on labelled images with AdamW, crops and flips; write it as a checkpoint.

    Repeat the command to resume an interrupted run. A timm or torchvision model starts with a new classifier; to start
    with a fitted one, probe the model first and fine-tune the probe's checkpoint.

    \b
    bench finetune --model vito --epochs 5 --every 100
    bench probe --model timm:resnet50 --data imagefolder=DIR
    bench finetune --model file:runs/probe-resnet50/linear.safetensors --data imagefolder=DIR --lr 1e-4
    """
    from ..progress import stages

    if epochs is not None and steps is not None:
        raise click.UsageError("--epochs and --steps both set the length of training; give only one of them.")
    console = None if quiet else open_console()
    folder = output or folder_for("finetune", model)
    from ...models.probing.data import open_data
    from ...models.probing.finetune import FinetuneSettings, finetune
    from ...models.probing.probe import accuracy
    from ...models.registry import load
    from ...models.sources.files import name_of
    from ..engine.executors import choose_device

    with stages(console) as stage:
        where = choose_device(device)
        data = open_data(
            data_name, train, held_out, seed, folder, lambda done, total: stage("Hashing images", done, total)
        )
        count = steps or (epochs or 10) * max(1, len(data.train) // batch)
        settings = FinetuneSettings(count, batch, seed=seed, **values)
        tuned = finetune(
            load(model).to(where), data, settings, folder, lambda done, total, loss: stage("Training", done, total)
        )
        # Measure the file rather than the network in memory: the file is what later runs load.
        model_from_file = load(name_of(tuned.checkpoint)).to(where)
        correct, images = accuracy(model_from_file, data.held_out, lambda done, total: stage("Measuring", done, total))
    if console is not None:
        tell_notes(console, data.notes)
        outcome = f"in {tuned.seconds / 60:.1f} min, training loss {tuned.loss:.3f} at the end"
        console.print(f"Trained {count} steps {outcome}.", soft_wrap=True, markup=False)
        tell(console, "Accuracy", correct, images, tuned.checkpoint, data.label_space)
