"""Optimisers and the learning rate schedule."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from .recipe import Recipe


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters with weight decay, and parameters without: biases and norms.

    Args:
        module: Only its parameters that require gradients are used.
        weight_decay: Weight decay of the first group.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def make_optimiser(recipe: Recipe, module: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of a recipe: torch's fused AdamW, or timm's LARS (You et al. 2017), as BYOL uses it.

    timm's LARS only adapts the rate of parameters with weight decay, so biases and norms use plain momentum.
    """
    groups = parameter_groups(module, recipe.weight_decay)
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    from timm.optim import Lars

    lars: torch.optim.Optimizer = Lars(
        groups, lr=recipe.learning_rate, momentum=recipe.optimiser_momentum, trust_coeff=recipe.trust
    )
    return lars


def learning_rate_at(step: int, recipe: Recipe) -> float:
    """Learning rate of a step from 0: linear warm-up, then a cosine to 0 or a constant."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.schedule == "constant":
        return recipe.learning_rate
    share = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * 0.5 * (1.0 + math.cos(math.pi * share))
