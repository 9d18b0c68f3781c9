"""``bench probe``."""

from __future__ import annotations

from pathlib import Path

import click

from ...terminal import open_console
from .learning import RUNS, folder_for, learning, tell, tell_notes


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
    features: Path,
    batch: int,
) -> None:
    """Fit a head on the frozen features of a model and write both as one checkpoint.

    Use the checkpoint HEAD.safetensors anywhere as file:PATH. linear is a logistic regression whose L2 penalty is
    chosen on a fifth of the training images; knn stores the training features and lets the nearest neighbours vote;
    attentive trains one query that attends to all positions.

    \b
    bench probe --model vito
    bench probe --model vito --head knn
    bench probe --model timm:resnet50 --head attentive --data imagefolder=DIR
    """
    from ..progress import stages

    console = None if quiet else open_console()
    folder = output or folder_for("probe", model)
    from ...models.probing.data import open_data
    from ...models.probing.heads import HeadSpec
    from ...models.probing.probe import probe
    from ...models.registry import load
    from ..executors.device import choose_device

    spec = HeadSpec(head, k=k, temperature=temperature)
    checkpoint = folder / f"{head}.safetensors"
    with stages(console) as stage:
        loaded = load(model).to(choose_device(device))
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
