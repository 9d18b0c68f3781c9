"""Corruption errors, as pure functions of error rates."""

from __future__ import annotations

import numpy as np


def corruption_error(errors: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """CE of each corruption: errors summed over severities / the reference's (Hendrycks & Dietterich 2019, eq. 1).

    Args:
        errors: (..., corruptions, severities), error rates in [0, 1].
        reference: Error rates of the reference model, broadcastable to the same shape.

    Returns:
        (..., corruptions); 1 if the model errs as often as the reference, lower is better; NaN if the reference never
        errs.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = errors.sum(axis=-1) / reference.sum(axis=-1)
    return np.where(np.isfinite(ratio), ratio, np.nan)


def relative_corruption_error(
    errors: np.ndarray, clean: np.ndarray, reference: np.ndarray, reference_clean: np.ndarray
) -> np.ndarray:
    """Relative CE: the increase of error relative to clean images / the reference's increase.

    Args:
        errors: (..., corruptions, severities).
        clean: (...,), clean error rate.
        reference: The reference model's errors.
        reference_clean: The reference model's clean error rate.

    Returns:
        (..., corruptions); NaN if the reference's error does not increase.
    """
    rise = (errors - clean[..., None, None]).sum(axis=-1)
    expected = (reference - reference_clean[..., None, None]).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(expected > 0, rise / expected, np.nan)
    return ratio
