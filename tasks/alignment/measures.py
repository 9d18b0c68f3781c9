"""How similarly two observers answer, and the mean rank that orders models (Geirhos et al., 2020 and 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from .experiments import CATEGORIES

# How similarly two observers answer, one number at a time (Geirhos et al., NeurIPS 2020 and 2021).


Compat = Literal["model-vs-human"]
"""Whose convention to use if ours differs."""


def accuracy(correct: np.ndarray) -> np.ndarray:
    """Share of correct trials.

    Args:
        correct: bool (..., n); a trial without a response is false.

    Returns:
        float64 (...), in [0, 1]; NaN without trials.
    """
    if correct.shape[-1] == 0:
        return np.full(correct.shape[:-1], np.nan)
    return np.asarray(correct.mean(axis=-1, dtype=np.float64))


def accuracy_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared difference of two accuracies; never rooted, as in the paper. In [0, 1], lower is more similar."""
    return (np.asarray(a, np.float64) - b) ** 2


def observed_consistency(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Share of stimuli on which two observers are both right or both wrong.

    Args:
        a: bool (..., n), correct trials of one.
        b: bool (..., n), of the other, on the same stimuli in the same order.

    Returns:
        float64 (...), in [0, 1].
    """
    return accuracy(np.asarray(a, bool) == np.asarray(b, bool))


def expected_consistency(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Observed consistency of independent observers with these accuracies, in [0, 1]."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return a * b + (1 - a) * (1 - b)


def error_consistency(observed: np.ndarray, expected: np.ndarray, compat: Compat | None = None) -> np.ndarray:
    """Cohen's kappa of being right or wrong: consistency beyond what the accuracies alone give.

    Args:
        observed: Observed consistency, any shape.
        expected: Expected consistency, same shape.
        compat: ``"model-vs-human"`` gives 1 wherever the observed consistency is 1, as that code does.

    Returns:
        float64, at most 1. NaN where both are always right or both always wrong: 0/0, nothing is known of errors.
    """
    observed, expected = np.asarray(observed, np.float64), np.asarray(expected, np.float64)
    # 1 - expected = p(1-q) + q(1-p) is exactly 0 for accuracies of 0 or 1, and nowhere else.
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)
    return np.where(observed == 1, 1.0, kappa) if compat == "model-vs-human" else kappa


def error_consistency_limits(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest kappa that two observers can have given their accuracies (Geirhos et al., NeurIPS 2020).

    Observers agree most if the errors of the better one are among those of the other, least if their errors are as
    far apart as the number of stimuli allows.

    Args:
        a: Accuracy of one, any shape.
        b: Accuracy of the other, same shape.

    Returns:
        Two float64 of that shape; NaN where kappa is undefined.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    expected = expected_consistency(a, b)
    return error_consistency(np.abs(a + b - 1), expected), error_consistency(1 - np.abs(a - b), expected)


def response_entropy(responses: np.ndarray, size: int = len(CATEGORIES)) -> np.ndarray:
    """Entropy of the distribution of responses over the categories.

    Trials without a response belong to no category but count as trials, so the shares may sum to less than 1, as in
    model-vs-human.

    Args:
        responses: int (..., n), -1 for none.
        size: Number of categories.

    Returns:
        float64 (...), bits, in [0, log2(size)].
    """
    shares = np.stack([accuracy(responses == category) for category in range(size)], axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(shares > 0, shares * np.log2(shares), np.where(np.isnan(shares), np.nan, 0.0))
    return np.asarray(0.0 - terms.sum(axis=-1))


# The mean rank by which model-vs-human orders models (Geirhos et al., NeurIPS 2021).


RANKED = {"accuracy_difference": -1, "observed_consistency": 1, "error_consistency": 1}
"""Metrics that are ranked, and whether more is better (1) or less (-1)."""


def mean_ranks(values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean of an observer's ranks in the three metrics of human likeness; 1 is the most human-like.

    Equal values share the mean of their ranks.

    Args:
        values: By observer, the values by metric, of models alone: a reference group is not ranked.

    Returns:
        By observer; NaN where one of the three is missing or undefined. Such an observer takes no rank from others.
    """
    rows = {name: [by_metric.get(metric, np.nan) for metric in RANKED] for name, by_metric in values.items()}
    whole = [name for name, row in rows.items() if np.isfinite(row).all()]
    mean_rank = dict.fromkeys(rows, float("nan"))
    if whole:
        table = np.array([rows[name] for name in whole]) * list(RANKED.values())
        better = (table[None] > table[:, None]).sum(axis=1)
        equal = (table[None] == table[:, None]).sum(axis=1)
        ranks = better + (equal + 1) / 2
        mean_rank.update(zip(whole, ranks.mean(axis=1).tolist(), strict=True))
    return mean_rank
