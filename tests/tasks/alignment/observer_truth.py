"""What the scores of simulated observers are in expectation, in closed form.

Whether two observers see their cues is a pair of thresholds on a bivariate normal distribution; everything else is
drawn independently. So the probability that both are right is a sum over the four ways of seeing and missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from vitobench.tasks.alignment.consistency import OVERALL
from vitobench.tasks.alignment.experiments import AlignmentSet
from vitobench.tasks.alignment.measures import error_consistency, expected_consistency
from vitobench.tasks.alignment.observers import SimulatedObserver


@dataclass(frozen=True)
class _Rights:
    """Probabilities that an observer sees its cue, and that it is right when it does and when it does not."""

    sees: float
    seeing: float
    missing: float

    @property
    def right(self) -> float:
        return self.sees * self.seeing + (1 - self.sees) * self.missing


def true_accuracy(observer: SimulatedObserver, data_set: AlignmentSet, condition: str = OVERALL) -> float:
    """Probability of a right answer, in [0, 1].

    All stimuli are taken to show what the data set says they do (``data_set.cues``); those of the published
    cue-conflict that are not in conflict are no part of it.

    Args:
        observer: Whose.
        data_set: On what.
        condition: One of the data set's, or `OVERALL`: the mean over those that count.
    """
    rights = [_rights(observer, data_set, position).right for position in _positions(data_set, condition)]
    return sum(rights) / len(rights)


def true_shape_bias(observer: SimulatedObserver, data_set: AlignmentSet) -> float:
    """Share of shape decisions among the decisions for either cue, in [0, 1].

    Raises:
        ValueError: The stimuli are not in conflict.
    """
    if data_set.cues != "conflict":
        raise ValueError(f"the stimuli of {data_set.name} are not in conflict; there is no shape bias")
    rights = [_rights(observer, data_set, position) for position in _positions(data_set, OVERALL)]
    mine = sum(one.sees for one in rights)
    other = sum((1 - one.sees) * observer.other_cue for one in rights)
    return (mine if observer.cue == "shape" else other) / (mine + other)


def true_observed_consistency(
    a: SimulatedObserver, b: SimulatedObserver, data_set: AlignmentSet, condition: str = OVERALL
) -> float:
    """Probability that two observers are both right or both wrong, in [0, 1]; the mean over conditions that count.

    Raises:
        ValueError: They are the same observer.
    """
    found = [_agreement(a, b, data_set, position) for position in _positions(data_set, condition)]
    return sum(found) / len(found)


def true_error_consistency(
    a: SimulatedObserver, b: SimulatedObserver, data_set: AlignmentSet, condition: str = OVERALL
) -> float:
    """Cohen's kappa of two observers with endless stimuli: in each condition, then the mean over those that count.

    Raises:
        ValueError: They are the same observer.
    """
    kappas = []
    for position in _positions(data_set, condition):
        p, q = (np.asarray(_rights(observer, data_set, position).right) for observer in (a, b))
        observed = np.asarray(_agreement(a, b, data_set, position))
        kappas.append(float(error_consistency(observed, expected_consistency(p, q))))
    return sum(kappas) / len(kappas)


def _positions(data_set: AlignmentSet, condition: str) -> list[int]:
    names = data_set.kept if condition == OVERALL else (condition,)
    return [data_set.condition(name) for name in names]


def _rights(observer: SimulatedObserver, data_set: AlignmentSet, position: int) -> _Rights:
    sees = observer.sees.at(data_set, position)
    if observer.cue == "shape" or data_set.cues == "agree":
        return _Rights(sees, 1.0, 0.0)
    if data_set.cues == "conflict":
        return _Rights(sees, 0.0, observer.other_cue)
    chance = 1 / len(data_set.categories)
    return _Rights(sees, chance, chance)


def _agreement(a: SimulatedObserver, b: SimulatedObserver, data_set: AlignmentSet, position: int) -> float:
    """Probability that both are right or both wrong in a condition."""
    from scipy.special import ndtri
    from scipy.stats import multivariate_normal

    if (a.name, a.seed) == (b.name, b.seed):
        raise ValueError(f"{a.name} cannot be held against itself: the draws are the same; give another name")
    one, two = _rights(a, data_set, position), _rights(b, data_set, position)
    correlation = sqrt(a.shared * b.shared) if a.seed == b.seed else 0.0
    thresholds = [ndtri(one.sees), ndtri(two.sees)]
    both = float(multivariate_normal.cdf(thresholds, cov=[[1.0, correlation], [correlation, 1.0]]))
    cells = (
        (both, one.seeing, two.seeing),
        (one.sees - both, one.seeing, two.missing),
        (two.sees - both, one.missing, two.seeing),
        (1 - one.sees - two.sees + both, one.missing, two.missing),
    )
    return sum(weight * (p * q + (1 - p) * (1 - q)) for weight, p, q in cells)
