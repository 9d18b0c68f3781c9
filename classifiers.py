"""Classifiers on frozen features: multinomial logistic regression, and a vote of the nearest neighbours.

Features may be more than fit into memory at once, as rows of a mapped file: both read them in blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

AT_ONCE = 65_536
"""Rows of features that are read at once; of 2,048 numbers each they take 0.5 GB. Fewer rows are kept in memory."""


class Standardised:
    """Features with mean 0 and variance 1 over the rows that it is made with.

    Args:
        values: float (N, D), of any precision; an array may be mapped from a file.
        device: Where blocks are put; by default where a tensor is, and the CPU for an array.

    Attributes:
        mean: float32 (D,).
        deviation: float32 (D,), at least 1e-6, so that constant features are left as they are.
    """

    def __init__(self, values: Tensor | np.ndarray, device: torch.device | None = None) -> None:
        self._values, self._rows = values, np.arange(len(values))
        self._kept: Tensor | None = None
        self._device = device or (values.device if isinstance(values, Tensor) else torch.device("cpu"))
        if len(values) <= AT_ONCE:
            whole = self._read(self._rows)
            self.mean, self.deviation = whole.mean(0), whole.std(0).clamp(min=1e-6)
            self._kept = (whole - self.mean) / self.deviation
        else:
            count, width = values.shape
            exact = torch.device("cpu") if self._device.type == "mps" else self._device  # it has no float64
            total = torch.zeros(width, dtype=torch.float64, device=exact)
            squares = torch.zeros_like(total)
            for rows in self._blocks():
                total += self._read(rows).to(exact).double().sum(0)
            mean = total / count
            for rows in self._blocks():
                squares += (self._read(rows).to(exact).double() - mean).square().sum(0)
            self.mean = mean.float().to(self._device)
            self.deviation = (squares / (count - 1)).sqrt().float().clamp(min=1e-6).to(self._device)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def device(self) -> torch.device:
        """Where blocks are."""
        return self._device

    def part(self, rows: Tensor) -> Standardised:
        """Some of the rows, bool (N,), scaled as all of them are."""
        part = object.__new__(Standardised)
        chosen = rows.cpu().numpy()
        part._values, part._device, part._rows = self._values, self._device, self._rows[chosen]
        part._kept = None if self._kept is None else self._kept[rows.to(self._device)]
        part.mean, part.deviation = self.mean, self.deviation
        return part

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Rows in order, and their features, float32 (n, D)."""
        if self._kept is not None:
            yield slice(0, len(self._kept)), self._kept
            return
        start = 0
        for rows in self._blocks():
            yield slice(start, start + len(rows)), (self._read(rows) - self.mean) / self.deviation
            start += len(rows)

    def _blocks(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self._rows), AT_ONCE):
            yield self._rows[start : start + AT_ONCE]

    def _read(self, rows: np.ndarray) -> Tensor:
        if isinstance(self._values, Tensor):
            whole = len(rows) == len(self._values)
            return (self._values if whole else self._values[torch.from_numpy(rows)]).to(self._device).float()
        return torch.from_numpy(np.asarray(self._values[rows], dtype=np.float32)).to(self._device)


class Coefficients(NamedTuple):
    """Weight float (K, D) and bias float (K,) of a classifier."""

    weight: Tensor
    bias: Tensor


def minimise(
    features: Tensor | Standardised,
    labels: Tensor,
    classes: int,
    penalty: float,
    start: Coefficients | None = None,
    iterations: int = 500,
    tolerance: float = 1e-6,
) -> Coefficients:
    """Minimise mean cross-entropy + penalty * |W|^2 with L-BFGS; the bias is not penalised.

    Args:
        features: float (N, D), standardised; or such rows in blocks, whose gradients are added.
        labels: int64 (N,).
        classes: K.
        penalty: See above. In scikit-learn's LogisticRegression it is C = 1 / (2 N penalty).
        start: Weight and bias to begin with; zeros if None.
        iterations: At most so many.
        tolerance: Largest entry of the gradient at which the minimum counts as reached.
    """
    zeros = features.new_zeros if isinstance(features, Tensor) else features.mean.new_zeros
    width = features.shape[1] if isinstance(features, Tensor) else len(features.mean)
    weight = zeros((classes, width)) if start is None else start.weight.clone()
    bias = zeros(classes) if start is None else start.bias.clone()
    weight.requires_grad_(), bias.requires_grad_()
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=iterations, history_size=20, tolerance_grad=tolerance, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        solver.zero_grad()
        loss = zeros(())
        for rows, block in features.blocks() if isinstance(features, Standardised) else [(slice(None), features)]:
            own = F.cross_entropy(block @ weight.T + bias, labels[rows]) * (len(block) / len(features))
            own.backward()
            loss += own.detach()
        shrinking = penalty * weight.square().sum()
        shrinking.backward()
        return loss + shrinking.detach()

    solver.step(closure)
    return Coefficients(weight.detach(), bias.detach())


