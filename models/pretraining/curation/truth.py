"""Measure how balanced and how pure a set of clips is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def entropy(counts: Iterable[int]) -> float:
    """Entropy of a distribution given by counts, in bits: ``-sum p log2 p``; 0 without counts."""
    positive = [count for count in counts if count > 0]
    total = sum(positive)
    return -sum(c / total * math.log2(c / total) for c in positive) if total else 0.0


def purity(labels: Sequence[int | None], truth: Sequence[int]) -> float | None:
    """Share of clips whose class is the true one; None without clips.

    Args:
        labels: Class of each clip, or None.
        truth: True class of each clip, -1 for no object.
    """
    return sum(a == b for a, b in zip(labels, truth, strict=True)) / len(labels) if labels else None
