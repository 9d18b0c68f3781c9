"""How well a score tells images of known classes from images of unseen ones: AUROC, AUPR, false alarms at 95 %.

Definitions are those of OpenOOD v1.5 (Zhang et al. 2023, arXiv 2306.09301), for a score that is higher on known
classes. Equal scores are one threshold, so a pair of equal scores counts one half in AUROC. Stored confidences above
one half keep 12 bits of their distance to 1, so near 1 several images of a strong model may have the same.
"""

from __future__ import annotations

import numba
import numpy as np

NUMBERS = ("auroc", "fpr95", "fpr95_known", "aupr_unseen", "aupr_known")
"""What `detection` gives, in its order.

``fpr95`` is OpenOOD v1.5's: of the known images, the share that is taken for unseen where 95 % of the unseen are
found. ``fpr95_known`` is that of older papers: of the unseen images, the share that is taken for known where 95 % of
the known are accepted. They are different numbers of one model.
"""

_RATE = 0.95 - 1e-9


def detection(score: np.ndarray, known: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """All numbers for resamples of images.

    Args:
        score: float (n,), higher for what is known.
        known: (n,), 1 for an image of a known class, 0 for one of an unseen class.
        counts: uint8 (B, n), how often each image is in each resample.

    Returns:
        float64 (B, 5), in the order of `NUMBERS`, in [0, 1]; NaN where a resample lacks either kind of image, and
        everywhere if a score is not a number.
    """
    out = np.full((len(counts), len(NUMBERS)), np.nan)
    if not len(score) or np.isnan(score).any():
        return out
    order = np.argsort(score, kind="stable")
    values, member = np.asarray(score)[order], np.asarray(known)[order] > 0.5
    ends = np.flatnonzero(np.r_[values[1:] != values[:-1], True]) + 1
    for number, often in enumerate(counts):
        _numbers(often[order], member, ends, out[number])
    return out


@numba.njit(nogil=True, error_model="numpy", cache=True)
def _numbers(often: np.ndarray, member: np.ndarray, ends: np.ndarray, out: np.ndarray) -> None:
    """The numbers of one resample, written into ``out``.

    Args:
        often: uint8 (n,), how often each image is drawn, in ascending order of the scores.
        member: bool (n,), whether its class is known.
        ends: int64 (groups,), where each group of equal scores ends.
        out: float64 (5,).
    """
    groups = len(ends)
    seen, other = np.zeros(groups), np.zeros(groups)
    at = 0
    for group in range(groups):
        while at < ends[group]:
            if member[at]:
                seen[group] += often[at]
            else:
                other[group] += often[at]
            at += 1
    all_seen, all_other = seen.sum(), other.sum()
    if all_seen == 0 or all_other == 0:
        return
    pairs, below = 0.0, 0.0
    for group in range(groups):
        pairs += seen[group] * (below + other[group] / 2)
        below += other[group]
    out[0] = pairs / (all_seen * all_other)
    # Taken for unseen: every image up to a score. Taken for known: every image from a score on.
    out[1], out[3] = _curve(other, seen, all_other, all_seen)
    out[2], out[4] = _curve(seen[::-1], other[::-1], all_seen, all_other)


@numba.njit(nogil=True, error_model="numpy", cache=True)
def _curve(positive: np.ndarray, negative: np.ndarray, positives: float, negatives: float) -> tuple[float, float]:
    """Rate of false alarms at the first threshold with enough hits, and area under precision over recall.

    The area is made of trapezoids, from precision 1 at recall 0.
    """
    hits, alarms, area, last, rate = 0.0, 0.0, 0.0, 1.0, -1.0
    for group in range(len(positive)):
        gained = positive[group]
        hits += gained
        alarms += negative[group]
        if hits + alarms == 0:
            continue
        precision = hits / (hits + alarms)
        area += gained / positives * (precision + last) / 2
        last = precision
        if rate < 0 and hits >= _RATE * positives:
            rate = alarms / negatives
    return rate, area
