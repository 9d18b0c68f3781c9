"""From a model's many classes to a decision for one of the 16 categories that people choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType

import numpy as np

from ...errors import unknown_name
from ..data.classes import NUM_CLASSES, entry_level_classes

Groups = Sequence[Sequence[int]]
"""For each category the classes that count as it."""

RULES: MappingProxyType[str, Callable[..., np.ndarray]] = MappingProxyType(
    {"mean": np.mean, "sum": np.sum, "max": np.max}
)
"""How the probabilities of a category's classes become its own. ``mean`` is the rule of model-vs-human.

The mean favours the categories of a single class (airplane, knife, oven), the sum those of many (dog, bird); shape
biases under different rules cannot be compared.
"""


def imagenet_groups() -> tuple[tuple[int, ...], ...]:
    """The classes of ImageNet-1k that count as each of the 16 categories; 793 count as none."""
    return tuple(merged.imagenet for merged in entry_level_classes())


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over all classes, in float32 as in the reference.

    Args:
        logits: float (n, classes).

    Returns:
        float32 (n, classes); rows sum to 1.
    """
    shifted = np.asarray(logits, np.float32)
    powers = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def category_scores(probability: np.ndarray, groups: Groups | None = None, rule: str = "mean") -> np.ndarray:
    """A score for each category; they do not sum to 1, since most classes count as no category.

    Args:
        probability: float (n, classes), in [0, 1]: over all classes, not only those that count.
        groups: Classes of each category; `imagenet_groups` by default.
        rule: A name of `RULES`.

    Returns:
        Same dtype (n, categories).

    Raises:
        UnknownNameError: No such rule.
        ValueError: Not probabilities, or another number of classes than the groups speak of.
    """
    if rule not in RULES:
        raise unknown_name("rule", rule, RULES)
    if probability.ndim != 2 or (groups is None and probability.shape[1] != NUM_CLASSES):
        raise ValueError(f"expected probabilities of shape (n, {NUM_CLASSES}), not {probability.shape}")
    groups = imagenet_groups() if groups is None else groups
    if probability.shape[1] <= max(map(max, groups)):
        raise ValueError(f"the categories need {max(map(max, groups)) + 1} classes, not {probability.shape[1]}")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("probabilities must lie in [0, 1]; pass logits through `probabilities` first")
    merge = RULES[rule]
    return np.stack([merge(probability[:, list(group)], axis=1) for group in groups], axis=1)


def decide(logits: np.ndarray, groups: Groups | None = None, rule: str = "mean") -> np.ndarray:
    """Decisions of a model.

    Args:
        logits: float (n, classes).
        groups: Classes of each category; `imagenet_groups` by default.
        rule: A name of `RULES`.

    Returns:
        int64 (n,), positions of categories. Of equal scores the last category wins, as in the reference.
    """
    scores = category_scores(probabilities(logits), groups, rule)
    return np.asarray(scores.shape[1] - 1 - scores[:, ::-1].argmax(axis=1), np.int64)


def ranking(
    logits: np.ndarray, groups: Groups | None = None, rule: str = "mean", k: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """The best categories of a model in order; the first is that of `decide`.

    Args:
        logits: float (n, classes).
        groups: Classes of each category; `imagenet_groups` by default.
        rule: A name of `RULES`.
        k: How many.

    Returns:
        int64 (n, k), positions of categories, best first; and float32 (n,), the score of the best.
    """
    scores = category_scores(probabilities(logits), groups, rule)
    last = scores.shape[1] - 1
    order = last - np.argsort(-scores[:, ::-1], axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order[:, :1], axis=1)[:, 0]
