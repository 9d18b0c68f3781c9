"""Measures as pure functions: shape bias, corruption errors, groups of frames, worst classes, stability."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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


# The classes that a model knows worst (Idrissi et al., ICLR 2023, ImageNet-X).


WORST = 10
"""One class in so many is among the worst, rounded up: 100 of ImageNet's 1,000."""


def worst_classes(correct: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean accuracy of the tenth of the classes with the lowest accuracy, in each of many resamples.

    Args:
        correct: (n,), 1 if the prediction is right, else 0.
        labels: int (n,).
        counts: int (B, n), how often each image is in each resample.

    Returns:
        float64 (B,), in [0, 1]; NaN without images. Classes without an image in a resample are not among its classes.
    """
    if not len(labels):
        return np.full(len(counts), np.nan)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(labels[order]) != 0])
    often = counts[:, order].astype(np.int32)
    size = np.add.reduceat(often, starts, axis=1)
    hits = np.add.reduceat(often * (correct[order] > 0.5), starts, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        accuracy = np.sort(np.where(size > 0, hits / size, np.inf), axis=1)  # absent classes last
    worst = -(-(size > 0).sum(axis=1) // WORST)
    summed = np.cumsum(np.where(np.isfinite(accuracy), accuracy, 0.0), axis=1)
    return np.asarray(summed[np.arange(len(summed)), worst - 1] / worst)


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
