"""Fit a head on a model: read features, fit, write a checkpoint, and measure it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import DataError, VitobenchError
from ..batching import answer
from ..model import Model
from ..networks import PooledNetwork
from ..state_dicts import fit as fill
from ..state_dicts import read_state_dict
from .checkpoint import card_of, write_checkpoint
from .data import Part, ProbeData
from .features import Rows, features_of
from .fitting import fit_attentive, fit_linear
from .heads import (
    AttentiveHead,
    Head,
    HeadedNetwork,
    HeadSpec,
    LinearHead,
    NeighbourHead,
    build_head,
    build_network,
    encoder_of,
    encoder_part,
    headed,
)

# Accuracy of a loaded model on labelled images.


_BLOCK = 200


def accuracy(
    model: Model, part: Part, progress: Callable[[int, int], None] | None = None, batch: int = 50
) -> tuple[int, int]:
    """Count correct predictions.

    Args:
        model: A model with the label space of the images.
        part: The images; those that cannot be read are left out.
        progress: Called with (finished images, total).
        batch: Images per forward pass.

    Returns:
        Number of correct predictions, and number of images.

    Raises:
        DataError: None of the images can be read.
    """
    geometry = model.spec.preprocessing.geometry
    correct = images = 0
    for start in range(0, len(part), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(part)))
        pixels, failed = part.source.load(part.indices[rows].tolist(), geometry)
        readable = np.setdiff1d(np.arange(len(rows)), list(failed))
        if len(readable):
            logits, batch = answer(model, pixels[readable], batch)
            correct += int((logits.argmax(1).numpy() == part.labels[rows[readable]]).sum())
            images += len(readable)
        if progress is not None:
            progress(int(rows[-1]) + 1, len(part))
    if not images:
        raise DataError(f"None of the {len(part)} images of {part.source.name} could be read.")
    return correct, images


# Fit a head on a model's features, write both as a checkpoint, and measure it.


Stage = Callable[[str, int, int], None]
"""Called with progress: (stage, done, total)."""

_FEWEST = 5
_AT_ONCE = 512


@dataclass(frozen=True)
class Probed:
    """The result of a probe.

    Attributes:
        checkpoint: The file, for ``bench run --model file:...``.
        correct: Number of held-out images that the written network classifies correctly.
        images: Number of held-out images.
        facts: Facts about the fit: penalty, accuracies, left-out images.
        card: The card of the checkpoint.
    """

    checkpoint: Path
    correct: int
    images: int
    facts: dict[str, Any]
    card: dict[str, Any]


def probe(
    model: Model,
    data: ProbeData,
    head: HeadSpec,
    checkpoint: Path,
    features: Path,
    seed: int = 0,
    batch: int = 50,
    stage: Stage | None = None,
) -> Probed:
    """Fit a head on the frozen features of a model.

    Args:
        model: Its encoder is used; its classifier is not.
        data: The images for the fit and for the accuracy.
        head: The head; the bank of nearest neighbours contains all training images, whatever ``bank`` says.
        checkpoint: File to write, ``.safetensors``.
        features: Folder to cache features in, so that another head can reuse them.
        seed: Seed of the attentive head.
        batch: Images per forward pass.
        stage: Called with progress.

    Raises:
        DataError: Too few images can be read.
        VitobenchError: The model has no tokens for an attentive head, or a file cannot be written.
    """
    stage = stage or (lambda what, done, total: None)
    _enough(len(data.train))
    kind = "tokens" if head.kind == "attentive" else "features"
    encoder = encoder_of(model.network, model.spec.architecture)
    # Compute features with the encoder that will be written, rather than with the network that it was taken from.
    headless = Model(model.spec, HeadedNetwork(encoder, _Unfitted(), head.read)).to(model.device)

    def read(what: str, train: bool) -> Rows:
        part = data.train if train else data.held_out
        return features_of(
            headless, part, features, kind, batch, lambda done, total: stage(what, done, total), head.read.text
        )

    train, held_out = read("Reading features", True), read("Reading held-out features", False)
    values, labels = train.chosen()
    _enough(len(labels))
    fitted, facts = _fit(head, values, labels, data.classes, seed, stage)
    left_out = int((~train.good).sum()) + int((~held_out.good).sum())
    if left_out:
        facts["images_left_out"] = left_out
    if unseen := int((~np.isin(held_out.labels[held_out.good], labels.numpy())).sum()):
        facts["held_out_images_of_classes_without_a_training_image"] = unseen
    network, architecture = _assembled(model.spec.architecture, encoder, fitted, head)
    correct, images = _measured(fitted, held_out)
    name = "k-nearest-neighbour" if head.kind == "knn" else head.kind
    facts |= {"kind": head.kind, "correct": correct, "images": images, "accuracy": round(correct / images, 4)}
    card = card_of(
        model.spec,
        architecture,
        data.label_space,
        f"{name} head: {data.description}",
        f"{name.capitalize()} head on the frozen features of {model.spec.name}",
        {"head": facts},
    )
    write_checkpoint(checkpoint, network, card)
    _check(checkpoint, architecture, data.classes, fitted)
    return Probed(checkpoint, correct, images, facts, card)


def _enough(images: int) -> None:
    if images < _FEWEST:
        raise DataError(f"{images} training images are too few to fit a head; at least {_FEWEST} are needed.")


class _Unfitted(Head):
    """A placeholder for the classifier while only features and tokens are computed."""

    def classify(self, pooled: Tensor) -> Tensor:
        """The features themselves."""
        return pooled


def _fit(
    spec: HeadSpec, values: Tensor, labels: Tensor, classes: int, seed: int, stage: Stage
) -> tuple[Head, dict[str, Any]]:
    def progress(done: int, total: int) -> None:
        stage("Fitting", done, total)

    if spec.kind == "linear":
        head, facts = fit_linear(values, labels, classes, progress=progress)
        return head, dict(facts)
    if spec.kind == "attentive":
        return fit_attentive(values, labels, classes, seed, progress=progress)
    bank = build_head(replace(spec, bank=len(values)), values.shape[-1], classes)
    assert isinstance(bank, NeighbourHead)
    bank.fill(values, labels)
    return bank, {"bank": len(values), "k": bank.k, "temperature": bank.temperature}


def _assembled(architecture: str, encoder: nn.Module, head: Head, spec: HeadSpec) -> tuple[nn.Module, str]:
    """The network to write, and its name."""
    encoder_name = encoder_part(architecture)
    if isinstance(head, LinearHead) and isinstance(encoder, PooledNetwork) and not spec.read:
        # Our own networks have a linear classifier, so a linear head gives a plain network without ``+linear``.
        encoder.head = head.linear
        return encoder, encoder_name
    complete_spec = spec
    if isinstance(head, NeighbourHead):
        complete_spec = replace(spec, bank=len(head.bank))
    elif isinstance(head, AttentiveHead):
        complete_spec = replace(spec, heads=head.attention.num_heads)
    return HeadedNetwork(encoder, head, spec.read), headed(encoder_name, complete_spec)


@torch.inference_mode()
def _measured(head: Head, rows: Rows) -> tuple[int, int]:
    values, labels = rows.chosen()
    head.eval()
    hits = [
        (head(part.float()).argmax(1) == true).sum()
        for part, true in zip(values.split(_AT_ONCE), labels.split(_AT_ONCE), strict=True)
    ]
    return int(torch.stack(hits).sum()), len(labels)


def _check(path: Path, architecture: str, classes: int, head: Head) -> None:
    """Read the checkpoint back: the written head must be equal, bit by bit, to the one that was measured."""
    network = build_network(architecture, classes)
    fill(network, read_state_dict(path), str(path))
    assert isinstance(network, PooledNetwork | HeadedNetwork)
    stored = network.head.state_dict()
    fitted = head.linear if isinstance(network, PooledNetwork) and isinstance(head, LinearHead) else head
    if not all(torch.equal(stored[name], value.cpu()) for name, value in fitted.state_dict().items()):
        raise VitobenchError(f"{path} does not hold the head that was fitted; the disk may be failing.")
