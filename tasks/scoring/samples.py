"""Predictions as a matrix, and bootstrap samples of its units, drawn once for all measures, pairs and references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...results import statistics
from ...results.predictions import Predictions
from ...results.published.tables import published_reference
from ...results.schema import TOP_K
from ..confidences import resampled
from ..kinds.kind import RANKED, Means, Measure, Units
from ..labels import Truth
from ..measures import worst_classes
from ..task import Task

# One model's predictions for one task as a matrix: a row per image, a column per condition.


_NOT_ASKED = -2  # no row; -1 is a row without an answer


@dataclass(frozen=True)
class Answers:
    """Answers of one model.

    Attributes:
        model: Model name.
        image_ids: (n,) ids, sorted, of the images that were answered under every condition that was asked at all.
        decisions: int16 (n, conditions), the top-1 class; -1 in a column that was never asked.
        correct: float32 (n, conditions), 1 where the decision is the label; NaN in a column that was never asked.
        labels: int64 (n,).
        confidence: float32 (n, conditions), probability of the decision; NaN in a column that was never asked.
        top: int16 (n, conditions, 5), classes best first; -1 where a class is not known. None where the kind of task
            has no use for it: with 75 conditions it would be the largest part by far.
        numbers: float32 (n, conditions) by name, where numbers are stored in place of classes; NaN where one is
            undefined.
        shifted: Of answers to clean images: the model's answers to those of `Task.shifted`, by task, as far as there
            are any.
    """

    model: str
    image_ids: np.ndarray
    decisions: np.ndarray
    correct: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray
    top: np.ndarray | None = None
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    shifted: Mapping[str, Answers] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.image_ids)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Positions of these ids, all of which must be present."""
        return np.searchsorted(self.image_ids, ids)


def collect(task: Task, model: str, predictions: Predictions) -> Answers:
    """Lay prediction rows out as a matrix.

    An image that lacks an answer under a condition that other images were asked is left out of every condition, so that
    all columns are about the same images; a condition without any predictions stays as a missing value.

    Args:
        task: Decides the columns.
        model: Name for the result.
        predictions: Rows of one model and task; those with an error are ignored.
    """
    ids = np.array(predictions.image_ids, dtype=np.str_)
    columns = {condition.key: number for number, condition in enumerate(task.conditions)}
    column_of = np.array([columns.get(key, -1) for key in predictions.conditions], dtype=np.int64)
    column = column_of[predictions.condition] if len(predictions) else np.empty(0, np.int64)
    good = (predictions.error < 0) & (column >= 0)
    wide = np.full((len(ids), len(task.conditions)), _NOT_ASKED, dtype=np.int16)
    wide[predictions.image[good], column[good]] = predictions.top[good, 0]
    confidence = np.full(wide.shape, np.nan, dtype=np.float32)
    confidence[predictions.image[good], column[good]] = predictions.confidence[good]
    top = None
    if task.kind.keeps_ranks:
        top = np.full((*wide.shape, TOP_K), -1, dtype=np.int16)
        top[predictions.image[good], column[good]] = predictions.top[good]
    labels = np.full(len(ids), -1, dtype=np.int64)
    labels[predictions.image[good]] = predictions.label[good]

    answered = wide != _NOT_ASKED
    asked = answered.any(axis=0)
    whole = np.flatnonzero(answered[:, asked].all(axis=1)) if asked.any() else np.empty(0, np.int64)
    whole = whole[np.argsort(ids[whole], kind="stable")]
    decisions, truth = wide[whole], labels[whole]
    correct = (decisions == truth[:, None]).astype(np.float32)
    correct[:, ~asked] = np.nan
    decisions[:, ~asked] = -1
    ranked = top[whole] if top is not None else None
    numbers = {}
    for name, values in predictions.numbers.items():
        numbers[name] = np.full(wide.shape, np.nan, dtype=np.float32)
        numbers[name][predictions.image[good], column[good]] = values[good]
        numbers[name] = numbers[name][whole]
    return Answers(model, ids[whole], decisions, correct, truth, confidence[whole], ranked, numbers)


