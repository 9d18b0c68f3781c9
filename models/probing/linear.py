"""Multinomial logistic regression on frozen features, its penalty chosen by validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .heads import LinearHead

PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""L2 penalties tried, on the scale of a mean loss over images and standardised features; strong ones first."""

ABSENT = -1e4
"""Bias of a class of which there is no image: it is never the answer."""

_ITERATIONS = 500


def validation_rows(count: int) -> Tensor:
    """Which training images a setting is chosen on, every fifth: bool (count,).

    Raises:
        ValueError: Less than five images.
    """
    if count < 5:
        raise ValueError(f"{count} images are too few to choose a setting on a fifth of them")
    return torch.arange(count) % 5 == 4


def minimise(
    features: Tensor, labels: Tensor, classes: int, penalty: float, start: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Minimise mean cross-entropy + penalty * |W|^2 with L-BFGS; the bias is not penalised.

    Args:
        features: float (N, D), standardised.
        labels: int64 (N,).
        classes: K.
        penalty: See above. In scikit-learn's LogisticRegression it is C = 1 / (2 N penalty).
        start: Weight and bias to begin with; zeros if None.

    Returns:
        Weight (K, D) and bias (K,).
    """
    weight = torch.zeros(classes, features.shape[1], dtype=features.dtype) if start is None else start[0].clone()
    bias = torch.zeros(classes, dtype=features.dtype) if start is None else start[1].clone()
    weight.requires_grad_(), bias.requires_grad_()
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=_ITERATIONS, history_size=20, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        solver.zero_grad()
        loss = F.cross_entropy(features @ weight.T + bias, labels) + penalty * weight.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return weight.detach(), bias.detach()


def fit_linear(
    features: Tensor,
    labels: Tensor,
    classes: int,
    penalties: Sequence[float] = PENALTIES,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[LinearHead, dict[str, float | str]]:
    """Fit a linear classifier.

    Features are standardised for the fit, and the scaling is folded into the weights. The penalty is the one with the
    most hits on a fifth of the images (the strongest of equals); the classifier is then fitted on all of them.

    Args:
        features: float32 (N, D), N >= 5.
        labels: int64 (N,).
        classes: Outputs; classes without an image are never answered.
        penalties: Tried in this order, each begun where the last one ended.
        progress: Called with (fits done, fits in all).

    Returns:
        The head for raw features, and facts: ``penalty``, ``validation_accuracy``, ``training_accuracy``, and
        ``remark`` where the penalty is the last on either side of those tried.

    Raises:
        ValueError: Less than five images.
    """
    held = validation_rows(len(features))
    present, own = labels.unique(return_inverse=True)
    mean, deviation = features.mean(0), features.std(0).clamp(min=1e-6)
    scaled = (features - mean) / deviation
    few, few_own = scaled[~held], own[~held]
    tried: list[tuple[float, float]] = []
    place: tuple[Tensor, Tensor] | None = None
    places = []
    for penalty in penalties:
        place = minimise(few, few_own, len(present), penalty, place)
        places.append(place)
        tried.append((_accuracy(place, scaled[held], own[held]), penalty))
        if progress is not None:
            progress(len(tried), len(penalties) + 1)
    best = max(range(len(tried)), key=lambda i: (tried[i][0], tried[i][1]))
    weight, bias = minimise(scaled, own, len(present), tried[best][1], places[best])
    if progress is not None:
        progress(len(penalties) + 1, len(penalties) + 1)
    facts: dict[str, float | str] = {
        "penalty": tried[best][1],
        "validation_accuracy": round(tried[best][0], 4),
        "training_accuracy": round(_accuracy((weight, bias), scaled, own), 4),
    }
    if len(tried) > 1 and tried[best][1] in (min(penalties), max(penalties)):
        facts["remark"] = "the best penalty is at the end of those tried"
    head = LinearHead(features.shape[1], classes)
    with torch.no_grad():
        head.linear.bias.fill_(ABSENT if len(present) < classes else 0.0)
        head.linear.weight[present] = weight / deviation
        head.linear.bias[present] = bias - (weight / deviation) @ mean
    return head, facts


def _accuracy(place: tuple[Tensor, Tensor], features: Tensor, labels: Tensor) -> float:
    return float(((features @ place[0].T + place[1]).argmax(1) == labels).float().mean())
