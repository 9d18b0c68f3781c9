"""Corruption errors, as pure functions of error rates."""

from __future__ import annotations

import numpy as np


def corruption_error(errors: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """CE of each corruption: errors summed over severities, over the reference's (Hendrycks & Dietterich 2019, eq. 1).

    Args:
        errors: (..., corruptions, severities), error rates in [0, 1].
        reference: The reference model's, broadcastable to the same shape.

    Returns:
        (..., corruptions); 1 where the model errs as often as the reference, lower is better; NaN where the reference
        never errs.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = errors.sum(axis=-1) / reference.sum(axis=-1)
    return np.where(np.isfinite(ratio), ratio, np.nan)


def relative_corruption_error(
    errors: np.ndarray, clean: np.ndarray, reference: np.ndarray, reference_clean: np.ndarray
) -> np.ndarray:
    """Relative CE: the rise of error over clean images, over the reference's rise.

    Args:
        errors: (..., corruptions, severities).
        clean: (...,), clean error rate.
        reference: The reference model's errors.
        reference_clean: The reference model's clean error rate.

    Returns:
        (..., corruptions); NaN where the reference's error does not rise.
    """
    rise = (errors - clean[..., None, None]).sum(axis=-1)
    expected = (reference - reference_clean[..., None, None]).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(expected > 0, rise / expected, np.nan)
    return ratio
