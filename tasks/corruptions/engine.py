"""Corrupt a batch of images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, unknown_name
from .draws import CounterDraws
from .jpeg import round_trip
from .parameters import SEVERITIES, SMALLEST_SIDE, VARIANTS
from .pixels import Pixels
from .randomness import generator
from .record import Corruption
from .registry import find
from .three_d.depth import relative_depth

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
            "The micro-world renders them; for photographs see vitobench.tasks.data.depth.DepthFolder."
        )
    if not isinstance(depths, np.ndarray) or not np.issubdtype(depths.dtype, np.floating):
        raise ValueError(f"depths must be a float array, not {getattr(depths, 'dtype', type(depths).__name__)}")
    if depths.shape != shape:
        raise ValueError(f"depths must have the shape {shape} of the images, not {depths.shape}")
    return depths
