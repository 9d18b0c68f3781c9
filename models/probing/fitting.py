"""Fitting heads on frozen features: multinomial logistic regression, and attentive heads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...classifiers import fit_validated
from .heads import AttentiveHead, LinearHead

# Multinomial logistic regression on frozen features, its penalty chosen by validation.


PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""L2 penalties tried, on the scale of a mean loss over images and standardised features; strong ones first."""

ABSENT = -1e4
"""Bias of a class without images, so that it is never predicted."""


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


# Train an attentive head on frozen tokens.


DECAYS = (1.0, 1e-1, 1e-2)
"""Weight decays to try, strongest first."""

RATES = (1e-3, 3e-3, 3e-4)
"""Peak learning rates to try; decays are compared at the first one."""

_HEAD_WIDTH = 64
_EPOCHS = 20
_BATCH = 128
_WARMUP = 0.1


def heads_for(width: int) -> int:
    """Number of attention heads for tokens of ``width`` channels: 64 channels each, or more if that does not divide."""
    ideal = max(1, width // _HEAD_WIDTH)
    return next(count for count in range(ideal, 0, -1) if width % count == 0)


def train_attentive(
    tokens: Tensor,
    labels: Tensor,
    classes: int,
    decay: float,
    seed: int = 0,
    epochs: int = _EPOCHS,
    progress: Callable[[], None] | None = None,
    rate: float = RATES[0],
) -> AttentiveHead:
    """Train with AdamW: warm-up over a tenth of the steps to the learning rate, then a cosine to 0.

    Args:
        tokens: float16 or float32 (N, T, C).
        labels: int64 (N,).
        classes: Number of outputs.
        decay: Weight decay of matrices; norms, biases and the query have none.
        seed: Seed of initialisation and order.
        epochs: Passes over the images.
        progress: Called after each epoch.
        rate: Peak learning rate.

    Returns:
        The head, in evaluation mode.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = AttentiveHead(tokens.shape[-1], classes, heads_for(tokens.shape[-1]))
    matrices = [p for p in head.parameters() if p.ndim == 2]
    undecayed = [p for p in head.parameters() if p.ndim != 2]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": undecayed, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=rate)
    steps = epochs * math.ceil(len(tokens) / _BATCH)
    warm = max(1, round(_WARMUP * steps))
    step = 0
    for _ in range(epochs):
        for rows in torch.randperm(len(tokens), generator=rng).split(_BATCH):
            factor = min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * max(0, step - warm) / max(1, steps - warm))))
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
            loss = F.cross_entropy(head(tokens[rows]), labels[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            step += 1
        if progress is not None:
            progress()
    return head.eval()


def fit_attentive(
    tokens: Tensor,
    labels: Tensor,
    classes: int,
    seed: int = 0,
    decays: Sequence[float] = DECAYS,
    epochs: int = _EPOCHS,
    progress: Callable[[int, int], None] | None = None,
    rates: Sequence[float] = RATES,
) -> tuple[AttentiveHead, dict[str, Any]]:
    """Train an attentive head: choose the weight decay and the learning rate on a fifth of the images, then use all.

    Args:
        tokens: float16 or float32 (N, T, C), N >= 5.
        labels: int64 (N,).
        classes: Number of outputs.
        seed: Seed of initialisation and order.
        decays: Weight decays to try; if several are equally good, the strongest wins.
        epochs: Passes over the images.
        progress: Called with (finished epochs, total).
        rates: Learning rates to try, the others with the decay that was best with the first.

    Returns:
        The head and facts: ``weight_decay``, ``learning_rate``, ``validation_accuracy``, ``training_accuracy``,
        ``epochs``, ``heads``,
        and ``remark`` if the best decay or rate is the largest or the smallest of those tried.

    Raises:
        ValueError: There are fewer than five images.
    """
    held_out = validation_rows(len(tokens))
    total, epochs_done = epochs * (len(decays) + len(rates)), 0

    def tick() -> None:
        nonlocal epochs_done
        epochs_done += 1
        if progress is not None:
            progress(epochs_done, total)

    def accuracy_with(decay: float, rate: float) -> float:
        head = train_attentive(tokens[~held_out], labels[~held_out], classes, decay, seed, epochs, tick, rate)
        return _accuracy(head, tokens[held_out], labels[held_out])

    accuracy, decay = max((accuracy_with(decay, rates[0]), decay) for decay in decays)
    rate = rates[0]
    for other in rates[1:]:
        if (value := accuracy_with(decay, other)) > accuracy:
            accuracy, rate = value, other
    head = train_attentive(tokens, labels, classes, decay, seed, epochs, tick, rate)
    edges = [
        name
        for name, value, values in (("weight decay", decay, decays), ("learning rate", rate, rates))
        if len(values) > 1 and value in (min(values), max(values))
    ]
    return head, {
        "weight_decay": decay,
        "learning_rate": rate,
        "validation_accuracy": round(accuracy, 4),
        "training_accuracy": round(_accuracy(head, tokens, labels), 4),
        "epochs": epochs,
        "heads": head.attention.num_heads,
        **({"remark": f"the best {' and '.join(edges)} is at the end of those tried"} if edges else {}),
    }


@torch.inference_mode()
def _accuracy(head: AttentiveHead, tokens: Tensor, labels: Tensor) -> float:
    predicted = torch.cat([head(part).argmax(1) for part in tokens.split(512)])
    return float((predicted == labels).float().mean())
