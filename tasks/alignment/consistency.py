"""Accuracy and consistency of all observers of a data set, for the data and for every bootstrap sample."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from .measures import (
    Compat,
    accuracy_difference,
    copy_probability,
    corrected_for_few,
    error_consistency,
    error_consistency_limits,
    expected_consistency,
    response_entropy,
)
from .trials import Panel

# Which stimuli and which observers each bootstrap sample draws.


REPLICATES = 1000
"""Default number of bootstrap samples."""

_PIECE = 4_000_000


def stimulus_counts(what: str, n: int, replicates: int, seed: int = 0) -> np.ndarray:
    """How often each of n stimuli is in each sample.

    The draws depend on these arguments alone: all observers of a condition meet the same samples, which is what makes
    consistency and differences between observers come out right, and no two conditions share theirs.

    Args:
        what: Data set and condition, such as ``"contrast/c30"``.
        n: Stimuli.
        replicates: B.
        seed: Seed.

    Returns:
        float32 (B + 1, n): first the data as they are, all ones, then B samples drawn with replacement; rows sum to n.
    """
    rng = np.random.default_rng([seed, zlib.crc32(what.encode()), n])
    counts = np.ones((replicates + 1, n), np.float32)
    piece = max(1, _PIECE // max(n, 1))
    for start in range(1, replicates + 1, piece):
        rows = min(piece, replicates + 1 - start)
        drawn = rng.integers(n, size=(rows, n)) + np.arange(rows)[:, None] * n
        counts[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
    return counts


def observer_counts(what: str, people: int, replicates: int, seed: int = 0) -> np.ndarray:
    """How often each person is in each sample of people.

    Samples that hold one person over and over are drawn again, since such a sample has no pair of people; of four
    people one sample in 64 would be one.

    Args:
        what: Data set; people of different data sets are different people.
        people: Their number.
        replicates: B.
        seed: Seed.

    Returns:
        float64 (B, people); rows sum to ``people``.
    """
    rng = np.random.default_rng([seed, zlib.crc32(b"people of " + what.encode()), people])
    shares = np.full(people, 1 / people)
    counts = rng.multinomial(people, shares, size=replicates)
    while people > 1 and (alone := (counts == people).any(axis=1)).any():
        counts[alone] = rng.multinomial(people, shares, size=int(alone.sum()))
    return counts.astype(np.float64)


def reflected(draws: np.ndarray, value: np.ndarray | float) -> np.ndarray:
    """Samples mirrored at the value found, which turns percentile intervals into basic ones (Davison & Hinkley 1997).

    Sampling adds its own noise to a squared difference, so that samples are above the value, which is above the truth
    already; percentiles of them may not even hold the value. Mirrored, they are below it, where the truth is.
    """
    return 2 * np.asarray(value) - draws


ENOUGH = 0.9
"""Share of samples in which a number has to be defined to have an interval."""


def limits(draws: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of many quantities at once.

    Args:
        draws: float64 (B, ...).
        level: Coverage.

    Returns:
        Two float64 (...). Undefined samples are ignored; NaN where fewer than `ENOUGH` are defined.
    """
    ends = [0.5 - level / 2, 0.5 + level / 2]
    low, high = np.full(draws.shape[1:], np.nan), np.full(draws.shape[1:], np.nan)
    if len(draws) == 0:
        return low, high
    defined = np.isfinite(draws).sum(axis=0)
    whole = defined == len(draws)
    if whole.any():
        low[whole], high[whole] = np.quantile(draws[:, whole], ends, axis=0)
    partly = ~whole & (defined >= ENOUGH * len(draws))
    if partly.any():
        low[partly], high[partly] = np.nanquantile(draws[:, partly], ends, axis=0)
    return low, high


# The numbers of all observers, for the data and for every bootstrap sample at once.
#
# All of it is means over stimuli of two kinds of columns: whether an observer is right, and whether an observer and a
# person are both right or both wrong. One matrix product per condition gives the means of all samples.


HUMANS = "humans"
"""The people of a data set as one observer: their mean, and for consistency the mean of their pairs.

If others replace people, such as simulated observers, the name of that group is given as ``reference``.
"""

OVERALL = "overall"
"""All conditions that count."""

SAMPLED = (
    "accuracy",
    "accuracy_difference",
    "observed_consistency",
    "expected_consistency",
    "error_consistency",
)
"""Metrics with intervals. All but the first are means over comparisons with the data set's people."""

