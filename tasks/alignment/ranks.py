"""The mean rank by which model-vs-human orders models (Geirhos et al., NeurIPS 2021)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

RANKED = {"accuracy_difference": -1, "observed_consistency": 1, "error_consistency": 1}
"""Metrics that are ranked, and whether more is better (1) or less (-1)."""


def mean_ranks(values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean of an observer's ranks in the three metrics of human likeness; 1 is the most human-like.

    Equal values share the mean of their ranks.

    Args:
        values: By observer, the values by metric, of models alone: a reference group is not ranked.

    Returns:
        By observer; NaN where one of the three is missing or undefined. Such an observer takes no rank from others.
    """
    rows = {name: [found.get(metric, np.nan) for metric in RANKED] for name, found in values.items()}
    whole = [name for name, row in rows.items() if np.isfinite(row).all()]
    found = dict.fromkeys(rows, float("nan"))
    if whole:
        table = np.array([rows[name] for name in whole]) * list(RANKED.values())
        better = (table[None] > table[:, None]).sum(axis=1)
        equal = (table[None] == table[:, None]).sum(axis=1)
        ranks = better + (equal + 1) / 2
        found.update(zip(whole, ranks.mean(axis=1).tolist(), strict=True))
    return found
