"""From a batch of images to a batch of corrupted images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from ...errors import unknown_name
from .parameters import CORRUPTIONS, FAMILIES, SEVERITIES, SMALLEST_SIDE, parameters
from .randomness import generator

Kernel = Callable[..., NDArray[np.uint8]]


def kernel_of(corruption: str) -> Kernel:
    """The function that corrupts one image: ``kernel(image, rng, **parameters)``.

    Args:
        corruption: One of `CORRUPTIONS`.

    Raises:
        UnknownNameError: There is no such corruption.
    """
    for family, members in FAMILIES.items():
        if corruption in members:
            kernel: Kernel = getattr(import_module(f".{family}", __package__), corruption)
            return kernel
    raise unknown_name("corruption", corruption, CORRUPTIONS)


def corrupt_images(
    images: NDArray[np.uint8], corruption: str, severity: int, *, image_ids: Sequence[str], seed: int = 0
) -> NDArray[np.uint8]:
    """Corrupt a batch; see `vitobench.tasks.corruptions.corrupt` for the arguments."""
    kernel = kernel_of(corruption)
    if severity not in SEVERITIES:
        raise ValueError(f"severity must be one of {SEVERITIES}, not {severity!r}")
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        raise ValueError(f"images must be a uint8 array, not {getattr(images, 'dtype', type(images).__name__)}")
    if images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"images must have the shape (N, H, W, 3), not {images.shape}")
    count, height, width, _ = images.shape
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(f"images must be at least {SMALLEST_SIDE} pixels high and wide, not {height}x{width}")
    if isinstance(image_ids, str) or len(image_ids) != count:
        raise ValueError(f"image_ids must be {count} names, one for each image")

    arguments = parameters(corruption, int(severity), height, width)
    result = np.empty(images.shape, np.uint8)
    for index, image_id in enumerate(image_ids):
        rng = generator(seed, image_id, corruption, int(severity))
        result[index] = kernel(np.ascontiguousarray(images[index]), rng, **arguments)
    return result
