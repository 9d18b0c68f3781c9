"""Scores of human alignment as rows, with both intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...results.schema import ObserverComparison, ObserverScore
from ...results.statistics import minimum_detectable, t_test, two_sided_p
from .consistency import HUMANS, OF_DEFINED, OVERALL, RANGES, SAMPLED, Consistency, ceiled, limits, reflected
from .cues import CueDecisions
from .experiments import AlignmentSet
from .measures import OF_DEFINED as RANKED_OF_DEFINED
from .measures import mean_ranks

ALL = "all"
"""The data set of a row that is the mean over all data sets."""

_Z = 1.959964
"""Standard errors from an estimate to an end of its 95 % interval."""

SHAPE_BIAS = "shape_bias"
MEAN_RANK = "mean_rank"
DEFINED = "error_consistency_defined"

ENOUGH_FOR = "error_consistency_stimuli"
"""Stimuli with which the interval of error consistency would reach `WITHIN` to either side."""
WITHIN = 0.05

CEILED = ("observed_consistency", "error_consistency", DEFINED)
"""Metrics of which people's own value is a ceiling; rows of the share have these names followed by ``_ceiled``."""


@dataclass(frozen=True)
class Sampled:
    """One number of one observer with its samples.

    Attributes:
        draws: float64 (B + 1,), over samples of stimuli, the data themselves first.
        people_draws: float64 (B,), over samples of people.
        n: Stimuli.
    """

    draws: np.ndarray
    people_draws: np.ndarray
    n: int


def rows_of(consistency: Consistency) -> Iterator[ObserverScore]:
    """Rows of one data set: by condition, then overall."""
    data_set = consistency.panel.stimuli.data_set
    tables: list[tuple[str, np.ndarray, np.ndarray, np.ndarray]] = []
    for metric in (*SAMPLED, *OF_DEFINED):
        low, high = _limits(metric, consistency.values[metric])
        tables.append((metric, consistency.values[metric][0], low, high))
    none = np.full_like(consistency.entropy, np.nan)
    tables.append(("error_consistency_lowest", consistency.limits[0], none, none))
    tables.append(("error_consistency_highest", consistency.limits[1], none, none))
    tables.append(("response_entropy", consistency.entropy, none, none))
    # One condition is the whole data set: its row would say everything twice.
    conditions = (
        range(len(consistency.conditions)) if len(consistency.conditions) > 2 else [len(consistency.conditions) - 1]
    )
    for metric, values, low, high in tables:
        people = limits(consistency.people_draws[metric]) if metric in consistency.people_draws else (none[0], none[0])
        for row in conditions:
            condition = consistency.conditions[row]
            for column, observer in enumerate(consistency.observers):
                ends = (people[0][column], people[1][column]) if condition == OVERALL else (np.nan, np.nan)
                yield ObserverScore(
                    observer, data_set.task, condition, metric,
                    float(values[row, column]), float(low[row, column]), float(high[row, column]),
                    int(consistency.counts[row]), data_set.name, _reference(metric, consistency.reference),
                    condition not in data_set.excluded, float(ends[0]), float(ends[1]),
                )  # fmt: skip
                if (metric, condition) == (DEFINED, OVERALL):
                    span = float(low[row, column]), float(high[row, column])
                    yield from _enough_rows(
                        observer, data_set.task, data_set.name, span, int(consistency.counts[row]),
                        consistency.reference,
                    )  # fmt: skip


def _enough_rows(
    observer: str, task: str, data_set: str, span: tuple[float, float], n: int, reference: str
) -> Iterator[ObserverScore]:
    """How many such stimuli the interval needs to reach `WITHIN` to either side; nothing where there is no interval.

    The width of an interval falls with the root of the number of stimuli (Klein et al., NeurIPS 2025, plan experiments
    by it).
    """
    half = (span[1] - span[0]) / 2
    if half > 0:
        needed = float(np.ceil(n * (half / WITHIN) ** 2))
        yield ObserverScore(observer, task, OVERALL, ENOUGH_FOR, needed, np.nan, np.nan, n, data_set, reference)


def shape_rows(decisions: CueDecisions, data_set: AlignmentSet) -> Iterator[ObserverScore]:
    """Rows of shape bias: by category whose shape is shown, then overall."""
    low, high = limits(decisions.values[1:])
    people = limits(decisions.people_draws)
    for row, condition in enumerate(decisions.conditions):
        for column, observer in enumerate(decisions.observers):
            ends = (people[0][column], people[1][column]) if condition == OVERALL else (np.nan, np.nan)
            yield ObserverScore(
                observer, data_set.task, condition, SHAPE_BIAS, float(decisions.values[0, row, column]),
                float(low[row, column]), float(high[row, column]), int(decisions.counts[row, column]), data_set.name,
                people_ci_low=float(ends[0]), people_ci_high=float(ends[1]),
            )  # fmt: skip


def overall(consistency: Consistency, observer: str) -> dict[str, Sampled]:
    """An observer's numbers over the conditions that count, by metric."""
    column = consistency.observers.index(observer)
    return {
        metric: Sampled(
            consistency.values[metric][:, -1, column],
            consistency.people_draws[metric][:, column],
            int(consistency.counts[-1]),
        )
        for metric in (*SAMPLED, *OF_DEFINED)
    }


