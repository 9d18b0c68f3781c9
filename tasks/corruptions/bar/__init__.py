"""The 10 corruptions of ImageNet-C-bar, drawn on the fly and reproducibly (Mintun, Kirillov & Xie, NeurIPS 2021).

They were chosen, out of 30 and by a perceptual distance, to be unlike those of ImageNet-C, so they show whether a gain
on ImageNet-C carries over. Only names and numbers load with this package; the kernels (numba, scipy) load at the first
call of `corrupt_bar`, because every listing of tasks imports this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .parameters import CORRUPTIONS_BAR, LEVELS, SEVERITIES, VERSION_BAR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CORRUPTIONS_BAR", "LEVELS", "SEVERITIES", "VERSION_BAR", "corrupt_bar"]


def corrupt_bar(
    images: NDArray[np.uint8], corruption: str, severity: int, *, image_ids: Sequence[str], seed: int = 0
) -> NDArray[np.uint8]:
    """Corrupt images as ImageNet-C-bar does.

    The draws of an image come from ``(seed, image id, corruption, severity)`` alone, so the result does not depend on
    the batch, its order, or the thread and process that computes it. The published folders are additionally saved as
    JPEG at quality 85; that is not done here.

    Args:
        images: uint8, shape ``(N, H, W, 3)``, RGB, both sides at least 16 pixels; after resizing and cropping, before
            any normalisation. Not modified.
        corruption: One of `CORRUPTIONS_BAR`.
        severity: One of `SEVERITIES`, 1 (mild) to 5; `LEVELS` has the published level that it stands for.
        image_ids: N stable names, one for each image.
        seed: Another integer gives another, equally valid draw of the benchmark.

    Returns:
        A new uint8 array of the shape of `images`.

    Raises:
        UnknownNameError: `corruption` is not one of `CORRUPTIONS_BAR`.
        ValueError: A severity, shape, dtype or number of ids that cannot be meant.
    """
    from .engine import corrupt_images

    return corrupt_images(images, corruption, severity, image_ids=image_ids, seed=seed)
