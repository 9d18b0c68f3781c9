"""Training checkpoints: written aside and renamed, read without running anything that they may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ...errors import CheckpointError
from ...identity import digest
from ..sources.torch_files import load_torch
from .recipe import Recipe, recipe_facts

NAME = "training.pt"


def run_digest(recipe: Recipe) -> str:
    """What a checkpoint must share with the run that goes on from it."""
    return digest(recipe_facts(recipe))


def save_training(path: Path, state: dict[str, Any]) -> None:
    """Write a state; a reader sees the old file or the new one, whole."""
    aside = path.with_suffix(".writing")
    torch.save(state, aside)
    aside.replace(path)


def load_training(path: Path, recipe: Recipe) -> dict[str, Any] | None:
    """Read the state of a run.

    Returns:
        The state, tensors on the CPU; None where there is no file.

    Raises:
        CheckpointError: A damaged file, or the state of a run with other settings.
    """
    if not path.exists():
        return None
    try:
        state = load_torch(path)
    except CheckpointError as error:
        raise CheckpointError(f"{path} cannot be read ({error}); delete it to start this run again.") from None
    if not isinstance(state, dict) or state.get("recipe") != run_digest(recipe):
        raise CheckpointError(
            f"{path} belongs to a run with other settings; choose another --output folder, or delete that file."
        )
    return state
