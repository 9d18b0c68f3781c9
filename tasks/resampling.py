"""Bootstrap samples of units for each model, drawn once for all measures, pairs and references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..results import statistics
from .kinds.kind import RANKED, Means, Measure, Units
from .robustness.calibration import resampled


@dataclass(frozen=True)
class Sampled:
    """One model on some units.

    Attributes:
        columns: Names of the columns of the units.
        values: (n, columns), of the units themselves.
        point: float64 (1, k), means of the columns, then the numbers of the ranking if there is one.
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

    def together(self, models: Sequence[str], measure: Measure | None = None) -> tuple[dict[str, Sampled], int] | None:
        """The same units of several models, and how many they are.

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
            return ({model: self.sampled(model, ids) for model in models}, len(ids)) if len(ids) else None
        if not all(measure.applies_to(self.units[model].columns) for model in models):
            return None
        own = {}
        for model in models:
            units = self.units[model]
            own[model] = units.on(ids)[:, [units.columns.index(name) for name in measure.reads]]
        defined = np.all([np.isfinite(values).all(axis=1) for values in own.values()], axis=0)
        if not defined.any():
            return None
        return {model: self._means(measure.reads, values[defined]) for model, values in own.items()}, int(defined.sum())

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
            return self._sample(units, units.on(ids))
        if model not in self._whole:
            self._whole[model] = self._sample(units, units.values)
        return self._whole[model]

    def _means(self, columns: tuple[str, ...], values: np.ndarray) -> Sampled:
        means = values.mean(axis=0, dtype=np.float64) if len(values) else np.full(values.shape[1], np.nan)
        draws = statistics.resampled_means(values, self.replicates)
        return Sampled(columns, values, Means(columns, means[None]), Means(columns, draws))

    def _sample(self, units: Units, values: np.ndarray) -> Sampled:
        n, plain = len(values), self._means(units.columns, values)
        columns, means, draws = plain.columns, plain.point.array[0], plain.samples.array
        if units.ranked is None:
            return plain
        confidence, correct = (values[:, columns.index(name)] for name in units.ranked)
        point, more = np.full((1, 2), np.nan), np.full((self.replicates, 2), np.nan)
        if n and np.isfinite(confidence).all():
            point = resampled(confidence, correct, np.ones((1, n), np.uint8))
            for start, counts in statistics.draws(n, self.replicates):
                more[start : start + len(counts)] = resampled(confidence, correct, counts)
        named = (*columns, *RANKED)
        whole = Means(named, np.hstack([means[None], point]))
        return Sampled(columns, values, whole, Means(named, np.hstack([draws, more])))
