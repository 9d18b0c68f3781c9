"""Bring all depth maps to one scale, whatever their unit.

The published constants are for depth maps of one network, scaled to [0, 0.5] by hand. Here the scale is taken from the
map itself: pixels nearer than its *reference depth* make up half of the image's total disparity (1 / depth). That is a
typical depth of near objects: sky and far background hardly count, however far away and large they are, and a few wrong
pixels do not change it. It needs no unit, so that metres, millimetres and the output of a network with an unknown
factor give the same picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....errors import DataError

FARTHEST = 5.0
"""Larger depths, including infinite ones, count as this many reference depths."""

_TINY = np.float32(1e-30)  # smaller ones would have an infinite disparity


def relative_depth(depth: NDArray[np.floating], image_id: str) -> NDArray[np.float32]:
    """Depth in units of the image's reference depth, clipped at `FARTHEST`.

    Args:
        depth: Float ``(H, W)``, positive, in any unit; infinite in the sky.
        image_id: For error messages.

    Returns:
        float32 ``(H, W)`` in (0, 5]. A map that is infinite everywhere is 5 everywhere.

    Raises:
        DataError: The map has NaN, zero or negative values.
    """
    with np.errstate(over="ignore"):
        metric = np.ascontiguousarray(depth, dtype=np.float32)
    good = metric > 0  # also False for NaN
    if not good.all():
        missing, unset = int(np.isnan(metric).sum()), int((metric == 0).sum())
        negative = metric.size - int(good.sum()) - missing - unset
        raise DataError(
            f"The depth map of image {image_id!r} is not positive everywhere: {missing} NaN, {unset} zero and "
            f"{negative} negative of {metric.size} pixels. Fill holes, and mark the sky as infinite (numpy.inf)."
        )
    disparity = np.float32(1) / np.maximum(metric, _TINY)
    ordered = np.sort(disparity, axis=None)[::-1]
    total = np.cumsum(ordered, dtype=np.float64)
    if total[-1] == 0:
        return np.full(metric.shape, FARTHEST, np.float32)
    reference = ordered[np.searchsorted(total, 0.5 * total[-1])]
    relative = np.minimum(metric, np.float32(3e38)) * np.float64(reference)  # in float64: a product may overflow
    return np.clip(relative, 1e-6, FARTHEST).astype(np.float32)
