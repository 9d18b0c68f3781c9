"""Consistency with people as a share of what people reach among themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .samples import limits, reflected


@dataclass(frozen=True)
class Ceiled:
    """A share of a ceiling.

    Attributes:
        value: 1 at the ceiling; may lie above it. NaN where undefined.
        ci_low: 95 % interval; NaN where there are no samples.
        ci_high: Its other end.
    """

    value: float
    ci_low: float
    ci_high: float


def ceiled(draws: np.ndarray, ceiling: np.ndarray) -> Ceiled:
    """Divide an observer's consistency with people by the people's own, sample by sample.

    Both rest on the same stimuli and the same people, so that their sampling errors go together, which two separate
    intervals would not tell. The samples are mirrored at the value, as those of error consistency are.

    Args:
        draws: float64 (B + 1,), the data first, then B samples of stimuli (`rows.Sampled.draws`).
        ceiling: float64 (B + 1,), of the people, over the same samples.

    Returns:
        The share with its interval; NaN where the ceiling is not above 0, since nothing can be a share of that.

    Raises:
        ValueError: Different numbers of samples.
    """
    draws, ceiling = np.asarray(draws, np.float64), np.asarray(ceiling, np.float64)
    if draws.shape != ceiling.shape or draws.ndim != 1 or not len(draws):
        raise ValueError(f"expected the same samples of both, not {draws.shape} and {ceiling.shape}")
    shares = np.full(len(draws), np.nan)
    np.divide(draws, ceiling, out=shares, where=ceiling > 0)
    low, high = limits(reflected(shares[1:], shares[0])) if np.isfinite(shares[0]) else (np.nan, np.nan)
    return Ceiled(float(shares[0]), float(low), float(high))
