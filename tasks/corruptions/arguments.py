"""What every collection of corruptions asks of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .parameters import SEVERITIES, SMALLEST_SIDE


def check_images(images: object, severity: object) -> None:
    """Refuse what no kernel can take.

    Args:
        images: To be uint8 ``(N, H, W, 3)``, both sides at least `SMALLEST_SIDE`.
        severity: To be one of `SEVERITIES`.

    Raises:
        ValueError: They cannot be meant.
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


def check_ids(image_ids: Sequence[str], count: int) -> None:
    """Refuse ids that are not one for each image.

    Raises:
        ValueError: Another number of them, or one text.
    """
    if isinstance(image_ids, str) or len(image_ids) != count:
        raise ValueError(f"image_ids must be {count} names, one for each image")
