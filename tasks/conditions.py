"""From clean pixels to the pixels of a condition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .corruptions import corrupt
from .corruptions.registry import find
from .task import Condition


def needs_depth(condition: Condition) -> bool:
    """Whether a condition is drawn from depth maps beside the images."""
    return condition.corrupts and find(condition.name).needs_depth


def apply_condition(
    images: np.ndarray,
    condition: Condition,
    image_ids: Sequence[str],
    seed: int,
    depths: np.ndarray | None = None,
) -> np.ndarray:
    """Pixels of a batch under a condition.

    Args:
        images: uint8 (N, H, W, 3), after resize and crop.
        condition: The cell; without severity the images come back as they are.
        image_ids: N ids; with the seed they decide all random numbers.
        seed: Seed of the run.
        depths: float32 (N, H, W), where the condition needs them.

    Returns:
        uint8 (N, H, W, 3).
    """
    if not condition.corrupts:
        return images
    return corrupt(
        images,
        condition.name,
        condition.severity,
        image_ids=image_ids,
        seed=seed,
        depths=depths,
        variant=condition.variant,
    )
