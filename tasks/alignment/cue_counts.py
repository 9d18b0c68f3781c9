"""How often each observer decided for which cue, category by category."""

from __future__ import annotations

import numpy as np

from ...results.schema import ObserverDecisions
from .consistency import HUMANS
from .datasets import cues
from .shape_bias import cue_hits
from .trials import Panel


def cue_counts(panel: Panel, reference: str = HUMANS) -> tuple[ObserverDecisions, ...]:
    """Count the decisions behind shape bias; stimuli without conflict are left out.

    Args:
        panel: Answers to the stimuli of cue-conflict.
        reference: What the panel's people are called together.

    Returns:
        Observer by observer, the people together last; categories in their order.

    Raises:
        DataError: A stimulus does not tell its cues.
    """
    categories = panel.stimuli.data_set.categories
    shown = np.array([cues(str(image), categories) for image in panel.stimuli.image_ids])
    shape, texture = cue_hits(panel.responses, shown[:, 0], shown[:, 1])  # (O, n) each
    conflict = shown[:, 0] != shown[:, 1]
    of_category = np.stack([(shown[:, 0] == index) & conflict for index in range(len(categories))])
    by_cue = np.stack([shape, texture]).astype(np.int64) @ of_category.T  # (2, O, categories)
    shown_in = np.broadcast_to(of_category.sum(axis=1), by_cue.shape[1:])
    counts = np.concatenate([by_cue, (shown_in - by_cue.sum(axis=0))[None]])
    together = counts[:, : panel.people].sum(axis=1, keepdims=True)
    counts = np.concatenate([counts, together], axis=1)
    return tuple(
        ObserverDecisions(
            observer=observer,
            category=category,
            shape=int(counts[0, row, column]),
            texture=int(counts[1, row, column]),
            other=int(counts[2, row, column]),
        )
        for row, observer in enumerate((*panel.observers, reference))
        for column, category in enumerate(categories)
    )
