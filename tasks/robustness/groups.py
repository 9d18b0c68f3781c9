"""Metrics of groups: videos around an anchor frame (pm-k), and sets of accepted classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np


def pm_k(anchors: np.ndarray, members: Sequence[np.ndarray], correct: np.ndarray) -> np.ndarray:
    """Which anchors are right together with all their neighbours (Shankar et al., ICCV 2021, pm-k).

    Args:
        anchors: int (groups,), position of each anchor.
        members: For each anchor the positions of its neighbours within k frames, int (m,); possibly none.
        correct: (n,), 1 if the prediction is right, else 0.

    Returns:
        float32 (groups,), 1 or 0; their mean is pm-k. Without neighbours it is pm-0, plain accuracy on anchors.
    """
    right = correct > 0
    worst = [right[anchor] and right[near].all() for anchor, near in zip(anchors, members, strict=True)]
    return np.array(worst, dtype=np.float32)


def accepted_correct(decisions: np.ndarray, accepted: Sequence[Collection[int]]) -> np.ndarray:
    """Which predictions are among the classes that annotators accept (Beyer et al. 2020, ReaL).

    Args:
        decisions: int (n,), predicted classes.
        accepted: For each image the classes that count as right, at least one.

    Returns:
        float32 (n,), 1 or 0.
    """
    return np.array([int(d) in classes for d, classes in zip(decisions, accepted, strict=True)], dtype=np.float32)


def top_k_correct(top: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which labels are among the k best classes.

    Args:
        top: int (n, k), classes best first; -1 if a class is unknown.
        labels: int (n,).

    Returns:
        float32 (n,), 1 or 0; NaN if fewer than k classes are known.
    """
    hits = (top == labels[:, None]).any(axis=1).astype(np.float32)
    return np.where((top < 0).any(axis=1), np.float32(np.nan), hits)
