"""Which models are clearly better than which, and what follows from it: intervals of ranks, and groups of equals.

A rank counts the models that are better, so what is known of it is what paired tests say of the differences: if b
models are clearly better than a model and w clearly worse, its rank among p models is from 1 + b to p - w. Where the
tests of all pairs keep their family-wise error at 5 %, all these intervals hold together with 95 % (Mogstad, Romano,
Shaikh & Wilhelm 2024, Rev. Econ. Stud. 91:476; Al Mohamad, Goeman & van Zwet 2022, Biometrics 78:1143). Percentiles of
bootstrapped ranks promise no such thing: near a tie they are too narrow however many images there are.

The tests are one-sided, of every ordered pair, with the largest studentised difference as their common yardstick, taken
step by step over the pairs that are not yet decided (Romano & Wolf 2005, Econometrica 73:1237). The yardstick knows how
the differences depend on each other, which a correction by counting does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from .statistics import LEVEL

_EXACT_TASKS = 12
"""Tasks up to which all patterns of signs are taken, 4,096 of them; of more, as many at random."""


def chance_of_gaps(values: np.ndarray, n: int) -> np.ndarray:
    """What a difference of means adds to its own variance if it counts as chance, as in McNemar's statistic.

    It keeps a few images that all speak for one model from counting as certainty: as in a sign test, six must.

    Args:
        values: float64 (models,), means over images.
        n: Images.

    Returns:
        float64 (models, models), 0 where models are equal.
    """
    squares: np.ndarray = (values[:, None] - values[None, :]) ** 2
    return squares / max(n - 2, 0.01)


def better_on_images(values: np.ndarray, errors: np.ndarray, chance: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """Pairs of models of which one is clearly better: other images would have said the same.

    Args:
        values: float64 (models,), higher is better.
        errors: float (models, B), how other images might have moved them, on the same samples of images for all
            models and with mean 0; see `statistics.sign_draws`.
        chance: float64 (models, models), from `chance_of_gaps`.
        level: Probability that nothing wrong is claimed.

    Returns:
        bool (models, models), ``[j, k]`` where j is clearly better than k.

    Raises:
        ValueError: A value or an error is not finite.
    """
    _check_finite(values, errors)
    errors = np.asarray(errors, np.float64)
    models, count = errors.shape
    if models < 2:
        return np.zeros((models, models), bool)
    covariance = errors @ errors.T / count
    own = np.diag(covariance)
    variance = own[:, None] + own[None, :] - 2 * covariance
    # Of models that never differed, what is left is rounding.
    variance[variance <= 1e-12 * (own[:, None] + own[None, :])] = 0.0
    whole = np.sqrt(variance + chance)
    # Models that never differed are never apart.
    weights = np.divide(1.0, whole, out=np.zeros_like(whole), where=whole > 0)
    added = np.sqrt(chance / 2) * weights
    by_draw = np.ascontiguousarray(errors.T)
    # By the models' order of values, so that the order in which they are named changes nothing.
    noise = np.empty((count, models))
    noise[:, np.lexsort((errors[:, 0], values))] = np.random.Generator(np.random.Philox(0)).standard_normal(noise.shape)

    def row(j: int) -> np.ndarray:
        scaled: np.ndarray = (by_draw[:, j, None] - by_draw) * weights[j] + (noise[:, j, None] - noise) * added[j]
        return scaled

    return _step_down((values[:, None] - values[None, :]) * weights, row, count, level)


def better_on_tasks(values: np.ndarray, level: float = LEVEL, seed: int = 0) -> np.ndarray:
    """Pairs of models of which one is clearly better over tasks: other tasks like these would have said the same.

    Tests by signs: if two models were equally good on tasks of this sort, their difference on each might as well have
    had the other sign. What the choice of images adds to the differences is in them, too. With fewer than six tasks no
    difference can be clear: of five, all have the same sign in one of sixteen cases.

    Args:
        values: float64 (tasks, models), higher is better, on one scale.
        level: Probability that nothing wrong is claimed.
        seed: Of the patterns of signs, where there are too many tasks to take all.

    Returns:
        bool (models, models), ``[j, k]`` where j is clearly better than k.

    Raises:
        ValueError: A value is not finite.
    """
    _check_finite(values)
    tasks, models = values.shape
    if tasks < 2 or models < 2:
        return np.zeros((models, models), bool)
    signs = _signs(tasks, seed)
    sums = signs @ values
    squares = ((values[:, :, None] - values[:, None, :]) ** 2).sum(axis=0)

    def row(j: int, flipped: np.ndarray = sums) -> np.ndarray:
        means = (flipped[:, j, None] - flipped) / tasks
        whole = squares[j][None, :] / tasks
        variance = whole - means**2
        # What is left of equal differences is rounding.
        variance = np.where(variance <= 1e-12 * whole, 0.0, variance) / (tasks - 1)
        return _ratio(means, np.sqrt(variance))

    # The first pattern has no sign changed: the observed differences, computed in the same way as all others.
    statistic = np.vstack([row(j, sums[:1]) for j in range(models)])
    return _step_down(statistic, row, len(signs), level)


def _signs(tasks: int, seed: int) -> np.ndarray:
    """Patterns of signs (patterns, tasks); the first changes none."""
    if tasks <= _EXACT_TASKS:
        return np.array(list(itertools.product((1.0, -1.0), repeat=tasks)))
    random = np.random.Generator(np.random.Philox(seed))
    signs = random.choice((1.0, -1.0), (2**_EXACT_TASKS, tasks))
    signs[0] = 1.0
    return signs


def _check_finite(*arrays: np.ndarray) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("Ranks need the values of all models; some are missing or not finite.")


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotient; 0 where the denominator is, except that a difference without any spread is endless."""
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = above / below
    none = below == 0
    return np.where(none, np.where(above == 0, 0.0, np.copysign(np.inf, above)), quotient) if none.any() else quotient


