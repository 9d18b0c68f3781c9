"""Shape bias on cue-conflict images (Geirhos et al., ICLR 2019)."""

from __future__ import annotations

import numpy as np


def cue_hits(decisions: np.ndarray, shapes: np.ndarray, textures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which decisions follow which cue.

    Args:
        decisions: int (n,), the class decided for.
        shapes: int (n,), the class whose shape is shown.
        textures: int (n,), the class whose texture is shown.

    Returns:
        Two bool (n,): decisions for the shape, and for the texture. Images without conflict (same class for both) count
        for neither, as in model-vs-human.
    """
    conflict = shapes != textures
    return (decisions == shapes) & conflict, (decisions == textures) & conflict


def shape_bias(shape: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """Share of shape decisions among the decisions for either cue, pooled over trials.

    Args:
        shape: Number (or mean) of shape decisions, any shape.
        texture: Number (or mean) of texture decisions, same shape.

    Returns:
        In [0, 1]; NaN where neither cue was ever followed.
    """
    shape, texture = np.asarray(shape, dtype=np.float64), np.asarray(texture, dtype=np.float64)
    total = shape + texture
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, shape / total, np.nan)