OF_DEFINED = ("error_consistency_defined", "error_consistency_corrected", "copy_probability")
"""Further forms of error consistency, means over the pairs and conditions in which they are defined (Klein et al.,
NeurIPS 2025): kappa itself, kappa corrected for few stimuli, and the copy probability.

A kappa is undefined where both observers are always right, so the plain mean is lost to the strongest models first.
"""

RANGES = {
    "accuracy_difference": (0.0, 1.0),
    "expected_consistency": (0.0, 1.0),
    "error_consistency": (-1.0, 1.0),
    **dict.fromkeys(OF_DEFINED, (-1.0, 1.0)),
}
"""Metrics that are not means over stimuli, and their ranges. Their samples are biased and get mirrored."""

_PAIRED = SAMPLED[1:]


@dataclass(frozen=True)
class Consistency:
    """Result of `consistency` for one data set, with B samples, O observers, C conditions and a metric's name as key.

    Attributes:
        panel: What it is about.
        observers: O names, then the reference.
        reference: Name of the group compared with.
        conditions: C names in the data set's order, then `OVERALL`; only conditions that were shown.
        counts: int64 (C + 1,), stimuli.
        values: float64 (B + 1, C + 1, O + 1) by metric of `SAMPLED` and `OF_DEFINED`, the data themselves first. A
            person is compared with the others; the column of the reference is the mean over pairs. NaN where undefined.
        people_draws: float64 (B, O + 1) by metric, overall, over samples of people instead of stimuli; NaN for single
            people and for a model's accuracy, which no person has a part in.
        limits: Two float64 (C + 1, O + 1): lowest and highest error consistency that the accuracies allow.
        entropy: float64 (C + 1, O + 1), bits.
        undefined: bool (C, O, people), where the kappa of an observer and another person is undefined, in conditions
            that count.
    """

    panel: Panel
    observers: tuple[str, ...]
    reference: str
    conditions: tuple[str, ...]
    counts: np.ndarray
    values: dict[str, np.ndarray]
    people_draws: dict[str, np.ndarray]
    limits: tuple[np.ndarray, np.ndarray]
    entropy: np.ndarray
    undefined: np.ndarray


def consistency(
    panel: Panel,
    replicates: int = REPLICATES,
    seed: int = 0,
    compat: Compat | None = None,
    reference: str = HUMANS,
) -> Consistency:
    """Accuracy and consistency with people, with samples for intervals.

    Means are taken over conditions first, then over people, as the reference does; accuracy pools trials.

    Args:
        panel: Answers of people and models to the same stimuli.
        replicates: B; 0 for the data alone.
        seed: Seed of the samples.
        compat: See `error_consistency`.
        reference: What the panel's people are called as one observer.
    """
    data_set, people = panel.stimuli.data_set, panel.people
    positions = np.unique(panel.stimuli.conditions)
    names = [data_set.conditions[position] for position in positions]
    counted = [row for row, name in enumerate(names) if name not in data_set.excluded]
    counts = np.array([(panel.stimuli.conditions == position).sum() for position in positions], np.int64)

    accuracies = np.empty((replicates + 1, len(positions), len(panel.observers)))
    observed = np.empty((*accuracies.shape, people))
    correct = panel.correct.T.astype(np.float32)  # (n, O); sums of 0 and 1 under 2**24 are exact
    for row, position in enumerate(positions):
        hits = correct[panel.stimuli.conditions == position]
        samples = stimulus_counts(f"{data_set.name}/{names[row]}", len(hits), replicates, seed)
        both = (hits[:, :, None] == hits[:, None, :people]).reshape(len(hits), -1).astype(np.float32)
        accuracies[:, row] = (samples @ hits).astype(np.float64) / len(hits)
        observed[:, row] = ((samples @ both).astype(np.float64) / len(hits)).reshape(len(samples), -1, people)

    others = _others(len(panel.observers), people)
    pooled = counts[counted] / counts[counted].sum() if counted else np.empty(0)
    whole = (
        np.einsum("c,rco->ro", pooled, accuracies[:, counted]) if counted else np.full_like(accuracies[:, 0], np.nan)
    )
    values = {"accuracy": _with_humans(np.concatenate([accuracies, whole[:, None]], axis=1), people)}
    pairs = _pair_metrics(accuracies, observed, people, compat)
    people_draws = {"accuracy": _accuracy_of_people(values["accuracy"][0, -1], people, data_set.name, replicates, seed)}
    for metric in _PAIRED:
        by_pair = _with_overall(pairs[metric], counted)
        values[metric] = _with_humans(_mean_over(by_pair, others), people)
        people_draws[metric] = _samples_of_people(by_pair[0, -1], people, data_set.name, replicates, seed)
    kappa, shown = pairs["error_consistency"], counts[:, None, None]
    forms = (kappa, corrected_for_few(kappa, shown), _copied(accuracies, observed, people))
    for metric, form in zip(OF_DEFINED, forms, strict=True):
        values[metric] = _mean_of_defined(form, others, counted)
        people_draws[metric] = _defined_by_people(form[0], others, counted, data_set.name, replicates, seed)
    undefined = np.isnan(kappa[0]) & others
    undefined[[row for row in range(len(names)) if row not in counted]] = False
    a, b = accuracies[:1, :, :, None], accuracies[:1, :, None, :people]
    low, high = (
        _with_humans(_mean_over(_with_overall(limit, counted), others), people)[0]
        for limit in error_consistency_limits(*np.broadcast_arrays(a, b))
    )
    return Consistency(
        panel=panel,
        observers=(*panel.observers, reference),
        reference=reference,
        conditions=(*names, OVERALL),
        counts=np.append(counts, counts[counted].sum()),
        values=values,
        people_draws=people_draws,
        limits=(low, high),
        entropy=_entropies(panel, positions, counted),
        undefined=undefined,
    )


