"""The measures of DAVIS: how well a mask agrees with the true one, frame by frame and over a video.

J and F are those of Perazzi et al., CVPR 2016, their recall and decay likewise, computed as in the official evaluation
of DAVIS 2017 (Pont-Tuset et al.). The quarters of the decay are not cut off at 256 frames, which they are there.
"""

from __future__ import annotations

import numpy as np

BOUNDARY_TOLERANCE = 0.008
"""Of the diagonal of the frame: how far apart boundaries may be and still agree."""

RECALLED = 0.5
"""A frame counts as recalled above this value."""


def region_similarity(mask: np.ndarray, truth: np.ndarray) -> float:
    """J of DAVIS: intersection over union, 0..1; 1 where both are empty.

    Args:
        mask: bool (H, W).
        truth: bool (H, W).
    """
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def boundary_accuracy(mask: np.ndarray, truth: np.ndarray) -> float:
    """F of DAVIS: harmonic mean of precision and recall of the boundary's pixels, 0..1.

    A pixel of one boundary counts where the other has one within a disk of `BOUNDARY_TOLERANCE`, rounded up to whole
    pixels; where both masks have no boundary F is 1, where one has none it is 0.

    Args:
        mask: bool (H, W).
        truth: bool (H, W).
    """
    from scipy.spatial import cKDTree

    tolerance = np.ceil(BOUNDARY_TOLERANCE * np.hypot(*truth.shape))
    ours, theirs = (np.argwhere(boundary(one)) for one in (mask, truth))
    if not len(ours) or not len(theirs):
        return float(len(ours) == len(theirs))
    # Pixels are few and distances between them are roots of whole numbers: nothing is between the bound and the next.
    bound = tolerance + 1e-3 / tolerance
    precision = np.isfinite(cKDTree(theirs).query(ours, distance_upper_bound=bound)[0]).mean()
    recall = np.isfinite(cKDTree(ours).query(theirs, distance_upper_bound=bound)[0]).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels whose right, lower or lower right neighbour is on the other side, bool (H, W).

    Args:
        mask: bool (H, W).
    """
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    here = padded[:-1, :-1]
    edge: np.ndarray = (here != padded[:-1, 1:]) | (here != padded[1:, :-1]) | (here != padded[1:, 1:])
    return edge


def summary(values: np.ndarray) -> tuple[float, float, float]:
    """Mean, recall and decay of an object's J or F over the frames of a video.

    The recall is the share of frames above `RECALLED`, the decay the mean of the first quarter minus that of the last;
    quarters share the frame between them.

    Args:
        values: float (frames,), of every frame but the first and the last; at least one.
    """
    ends = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(np.int64) - 1
    first, last = values[ends[0] : ends[1] + 1], values[ends[3] : ends[4] + 1]
    return float(values.mean()), float((values > RECALLED).mean()), float(first.mean() - last.mean())
