"""Shape against texture on cue-conflict stimuli: decisions and counts of every observer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...results.schema import ObserverDecisions
from ..measures import cue_hits, shape_bias
from .consistency import HUMANS, OVERALL, REPLICATES, observer_counts, stimulus_counts
from .experiments import cues
from .trials import Panel

# How often each observer decided for which cue, category by category.


def cue_counts(panel: Panel, reference: str = HUMANS) -> tuple[ObserverDecisions, ...]:
    """Count the decisions behind shape bias; stimuli without conflict are left out.

    Args:
        panel: Answers to the stimuli of cue-conflict.
        reference: What the panel's people are called together.

    Returns:
        Observer by observer, the people together last; categories in their order.

    Raises:
        DataError: The name of a stimulus does not contain its cues.
    """
    categories = panel.stimuli.data_set.categories
    cue_pairs = np.array([cues(str(image), categories) for image in panel.stimuli.image_ids])
    shape, texture = cue_hits(panel.responses, cue_pairs[:, 0], cue_pairs[:, 1])  # (O, n) each
    conflict = cue_pairs[:, 0] != cue_pairs[:, 1]
    of_category = np.stack([(cue_pairs[:, 0] == index) & conflict for index in range(len(categories))])
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


# Shape bias of all observers of the cue-conflict stimuli, for the data and for every bootstrap sample at once.


@dataclass(frozen=True)
class CueDecisions:
    """The result of `cue_decisions`, with B samples, O observers and K categories.

    Attributes:
        observers: O names, then the reference: all people's trials together.
        conditions: The K categories whose shape is shown, then `OVERALL`.
        values: float64 (B + 1, K + 1, O + 1), shape bias in [0, 1], the data themselves first; NaN where an observer
            decided for neither cue.
        counts: int64 (K + 1, O + 1), decisions for either cue.
        people_draws: float64 (B, O + 1), overall, over samples of people; NaN for all observers but the reference.
    """

    observers: tuple[str, ...]
    conditions: tuple[str, ...]
    values: np.ndarray
    counts: np.ndarray
    people_draws: np.ndarray


def cue_decisions(panel: Panel, replicates: int = REPLICATES, seed: int = 0, reference: str = HUMANS) -> CueDecisions:
    """Shape bias, pooled over trials and, for the people, over people.

    The samples are those of `consistency`: stimuli without conflict are drawn too and count for neither cue.

    Args:
        panel: Answers to the stimuli of cue-conflict.
        replicates: B; 0 for the data alone.
        seed: Seed of the samples.
        reference: What the panel's people are called as one observer.

    Raises:
        DataError: The name of a stimulus does not contain its cues.
    """
    name, people = panel.stimuli.data_set.name, panel.people
    categories = panel.stimuli.data_set.categories
    cue_pairs = np.array([cues(str(image), categories) for image in panel.stimuli.image_ids])
    hits = np.stack(cue_hits(panel.responses, cue_pairs[:, 0], cue_pairs[:, 1])).astype(np.float32)  # (2, O, n)
    samples = stimulus_counts(f"{name}/{panel.stimuli.data_set.conditions[0]}", len(cue_pairs), replicates, seed)

    # Shape, then texture decisions: (2, B + 1, K + 1, O + 1).
    totals = np.empty((2, len(samples), len(categories) + 1, len(panel.observers) + 1))
    for category in range(len(categories)):
        of_it = cue_pairs[:, 0] == category
        totals[:, :, category, :-1] = samples[:, of_it] @ hits[:, :, of_it].transpose(0, 2, 1)
    totals[:, :, -1, :-1] = totals[:, :, :-1, :-1].sum(axis=2)
    totals[..., -1] = totals[..., :people].sum(axis=-1)

    weights = observer_counts(name, people, replicates, seed)
    people_draws = np.full((replicates, len(panel.observers) + 1), np.nan)
    people_draws[:, -1] = shape_bias(*(weights @ decisions for decisions in totals[:, 0, -1, :people]))
    return CueDecisions(
        observers=(*panel.observers, reference),
        conditions=(*categories, OVERALL),
        values=shape_bias(totals[0], totals[1]),
        counts=totals[:, 0].sum(axis=0).astype(np.int64),
        people_draws=people_draws,
    )
