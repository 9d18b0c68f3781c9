"""Agreement of every observer with every other one, single people included."""

from __future__ import annotations

import numpy as np

from .measures import Compat, error_consistency, expected_consistency
from .trials import Panel


def agreement_matrix(panel: Panel, compat: Compat | None = None) -> np.ndarray:
    """Error consistency of all pairs of observers (Geirhos et al., NeurIPS 2020), mean over the conditions that count.

    Args:
        panel: Answers of people and models to the same stimuli.
        compat: See `error_consistency`.

    Returns:
        float64 (O, O), symmetric, in the order of ``panel.observers``. NaN where undefined under any condition, and on
        the diagonal: agreement with oneself is 1 and says nothing.
    """
    data_set = panel.stimuli.data_set
    kappas = []
    for position, name in enumerate(data_set.conditions):
        of_it = panel.stimuli.conditions == position
        if name in data_set.excluded or not of_it.any():
            continue
        # float64 counts hits and misses exactly.
        hits = panel.correct[:, of_it].astype(np.float64)
        misses = 1 - hits
        observed = (hits @ hits.T + misses @ misses.T) / hits.shape[1]
        accuracies = hits.mean(axis=1)
        kappas.append(error_consistency(observed, expected_consistency(accuracies[:, None], accuracies[None]), compat))
    size = len(panel.observers)
    found = np.mean(kappas, axis=0) if kappas else np.full((size, size), np.nan)
    np.fill_diagonal(found, np.nan)
    return np.asarray(found)
