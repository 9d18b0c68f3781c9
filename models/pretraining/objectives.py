"""Training objectives as pure functions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def info_nce(predictions: Tensor, targets: Tensor, temperature: float = 0.1) -> Tensor:
    """Contrastive loss of online predictions against target projections.

    For prediction i the positive is target i and the negatives are the targets of the other clips in the batch:
    ``-log softmax(cos(p_i, z_j) / temperature)_i``, averaged over i (van den Oord et al. 2018; used by MoCLR and VITO).

    Args:
        predictions: float (N, D), online; need not be normalised.
        targets: float (N, D), of the other view; no gradient flows into them.
        temperature: Positive; 0.1 in BYOL's sibling recipes.

    Returns:
        Scalar loss; ``log(N)`` when predictions say nothing.

    Raises:
        ValueError: Shapes that differ, or a temperature that is not positive.
    """
    if predictions.shape != targets.shape:
        raise ValueError(f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)} differ in shape")
    if temperature <= 0:
        raise ValueError(f"temperature {temperature} must be positive")
    p = F.normalize(predictions.float(), dim=1)
    z = F.normalize(targets.detach().float(), dim=1)
    return F.cross_entropy(p @ z.T / temperature, torch.arange(len(p), device=p.device))


def symmetric_info_nce(
    predictions: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor], temperature: float = 0.1
) -> Tensor:
    """Mean of `info_nce` over both directions: view 1 predicts target 2 and view 2 predicts target 1."""
    forth = info_nce(predictions[0], targets[1], temperature)
    back = info_nce(predictions[1], targets[0], temperature)
    return 0.5 * (forth + back)


def momentum_at(step: int, steps: int, base: float) -> float:
    """EMA momentum: ``1 - (1 - base) (cos(pi step / steps) + 1) / 2``, from ``base`` to 1 (Grill et al. 2020)."""
    return 1.0 - (1.0 - base) * (math.cos(math.pi * step / steps) + 1.0) / 2.0