def accuracy(fitted: Coefficients, features: Standardised, labels: Tensor) -> float:
    """Share of rows whose class (N,) has the largest logit."""
    hits = [
        ((block @ fitted.weight.T + fitted.bias).argmax(1) == labels[rows]).float().sum()
        for rows, block in features.blocks()
    ]
    return float(torch.stack(hits).cpu().double().sum() / len(features))


class Fitted(NamedTuple):
    """A classifier for raw features, the penalty chosen for it, and its accuracy before and after it saw all rows."""

    raw: Coefficients
    penalty: float
    validation: float
    training: float


def fit_validated(
    features: Tensor | np.ndarray,
    labels: Tensor,
    classes: int,
    penalties: Sequence[float],
    held: Tensor,
    warm: bool = False,
    iterations: int = 500,
    tolerance: float = 1e-6,
    progress: Callable[[int, int], None] | None = None,
    device: torch.device | None = None,
) -> Fitted:
    """Fit a linear classifier: the penalty is chosen on some of the rows, then it is fitted on all.

    Features are standardised for the fit, and the scaling is folded into the weights.

    Args:
        features: float (N, D); an array may be mapped from a file and larger than memory.
        labels: int64 (N,).
        classes: K.
        penalties: Tried in this order; of those with the most hits the first is chosen.
        held: bool (N,), rows to choose on.
        warm: Start each fit where the last one ended, and the final one where that of its penalty did.
        iterations: See `minimise`.
        tolerance: See `minimise`.
        progress: Called with (fits done, fits in all).
        device: Where it is fitted; see `Standardised`.
    """
    scaled = Standardised(features, device)
    labels = labels.to(scaled.device)
    few, few_labels, chosen_on = scaled.part(~held), labels[~held.to(labels.device)], scaled.part(held)
    best, start, best_start = (-1.0, 0.0), None, None
    for done, penalty in enumerate(penalties, 1):
        fitted = minimise(few, few_labels, classes, penalty, start, iterations, tolerance)
        start = fitted if warm else None
        value = accuracy(fitted, chosen_on, labels[held.to(labels.device)])
        if value > best[0]:
            best, best_start = (value, penalty), start
        if progress is not None:
            progress(done, len(penalties) + 1)
    validation, penalty = best
    fitted = minimise(scaled, labels, classes, penalty, best_start, iterations, tolerance)
    if progress is not None:
        progress(len(penalties) + 1, len(penalties) + 1)
    weight = fitted.weight / scaled.deviation
    raw = Coefficients(weight, fitted.bias - weight @ scaled.mean)
    return Fitted(raw, penalty, validation, accuracy(fitted, scaled, labels))


NEIGHBOURS = 20
TEMPERATURE = 0.07
"""Of the vote in DINO's evaluation (Caron et al. 2021), after Wu et al. 2018."""


def neighbour_votes(
    bank: Tensor | np.ndarray,
    labels: Tensor,
    queries: Tensor,
    classes: int,
    k: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
    lengths: bool = False,
) -> Tensor:
    """How the k nearest neighbours vote, each for its class with weight ``exp(cos / temperature)``.

    Args:
        bank: float (M, D) features with known classes; see `nearest`.
        labels: Integers (M,), from 0.
        queries: float (N, D), of any length.
        classes: K.
        k: How many vote; all if there are fewer.
        temperature: Positive.
        lengths: See `nearest`.

    Returns:
        float32 (N, K), in which the nearest neighbour has weight 1.
    """
    near, which = nearest(bank, queries, k, lengths)
    weight = ((near - near[:, :1]) / temperature).exp()
    votes = torch.zeros(len(queries), classes, device=queries.device)
    return votes.scatter_add(1, labels[which.to(labels.device)].long().to(queries.device), weight)


def nearest(bank: Tensor | np.ndarray, queries: Tensor, k: int, lengths: bool = False) -> tuple[Tensor, Tensor]:
    """The nearest neighbours by cosine, exactly; the bank is read in blocks.

    Args:
        bank: float (M, D); an array may be mapped from a file.
        queries: float (N, D), of any length.
        k: How many; all if there are fewer.
        lengths: Whether the bank's rows are of any length, too; else their length is 1.

    Returns:
        Cosines, float32 (N, k), from the largest, and the rows of the bank, int64 (N, k).
    """
    # The similarities that determine the neighbours are too close to each other for autocast's precision.
    with torch.autocast(queries.device.type, enabled=False):
        own = F.normalize(queries.float(), dim=1)
        count = min(k, len(bank))
        near, which = own.new_empty((len(own), 0)), torch.empty((len(own), 0), dtype=torch.int64, device=own.device)
        for start in range(0, max(1, len(bank)), AT_ONCE):
            block = bank[start : start + AT_ONCE]
            rows = block if isinstance(block, Tensor) else torch.from_numpy(np.asarray(block, dtype=np.float32))
            rows = rows.to(own.device).float()
            similar = own @ (F.normalize(rows, dim=1) if lengths else rows).T
            best, where = similar.topk(min(count, len(rows)), dim=1)
            near, which = torch.cat([near, best], 1), torch.cat([which, where + start], 1)
            near, kept = near.topk(min(count, near.shape[1]), dim=1) if start else (near, None)
            which = which if kept is None else which.gather(1, kept)
    return near, which
