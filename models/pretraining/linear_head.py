"""A linear classifier on frozen features: how every pretrained encoder answers the tasks."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks import PooledNetwork
from .clips import ClipPool
from .learners.learner import normalise

PENALTIES = (1e-4, 1e-3, 1e-2)
"""L2 penalties tried; the best on held-out clips is used."""


@torch.inference_mode()
def frozen_features(
    encoder: PooledNetwork, pool: ClipPool, batch: int = 256, progress: Callable[[int, int], None] | None = None
) -> Tensor:
    """Features of every frame of the pool, in evaluation mode: float32 (clips, frames per clip, D)."""
    encoder.eval()
    flat = pool.frames.flatten(0, 1)
    parts = []
    for start in range(0, len(flat), batch):
        parts.append(encoder.features(normalise(flat[start : start + batch].float() / 255.0)))
        if progress is not None:
            progress(min(start + batch, len(flat)), len(flat))
    return torch.cat(parts).view(*pool.frames.shape[:2], -1).clone()


def _fit(features: Tensor, labels: Tensor, classes: int, penalty: float) -> nn.Linear:
    head = nn.Linear(features.shape[1], classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    solver = torch.optim.LBFGS(head.parameters(), max_iter=150, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        loss = F.cross_entropy(head(features), labels) + penalty * head.weight.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return head


def fit_linear_head(features: Tensor, labels: Tensor, classes: int = 16) -> tuple[nn.Linear, dict[str, float]]:
    """Multinomial logistic regression with an L2 penalty chosen on held-out clips, then refitted on all.

    Features are standardised for the fit and the scaling is folded into the returned weights.

    Args:
        features: float32 (clips, frames, D).
        labels: int64 (clips,).
        classes: Number of classes.

    Returns:
        The classifier for raw features, and facts: the chosen penalty, training and held-out accuracy.
    """
    clips, frames, width = features.shape
    mean, deviation = features.flatten(0, 1).mean(0), features.flatten(0, 1).std(0).clamp(min=1e-6)
    scaled = (features - mean) / deviation
    held = torch.arange(clips) % 5 == 4

    def rows(which: Tensor) -> tuple[Tensor, Tensor]:
        return scaled[which].flatten(0, 1), labels[which].repeat_interleave(frames)

    def accuracy(head: nn.Linear, which: Tensor) -> float:
        x, y = rows(which)
        with torch.no_grad():
            return float((head(x).argmax(1) == y).float().mean())

    best_penalty, best_accuracy = PENALTIES[0], -1.0
    for penalty in PENALTIES:
        value = accuracy(_fit(*rows(~held), classes, penalty), held)
        if value > best_accuracy:
            best_penalty, best_accuracy = penalty, value
    everything = torch.ones(clips, dtype=torch.bool)
    fitted = _fit(*rows(everything), classes, best_penalty)
    head = nn.Linear(width, classes)
    with torch.no_grad():
        head.weight.copy_(fitted.weight / deviation)
        head.bias.copy_(fitted.bias - (fitted.weight / deviation) @ mean)
    facts = {
        "penalty": best_penalty,
        "held_out_accuracy": round(best_accuracy, 4),
        "training_accuracy": round(accuracy(fitted, everything), 4),
    }
    return head, facts
