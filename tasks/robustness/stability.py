"""Stability along a perturbation sequence: flips and top-5 distance (Hendrycks & Dietterich, ICLR 2019, ImageNet-P)."""

from __future__ import annotations

import numpy as np

TOP = 5


def against_first(perturbation: str) -> bool:
    """Whether frames are compared with the first one (noise, whose frames do not follow each other) or the previous."""
    return "noise" in perturbation


def frame_pairs(lengths: np.ndarray, first: bool, step: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which frames are compared with which.

    Args:
        lengths: int (sequences,), frames in each; frames of all sequences lie behind one another.
        first: Compare with the first frame of the sequence; the step is then 1.
        step: Frames between the two (the benchmark's difficulty, 1 to 3).

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
    """Share of compared frames with another top-1 class, for each sequence; their mean is the flip probability.

    Args:
        decisions: int (frames,), top-1 classes, sequences behind one another.
        lengths: int (sequences,), frames in each.
        first: As in `frame_pairs`.
        step: As in `frame_pairs`.

    Returns:
        float64 (sequences,), in [0, 1]; NaN where nothing can be compared.
    """
    earlier, later, sequence = frame_pairs(lengths, first, step)
    return _by_sequence(decisions[earlier] != decisions[later], sequence, len(lengths))


def top5_distance(top: np.ndarray, lengths: np.ndarray, first: bool, step: int = 1) -> np.ndarray:
    """Mean distance of the five best classes of compared frames, for each sequence.

    The distance of two frames adds up, over the five best classes of the earlier one, by how many places they moved;
    everything behind place five counts as place six. It is 0 for the same order and 15 for five other classes.

    Args:
        top: int (frames, 5), classes best first; -1 where a class is not known.
        lengths: int (sequences,), frames in each.
        first: As in `frame_pairs`.
        step: As in `frame_pairs`.

    Returns:
        float64 (sequences,), in [0, 15]; NaN where nothing can be compared or a class is not known.
    """
    earlier, later, sequence = frame_pairs(lengths, first, step)
    places = np.arange(TOP)
    distance = np.zeros(len(earlier))
    for place in places:
        same = top[earlier, place][:, None] == top[later]
        found = np.where(same.any(axis=1), same.argmax(axis=1), TOP)
        distance += np.abs(found - place)
    unknown = (top[earlier] < 0).any(axis=1) | (top[later] < 0).any(axis=1)
    distance[unknown] = np.nan
    return _by_sequence(distance, sequence, len(lengths))


def mean_rate(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Mean over perturbations of a value over the reference's: mFR of flip probabilities, mT5D of top-5 distances.

    Args:
        values: (..., perturbations).
        reference: The reference model's, of a broadcastable shape.

    Returns:
        (...,); 1 where the model is as unstable as the reference; NaN where the reference never changes its mind.
    """
    return rates(values, reference).mean(axis=-1)


def rates(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Values over the reference's, perturbation by perturbation; NaN where the reference has zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(reference > 0, values / reference, np.nan)
