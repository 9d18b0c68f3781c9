"""Multinomial logistic regression on standardised features: the one fit behind every linear classifier."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Coefficients(NamedTuple):
    """Weight float (K, D) and bias float (K,) of a classifier."""

    weight: Tensor
    bias: Tensor


class Scaling(NamedTuple):
    """Mean and standard deviation, float (D,) each, of the features that a classifier is fitted on."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Scaling:
        """The scaling of features (N, D); constant ones are left as they are."""
        return cls(features.mean(0), features.std(0).clamp(min=1e-6))

    def apply(self, features: Tensor) -> Tensor:
        """Standardise features (..., D)."""
        return (features - self.mean) / self.deviation

    def fold(self, fitted: Coefficients) -> Coefficients:
        """The classifier for raw features that answers as ``fitted`` does for standardised ones."""
        weight = fitted.weight / self.deviation
        return Coefficients(weight, fitted.bias - weight @ self.mean)


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
