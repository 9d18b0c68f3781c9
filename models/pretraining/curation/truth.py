"""How balanced and how pure a set of clips is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def entropy(counts: Iterable[int]) -> float:
    """Entropy of a distribution given by counts, in bits: ``-sum p log2 p``; 0 for none."""
    found = [count for count in counts if count > 0]
    total = sum(found)
    return -sum(c / total * math.log2(c / total) for c in found) if total else 0.0


def purity(named: Sequence[int | None], shown: Sequence[int]) -> float | None:
    """Share of clips whose class is the one that they show; None for no clips.

    Args:
        named: Class of each clip, None for none.
        shown: The truth, -1 for no object.
    """
    return sum(a == b for a, b in zip(named, shown, strict=True)) / len(named) if named else None
