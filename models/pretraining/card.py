"""The model card: what a checkpoint says of itself, for programs (JSON) and for people (Markdown)."""

from __future__ import annotations

import json
import platform
from typing import Any

import torch

from ...tasks.data.microworld.sets import GENERATOR_VERSION
from ...tasks.data.microworld.vocabulary import CLASSES
from ..spec import IMAGENET_MEAN, IMAGENET_STD
from .recipe import Recipe, recipe_facts
from .trainer import Training


def card_facts(
    recipe: Recipe, training: Training, head: dict[str, float], accuracy: float, images: int
) -> dict[str, Any]:
    """Everything that is known of a finished run, as plain data.

    Args:
        recipe: The run.
        training: What it left.
        head: Facts about the linear head.
        accuracy: Clean top-1 accuracy of the written weights.
        images: Number of images behind it.
    """
    return {
        "name": recipe.name,
        "architecture": recipe.network,
        "preprocessing": {
            "size": recipe.size,
            "resize": recipe.size,
            "interpolation": "bilinear",
            "mean": list(IMAGENET_MEAN),
            "std": list(IMAGENET_STD),
        },
        "label_space": "microworld-16",
        "num_classes": len(CLASSES),
        "training_data": (
            f"{recipe.clips} clips of the micro-world (set train, seed {recipe.seed}, generator {GENERATOR_VERSION}), "
            f"{recipe.frames_per_clip} frames each at {recipe.size} pixels"
        ),
        "licence": "Apache-2.0",
        "baseline": recipe.baseline,
        "description": recipe.description,
        "recipe": recipe_facts(recipe),
        "linear_head": head,
        "clean_accuracy": round(accuracy, 4),
        "clean_images": images,
        "training_step": recipe.steps,
        "training_seconds": round(training.seconds, 1),
        "training_machine": f"{torch.get_num_threads()} threads, {platform.machine()}, torch {torch.__version__}",
        "curve": [[int(row["step"]), row["loss"]] for row in training.curve],
    }


def card_json(facts: dict[str, Any]) -> str:
    """The card as JSON."""
    return json.dumps(facts, indent=1) + "\n"


def card_page(facts: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        facts: From `card_facts`, with the file's ``sha256``.
    """
    recipe, head, curve = facts["recipe"], facts["linear_head"], facts["curve"]
    last = len(curve) - 1
    shown = [curve[i] for i in sorted({round(n * last / 9) for n in range(10)})]
    used = "for training" if recipe["objective"] in ("supervised", "l2-robust") else "for the linear head only"
    settings = "\n".join(f"| {key} | {value} |" for key, value in recipe.items() if key not in ("name", "description"))
    losses = "\n".join(f"| {step} | {loss:.3f} |" for step, loss in shown)
    return f"""# {facts["name"]}

{facts["description"]}.

- **Made by** `bench pretrain micro/{facts["name"]}` in {facts["training_seconds"] / 60:.1f} minutes of training
  ({facts["training_machine"]}).
- **Data:** {facts["training_data"]}. Labels were used {used}.
- **Linear head** on frozen features: L2 penalty {head["penalty"]}, held-out accuracy {head["held_out_accuracy"]:.1%}.
- **Clean accuracy:** {facts["clean_accuracy"]:.1%} on {facts["clean_images"]} fresh validation images.
- **Input:** {facts["preprocessing"]["size"]} pixels; **answers in** {facts["label_space"]}.
- **Licence:** {facts["licence"]}. **SHA-256:** `{facts["sha256"]}`.

It is a model of a procedural world: it shows that the machinery works, and knows nothing of photographs.

| setting | value |
|---|---|
{settings}

| step | training loss |
|---|---|
{losses}
"""
