"""Stability in a perturbation sequence: flips and top-5 distance (Hendrycks & Dietterich, ICLR 2019, ImageNet-P)."""

from __future__ import annotations

import numpy as np

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
