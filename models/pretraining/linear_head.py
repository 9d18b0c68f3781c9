"""A linear classifier on frozen features, with which every pretrained encoder is evaluated."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..logistic import fit_validated
from ..networks import PooledNetwork
from .clips import ClipPool
from .learners.learner import normalise

PENALTIES = (1e-4, 1e-3, 1e-2)
"""L2 penalties to try; the best one on held-out clips is used."""

_ITERATIONS, _TOLERANCE = 150, 1e-7
"""Limits of the fit. The heads in the zoo were fitted with these, so do not change them."""


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


def fit_linear_head(features: Tensor, labels: Tensor, classes: int = 16) -> tuple[nn.Linear, dict[str, float]]:
    """Multinomial logistic regression: the L2 penalty is chosen on held-out clips, then the head is fitted on all.

    Args:
        features: float32 (clips, frames, D).
        labels: int64 (clips,).
        classes: Number of classes.

    Returns:
        The classifier for raw features, and facts about the fit: penalty, training and held-out accuracy.
    """
    clips, frames, width = features.shape
    fitted = fit_validated(
        features.flatten(0, 1),
        labels.repeat_interleave(frames),
        classes,
        PENALTIES,
        (torch.arange(clips) % 5 == 4).repeat_interleave(frames),
        iterations=_ITERATIONS,
        tolerance=_TOLERANCE,
    )
    head = nn.utils.skip_init(nn.Linear, width, classes)
    with torch.no_grad():
        head.weight.copy_(fitted.raw.weight)
        head.bias.copy_(fitted.raw.bias)
    facts = {
        "penalty": fitted.penalty,
        "held_out_accuracy": round(fitted.validation, 4),
        "training_accuracy": round(fitted.training, 4),
    }
    return head, facts
