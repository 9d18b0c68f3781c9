"""The 12 corruptions of ImageNet-3DCC, drawn on the fly (Kar, Yeo, Atanov & Zamir, CVPR 2022).

Written from the paper's description; the published code and images are for non-commercial use and were not used. Where
the paper leaves a quantity open, ours is an approximation: see ``docs/corruptions-3d.md``. Only names and numbers load
with this package; the kernels (numba, scipy, PyAV) load at the first call of `corrupt_3d`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .parameters import CORRUPTIONS_3D, FAMILIES_3D, NEEDS_DEPTH, VERSION_3D

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CORRUPTIONS_3D", "FAMILIES_3D", "NEEDS_DEPTH", "VERSION_3D", "corrupt_3d"]


def corrupt_3d(
    images: NDArray[np.uint8],
    corruption: str,
    severity: int,
    *,
    image_ids: Sequence[str],
    depths: NDArray[np.float32] | None = None,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Corrupt images as ImageNet-3DCC does, each with its own depth map.

    The draws of an image come from ``(seed, image id, corruption, severity)`` alone, and nothing is shared between the
    images of a batch, so the result does not depend on the batch, its order, or the thread that computes it.

    Args:
        images: uint8, shape ``(N, H, W, 3)``, RGB, both sides at least 16 pixels; after resizing and cropping, before
            any normalisation. Not modified.
        corruption: One of `CORRUPTIONS_3D`.
        severity: 1 (mild) to 5.
        image_ids: N stable names, one for each image.
        depths: float32, shape ``(N, H, W)``: distance along the optical axis, positive, in any unit (only ratios within
            an image matter); infinite where there is only sky. Needed by `NEEDS_DEPTH`, not read by the others.
        seed: Another integer gives another, equally valid draw of the benchmark.

    Returns:
        A new uint8 array of the shape of `images`.

    Raises:
        UnknownNameError: `corruption` is not one of `CORRUPTIONS_3D`.
        DataError: A depth map is missing or holds NaN, zero or negative values; or the installed PyAV lacks an encoder.
        ValueError: A severity, shape, dtype or number of ids that cannot be meant.
    """
    from .engine import corrupt_images_3d

    return corrupt_images_3d(images, corruption, severity, image_ids=image_ids, depths=depths, seed=seed)
