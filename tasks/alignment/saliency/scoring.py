"""From stored rows to scores and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ....results.saliency import MEASURES, MapRows, SaliencyComparison, SaliencyScore
from ....results.statistics import REPLICATES, interval, resampled_means, two_sided_p

Key = tuple[str, str]
"""Observer and map."""

METRICS = ("alignment", *MEASURES)


def score(
    rows: Mapping[Key, MapRows], ceiling: float, replicates: int = REPLICATES, seed: int = 0
) -> list[SaliencyScore]:
    """Means over images with bootstrap intervals.

    Args:
        rows: Of each observer and map.
        ceiling: What the alignment score divides the mean Spearman correlation by.
        replicates: Bootstrap samples of images.
        seed: Of the samples.

    Returns:
        A row for each observer, map and metric. Images whose measure is undefined are left out and counted.
    """
    scores = []
    for (observer, map_), found in rows.items():
        for metric in METRICS:
            column = _column(found, metric, ceiling)
            defined = np.isfinite(column)
            values = column[defined]
            mean = float(values.mean()) if len(values) else float("nan")
            low, high = _interval(values, replicates, seed)
            undefined = int((~defined).sum())
            scores.append(SaliencyScore(observer, map_, metric, mean, low, high, len(values), undefined))
    return scores


def compare(
    rows: Mapping[Key, MapRows],
    pairs: Sequence[tuple[Key, Key]],
    ceiling: float,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> list[SaliencyComparison]:
    """Paired differences on the images of which both have a value.

    Args:
        rows: Of each observer and map.
        pairs: Which are compared.
        ceiling: As for `score`.
        replicates: As for `score`.
        seed: As for `score`.

    Returns:
        A row for each pair and metric; none for pairs without an image in common.
    """
    comparisons = []
    for a, b in pairs:
        common, in_a, in_b = np.intersect1d(rows[a].image_ids, rows[b].image_ids, True, True)
        for metric in METRICS if len(common) else ():
            difference = _column(rows[a], metric, ceiling)[in_a] - _column(rows[b], metric, ceiling)[in_b]
            values = difference[np.isfinite(difference)]
            if not len(values):
                continue
            means = resampled_means(values[:, None], replicates, seed)[:, 0]
            low, high = interval(means)
            comparisons.append(
                SaliencyComparison(*a, *b, metric, float(values.mean()), low, high, two_sided_p(means), len(values))
            )
    return comparisons


def _column(rows: MapRows, metric: str, ceiling: float) -> np.ndarray:
    column: np.ndarray = rows.values[:, MEASURES.index("spearman" if metric == "alignment" else metric)]
    return column / ceiling if metric == "alignment" else column


def _interval(values: np.ndarray, replicates: int, seed: int) -> tuple[float, float]:
    if not len(values):
        return float("nan"), float("nan")
    return interval(resampled_means(values[:, None], replicates, seed)[:, 0])
