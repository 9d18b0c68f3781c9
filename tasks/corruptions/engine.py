"""From a batch of images to a batch of corrupted images, with depth on one scale where a corruption needs it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, unknown_name
from .draws import CounterDraws, generator
from .filters import Pixels, round_trip
from .imagenet_c.parameters import SEVERITIES, SMALLEST_SIDE, VARIANTS
from .record import Corruption
from .registry import find

# Bring all depth maps to one scale, whatever their unit.
#
# The published constants are for depth maps of one network, scaled to [0, 0.5] by hand. Here the scale is taken from
# the map itself: pixels nearer than its *reference depth* make up half of the image's total disparity (1 / depth).
# That is a typical depth of near objects: sky and far background hardly count, however far away and large they are,
# and a few wrong pixels do not change it. It needs no unit, so that metres, millimetres and the output of a network
# with an unknown factor give the same picture.


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


# Corrupt a batch of images.


PUBLISHED_QUALITY = 85


def check(images: object, severity: object, variant: str, corruption: Corruption) -> None:
    """Validate the arguments of a kernel.

    Args:
        images: Must be uint8 ``(N, H, W, 3)``, both sides at least `SMALLEST_SIDE`.
        severity: Must be one of `SEVERITIES`.
        variant: Must be one of the collection's variants.
        corruption: The corruption to apply.

    Raises:
        UnknownNameError: There is no such variant.
        ValueError: The images or the severity are invalid, or the collection lacks the variant.
    """
    if severity not in SEVERITIES:
        raise ValueError(f"severity must be one of {SEVERITIES}, not {severity!r}")
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        raise ValueError(f"images must be a uint8 array, not {getattr(images, 'dtype', type(images).__name__)}")
    if images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"images must have the shape (N, H, W, 3), not {images.shape}")
    height, width = images.shape[1:3]
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(f"images must be at least {SMALLEST_SIDE} pixels high and wide, not {height}x{width}")
    if variant not in VARIANTS:
        raise unknown_name("variant of the corruptions", variant, VARIANTS)
    if variant not in corruption.collection.variants:
        raise ValueError(f"{corruption.collection.name} only has the variant 'raw', not {variant!r}")


def finish(image: Pixels, variant: str) -> Pixels:
    """Apply the last step of a variant: the published images were saved as JPEG."""
    return round_trip(image, PUBLISHED_QUALITY) if variant == "published" else image


def corrupt_images(
    images: NDArray[np.uint8],
    name: str,
    severity: int,
    image_ids: Sequence[str],
    seed: int,
    depths: NDArray[np.float32] | None,
    variant: str,
) -> NDArray[np.uint8]:
    """Corrupt a batch; see `vitobench.tasks.corruptions.corrupt` for the arguments."""
    corruption = find(name)
    check(images, severity, variant, corruption)
    count, height, width, _ = images.shape
    if isinstance(image_ids, str) or len(image_ids) != count:
        raise ValueError(f"image_ids must be {count} names, one for each image")
    maps = _checked_depths(depths, name, (count, height, width)) if corruption.needs_depth else None

    severity = int(severity)
    kernel, arguments = corruption.load(), corruption.parameters(severity, height, width)
    result = np.empty(images.shape, np.uint8)
    for index, image_id in enumerate(image_ids):
        start = partial(generator, seed, image_id, name, severity)
        draws = CounterDraws(start) if corruption.counted else start()
        more = {} if maps is None else {"depth": relative_depth(maps[index], image_id)}
        result[index] = finish(kernel(np.ascontiguousarray(images[index]), draws, **more, **arguments), variant)
    return result


def _checked_depths(
    depths: NDArray[np.float32] | None, corruption: str, shape: tuple[int, int, int]
) -> NDArray[np.floating]:
    if depths is None:
        raise DataError(
            f"{corruption} needs a depth map for every image: pass depths, float32 of shape {shape}. "
            "The micro-world renders them; for photographs see vitobench.tasks.images.depth.DepthFolder."
        )
    if not isinstance(depths, np.ndarray) or not np.issubdtype(depths.dtype, np.floating):
        raise ValueError(f"depths must be a float array, not {getattr(depths, 'dtype', type(depths).__name__)}")
    if depths.shape != shape:
        raise ValueError(f"depths must have the shape {shape} of the images, not {depths.shape}")
    return depths
