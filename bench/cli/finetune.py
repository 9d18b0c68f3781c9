"""``bench finetune``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ...terminal import open_console
from .learning import folder_for, learning, tell, tell_notes


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
    from ...models.probing.evaluation import accuracy
    from ...models.probing.finetune import FinetuneSettings, finetune
    from ...models.registry import load
    from ...models.sources.files import name_of
    from ..executors.device import choose_device

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
