"""From a batch of images to a batch of corrupted images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from ...errors import unknown_name
from .arguments import check_ids, check_images
from .draws import CounterDraws
from .jpeg import round_trip
from .parameters import CORRUPTIONS, EXTRA, VARIANTS, parameters
from .pixels import Pixels
from .randomness import generator

Kernel = Callable[..., Pixels]

PUBLISHED_QUALITY = 85

_MODULES: dict[str, tuple[str, ...]] = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur"),
    "weather": ("snow", "frost", "fog"),
    "spatter": ("spatter",),
    "colour": ("brightness", "saturate", "contrast"),
    "elastic": ("elastic_transform",),
    "digital": ("pixelate", "jpeg_compression"),
}
_MODULE_OF = {corruption: module for module, members in _MODULES.items() for corruption in members}


def kernel_of(corruption: str) -> Kernel:
    """The function that corrupts one image: ``kernel(image, draws, **parameters)``.

    Args:
        corruption: One of `CORRUPTIONS` or `EXTRA`.

    Raises:
        UnknownNameError: There is no such corruption.
    """
    if corruption not in _MODULE_OF:
        raise unknown_name("corruption", corruption, CORRUPTIONS + EXTRA)
    kernel: Kernel = getattr(import_module(f".{_MODULE_OF[corruption]}", __package__), corruption)
    return kernel


def check(images: object, severity: object, variant: str) -> None:
    """Refuse what no kernel can take.

    Args:
        images: To be uint8 ``(N, H, W, 3)``.
        severity: To be 1 to 5.
        variant: To be one of `VARIANTS`.

    Raises:
        UnknownNameError: There is no such variant.
        ValueError: The images or the severity cannot be meant.
    """
    check_images(images, severity)
    if variant not in VARIANTS:
        raise unknown_name("variant of the corruptions", variant, VARIANTS)


def finish(image: Pixels, variant: str) -> Pixels:
    """What the variant does after the corruption."""
    return round_trip(image, PUBLISHED_QUALITY) if variant == "published" else image


def corrupt_images(
    images: NDArray[np.uint8],
    corruption: str,
    severity: int,
    *,
    image_ids: Sequence[str],
    seed: int = 0,
    variant: str = "raw",
) -> NDArray[np.uint8]:
    """Corrupt a batch; see `vitobench.tasks.corruptions.corrupt` for the arguments."""
    kernel = kernel_of(corruption)
    check(images, severity, variant)
    count, height, width, _ = images.shape
    check_ids(image_ids, count)

    severity = int(severity)
    arguments = parameters(corruption, severity, height, width)
    result = np.empty(images.shape, np.uint8)
    for index, image_id in enumerate(image_ids):
        draws = CounterDraws(partial(generator, seed, image_id, corruption, severity))
        result[index] = finish(kernel(np.ascontiguousarray(images[index]), draws, **arguments), variant)
    return result
