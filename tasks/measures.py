"""Measures as pure functions: shape bias, corruption errors, calibration, groups of frames, stability."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

# Shape bias on cue-conflict images (Geirhos et al., ICLR 2019).


def cue_hits(decisions: np.ndarray, shapes: np.ndarray, textures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which decisions follow which cue.

    Args:
        decisions: int (n,), the class decided for.
        shapes: int (n,), the class whose shape is shown.
        textures: int (n,), the class whose texture is shown.

    Returns:
        Two bool (n,): decisions for the shape, and for the texture. Images without conflict (same class for both) count
        for neither, as in model-vs-human.
    """
    conflict = shapes != textures
    return (decisions == shapes) & conflict, (decisions == textures) & conflict


def shape_bias(shape: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """Share of shape decisions among the decisions for either cue, pooled over trials.

    Args:
        shape: Number (or mean) of shape decisions, any shape.
        texture: Number (or mean) of texture decisions, same shape.

    Returns:
        In [0, 1]; NaN where neither cue was ever followed.
    """
    shape, texture = np.asarray(shape, dtype=np.float64), np.asarray(texture, dtype=np.float64)
    total = shape + texture
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, shape / total, np.nan)


# Corruption errors, as pure functions of error rates.


def corruption_error(errors: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """CE of each corruption: errors summed over severities / the reference's (Hendrycks & Dietterich 2019, eq. 1).

    Args:
        errors: (..., corruptions, severities), error rates in [0, 1].
        reference: Error rates of the reference model, broadcastable to the same shape.

    Returns:
        (..., corruptions); 1 if the model errs as often as the reference, lower is better; NaN if the reference never
        errs.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = errors.sum(axis=-1) / reference.sum(axis=-1)
    return np.where(np.isfinite(ratio), ratio, np.nan)


def relative_corruption_error(
    errors: np.ndarray, clean: np.ndarray, reference: np.ndarray, reference_clean: np.ndarray
) -> np.ndarray:
    """Relative CE: the increase of error relative to clean images / the reference's increase.

    Args:
        errors: (..., corruptions, severities).
        clean: (...,), clean error rate.
        reference: The reference model's errors.
        reference_clean: The reference model's clean error rate.

    Returns:
        (..., corruptions); NaN if the reference's error does not increase.
    """
    rise = (errors - clean[..., None, None]).sum(axis=-1)
    expected = (reference - reference_clean[..., None, None]).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(expected > 0, rise / expected, np.nan)
    return ratio


# Calibration error and AURRA: how well confidence predicts accuracy (Hendrycks et al., CVPR 2021, ImageNet-A).


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


def resampled(confidence: np.ndarray, correct: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Both numbers for resamples of the predictions: predictions are sorted once, and many resamples go together.

    Every number is the same to the last bit as that of `rms_calibration_error` or `aurra` on the resample alone: the
    sums have the same terms in the same order.

    Args:
        confidence: float (n,).
        correct: (n,), 1 if the prediction is right, else 0.
        counts: int (B, n), how often each prediction is in each resample; no resample is empty.

    Returns:
        float64 (B, 2): `rms_calibration_error` with its defaults, and `aurra`.
    """
    ranking = rank(confidence)
    hits = np.asarray(correct, np.float64)[ranking.order]
    sizes = counts.sum(axis=1, dtype=np.int64)
    out = np.empty((len(counts), 2))
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
    """Both numbers of resamples with n predictions each; ``hits`` and the columns of ``often`` are in rank order."""
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
    return np.column_stack([calibration, accuracy.mean(axis=1)])


# Metrics of groups: videos around an anchor frame (pm-k), and sets of accepted classes.


def pm_k(anchors: np.ndarray, members: Sequence[np.ndarray], correct: np.ndarray) -> np.ndarray:
    """Which anchors are right together with all their neighbours (Shankar et al., ICCV 2021, pm-k).

    Args:
        anchors: int (groups,), position of each anchor.
        members: For each anchor the positions of its neighbours within k frames, int (m,); possibly none.
        correct: (n,), 1 if the prediction is right, else 0.

    Returns:
        float32 (groups,), 1 or 0; their mean is pm-k. Without neighbours it is pm-0, plain accuracy on anchors.
    """
    right = correct > 0
    worst = [right[anchor] and right[near].all() for anchor, near in zip(anchors, members, strict=True)]
    return np.array(worst, dtype=np.float32)


def accepted_correct(decisions: np.ndarray, accepted: Sequence[Collection[int]]) -> np.ndarray:
    """Which predictions are among the classes that annotators accept (Beyer et al. 2020, ReaL).

    Args:
        decisions: int (n,), predicted classes.
        accepted: For each image the classes that count as right, at least one.

    Returns:
        float32 (n,), 1 or 0.
    """
    return np.array([int(d) in classes for d, classes in zip(decisions, accepted, strict=True)], dtype=np.float32)


def top_k_correct(top: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which labels are among the k best classes.

    Args:
        top: int (n, k), classes best first; -1 if a class is unknown.
        labels: int (n,).

    Returns:
        float32 (n,), 1 or 0; NaN if fewer than k classes are known.
    """
    hits = (top == labels[:, None]).any(axis=1).astype(np.float32)
    return np.where((top < 0).any(axis=1), np.float32(np.nan), hits)


# Stability in a perturbation sequence: flips and top-5 distance (Hendrycks & Dietterich, ICLR 2019, ImageNet-P).


TOP = 5


def against_first(perturbation: str) -> bool:
    """Whether frames are compared with the first one (noise, whose frames are unordered) rather than the previous."""
    return "noise" in perturbation


def frame_pairs(lengths: np.ndarray, first: bool, step: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of frames to compare.

    Args:
        lengths: int (sequences,), number of frames in each sequence; the sequences are concatenated.
        first: Compare with the first frame of the sequence; the step is then 1.
        step: Distance of the two frames (the benchmark's difficulty, 1 to 3).

    Returns:
        Three int64 (pairs,): the earlier frame, the later one, and their sequence.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    sequence = np.repeat(np.arange(len(lengths)), lengths)
    within = np.arange(len(sequence)) - starts[sequence]
    step = 1 if first else step
    later = np.flatnonzero(within >= step)
    earlier = starts[sequence[later]] if first else later - step
    return earlier, later, sequence[later]


def _by_sequence(values: np.ndarray, sequence: np.ndarray, count: int) -> np.ndarray:
    pairs = np.bincount(sequence, minlength=count)
    total = np.bincount(sequence, weights=values, minlength=count)
    return np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)


def flip_probability(decisions: np.ndarray, lengths: np.ndarray, first: bool, step: int = 1) -> np.ndarray:
    """Share of compared pairs with different top-1 classes in each sequence; their mean is the flip probability.

    Args:
        decisions: int (frames,), top-1 classes of the concatenated sequences.
        lengths: int (sequences,), number of frames in each sequence.
        first: As in `frame_pairs`.
        step: As in `frame_pairs`.

    Returns:
        float64 (sequences,), in [0, 1]; NaN for a sequence without pairs.
    """
    earlier, later, sequence = frame_pairs(lengths, first, step)
    return _by_sequence(decisions[earlier] != decisions[later], sequence, len(lengths))


def top5_distance(top: np.ndarray, lengths: np.ndarray, first: bool, step: int = 1) -> np.ndarray:
    """Mean distance of the five best classes of compared frames, for each sequence.

    The distance of two frames is the number of places that the five best classes of the earlier one moved, added up;
    every place below the fifth counts as the sixth. It is 0 for the same order and 15 for five other classes.

    Args:
        top: int (frames, 5), classes best first; -1 if a class is unknown.
        lengths: int (sequences,), number of frames in each sequence.
        first: As in `frame_pairs`.
        step: As in `frame_pairs`.

    Returns:
        float64 (sequences,), in [0, 15]; NaN for a sequence without pairs or with an unknown class.
    """
    earlier, later, sequence = frame_pairs(lengths, first, step)
    places = np.arange(TOP)
    distance = np.zeros(len(earlier))
    for place in places:
        matches = top[earlier, place][:, None] == top[later]
        new_place = np.where(matches.any(axis=1), matches.argmax(axis=1), TOP)
        distance += np.abs(new_place - place)
    unknown = (top[earlier] < 0).any(axis=1) | (top[later] < 0).any(axis=1)
    distance[unknown] = np.nan
    return _by_sequence(distance, sequence, len(lengths))


def mean_rate(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Mean over perturbations of value / reference value: mFR of flip probabilities, mT5D of top-5 distances.

    Args:
        values: (..., perturbations).
        reference: Values of the reference model, with a broadcastable shape.

    Returns:
        (...,); 1 if the model is as unstable as the reference; NaN if the reference never changes.
    """
    return rates(values, reference).mean(axis=-1)


def rates(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Values divided by the reference's, for each perturbation; NaN where the reference is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(reference > 0, values / reference, np.nan)
