"""Effective robustness: accuracy under a shift beyond what clean accuracy predicts (Taori et al., NeurIPS 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def logit(p: np.ndarray | float) -> np.ndarray:
    """Log odds of a proportion; infinite at 0 and 1."""
    p = np.asarray(p, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-p)


@dataclass(frozen=True)
class Baseline:
    """A line through models without robustness measures, in log odds of clean and shifted accuracy.

    Attributes:
        slope: Rise of the shifted log odds with the clean ones.
        intercept: Shifted log odds at a clean accuracy of one half.
    """

    slope: float
    intercept: float

    def predict(self, clean: np.ndarray | float) -> np.ndarray:
        """Shifted accuracy that a clean accuracy in (0, 1) lets expect."""
        return 1.0 / (1.0 + np.exp(-(self.slope * logit(clean) + self.intercept)))


def fit_baseline(clean: np.ndarray, shifted: np.ndarray) -> Baseline:
    """Fit the line by least squares in log odds.

    Args:
        clean: float (models,), accuracies on the clean set, strictly between 0 and 1.
        shifted: float (models,), accuracies of the same models on the shifted set, strictly between 0 and 1.

    Raises:
        ValueError: Fewer than two different clean accuracies, or an accuracy of 0 or 1, whose log odds are infinite.
    """
    x, y = logit(clean), logit(shifted)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a baseline needs accuracies strictly between 0 and 1")
    if len(np.unique(x)) < 2:
        raise ValueError("a baseline needs models of at least two different clean accuracies")
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    return Baseline(float(slope), float(y.mean() - slope * x.mean()))


def effective_robustness(clean: np.ndarray | float, shifted: np.ndarray | float, baseline: Baseline) -> np.ndarray:
    """Shifted accuracy minus what the baseline predicts from the clean one.

    Args:
        clean: Accuracies on the clean set, in (0, 1).
        shifted: Accuracies on the shifted set, same shape.
        baseline: Of the same pair of sets.

    Returns:
        In accuracy, same shape; 0 on the line, above 0 where the model is more robust than its clean accuracy explains.
    """
    return np.asarray(shifted, dtype=np.float64) - baseline.predict(clean)