def _step_down(statistic: np.ndarray, row: Callable[[int], np.ndarray], count: int, level: float) -> np.ndarray:
    """Reject ordered pairs whose statistic exceeds the largest of those still open, until none does.

    Args:
        statistic: (models, models) of ordered pairs.
        row: From a model to (count, models): its statistics against each other model if none differed.
        count: Draws.
        level: One less the family-wise error.
    """
    models = len(statistic)
    open_pairs = ~np.eye(models, dtype=bool)
    better = np.zeros_like(open_pairs)
    place = min(count - 1, int(np.ceil(level * count - 1e-9)) - 1)
    while open_pairs.any():
        largest = np.full(count, -np.inf)
        for j in np.flatnonzero(open_pairs.any(axis=1)):
            np.maximum(largest, row(int(j))[:, open_pairs[j]].max(axis=1), out=largest)
        limit = np.partition(largest, place)[place]
        # Draws that equal the statistic do so up to rounding.
        clear = open_pairs & (statistic > limit * (1 + 1e-9)) & (statistic > 0)
        if not clear.any():
            break
        better |= clear
        open_pairs &= ~clear
    return better


def rank_intervals(better: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best and the worst rank of each model that its clear differences allow.

    Args:
        better: bool (models, models), ``[j, k]`` where j is clearly better than k.

    Returns:
        Two of int (models,), from 1 to the number of models.
    """
    models = len(better)
    return 1 + better.sum(axis=0), models - better.sum(axis=1)


def groups_of(better: np.ndarray) -> np.ndarray:
    """Groups of models that are level with the best: with the best of all, then with the best of the rest.

    The first group holds the models that no other is clearly better than (multiple comparison with the best: Hsu 1984,
    Ann. Stat. 12:1136); each further one those that only models of earlier groups are clearly better than.

    Args:
        better: bool (models, models), ``[j, k]`` where j is clearly better than k; free of circles, as it is where only
            a model of a higher value can be clearly better.

    Returns:
        int (models,), 1 for the first group.

    Raises:
        ValueError: The differences go in a circle.
    """
    groups = np.zeros(len(better), dtype=np.int64)
    number = 0
    while (groups == 0).any():
        number += 1
        left = groups == 0
        first = left & ~better[left].any(axis=0)
        if not first.any():
            raise ValueError("The clear differences of the models go in a circle.")
        groups[first] = number
    return groups
