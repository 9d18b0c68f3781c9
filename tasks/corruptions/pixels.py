"""Between uint8 pixels and floats, with the rounding that is part of the benchmark."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""One image: uint8, shape ``(H, W, 3)``, RGB."""


def to_unit(image: Pixels) -> NDArray[np.float64]:
    """Pixels as float64 in [0, 1]."""
    return image / 255.0


def to_pixels(unit: NDArray[Any]) -> Pixels:
    """Clip to [0, 1] and scale to uint8, truncating as the published scripts do.

    Args:
        unit: Floats of any shape. Overwritten.

    Returns:
        A new uint8 array. Truncation, not rounding: it makes ImageNet-C half a level darker, and is kept.
    """
    np.clip(unit, 0, 1, out=unit)
    unit *= 255
    return unit.astype(np.uint8)
