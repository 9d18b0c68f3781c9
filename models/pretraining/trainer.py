"""The training loop: AdamW with warm-up and cosine, atomic checkpoints, one log line every few steps."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import CheckpointError, VitobenchError
from ...identity import digest
from ..cpu_tuning import keep_freed_memory
from .clips import ClipPool
from .learner import ContrastiveLearner, SupervisedLearner, make_learner
from .recipe import Recipe, recipe_facts

CHECKPOINT_SECONDS = 60.0
LOG_STEPS = 10


@dataclass(frozen=True)
class Training:
    """What a run leaves.

    Attributes:
        learner: The trained module.
        curve: Rows of the log: step, loss, learning_rate, seconds.
        seconds: Wall-clock time of the optimisation, over all resumptions.
    """

    learner: ContrastiveLearner | SupervisedLearner
    curve: tuple[dict[str, float], ...]
    seconds: float


def _groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def learning_rate_factor(step: int, warmup: int, steps: int) -> float:
    """Share of the peak learning rate at a step from 0: linear warm-up, then a cosine to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def batch_at(step: int, recipe: Recipe, clips: int) -> tuple[Tensor, torch.Generator]:
    """Clip indices of a step and the generator for its views.

    Both are functions of (seed, step) alone, so a resumed run continues with the very batches that an undisturbed one
    sees.

    Args:
        step: From 0.
        recipe: The run.
        clips: Clips in the pool.
    """
    per_epoch = max(1, clips // recipe.batch)
    epoch, place = divmod(step, per_epoch)
    order = torch.randperm(clips, generator=torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch))
    views = torch.Generator().manual_seed(recipe.seed * 1_000_003 + 500_000 + step)
    return order[place * recipe.batch : (place + 1) * recipe.batch], views


def _save(path: Path, state: dict[str, Any]) -> None:
    aside = path.with_suffix(".writing")
    torch.save(state, aside)
    aside.replace(path)


def _resume(path: Path, recipe: Recipe, learner: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        state: Any = torch.load(path, weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{path} cannot be read ({error}); delete it to start this run again.") from None
    if not isinstance(state, dict) or state.get("recipe") != digest(recipe_facts(recipe)):
        raise CheckpointError(
            f"{path} belongs to a run with other settings; choose another --output folder, or delete that file."
        )
    learner.load_state_dict(state["learner"])
    optimiser.load_state_dict(state["optimiser"])
    return state


def train(
    recipe: Recipe,
    pool: ClipPool,
    folder: Path,
    progress: Callable[[int, int, float], None] | None = None,
) -> Training:
    """Train a recipe; a run that was interrupted in the same folder goes on where its last checkpoint stands.

    Args:
        recipe: The run.
        pool: The training clips.
        folder: Receives ``training.pt`` (checkpoint) and ``log.jsonl``.
        progress: Called after each step with (steps done, steps, loss).

    Raises:
        CheckpointError: The folder holds the checkpoint of another run.
        VitobenchError: The loss is no longer finite; the last good checkpoint is named.
    """
    keep_freed_memory()
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "training.pt"
    torch.manual_seed(recipe.seed)
    learner = make_learner(recipe)
    learner.train()
    optimiser = torch.optim.AdamW(_groups(learner, recipe.weight_decay), lr=recipe.learning_rate)
    curve: list[dict[str, float]] = []
    first, before = 0, 0.0
    state = _resume(checkpoint, recipe, learner, optimiser)
    if state is not None:
        first, before, curve = state["step"], state["seconds"], state["curve"]
    started = saved = time.monotonic()

    def save(step: int) -> None:
        _save(
            checkpoint,
            {
                "recipe": digest(recipe_facts(recipe)),
                "learner": learner.state_dict(),
                "optimiser": optimiser.state_dict(),
                "step": step,
                "seconds": before + time.monotonic() - started,
                "curve": curve,
            },
        )
        (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in curve), encoding="utf-8")

    for step in range(first, recipe.steps):
        rate = recipe.learning_rate * learning_rate_factor(step, recipe.warmup, recipe.steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        clips, rng = batch_at(step, recipe, len(pool.labels))
        loss = learner.loss(pool, clips, rng)
        value = loss.item()
        if not math.isfinite(value):
            kept = (
                f"the last good checkpoint is {checkpoint}" if checkpoint.exists() else "no checkpoint was written yet"
            )
            raise VitobenchError(f"The loss became {value} at step {step + 1}; {kept}. A lower learning rate may help.")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        learner.after_step(step + 1)
        done = step + 1
        if done % LOG_STEPS == 0 or done == recipe.steps:
            seconds = round(before + time.monotonic() - started, 2)
            curve.append({"step": done, "loss": round(value, 5), "learning_rate": rate, "seconds": seconds})
        if progress is not None:
            progress(done, recipe.steps, value)
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            save(done)
            saved = time.monotonic()
    save(recipe.steps)
    return Training(learner, tuple(curve), before + time.monotonic() - started)
