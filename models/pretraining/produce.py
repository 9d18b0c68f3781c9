"""From a recipe to a checkpoint with its card: train, fit the linear head, measure, write."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from ...errors import VitobenchError
from ...identity import file_digest
from ...tasks.data.microworld.sets import MicroSet
from ...tasks.data.microworld.vocabulary import CLASSES, CLIP_SECONDS
from ..networks import MicroResNet, build
from .card import card_facts, card_json, card_page
from .clips import render_pool
from .learners.learner import normalise
from .linear_head import fit_linear_head, frozen_features
from .pool_feed import PoolFeed
from .recipe import Recipe
from .trainer import Training, train

CLEAN_IMAGES = 2000
CLEAN_FIRST = 100_000
"""Clean accuracy on the card comes from validation images beyond those that the tasks use."""

Stage = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, remark)."""


@dataclass(frozen=True)
class Produced:
    """Files and facts of a finished run.

    Attributes:
        checkpoint: The safetensors file; `bench run --model file:...` takes it.
        card: The JSON card beside it.
        facts: What the card says.
    """

    checkpoint: Path
    card: Path
    facts: dict[str, Any]


def compact_state(encoder: MicroResNet) -> dict[str, Tensor]:
    """The state to keep: convolutions in half precision, everything else as it is.

    Convolution weights are followed by normalisation and take the rounding without harm; the classifier and the
    statistics are small and stay exact.
    """
    return {
        name: (value.half() if value.ndim == 4 else value).contiguous().clone()
        for name, value in encoder.state_dict().items()
    }


@torch.inference_mode()
def clean_accuracy(encoder: MicroResNet, size: int, seed: int, images: int) -> float:
    """Top-1 accuracy on fresh validation images of the micro-world."""
    encoder.eval()
    source = MicroSet("val", CLEAN_FIRST + images, seed)
    hits = 0
    for start in range(CLEAN_FIRST, CLEAN_FIRST + images, 200):
        frames = source.frames(range(start, min(start + 200, CLEAN_FIRST + images)), size)
        pixels = torch.from_numpy(frames.images).permute(0, 3, 1, 2).float() / 255.0
        hits += int((encoder(normalise(pixels)).argmax(1).numpy() == frames.labels).sum())
    return hits / images


def produce(recipe: Recipe, folder: Path, stage: Stage) -> Produced:
    """Pretrain a recipe and write its checkpoint.

    Args:
        recipe: The run.
        folder: Receives ``NAME.safetensors``, ``NAME.json`` (card), the log and the training checkpoint.
        stage: Told of progress.

    Returns:
        The files. The checkpoint carries its card, so that it loads from anywhere.

    Raises:
        VitobenchError: As for `train`.
    """
    if recipe.data != "micro":
        raise VitobenchError(f"recipe {recipe.name!r}: data = {recipe.data!r} cannot be trained on yet; use 'micro'.")
    if recipe.window > CLIP_SECONDS:
        raise VitobenchError(
            f"recipe {recipe.name!r}: a window of {recipe.window} s does not fit a clip of {CLIP_SECONDS} s; choose "
            f"0 to {CLIP_SECONDS}."
        )
    pool = render_pool(
        recipe.clips,
        recipe.frames_per_clip,
        recipe.size,
        recipe.seed,
        lambda done, total: stage("Rendering clips", done, total, ""),
        # Without a window every step takes one frame of the clip, from anywhere in it.
        window=recipe.window or CLIP_SECONDS,
    )
    feed = PoolFeed(pool, len(CLASSES))
    training = train(recipe, feed, folder, lambda done, total, loss: stage("Training", done, total, f"loss {loss:.3f}"))
    encoder = training.learner.encoder
    assert isinstance(encoder, MicroResNet)
    features = frozen_features(encoder, pool, progress=lambda done, total: stage("Reading features", done, total, ""))
    head, facts = fit_linear_head(features, pool.labels, len(CLASSES))
    encoder.head = head
    return write_checkpoint(recipe, training, encoder, facts, folder)


def write_checkpoint(
    recipe: Recipe, training: Training, encoder: MicroResNet, head: dict[str, float], folder: Path
) -> Produced:
    """Write checkpoint and card, each aside and renamed; clean accuracy is that of the written, rounded weights."""
    state = compact_state(encoder)
    written = build(recipe.network, len(CLASSES))
    assert isinstance(written, MicroResNet)
    written.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    )
    accuracy = clean_accuracy(written, recipe.size, recipe.seed, CLEAN_IMAGES)
    facts = card_facts(recipe, training, head, accuracy, CLEAN_IMAGES)
    checkpoint, card = folder / f"{recipe.name}.safetensors", folder / f"{recipe.name}.json"
    aside = checkpoint.with_suffix(".writing")
    # Without the curve: the header is read before anything else and should stay small.
    brief = {key: value for key, value in facts.items() if key != "curve"}
    aside.write_bytes(save(state, metadata={"vitobench": json.dumps(brief, sort_keys=True)}))
    aside.replace(checkpoint)
    facts["sha256"] = file_digest(checkpoint)
    for path, text in ((folder / f"{recipe.name}.md", card_page(facts)), (card, card_json(facts))):
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    return Produced(checkpoint, card, facts)
