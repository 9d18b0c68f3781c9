"""How well a score tells images of known classes from images of unseen ones: AUROC, AUPR, false alarms at 95 %.

Definitions are those of OpenOOD v1.5 (Zhang et al. 2023, arXiv 2306.09301), for a score that is higher on known
classes. Equal scores are one threshold, so a pair of equal scores counts one half in AUROC. Stored confidences above
one half keep 12 bits of their distance to 1, so near 1 several images of a strong model may have the same.
"""

from __future__ import annotations

import numpy as np

NUMBERS = ("auroc", "fpr95", "fpr95_known", "aupr_unseen", "aupr_known")
"""What `detection` gives, in its order.

``fpr95`` is OpenOOD v1.5's: of the known images, the share that is taken for unseen where 95 % of the unseen are
found. ``fpr95_known`` is that of older papers: of the unseen images, the share that is taken for known where 95 % of
the known are accepted. They are different numbers of one model.
"""

_RATE = 0.95
_PIECE = 4_000_000  # counts that are handled at a time


def detection(score: np.ndarray, known: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """All numbers for resamples of images.

    Args:
        score: float (n,), higher for what is known.
        known: (n,), 1 for an image of a known class, 0 for one of an unseen class.
        counts: int (B, n), how often each image is in each resample.

    Returns:
        float64 (B, 5), in the order of `NUMBERS`, in [0, 1]; NaN where a resample lacks either kind of image, and
        everywhere if a score is not a number.
    """
    out = np.full((len(counts), len(NUMBERS)), np.nan)
    if not len(score) or np.isnan(score).any():
        return out
    order = np.argsort(score, kind="stable")
    values, member = np.asarray(score)[order], np.asarray(known)[order] > 0.5
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    piece = max(1, _PIECE // len(score))
    for start in range(0, len(counts), piece):
        part = counts[start : start + piece][:, order].astype(np.int32)
        seen = np.add.reduceat(part * member, starts, axis=1).astype(np.float64)
        other = np.add.reduceat(part * ~member, starts, axis=1).astype(np.float64)
        out[start : start + len(part)] = _numbers(seen, other)
    return out


def _numbers(seen: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The numbers from how many known and unseen images have each score, (B, scores) in ascending order."""
    all_seen, all_other = seen.sum(axis=1), other.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.cumsum(other, axis=1) - other
        auroc = (seen * (below + other / 2)).sum(axis=1) / (all_seen * all_other)
        # Taken for unseen: every image up to a score. Taken for known: every image from a score on.
        up = np.cumsum(other, axis=1) / all_other[:, None], np.cumsum(seen, axis=1) / all_seen[:, None]
        down = _reversed_sums(seen) / all_seen[:, None], _reversed_sums(other) / all_other[:, None]
        columns = [auroc, _at_rate(*up), _at_rate(*down), _area(other, seen), _area(seen[:, ::-1], other[:, ::-1])]
    values = np.stack(columns, axis=1)
    values[(all_seen == 0) | (all_other == 0)] = np.nan
    return values


def _reversed_sums(counts: np.ndarray) -> np.ndarray:
    return np.cumsum(counts[:, ::-1], axis=1)


def _at_rate(hits: np.ndarray, alarms: np.ndarray) -> np.ndarray:
    """The rate of false alarms at the first threshold with enough hits, both (B, scores) in the order of thresholds."""
    first = (hits >= _RATE - 1e-12).argmax(axis=1)
    return np.take_along_axis(alarms, first[:, None], axis=1)[:, 0]


def _area(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Area under precision over recall by trapezoids, from precision 1 at recall 0, in the order of thresholds."""
    hits, alarms = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
    total = hits + alarms
    precision = np.where(total > 0, hits / np.maximum(total, 1), 1.0)
    recall = hits / hits[:, -1:]
    one, zero = np.ones((len(hits), 1)), np.zeros((len(hits), 1))
    precision, recall = np.hstack([one, precision]), np.hstack([zero, recall])
    return (np.diff(recall, axis=1) * (precision[:, 1:] + precision[:, :-1]) / 2).sum(axis=1)
