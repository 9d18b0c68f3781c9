"""From a batch of images to a batch corrupted as ImageNet-C-bar is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from ....errors import unknown_name
from ..arguments import check_ids, check_images
from ..randomness import generator
from .parameters import CORRUPTIONS_BAR, MODULES, parameters

Kernel = Callable[..., NDArray[np.uint8]]


def kernel_of(corruption: str) -> Kernel:
    """The function that corrupts one image: ``kernel(image, rng, **parameters)``.

    Args:
        corruption: One of `CORRUPTIONS_BAR`.

    Raises:
        UnknownNameError: There is no such corruption.
    """
    if corruption not in MODULES:
        raise unknown_name("corruption", corruption, CORRUPTIONS_BAR)
    kernel: Kernel = getattr(import_module(f".{MODULES[corruption]}", __package__), corruption)
    return kernel


def corrupt_images(
    images: NDArray[np.uint8], corruption: str, severity: int, *, image_ids: Sequence[str], seed: int = 0
) -> NDArray[np.uint8]:
    """Corrupt a batch; see `vitobench.tasks.corruptions.bar.corrupt_bar` for the arguments."""
    kernel = kernel_of(corruption)
    check_images(images, severity)
    count, height, width, _ = images.shape
    check_ids(image_ids, count)

    arguments = parameters(corruption, int(severity), height, width)
    result = np.empty(images.shape, np.uint8)
    for index, image_id in enumerate(image_ids):
        rng = generator(seed, image_id, corruption, int(severity))
        result[index] = kernel(np.ascontiguousarray(images[index]), rng, **arguments)
    return result
