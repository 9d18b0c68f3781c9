"""What samples of units give for each model, made once for all measures, pairs and references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..results import statistics
from .robustness.calibration import resampled
from .units import Units


@dataclass(frozen=True)
class Sampled:
    """One model on some units.

    Attributes:
        values: (n, columns), of the units themselves.
        means: float64 (k,), means of the columns, then the numbers of the ranking if there is one.
        draws: float64 (B, k), the same for each bootstrap sample.
    """

    values: np.ndarray
    means: np.ndarray
    draws: np.ndarray


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
            return self._sample(units.on(ids), units.ranked)
        if model not in self._whole:
            self._whole[model] = self._sample(units.values, units.ranked)
        return self._whole[model]

    def _sample(self, values: np.ndarray, ranked: tuple[int, int] | None) -> Sampled:
        n = len(values)
        means = values.mean(axis=0, dtype=np.float64) if n else np.full(values.shape[1], np.nan)
        draws = statistics.resampled_means(values, self.replicates)
        if ranked is None:
            return Sampled(values, means, draws)
        confidence, correct = values[:, ranked[0]], values[:, ranked[1]]
        point, more = np.full((1, 2), np.nan), np.full((self.replicates, 2), np.nan)
        if n and np.isfinite(confidence).all():
            point = resampled(confidence, correct, np.ones((1, n), np.uint8))
            for start, counts in statistics.draws(n, self.replicates):
                more[start : start + len(counts)] = resampled(confidence, correct, counts)
        return Sampled(values, np.r_[means, point[0]], np.hstack([draws, more]))
