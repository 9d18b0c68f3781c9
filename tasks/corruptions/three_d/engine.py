"""From a batch of images and depth maps to a batch of corrupted images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from ....errors import DataError, unknown_name
from ..arguments import check_ids, check_images
from ..randomness import generator
from .depth import relative_depth
from .parameters import CORRUPTIONS_3D, FAMILIES_3D, NEEDS_DEPTH, parameters

Kernel = Callable[..., NDArray[np.uint8]]


def kernel_of(corruption: str) -> Kernel:
    """The function that corrupts one image: ``kernel(image, rng, **parameters)``, with ``depth=`` if it needs one.

    Args:
        corruption: One of `CORRUPTIONS_3D`.

    Raises:
        UnknownNameError: There is no such corruption.
    """
    for family, members in FAMILIES_3D.items():
        if corruption in members:
            kernel: Kernel = getattr(import_module(f".{family}", __package__), corruption)
            return kernel
    raise unknown_name("3D corruption", corruption, CORRUPTIONS_3D)


def corrupt_images_3d(
    images: NDArray[np.uint8],
    corruption: str,
    severity: int,
    *,
    image_ids: Sequence[str],
    depths: NDArray[np.float32] | None = None,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Corrupt a batch; see `vitobench.tasks.corruptions.three_d.corrupt_3d` for the arguments."""
    kernel = kernel_of(corruption)
    check_images(images, severity)
    count, height, width, _ = images.shape
    check_ids(image_ids, count)
    maps = _checked_depths(depths, corruption, (count, height, width)) if corruption in NEEDS_DEPTH else None

    arguments = parameters(corruption, int(severity), height, width)
    result = np.empty(images.shape, np.uint8)
    for index, image_id in enumerate(image_ids):
        rng = generator(seed, image_id, corruption, int(severity))
        image = np.ascontiguousarray(images[index])
        if maps is None:
            result[index] = kernel(image, rng, **arguments)
        else:
            result[index] = kernel(image, rng, depth=relative_depth(maps[index], image_id), **arguments)
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