# Bootstrap samples of units for each model, drawn once for all measures, pairs and references.


@dataclass(frozen=True)
class Sampled:
    """One model on some units.

    Attributes:
        columns: Names of the columns of the units.
        values: (n, columns), of the units themselves.
        point: float64 (1, k), means of the columns, then the numbers of `Units.beyond`.
        samples: float64 (B, k), the same for each bootstrap sample.
    """

    columns: tuple[str, ...]
    values: np.ndarray
    point: Means
    samples: Means

    def column(self, name: str) -> np.ndarray:
        """One column of the units, (n,)."""
        return self.values[:, self.columns.index(name)]

    def count(self, measure: Measure) -> int:
        """The n of a measure: its units, or its decisions."""
        if not measure.counts:
            return len(self.values)
        return int(sum(self.column(name).sum() for name in measure.counts))


class Resampler:
    """Samples of the units of some models; equal units meet equal samples, so that draws can be subtracted."""

    def __init__(self, units: Mapping[str, Units], replicates: int) -> None:
        self.units = units
        self.replicates = replicates
        self._common: dict[tuple[str, ...], np.ndarray] = {}
        self._whole: dict[str, Sampled] = {}

    def together(
        self, models: Sequence[str], measure: Measure | None = None
    ) -> tuple[dict[str, Sampled], np.ndarray] | None:
        """The same units of several models, and their ids.

        Args:
            models: Which.
            measure: Take what this number needs alone: of a measure with ``defined_only``, its columns in the units in
                which they are defined for every model.

        Returns:
            None where one of them has no units, or lacks the columns, or where they have no unit in common.
        """
        if any(model not in self.units for model in models):
            return None
        ids = self.common(models)
        if measure is None or not measure.defined_only:
            return ({model: self.sampled(model, ids) for model in models}, ids) if len(ids) else None
        if not all(measure.applies_to(self.units[model].columns) for model in models):
            return None
        own = {}
        for model in models:
            units = self.units[model]
            own[model] = units.on(ids)[:, [units.columns.index(name) for name in measure.reads]]
        defined = np.all([np.isfinite(values).all(axis=1) for values in own.values()], axis=0)
        if not defined.any():
            return None
        return {model: self._means(measure.reads, values[defined]) for model, values in own.items()}, ids[defined]

    def common(self, models: Sequence[str]) -> np.ndarray:
        """Ids of the units that all of these models have, sorted."""
        key = tuple(dict.fromkeys(models))
        if key not in self._common:
            ids = self.units[key[0]].ids
            for model in key[1:]:
                other = self.units[model].ids
                if not np.array_equal(ids, other):
                    ids = np.intersect1d(ids, other, assume_unique=True)
            self._common[key] = ids
        return self._common[key]

    def sampled(self, model: str, ids: np.ndarray) -> Sampled:
        """One model on these of its units; kept where they are all it has, which is the rule."""
        units = self.units[model]
        if len(ids) < len(units):
            return self._sample(units, ids)
        if model not in self._whole:
            self._whole[model] = self._sample(units, units.ids)
        return self._whole[model]

    def _means(self, columns: tuple[str, ...], values: np.ndarray) -> Sampled:
        means = values.mean(axis=0, dtype=np.float64) if len(values) else np.full(values.shape[1], np.nan)
        draws = statistics.resampled_means(values, self.replicates)
        return Sampled(columns, values, Means(columns, means[None]), Means(columns, draws))

    def _sample(self, units: Units, ids: np.ndarray) -> Sampled:
        """Means of the columns, then the numbers that are no function of them; see `Units.beyond`."""
        values = units.on(ids)
        plain, beyond = self._means(units.columns, values), units.beyond
        if not beyond:
            return plain
        every = np.ones((1, len(values)), np.uint8)
        point = self._beyond(units, ids, values, every)
        more = np.full((self.replicates, point.shape[1]), np.nan)
        if np.isfinite(point).any():
            for start, counts in statistics.draws(len(values), self.replicates):
                more[start : start + len(counts)] = self._beyond(units, ids, values, counts)
        named = (*plain.columns, *beyond)
        whole = Means(named, np.hstack([plain.point.array, point]))
        return Sampled(plain.columns, values, whole, Means(named, np.hstack([plain.samples.array, more])))

    @staticmethod
    def _beyond(units: Units, ids: np.ndarray, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """The numbers named in `Units.beyond` for samples of the units, float64 (B, numbers)."""
        parts = []
        if units.ranked is not None:
            confidence, correct = (values[:, units.columns.index(name)] for name in units.ranked)
            known = len(values) > 0 and bool(np.isfinite(confidence).all())
            unknown = np.full((len(counts), len(RANKED)), np.nan)
            parts.append(resampled(confidence, correct, counts) if known else unknown)
        if units.by_class is not None:
            correct = values[:, units.columns.index(units.by_class)]
            parts.append(worst_classes(correct, units.labels_of(ids), counts)[:, None])
        for numbers in units.ordered:
            own = [values[:, units.columns.index(name)] for name in numbers.columns]
            parts.append(numbers.compute(*own, counts))
        return np.hstack(parts)


# What scoring and comparing share: the units, measures and samples of one task.


@dataclass(frozen=True)
class Prepared:
    """One task, ready for any number of models and pairs.

    Attributes:
        task: What was asked.
        measures: Its numbers.
        resampler: The units of the models that have any, and their samples.
        reference: The model that errors are normalised by, where one is needed and has answers.
    """

    task: Task
    measures: tuple[Measure, ...]
    resampler: Resampler
    reference: str | None


def prepare(
    task: Task,
    answers: Mapping[str, Answers],
    clean: Mapping[str, Answers] | None = None,
    truth: Truth | None = None,
    replicates: int = statistics.REPLICATES,
) -> Prepared:
    """Turn answers into units, and find the measures of a task; see `score.score_task` for the arguments."""
    truth = truth or Truth()
    units = {
        model: task.kind.units(task, own, (clean or {}).get(model), truth) for model, own in answers.items() if len(own)
    }
    units = {model: own for model, own in units.items() if len(own)}
    units, measures = task.kind.combined(task, truth, units)
    by_model = task.reference is not None and published_reference(task.reference) is None
    reference = task.reference if by_model and task.reference in units else None
    return Prepared(task, tuple(measures), Resampler(units, replicates), reference)


def errors_by_unit(measure: Measure, own: Sampled, reference: Sampled | None) -> np.ndarray:
    """By how much each unit moves a measure: its values, for a mean; for other functions of means their slope there.

    The slope is that towards the same units with one of them once more (the positive jackknife), times their number;
    see Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, ch. 6.

    Args:
        measure: The number; none that is beyond means (`Measure.beyond`).
        own: Of one model.
        reference: Of the model that normalises errors, on the same units.

    Returns:
        float64 (n,), with mean 0.
    """
    n = len(own.values)

    def with_each(sampled: Sampled, columns: tuple[str, ...]) -> Means:
        values = np.column_stack([sampled.column(name) for name in columns]).astype(np.float64)
        return Means(columns, (values.sum(axis=0) + values) / (n + 1))

    other = None if reference is None else with_each(reference, reference.columns)
    moved = measure.compute(replace(with_each(own, measure.reads), reference=other))
    errors: np.ndarray = (n + 1) * (moved - moved.mean())
    return errors


def estimate(measure: Measure, own: Sampled, reference: Sampled | None) -> tuple[float, np.ndarray]:
    """The estimate of a measure and its draws (B,)."""
    value = point(measure, own, reference)
    values = measure.compute(replace(own.samples, reference=None if reference is None else reference.samples))
    if measure.centred and np.isfinite(values).any():
        values = values - np.nanmean(values) + value
    return value, values


def point(measure: Measure, own: Sampled, reference: Sampled | None) -> float:
    """The estimate of a measure alone."""
    return float(measure.compute(replace(own.point, reference=None if reference is None else reference.point))[0])
