"""The noise ceiling as it is defined, triplet by triplet: what the share of the ceiling is tested against."""

from __future__ import annotations

import numpy as np


def noise_ceiling(votes: np.ndarray) -> float:
    """Mean share of the majority's choice, over triplets that several people judged: no model can agree more often."""
    return float(np.mean([max(row) / sum(row) for row in votes.tolist() if sum(row) > 1]))
