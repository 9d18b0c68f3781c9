"""Corrupt images on the fly and reproducibly, with one function for every collection.

These are the 15 corruptions of ImageNet-C and its 4 extra ones (Hendrycks & Dietterich, ICLR 2019), the 10 of
ImageNet-C-bar (Mintun, Kirillov & Xie, NeurIPS 2021), the 12 of ImageNet-3DCC (Kar, Yeo, Atanov & Zamir, CVPR 2022),
the 6 of LAION-C (Li et al., ICML 2025), and those of plugins. This package only loads names and numbers, because every
listing of tasks imports it; kernels are imported at their first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .imagenet_c.parameters import CORRUPTIONS, EXTRA, EXTRA_FAMILIES, FAMILIES, SEVERITIES, VARIANTS, VERSION

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
    depths: NDArray[np.float32] | None = None,
    variant: str = "raw",
) -> NDArray[np.uint8]:
    """Corrupt images with a corruption of any collection.

    The random numbers of an image depend only on ``(seed, image id, corruption, severity)``, so the result does not
    depend on the batch, its order, or the thread, process and machine that computes it. A call uses one thread and
    only holds Python's lock between its kernels; to use more cores, call it from several threads.

    Args:
        images: uint8, shape ``(N, H, W, 3)``, RGB, both sides at least 16 pixels; after resizing and cropping, before
            any normalisation. Not modified.
        corruption: A name from `registry.CORRUPTIONS` or of a plugin.
        severity: One of `SEVERITIES`, 1 (mild) to 5.
        image_ids: N stable names, one for each image.
        seed: Another integer gives another, equally valid version of the benchmark.
        depths: float32, shape ``(N, H, W)``: distance along the optical axis, positive, in any unit (only ratios within
            an image matter); infinite in the sky. Ignored by corruptions that need no depth.
        variant: ``"raw"``, or for ImageNet-C ``"published"``: the same pixels saved as JPEG at quality 85, like the
            published folders. The two are different benchmarks: scores differ by several points.

    Returns:
        A new uint8 array with the shape of `images`.

    Raises:
        UnknownNameError: The corruption, or the variant, is unknown.
        DataError: A depth map is missing or has NaN, zero or negative values; the frost pictures are not installed;
            or the installed PyAV lacks an encoder.
        ValueError: The severity, shape, dtype or number of ids is invalid, or the collection lacks the variant.
    """
    from .engine import corrupt_images

    return corrupt_images(images, corruption, severity, image_ids, seed, depths, variant)