def _pair_metrics(
    accuracies: np.ndarray, observed: np.ndarray, people: int, compat: Compat | None
) -> dict[str, np.ndarray]:
    """Metrics of observers and people, float64 (B + 1, C, O, people) each."""
    a, b = accuracies[..., None], accuracies[:, :, None, :people]
    expected = expected_consistency(a, b)
    numbers = (accuracy_difference(a, b), observed, expected, error_consistency(observed, expected, compat))
    return dict(zip(_PAIRED, numbers, strict=True))


def _others(observers: int, people: int) -> np.ndarray:
    """Bool (O, people): the people that an observer is compared with, all but itself."""
    others = np.ones((observers, people), bool)
    others[np.arange(people), np.arange(people)] = False
    return others


def _mean_over(by_pair: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Mean over the people that an observer is compared with, (..., O); NaN if there are none."""
    totals = np.where(others, by_pair, 0.0).sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return np.asarray(totals / others.sum(axis=-1))


def _with_overall(by_condition: np.ndarray, counted: list[int]) -> np.ndarray:
    """Append the plain mean over the conditions that count to axis 1; NaN if none counts."""
    part = by_condition[:, counted]
    mean = part.mean(axis=1, keepdims=True) if counted else np.full_like(by_condition[:, :1], np.nan)
    return np.concatenate([by_condition, mean], axis=1)


def _with_humans(by_observer: np.ndarray, people: int) -> np.ndarray:
    """Append the mean over people to the last axis.

    For pairwise metrics this is the mean over unordered pairs, since every pair occurs twice in it.
    """
    return np.concatenate([by_observer, by_observer[..., :people].mean(axis=-1, keepdims=True)], axis=-1)


# Means over what is defined: in each condition over people, then over the conditions that have any (Klein et al.).


def _copied(accuracies: np.ndarray, observed: np.ndarray, people: int) -> np.ndarray:
    """Copy probability of observers and people, float64 (B + 1, C, O, people)."""
    return copy_probability(accuracies[..., None], accuracies[:, :, None, :people], observed)


def _share(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(count > 0, total / count, np.nan))


def _over_conditions(by_condition: np.ndarray, counted: list[int]) -> np.ndarray:
    """Mean over the conditions that count and have a value, axis 1 of float64 (R, C, ...)."""
    part = by_condition[:, counted]
    known = np.isfinite(part)
    return _share(np.where(known, part, 0.0).sum(axis=1), known.sum(axis=1))


def _mean_of_defined(by_pair: np.ndarray, others: np.ndarray, counted: list[int]) -> np.ndarray:
    """Means of float64 (R, C, O, people) over what is defined, (R, C + 1, O + 1): overall and over all pairs last."""
    people = by_pair.shape[-1]
    known = np.isfinite(by_pair) & others
    total, count = np.where(known, by_pair, 0.0).sum(axis=-1), known.sum(axis=-1)
    # Every pair of people occurs twice in both sums.
    of_pairs = (each[..., :people].sum(axis=-1, keepdims=True) for each in (total, count))
    total, count = (np.concatenate(parts, axis=-1) for parts in zip((total, count), of_pairs, strict=True))
    by_condition = _share(total, count)
    return np.concatenate([by_condition, _over_conditions(by_condition, counted)[:, None]], axis=1)


def _defined_by_people(
    by_pair: np.ndarray, others: np.ndarray, counted: list[int], name: str, replicates: int, seed: int
) -> np.ndarray:
    """Means over what is defined for samples of people, as in `_samples_of_people`.

    Args:
        by_pair: float64 (C, O, people).
        others: See `_others`.
        counted: Rows of the conditions that count.
        name: Of the data set.
        replicates: B.
        seed: Seed.

    Returns:
        float64 (B, O + 1); NaN for single people.
    """
    people = by_pair.shape[-1]
    weights = observer_counts(name, people, replicates, seed)
    known = np.isfinite(by_pair) & others
    filled = np.where(known, by_pair, 0.0)
    draws = np.full((replicates, by_pair.shape[1] + 1), np.nan)
    models = (np.einsum("bp,cop->bco", weights, each[:, people:]) for each in (filled, known.astype(np.float64)))
    draws[:, people:-1] = _over_conditions(_share(*models), counted)
    upper = np.triu_indices(people, 1)
    both = weights[:, upper[0]] * weights[:, upper[1]]
    pairs = (both @ each[:, upper[0], upper[1]].T for each in (filled, known.astype(np.float64)))
    draws[:, -1] = _over_conditions(_share(*pairs), counted)
    return draws


def _accuracy_of_people(accuracies: np.ndarray, people: int, name: str, replicates: int, seed: int) -> np.ndarray:
    draws = np.full((replicates, len(accuracies)), np.nan)
    draws[:, -1] = observer_counts(name, people, replicates, seed) @ accuracies[:people] / people
    return draws


def _samples_of_people(by_pair: np.ndarray, people: int, name: str, replicates: int, seed: int) -> np.ndarray:
    """Mean over samples of people.

    A person who is drawn twice makes no pair with himself: agreement with oneself says nothing about people.

    Args:
        by_pair: float64 (O, people).
        people: Number of people, the first observers.
        name: Of the data set.
        replicates: B.
        seed: Seed.

    Returns:
        float64 (B, O + 1).
    """
    weights = observer_counts(name, people, replicates, seed)
    draws = np.full((replicates, len(by_pair) + 1), np.nan)
    draws[:, people:-1] = weights @ by_pair[people:].T / people
    upper = np.triu_indices(people, 1)
    both = weights[:, upper[0]] * weights[:, upper[1]]
    with np.errstate(invalid="ignore"):
        draws[:, -1] = both @ by_pair[upper] / both.sum(axis=1)
    return draws


def _entropies(panel: Panel, positions: np.ndarray, counted: list[int]) -> np.ndarray:
    size = len(panel.stimuli.data_set.categories)
    entropies = [
        response_entropy(panel.responses[:, panel.stimuli.conditions == position], size) for position in positions
    ]
    by_condition = np.stack(entropies)
    return _with_humans(_with_overall(by_condition[None], counted)[0], panel.people)


# Consistency with people as a share of what people reach among themselves.


@dataclass(frozen=True)
class Ceiled:
    """A share of a ceiling.

    Attributes:
        value: 1 at the ceiling; may be above it. NaN where undefined.
        ci_low: 95 % interval; NaN where there are no samples.
        ci_high: Its other end.
    """

    value: float
    ci_low: float
    ci_high: float


def ceiled(draws: np.ndarray, ceiling: np.ndarray) -> Ceiled:
    """Divide an observer's consistency with people by the people's own, sample by sample.

    Both rest on the same stimuli and the same people, so that their sampling errors go together, which two separate
    intervals would not tell. The samples are mirrored at the value, as those of error consistency are.

    Args:
        draws: float64 (B + 1,), the data first, then B samples of stimuli (`rows.Sampled.draws`).
        ceiling: float64 (B + 1,), of the people, over the same samples.

    Returns:
        The share with its interval; NaN where the ceiling is not above 0, since nothing can be a share of that.

    Raises:
        ValueError: Different numbers of samples.
    """
    draws, ceiling = np.asarray(draws, np.float64), np.asarray(ceiling, np.float64)
    if draws.shape != ceiling.shape or draws.ndim != 1 or not len(draws):
        raise ValueError(f"expected the same samples of both, not {draws.shape} and {ceiling.shape}")
    shares = np.full(len(draws), np.nan)
    np.divide(draws, ceiling, out=shares, where=ceiling > 0)
    low, high = limits(reflected(shares[1:], shares[0])) if np.isfinite(shares[0]) else (np.nan, np.nan)
    return Ceiled(float(shares[0]), float(low), float(high))
