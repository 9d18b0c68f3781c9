"""What confidences are worth: calibration, and answering only where a model is sure (selective classification)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..results.statistics import wilson

# Expected calibration error, in bins of equal width (Guo et al., ICML 2017).


ECE_BINS = 15
"""Bins between 0 and 1, as in most papers since Guo et al."""


def bin_of(confidence: np.ndarray, bins: int = ECE_BINS) -> np.ndarray:
    """The bin of each confidence: bin b holds those above b / bins, up to and with (b + 1) / bins.

    Args:
        confidence: float (n,), in [0, 1], without NaN.
        bins: Their number.

    Returns:
        int64 (n,), in [0, bins).
    """
    return np.clip(np.ceil(np.asarray(confidence, np.float64) * bins).astype(np.int64) - 1, 0, bins - 1)


def bin_gaps(confidence: np.ndarray, correct: np.ndarray, bins: int = ECE_BINS) -> np.ndarray:
    """Confidence minus correctness of every prediction in the column of its bin, 0 elsewhere.

    The expected calibration error is the sum of the absolute values of the columns' means.

    Args:
        confidence: float (n,), in [0, 1]; NaN gives NaN in every column.
        correct: (n,), 1 if the prediction is right, else 0.
        bins: Their number.

    Returns:
        float64 (n, bins).
    """
    confidence = np.asarray(confidence, np.float64)
    known = np.isfinite(confidence)
    gaps = np.zeros((len(confidence), bins))
    gaps[~known] = np.nan
    rows = np.flatnonzero(known)
    gaps[rows, bin_of(confidence[rows], bins)] = confidence[rows] - np.asarray(correct, np.float64)[rows]
    return gaps


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = ECE_BINS) -> float:
    """Mean absolute gap between confidence and accuracy over bins of equal width, weighted by their predictions.

    Args:
        confidence: float (n,), probability of the predicted class, in [0, 1].
        correct: (n,), 1 if the prediction is right, else 0.
        bins: Their number.

    Returns:
        In [0, 1]; NaN without predictions. Of few predictions it is too high: noise looks like miscalibration.
    """
    if not len(confidence):
        return math.nan
    return float(np.abs(bin_gaps(confidence, correct, bins).mean(axis=0)).sum())


# RMS calibration error and AURRA: how well confidence predicts accuracy (Hendrycks et al., CVPR 2021, ImageNet-A).


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


def _ranked(ranking: Ranking, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and correctness of each rank, least confident first.

    Equal confidences have no order, and since stored ones are rounded, many are equal near 1. Each rank in such a group
    gets the group's share of correct predictions, which is the mean over all orders.
    """
    size = np.diff(np.r_[ranking.starts, len(ranking.order)])
    share = np.add.reduceat(correct[ranking.order], ranking.starts) / size
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
    return _calibration(*_ranked(rank(confidence), np.asarray(correct, np.float64)), bin_size, bins)


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
    return _aurra(_ranked(rank(confidence), np.asarray(correct, np.float64))[1])


# Answering only where a model is sure (El-Yaniv & Wiener, JMLR 2010; Geifman & El-Yaniv, NeurIPS 2017).


COVERAGE = 80
"""Percent of the images that are answered where the error among them is given."""
RISK = 5
"""Percent of wrong answers that are allowed where the share of answered images is given."""