def overall_shape_bias(decisions: CueDecisions, observer: str, n: int) -> Sampled:
    """An observer's shape bias; n is the number of stimuli."""
    column = decisions.observers.index(observer)
    return Sampled(decisions.values[:, -1, column], decisions.people_draws[:, column], n)


def mean_of(parts: Sequence[Mapping[str, Sampled]]) -> dict[str, Sampled]:
    """Plain mean over data sets, by metric of `SAMPLED` and `OF_DEFINED`; their samples are independent.

    A data set in which nothing is defined leaves the mean undefined: the other data sets are others.
    """
    return {
        metric: Sampled(
            np.mean([part[metric].draws for part in parts], axis=0),
            np.mean([part[metric].people_draws for part in parts], axis=0),
            sum(part[metric].n for part in parts),
        )
        for metric in (*SAMPLED, *OF_DEFINED)
    }


def mean_rows(
    observer: str, means: Mapping[str, Sampled], task: str, reference: str = HUMANS
) -> Iterator[ObserverScore]:
    """Rows of the mean over data sets, which is called ``task``."""
    for metric, mean in means.items():
        low, high = (float(end) for end in _limits(metric, mean.draws))
        people_low, people_high = (float(end) for end in limits(mean.people_draws))
        yield ObserverScore(
            observer, task, OVERALL, metric, float(mean.draws[0]), low, high, mean.n, ALL,
            _reference(metric, reference), people_ci_low=people_low, people_ci_high=people_high,
        )  # fmt: skip
        if metric == DEFINED:
            yield from _enough_rows(observer, task, ALL, (low, high), mean.n, reference)


def share_rows(
    observer: str,
    of_it: Mapping[str, Sampled],
    of_people: Mapping[str, Sampled],
    task: str,
    data_set: str,
    reference: str = HUMANS,
) -> Iterator[ObserverScore]:
    """Rows of an observer's consistency as a share of what people reach among themselves."""
    for metric in CEILED:
        share = ceiled(of_it[metric].draws, of_people[metric].draws)
        yield ObserverScore(
            observer, task, OVERALL, f"{metric}_ceiled", share.value, share.ci_low, share.ci_high, of_it[metric].n,
            data_set, reference,
        )  # fmt: skip


def rank_rows(
    by_observer: Mapping[str, Mapping[str, Sampled]], task: str, reference: str = HUMANS
) -> Iterator[ObserverScore]:
    """Rows of the mean rank of models in the means over data sets, with plain kappas and with defined ones.

    They have no interval.
    """
    values = {
        name: {metric: float(one.draws[0]) for metric, one in means.items()} for name, means in by_observer.items()
    }
    ranks = {MEAN_RANK: mean_ranks(values), f"{MEAN_RANK}_defined": mean_ranks(values, RANKED_OF_DEFINED)}
    for metric, by_name in ranks.items():
        for observer, rank in by_name.items():
            n = next(iter(by_observer[observer].values())).n
            yield ObserverScore(observer, task, OVERALL, metric, rank, np.nan, np.nan, n, ALL, reference)


def compared(
    a: str, b: str, task: str, data_set: str, of_a: Mapping[str, Sampled], of_b: Mapping[str, Sampled]
) -> Iterator[ObserverComparison]:
    """Paired differences of two observers in every metric that both have.

    The further forms of error consistency are not tested in addition to it, which would make every test pay for asking
    twice: only the mean over defined kappas, in place of a plain one that is undefined.
    """
    strict = [side["error_consistency"].draws[0] for side in (of_a, of_b) if "error_consistency" in side]
    passed = set(OF_DEFINED) - ({DEFINED} if np.isnan(strict).any() else set())
    for metric in (metric for metric in of_a if metric in of_b and metric not in passed):
        draws = of_a[metric].draws - of_b[metric].draws
        difference, samples = float(draws[0]), draws[1:]
        if metric in RANGES:
            samples = reflected(samples, difference)
        low, high = (float(end) for end in limits(samples))
        n = of_a[metric].n
        yield ObserverComparison(
            a, b, task, OVERALL, metric, difference, low, high,
            p=t_test(difference, _error_towards_zero(difference, low, high), n - 1),
            n=n, n_a=n, n_b=n,
            test="stratified-bootstrap",
            minimum_detectable=minimum_detectable((high - low) / (2 * _Z)),
            data_set=data_set,
            p_bootstrap=two_sided_p(samples),
        )  # fmt: skip


def _error_towards_zero(difference: float, low: float, high: float) -> float:
    """Standard error on the side of 0, for a p that survives Holm: a bootstrap's own is never under 2 / (B + 1)."""
    arm = difference - low if difference > 0 else high - difference
    return max(arm, 0.0) / _Z


def _limits(metric: str, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intervals over stimuli from the data and their samples, (B + 1, ...)."""
    if metric not in RANGES:
        return limits(draws[1:])
    low, high = limits(reflected(draws[1:], draws[0]))
    return np.clip(low, *RANGES[metric]), np.clip(high, *RANGES[metric])


def _reference(metric: str, group: str) -> str | None:
    return None if metric in ("accuracy", "response_entropy") else group
