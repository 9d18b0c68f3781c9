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

    def _sample(self, units: Units, values: np.ndarray) -> Sampled:
        columns = units.columns
        n = len(values)
        means = values.mean(axis=0, dtype=np.float64) if n else np.full(values.shape[1], np.nan)
        draws = statistics.resampled_means(values, self.replicates)
        if units.ranked is None:
            return Sampled(columns, values, Means(columns, means[None]), Means(columns, draws))
        confidence, correct = (values[:, columns.index(name)] for name in units.ranked)
        point, more = np.full((1, 2), np.nan), np.full((self.replicates, 2), np.nan)
        if n and np.isfinite(confidence).all():
            point = resampled(confidence, correct, np.ones((1, n), np.uint8))
            for start, counts in statistics.draws(n, self.replicates):
                more[start : start + len(counts)] = resampled(confidence, correct, counts)
        named = (*columns, *RANKED)
        whole = Means(named, np.hstack([means[None], point]))
        return Sampled(columns, values, whole, Means(named, np.hstack([draws, more])))
