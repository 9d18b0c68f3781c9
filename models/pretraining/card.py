"""The model card of a checkpoint, for programs (JSON) and for people (Markdown)."""

from __future__ import annotations

import json
import platform
from typing import Any

import torch

from ...tasks.data.microworld.sets import GENERATOR_VERSION
from ...tasks.data.microworld.vocabulary import CLASSES
from ..spec import IMAGENET_MEAN, IMAGENET_STD
from .methods import get_method
from .recipe import Recipe, recipe_facts
from .recipe_files import list_recipes, load_recipe
from .trainer import Training


def card_facts(recipe: Recipe, training: Training, training_data: str) -> dict[str, Any]:
    """Facts about a run and its encoder, as plain data; `classifier_facts` adds those of a classifier.

    Args:
        recipe: The run.
        training: The finished or current state of the run.
        training_data: Description of the data.
    """
    return {
        "name": recipe.name,
        "architecture": recipe.network,
        "preprocessing": {
            "size": recipe.size,
            "resize": recipe.size if recipe.data != "clips" else round(recipe.size * 256 / 224),
            "interpolation": "bilinear",
            "mean": list(IMAGENET_MEAN),
            "std": list(IMAGENET_STD),
        },
        "label_space": "none",
        "num_classes": 0,
        "training_data": training_data,
        "licence": "Apache-2.0" if recipe.data != "clips" else "that of the data it was trained on",
        "baseline": recipe.baseline,
        "description": recipe.description,
        "recipe": recipe_facts(recipe),
        "training_step": training.step,
        "training_seconds": round(training.seconds, 1),
        "training_machine": f"{torch.get_num_threads()} threads, {platform.machine()}, torch {torch.__version__}",
        "curve": [[int(row["step"]), row["loss"]] for row in training.curve],
    }


def classifier_facts(head: dict[str, float], accuracy: float | None, images: int) -> dict[str, Any]:
    """Facts about a classifier of the micro-world, for the card.

    Args:
        head: Facts about the fit.
        accuracy: Clean top-1 accuracy of the written weights; None if it was not measured.
        images: Number of images it was measured on.
    """
    measured = {} if accuracy is None else {"clean_accuracy": round(accuracy, 4), "clean_images": images}
    return {"label_space": "microworld-16", "num_classes": len(CLASSES), "linear_head": head} | measured


def micro_data(recipe: Recipe) -> str:
    """The training data of a run on the micro-world, in words."""
    uncurated = ", classes by Zipf's law" if recipe.data == "micro-uncurated" else ""
    return (
        f"{recipe.clips} clips of the micro-world (set train, seed {recipe.seed}, generator {GENERATOR_VERSION}"
        f"{uncurated}), {recipe.frames_per_clip} frames each at {recipe.size} pixels"
    )


def card_json(facts: dict[str, Any]) -> str:
    """The card as JSON."""
    return json.dumps(facts, indent=1) + "\n"


def _changes(recipe: dict[str, Any]) -> str:
    """Options that turn the shipped recipe into that of a run."""
    name = f"micro/{recipe['name']}"
    comes = recipe_facts(load_recipe(name)) if name in list_recipes() else recipe
    return "".join(f" --{key} {recipe[key]}" for key in ("steps", "seed") if recipe[key] != comes[key])


def card_page(facts: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        facts: From `card_facts`, with `classifier_facts` if there is a classifier, and the file's ``sha256``.
    """
    recipe, curve = facts["recipe"], facts["curve"]
    last = len(curve) - 1
    samples = [curve[i] for i in sorted({round(n * last / 9) for n in range(10)})]
    label_use = "for training" if get_method(recipe["objective"]).labelled else "for the linear head only"
    size = facts["preprocessing"]["size"]
    made_by, note = f"bench pretrain micro/{facts['name']}{_changes(recipe)}", ""
    if (head := facts.get("linear_head")) is None:
        made_by = "bench pretrain"
        label_use = label_use if "training" in label_use else "for monitors only"
        input_lines = f"- **Input:** {size} pixels. It has no classifier: fit one with `bench probe`."
    else:
        input_lines = f"""- **Linear head** on frozen features: L2 penalty {head["penalty"]}, held-out accuracy \
{head["held_out_accuracy"]:.1%}.
- **Clean accuracy:** {facts["clean_accuracy"]:.1%} on {facts["clean_images"]} fresh validation images.
- **Input:** {size} pixels; **answers in** {facts["label_space"]}."""
        note = "\nIt is a model of a procedural world: it shows that the machinery works, and knows nothing of "
        note += "photographs.\n"
    rows = {key: value for key, value in recipe.items() if key not in ("name", "description", recipe["objective"])}
    rows |= {f"{recipe['objective']}.{key}": value for key, value in recipe.get(recipe["objective"], {}).items()}
    settings = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    losses = "\n".join(f"| {step} | {loss:.3f} |" for step, loss in samples)
    return f"""# {facts["name"]}

{facts["description"]}.

- **Made by** `{made_by}` in {facts["training_seconds"] / 60:.1f} minutes of training
  ({facts["training_machine"]}).
- **Data:** {facts["training_data"]}. Labels were used {label_use}.
{input_lines}
- **Licence:** {facts["licence"]}. **SHA-256:** `{facts["sha256"]}`.
{note}
| setting | value |
|---|---|
{settings}

| step | training loss |
|---|---|
{losses}
"""