def selective_risk(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Error among the k most confident predictions, for every k.

    Its mean is the area under the risk-coverage curve (AURC), which is 1 - `aurra`. Equal confidences have no order:
    inside such a group the value is the mean over all orders.

    Args:
        confidence: float (n,).
        correct: (n,), 1 if the prediction is right, else 0.

    Returns:
        float64 (n,), the risk at coverages 1 / n, 2 / n, ..., 1.
    """
    share = _ranked(rank(confidence), np.asarray(correct, np.float64))[1][::-1]
    return np.asarray(1.0 - np.cumsum(share) / np.arange(1, len(share) + 1))


def answered(n: int, coverage: int = COVERAGE) -> int:
    """How many of n predictions are given at a coverage in percent, rounded up."""
    return -(-n * coverage // 100)


def coverage_at(risks: np.ndarray, risk: int = RISK) -> np.ndarray:
    """Largest share of images that can be answered with an error of at most ``risk`` percent.

    Args:
        risks: float64 (..., n), from `selective_risk`.
        risk: Percent.

    Returns:
        float64 (...), in [0, 1]; 0 where the most confident predictions err more often already.
    """
    allowed = risks <= risk / 100 + 1e-12
    last = risks.shape[-1] - np.argmax(allowed[..., ::-1], axis=-1)
    return np.asarray(np.where(allowed.any(axis=-1), last / risks.shape[-1], 0.0))


# The curves behind these numbers, as points with intervals.


Point = tuple[float, float, float, float, int]
"""Place, value, both ends of its 95 % interval, and predictions behind it."""

_PLACES = 50
"""Points of a risk-coverage curve."""


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int = ECE_BINS) -> list[Point]:
    """Accuracy of the predictions in each bin of confidence, at their mean confidence, with Wilson's interval.

    Args:
        confidence: float (n,), in [0, 1].
        correct: (n,), 1 if the prediction is right, else 0.
        bins: Their number; empty ones have no point.

    Returns:
        In ascending order; nothing where a confidence is missing.
    """
    if not np.isfinite(confidence).all():
        return []
    members = bin_of(confidence, bins)
    points = []
    for number in np.unique(members).tolist():
        inside = members == number
        right, n = int((correct[inside] > 0.5).sum()), int(inside.sum())
        points.append((float(confidence[inside].mean(dtype=np.float64)), right / n, *wilson(right, n), n))
    return points


def risk_by_coverage(confidence: np.ndarray, correct: np.ndarray, places: int = _PLACES) -> list[Point]:
    """`selective_risk` at equally spaced coverages, with Wilson's interval for the images that are answered there.

    Args:
        confidence: float (n,).
        correct: (n,), 1 if the prediction is right, else 0.
        places: Number of points, fewer where there are fewer predictions.

    Returns:
        In ascending order; nothing where a confidence is missing.
    """
    n = len(confidence)
    if not np.isfinite(confidence).all() or not n:
        return []
    risks = selective_risk(confidence, correct)
    points = []
    for k in dict.fromkeys(-(-n * place // places) for place in range(1, places + 1)):
        risk = float(risks[k - 1])
        points.append((k / n, risk, *wilson(round(risk * k), k), k))
    return points


# All of these for resamples of the predictions: sorted once, and many resamples together.


def resampled(confidence: np.ndarray, correct: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The numbers that depend on the order of confidences, for resamples of the predictions.

    Every number is the same to the last bit as that of its function on the resample alone: the sums have the same terms
    in the same order.

    Args:
        confidence: float (n,).
        correct: (n,), 1 if the prediction is right, else 0.
        counts: int (B, n), how often each prediction is in each resample; no resample is empty.

    Returns:
        float64 (B, 4): `rms_calibration_error` with its defaults, `aurra`, the `selective_risk` at `COVERAGE`, and
        `coverage_at` `RISK`.
    """
    ranking = rank(confidence)
    hits = np.asarray(correct, np.float64)[ranking.order]
    sizes = counts.sum(axis=1, dtype=np.int64)
    out = np.empty((len(counts), 4))
    for size in np.unique(sizes):  # resamples of one size form a matrix; those of a bootstrap all have the same size
        rows = np.flatnonzero(sizes == size)
        piece = max(1, _PIECE // max(int(size), counts.shape[1]))
        for start in range(0, len(rows), piece):
            chosen = rows[start : start + piece]
            out[chosen] = _resampled(ranking, hits, counts[np.ix_(chosen, ranking.order)], int(size))
    return out


_PIECE = 7_000  # predictions that are resampled at a time: larger arrays get fresh pages from the system each time
_FIELD = 32  # bits


def _resampled(ranking: Ranking, hits: np.ndarray, often: np.ndarray, n: int) -> np.ndarray:
    """The numbers of resamples with n predictions each; ``hits`` and the columns of ``often`` are in rank order."""
    if len(ranking.starts) < often.shape[1]:
        # How many predictions a group has, and how many of them are right, are summed in one number.
        both = np.add.reduceat(often * (1 + (hits.astype(np.int64) << _FIELD)), ranking.starts, axis=1)
        repeats, right = both & ((1 << _FIELD) - 1), both >> _FIELD
        share = right / np.maximum(repeats, 1)
    else:
        repeats, share = often.astype(np.int64), np.broadcast_to(hits, often.shape)
    # Gap and share of each rank lie side by side as one complex number: copying them is what takes the time.
    pairs = np.empty(share.shape, np.complex128)
    pairs.real = ranking.confidence - share
    pairs.imag = share
    ranks = np.repeat(pairs.ravel(), repeats.ravel()).reshape(-1, n)
    edges = np.arange(max(1, n // BIN_SIZE)) * BIN_SIZE
    members = np.diff(np.r_[edges, n])
    squares = (members / n * (np.add.reduceat(ranks.real, edges, axis=1) / members) ** 2)[:, :-1]
    calibration = np.sqrt(squares.sum(axis=1)) if squares.shape[1] else np.full(len(ranks), np.nan)
    accuracy = np.cumsum(ranks.imag[:, ::-1], axis=1)
    accuracy /= np.arange(1.0, n + 1)
    risks = 1.0 - accuracy
    return np.column_stack([calibration, accuracy.mean(axis=1), risks[:, answered(n) - 1], coverage_at(risks)])
