"""Recipes: everything that decides a pretraining run, read from a TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, get_type_hints

from ...errors import VitobenchError, unknown_name

OBJECTIVES = ("contrastive", "supervised")


@dataclass(frozen=True)
class Recipe:
    """A pretraining run. Units: seconds, pixels, steps.

    Attributes:
        name: Name of the resulting model.
        description: One line for listings and the model card.
        objective: ``"contrastive"`` or ``"supervised"``.
        architecture: See `vitobench.models.networks`.
        baseline: Registry name of the model that this one is compared with by default.
        two_frames: The two views come from different frames of the clip (VITO); else from one and the same (T = 0).
        clips: Training clips.
        frames_per_clip: Frames rendered for each clip.
        size: Side of a frame.
        batch: Clips per step.
        steps: Optimiser steps.
        warmup: Steps of linear warm-up before the cosine.
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Decoupled weight decay, not applied to biases and norms.
        temperature: Of the contrastive softmax.
        momentum: Initial momentum of the target network; it rises to 1 along a cosine.
        hidden: Hidden width of projector and predictor.
        projection: Width of the embedding.
        seed: Seed of world, initialisation and views.
    """

    name: str
    description: str
    objective: str
    architecture: str
    baseline: str | None = None
    two_frames: bool = False
    clips: int = 8192
    frames_per_clip: int = 4
    size: int = 64
    batch: int = 128
    steps: int = 1000
    warmup: int = 50
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    temperature: float = 0.1
    momentum: float = 0.99
    hidden: int = 512
    projection: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise unknown_name("objective", self.objective, OBJECTIVES)
        for key in ("clips", "frames_per_clip", "size", "batch", "steps"):
            if getattr(self, key) < 1:
                raise VitobenchError(f"recipe {self.name!r}: {key} = {getattr(self, key)} must be 1 or more")
        if self.two_frames and self.frames_per_clip < 2:
            raise VitobenchError(f"recipe {self.name!r}: two_frames needs frames_per_clip of 2 or more")


_TYPES: dict[str, Any] = get_type_hints(Recipe)


def list_recipes() -> list[str]:
    """Names of the recipes that ship with the package: ``micro/vito``, ..."""
    folder = resources.files("vitobench.models.pretraining.recipes")
    names = []
    for entry in folder.iterdir():
        if entry.name.endswith(".toml"):
            names.append(entry.name.removesuffix(".toml").replace("-", "/", 1))
    return sorted(names)


def load_recipe(name: str, **changes: Any) -> Recipe:
    """Load a recipe by name or from a TOML file.

    Args:
        name: A name from `list_recipes`, or the path of a ``.toml`` file.
        **changes: Settings to replace; None leaves a setting as it is.

    Raises:
        UnknownNameError: No such recipe.
        VitobenchError: A file that is not a recipe; the message names the wrong or missing key.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise VitobenchError(f"There is no recipe file at {path}.")
        text = path.read_text(encoding="utf-8")
    else:
        known = list_recipes()
        if name not in known:
            raise unknown_name("recipe", name, known, "A path that ends in .toml is read as a recipe of your own.")
        file = resources.files("vitobench.models.pretraining.recipes") / f"{name.replace('/', '-', 1)}.toml"
        text = file.read_text(encoding="utf-8")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise VitobenchError(f"Recipe {name} is not valid TOML: {error}") from None
    for key, value in table.items():
        if key not in _TYPES:
            raise unknown_name(f"setting in recipe {name}", key, _TYPES)
        expected = _TYPES[key]
        # TOML writes 1 for a whole float, and Python takes true for an integer.
        fits = isinstance(value, (int, float) if expected is float else expected)
        if not fits or (isinstance(value, bool) and expected is not bool):
            wanted = getattr(expected, "__name__", str(expected))
            raise VitobenchError(f"Recipe {name}: {key} = {value!r} must be of type {wanted}.")
    try:
        recipe = Recipe(**table)
    except TypeError as error:
        raise VitobenchError(f"Recipe {name} is incomplete: {error}") from None
    return replace(recipe, **{k: v for k, v in changes.items() if v is not None})


def recipe_facts(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain data, for cards and logs."""
    return asdict(recipe)
