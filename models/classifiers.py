"""Classifiers on frozen features: multinomial logistic regression, and a vote of the nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Coefficients(NamedTuple):
    """Weight float (K, D) and bias float (K,) of a classifier."""

    weight: Tensor
    bias: Tensor


def minimise(
    features: Tensor,
    labels: Tensor,
    classes: int,
    penalty: float,
    start: Coefficients | None = None,
    iterations: int = 500,
    tolerance: float = 1e-6,
) -> Coefficients:
    """Minimise mean cross-entropy + penalty * |W|^2 with L-BFGS; the bias is not penalised.

    Args:
        features: float (N, D), standardised.
        labels: int64 (N,).
        classes: K.
        penalty: See above. In scikit-learn's LogisticRegression it is C = 1 / (2 N penalty).
        start: Weight and bias to begin with; zeros if None.
        iterations: At most so many.
        tolerance: Largest entry of the gradient at which the minimum counts as reached.
    """
    weight = torch.zeros(classes, features.shape[1], dtype=features.dtype) if start is None else start.weight.clone()
    bias = torch.zeros(classes, dtype=features.dtype) if start is None else start.bias.clone()
    weight.requires_grad_(), bias.requires_grad_()
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=iterations, history_size=20, tolerance_grad=tolerance, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        solver.zero_grad()
        loss = F.cross_entropy(features @ weight.T + bias, labels) + penalty * weight.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return Coefficients(weight.detach(), bias.detach())


def accuracy(fitted: Coefficients, features: Tensor, labels: Tensor) -> float:
    """Share of rows (N, D) whose class (N,) has the largest logit."""
    return float(((features @ fitted.weight.T + fitted.bias).argmax(1) == labels).float().mean())


class Fitted(NamedTuple):
    """A classifier for raw features, the penalty chosen for it, and its accuracy before and after it saw all rows."""

    raw: Coefficients
    penalty: float
    validation: float
    training: float


def fit_validated(
    features: Tensor,
    labels: Tensor,
    classes: int,
    penalties: Sequence[float],
    held: Tensor,
    warm: bool = False,
    iterations: int = 500,
    tolerance: float = 1e-6,
    progress: Callable[[int, int], None] | None = None,
) -> Fitted:
    """Fit a linear classifier: the penalty is chosen on some of the rows, then it is fitted on all.

    Features are standardised for the fit, and the scaling is folded into the weights.

    Args:
        features: float32 (N, D).
        labels: int64 (N,).
        classes: K.
        penalties: Tried in this order; of those with the most hits the first is chosen.
        held: bool (N,), rows to choose on.
        warm: Start each fit where the last one ended, and the final one where that of its penalty did.
        iterations: See `minimise`.
        tolerance: See `minimise`.
        progress: Called with (fits done, fits in all).
    """
    mean, deviation = features.mean(0), features.std(0).clamp(min=1e-6)  # constant features are left as they are
    scaled = (features - mean) / deviation
    few, few_labels = scaled[~held], labels[~held]
    best, start, best_start = (-1.0, 0.0), None, None
    for done, penalty in enumerate(penalties, 1):
        fitted = minimise(few, few_labels, classes, penalty, start, iterations, tolerance)
        start = fitted if warm else None
        value = accuracy(fitted, scaled[held], labels[held])
        if value > best[0]:
            best, best_start = (value, penalty), start
        if progress is not None:
            progress(done, len(penalties) + 1)
    validation, penalty = best
    fitted = minimise(scaled, labels, classes, penalty, best_start, iterations, tolerance)
    if progress is not None:
        progress(len(penalties) + 1, len(penalties) + 1)
    weight = fitted.weight / deviation
    raw = Coefficients(weight, fitted.bias - weight @ mean)
    return Fitted(raw, penalty, validation, accuracy(fitted, scaled, labels))


NEIGHBOURS = 20
TEMPERATURE = 0.07
"""Of the vote in DINO's evaluation (Caron et al. 2021), after Wu et al. 2018."""


def neighbour_votes(
    bank: Tensor, labels: Tensor, queries: Tensor, classes: int, k: int = NEIGHBOURS, temperature: float = TEMPERATURE
) -> Tensor:
    """How the k nearest neighbours vote, each for its class with weight ``exp(cos / temperature)``.

    Args:
        bank: float (M, D) features with known classes, of length 1.
        labels: Integers (M,), from 0.
        queries: float (N, D), of any length.
        classes: K.
        k: How many vote; all if there are fewer.
        temperature: Positive.

    Returns:
        float32 (N, K), in which the nearest neighbour has weight 1.
    """
    # The similarities that determine the neighbours are too close to each other for autocast's precision.
    with torch.autocast(queries.device.type, enabled=False):
        similar = F.normalize(queries.float(), dim=1) @ bank.float().T
    near, which = similar.topk(min(k, len(bank)), dim=1)
    weight = ((near - near[:, :1]) / temperature).exp()
    votes = torch.zeros(len(queries), classes, device=queries.device)
    return votes.scatter_add(1, labels[which].long(), weight)
