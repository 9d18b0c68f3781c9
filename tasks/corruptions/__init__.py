"""The 15 corruptions of ImageNet-C and its 4 extra ones, on the fly and reproducibly (Hendrycks & Dietterich, 2019).

Only names and numbers load with this package; the kernels (numba, scipy, OpenCV, Pillow) load at the first call of
`corrupt`, because every listing of tasks imports this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .parameters import CORRUPTIONS, EXTRA, EXTRA_FAMILIES, FAMILIES, SEVERITIES, VARIANTS, VERSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CORRUPTIONS", "EXTRA", "EXTRA_FAMILIES", "FAMILIES", "SEVERITIES", "VARIANTS", "VERSION", "corrupt"]


def corrupt(
    images: NDArray[np.uint8],
    corruption: str,
    severity: int,
    *,
    image_ids: Sequence[str],
    seed: int = 0,
    variant: str = "raw",
) -> NDArray[np.uint8]:
    """Corrupt images as ImageNet-C does.

    The draws of an image come from ``(seed, image id, corruption, severity)`` alone, so the result does not depend on
    the batch, its order, or the thread, process and machine that computes it. One call uses one thread and holds
    Python's lock only between its kernels; to use more cores, call it from several threads.

    Args:
        images: uint8, shape ``(N, H, W, 3)``, RGB, both sides at least 16 pixels; after resizing and cropping, before
            any normalisation. Not modified.
        corruption: One of `CORRUPTIONS` or `EXTRA`.
        severity: One of `SEVERITIES`, 1 (mild) to 5.
        image_ids: N stable names, one for each image.
        seed: Another integer gives another, equally valid draw of the benchmark.
        variant: ``"raw"``, or ``"published"`` for what the published folders hold: the same pixels saved as JPEG at
            quality 85. The two are different benchmarks; models score several points apart.

    Returns:
        A new uint8 array of the shape of `images`.

    Raises:
        UnknownNameError: `corruption` or `variant` is not one of the above.
        DataError: The frost pictures are not installed.
        ValueError: A severity, shape, dtype or number of ids that cannot be meant.
    """
    from .engine import corrupt_images

    return corrupt_images(images, corruption, severity, image_ids=image_ids, seed=seed, variant=variant)
