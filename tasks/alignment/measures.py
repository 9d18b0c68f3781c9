"""How similarly two observers answer, and the mean rank that orders models (Geirhos et al., 2020 and 2021)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
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


# Refinements of error consistency (Klein, Meyen, Brendel, Wichmann & Meding, NeurIPS 2025, arXiv 2507.06645).


def corrected_for_few(kappa: np.ndarray, n: np.ndarray | int) -> np.ndarray:
    """Kappa corrected for few stimuli: ``n * kappa / ((n - 1) + kappa)``.

    The covariance of two observers in a sample is too small by the factor (n - 1) / n, and kappa with it; this puts it
    right. Without effect at 0 and at 1.

    Args:
        kappa: Error consistency, any shape.
        n: Stimuli that each is of, broadcastable.

    Returns:
        float64, at most 1; NaN where kappa is, and for the -1 of two stimuli.
    """
    kappa, n = np.asarray(kappa, np.float64), np.asarray(n, np.float64)
    below = (n - 1) + kappa
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, n * kappa / below, np.nan)


def copy_probability(a: np.ndarray, b: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """How often the less accurate of two observers copies the other, in the model that explains their consistency.

    On a share p of the stimuli it is right just where the other is, on the rest it answers independently. Equal to
    kappa where both are equally accurate, and else smaller by as much as their accuracies limit kappa.

    Args:
        a: Accuracy of one, any shape.
        b: Accuracy of the other, same shape.
        observed: Observed consistency, same shape.

    Returns:
        float64, in [-1, 1]: below 0 the observer does the opposite of the other. NaN where the better one is always
        right or always wrong: whether it is copied does not show.
    """
    better = np.maximum(a, b)
    spread = 2 * better * (1 - better)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, (observed - expected_consistency(a, b)) / spread, np.nan)


def error_consistency_spread(a: float, b: float, kappa: float) -> float:
    """Standard error of kappa times the root of the number of stimuli, for many stimuli.

    By the delta method from the four shares of stimuli that both, one or none of two observers get right (Fleiss, Cohen
    & Everitt, Psychological Bulletin 1969).

    Args:
        a: Accuracy of one observer, in (0, 1).
        b: Accuracy of the other.
        kappa: Their error consistency.

    Raises:
        ValueError: No two observers with these accuracies have this kappa.
    """
    low, high = (float(limit) for limit in error_consistency_limits(np.asarray(a), np.asarray(b)))
    if not (0 < a < 1 and 0 < b < 1 and low - 1e-9 <= kappa <= high + 1e-9):
        allowed = (
            f"from {low:.3f} to {high:.3f}" if 0 < a < 1 and 0 < b < 1 else "none: give accuracies above 0 and below 1"
        )
        raise ValueError(f"Invalid kappa {kappa} at accuracies of {a} and {b}; possible is {allowed}.")
    expected = float(expected_consistency(np.asarray(a), np.asarray(b)))
    both = a * b + kappa * (1 - expected) / 2
    shares = np.array([both, a - both, b - both, 1 - a - b + both])
    # Slopes of kappa by the share of each cell: through what is observed, and through both accuracies.
    agrees, right_a, right_b = np.array([1, 0, 0, 1]), np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0])
    by_chance = right_a * (2 * b - 1) + right_b * (2 * a - 1)
    slopes = (agrees - (1 - kappa) * by_chance) / (1 - expected)
    return math.sqrt(max(0.0, float(shares @ slopes**2 - (shares @ slopes) ** 2)))


def stimuli_needed(a: float, b: float, kappa: float, half_width: float = 0.05, level: float = 0.95) -> int:
    """Stimuli that it takes to know the kappa of two observers within ``half_width``, for planning an experiment.

    Args:
        a: Expected accuracy of one observer, in (0, 1).
        b: Of the other.
        kappa: Expected error consistency.
        half_width: Wanted distance from the estimate to either end of its interval.
        level: Coverage of the interval.

    Raises:
        ValueError: See `error_consistency_spread`; or a width that is not above 0.
    """
    if not half_width > 0:
        raise ValueError(f"Invalid half width {half_width}; give one above 0.")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    return max(2, math.ceil((z * error_consistency_spread(a, b, kappa) / half_width) ** 2))


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


OF_DEFINED = ("accuracy_difference", "observed_consistency", "error_consistency_defined")
"""The same with the mean over defined kappas, by which a model with an undefined one is ranked, too."""


def mean_ranks(values: Mapping[str, Mapping[str, float]], metrics: Sequence[str] = tuple(RANKED)) -> dict[str, float]:
    """Mean of an observer's ranks in the three metrics of human likeness; 1 is the most human-like.

    Equal values share the mean of their ranks.

    Args:
        values: By observer, the values by metric, of models alone: a reference group is not ranked.
        metrics: Their names, in the order of `RANKED`.

    Returns:
        By observer; NaN where one of the three is missing or undefined. Such an observer takes no rank from others.
    """
    rows = {name: [by_metric.get(metric, np.nan) for metric in metrics] for name, by_metric in values.items()}
    whole = [name for name, row in rows.items() if np.isfinite(row).all()]
    mean_rank = dict.fromkeys(rows, float("nan"))
    if whole:
        table = np.array([rows[name] for name in whole]) * list(RANKED.values())
        better = (table[None] > table[:, None]).sum(axis=1)
        equal = (table[None] == table[:, None]).sum(axis=1)
        ranks = better + (equal + 1) / 2
        mean_rank.update(zip(whole, ranks.mean(axis=1).tolist(), strict=True))
    return mean_rank
