"""Multinomial logistic regression on frozen features, its penalty chosen by validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..logistic import fit_validated
from .heads import LinearHead

PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""L2 penalties tried, on the scale of a mean loss over images and standardised features; strong ones first."""

ABSENT = -1e4
"""Bias of a class of which there is no image: it is never the answer."""


def validation_rows(count: int) -> Tensor:
    """Which training images a setting is chosen on, every fifth: bool (count,).

    Raises:
        ValueError: Less than five images.
    """
    if count < 5:
        raise ValueError(f"{count} images are too few to choose a setting on a fifth of them")
    return torch.arange(count) % 5 == 4


def fit_linear(
    features: Tensor,
    labels: Tensor,
    classes: int,
    penalties: Sequence[float] = PENALTIES,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[LinearHead, dict[str, float | str]]:
    """Fit a linear classifier.

    The penalty is the one with the most hits on a fifth of the images (the first of equals); the classifier is then
    fitted on all of them.

    Args:
        features: float32 (N, D), N >= 5.
        labels: int64 (N,).
        classes: Outputs; classes without an image are never answered.
        penalties: Tried in this order, each from where the last one ended.
        progress: Called with (fits done, fits in all).

    Returns:
        The head for raw features, and facts: ``penalty``, ``validation_accuracy``, ``training_accuracy``, and
        ``remark`` where the penalty is the last on either side of those tried.

    Raises:
        ValueError: Less than five images.
    """
    held = validation_rows(len(features))
    present, own = labels.unique(return_inverse=True)
    fitted = fit_validated(features, own, len(present), penalties, held, warm=True, progress=progress)
    facts: dict[str, float | str] = {
        "penalty": fitted.penalty,
        "validation_accuracy": round(fitted.validation, 4),
        "training_accuracy": round(fitted.training, 4),
    }
    if len(penalties) > 1 and fitted.penalty in (min(penalties), max(penalties)):
        facts["remark"] = "the best penalty is at the end of those tried"
    head = LinearHead(features.shape[1], classes)
    with torch.no_grad():
        head.linear.bias.fill_(ABSENT if len(present) < classes else 0.0)
        head.linear.weight[present], head.linear.bias[present] = fitted.raw
    return head, facts
