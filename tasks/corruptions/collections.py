"""All corruptions under one roof: which collection a name belongs to, its version, and how it is applied.

Importing this loads names and numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import unknown_name
from . import CORRUPTIONS, EXTRA, VERSION
from .bar import CORRUPTIONS_BAR, VERSION_BAR
from .three_d import CORRUPTIONS_3D, NEEDS_DEPTH, VERSION_3D

if TYPE_CHECKING:
    import numpy as np

IMAGENET_C, IMAGENET_C_BAR, IMAGENET_3DCC = "imagenet-c", "imagenet-c-bar", "imagenet-3dcc"

_MEMBERS = {IMAGENET_C: CORRUPTIONS + EXTRA, IMAGENET_C_BAR: CORRUPTIONS_BAR, IMAGENET_3DCC: CORRUPTIONS_3D}
_VERSIONS = {IMAGENET_C: VERSION, IMAGENET_C_BAR: VERSION_BAR, IMAGENET_3DCC: VERSION_3D}


def collection_of(corruption: str) -> str:
    """The collection that a corruption belongs to.

    Raises:
        UnknownNameError: None has it.
    """
    for collection, members in _MEMBERS.items():
        if corruption in members:
            return collection
    raise unknown_name("corruption", corruption, [name for members in _MEMBERS.values() for name in members])


def version_of(corruption: str) -> tuple[str, int]:
    """The collection of a corruption and its version; part of a task's identity."""
    collection = collection_of(corruption)
    return collection, _VERSIONS[collection]


def needs_depth(corruption: str) -> bool:
    """Whether a corruption needs depth maps beside the images."""
    return corruption in NEEDS_DEPTH


def apply(
    images: np.ndarray,
    corruption: str,
    severity: int,
    image_ids: Sequence[str],
    seed: int,
    depths: np.ndarray | None = None,
    variant: str = "raw",
) -> np.ndarray:
    """Corrupt images by a corruption of any collection.

    Args:
        images: uint8 (N, H, W, 3), after resize and crop.
        corruption: Its name.
        severity: 1 to 5.
        image_ids: N ids.
        seed: Seed of the run.
        depths: float32 (N, H, W), for those of which `needs_depth` holds.
        variant: ``"raw"`` or, for ImageNet-C alone, ``"published"``.

    Returns:
        uint8 (N, H, W, 3).

    Raises:
        UnknownNameError: An unknown corruption.
        DataError: No depth where it is needed; see also the collections.
        ValueError: A variant that the collection does not have.
    """
    collection = collection_of(corruption)
    if variant != "raw" and collection != IMAGENET_C:
        raise ValueError(f"{collection} is drawn raw only, not {variant!r}")
    if collection == IMAGENET_C_BAR:
        from .bar import corrupt_bar

        return corrupt_bar(images, corruption, severity, image_ids=image_ids, seed=seed)
    if collection == IMAGENET_3DCC:
        from .three_d import corrupt_3d

        return corrupt_3d(images, corruption, severity, image_ids=image_ids, depths=depths, seed=seed)
    from . import corrupt

    return corrupt(images, corruption, severity, image_ids=image_ids, seed=seed, variant=variant)
