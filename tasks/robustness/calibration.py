"""Calibration error and AURRA: how well confidence predicts accuracy (Hendrycks et al., CVPR 2021, ImageNet-A)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

BIN_SIZE = 100

Bins = Literal["official", "all"]
"""``"official"`` leaves out the last bin, that of the most confident predictions, like the evaluation code of
ImageNet-A; ``"all"`` includes it. In both cases a bin is weighted by its share of all predictions. The default is
official, because published numbers of ImageNet-A and related sets were computed with it."""


@dataclass(frozen=True)
class Ranking:
    """Predictions sorted by confidence, in groups of equal confidence.

    Attributes:
        order: int64 (n,), positions of the predictions, least confident first.
        starts: int64 (groups,), where each group begins in that order.
        confidence: float64 (groups,), ascending.
    """

    order: np.ndarray
    starts: np.ndarray
    confidence: np.ndarray


def rank(confidence: np.ndarray) -> Ranking:
    """Sort predictions by confidence, float (n,), in [0, 1], without NaN."""
    order = np.argsort(confidence, kind="stable")
    values = np.asarray(confidence, dtype=np.float64)[order]
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]]) if len(values) else np.empty(0, np.int64)
    return Ranking(order, starts, values[starts])


def _ranked(ranking: Ranking, correct: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and correctness of each rank, least confident first; predictions may count several times.

    Equal confidences have no order, and since stored ones are rounded, many are equal near 1. Each rank in such a group
    gets the group's share of correct predictions, which is the mean over all orders.
    """
    hits = correct[ranking.order]
    often = np.ones(len(hits), np.int64) if weights is None else weights[ranking.order].astype(np.int64)
    size = np.add.reduceat(often, ranking.starts)
    right = np.add.reduceat(often * hits, ranking.starts)
    share = right / np.maximum(size, 1)
    return np.repeat(ranking.confidence, size), np.repeat(share, size)


def _calibration(confidence: np.ndarray, correct: np.ndarray, bin_size: int, bins: Bins) -> float:
    n = len(confidence)
    edges = np.arange(max(1, n // bin_size)) * bin_size  # the last bin takes the remainder
    sizes = np.diff(np.r_[edges, n])
    gaps = np.add.reduceat(confidence - correct, edges) / sizes
    squares = sizes / n * gaps**2
    if bins == "official":
        squares = squares[:-1]
    return math.sqrt(squares.sum()) if len(squares) else math.nan


def _aurra(correct: np.ndarray) -> float:
    ranks = np.arange(1, len(correct) + 1)
    return float((np.cumsum(correct[::-1]) / ranks).mean())


def rms_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, bin_size: int = BIN_SIZE, bins: Bins = "official"
) -> float:
    """Root mean square gap between confidence and accuracy, in bins with the same number of predictions.

    Args:
        confidence: float (n,), probability of the predicted class, in [0, 1].
        correct: (n,), 1 if the prediction is right, else 0.
        bin_size: Predictions per bin; the last bin takes the remainder.
        bins: See `Bins`.

    Returns:
        In [0, 1]; NaN if no bin is left (official: fewer than two bins).
    """
    if not len(confidence):
        return math.nan
    return _calibration(*_ranked(rank(confidence), np.asarray(correct, np.float64), None), bin_size, bins)


def aurra(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Area under the response rate accuracy curve: mean over k of the accuracy of the k most confident predictions.

    Args:
        confidence: float (n,).
        correct: (n,), 1 if the prediction is right, else 0.

    Returns:
        In [0, 1], higher is better; NaN without predictions.
    """
    if not len(confidence):
        return math.nan
    return _aurra(_ranked(rank(confidence), np.asarray(correct, np.float64), None)[1])


def resampled(confidence: np.ndarray, correct: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Both numbers for resamples of the predictions, in one pass: predictions are only sorted once.

    Args:
        confidence: float (n,).
        correct: (n,), 1 if the prediction is right, else 0.
        counts: int (B, n), how often each prediction is in each resample; no resample is empty.

    Returns:
        float64 (B, 2): `rms_calibration_error` with its defaults, and `aurra`.
    """
    ranking = rank(confidence)
    hits = np.asarray(correct, np.float64)
    out = np.empty((len(counts), 2))
    for row, weights in zip(out, counts, strict=True):
        trust, share = _ranked(ranking, hits, weights)
        row[:] = _calibration(trust, share, BIN_SIZE, "official"), _aurra(share)
    return out
