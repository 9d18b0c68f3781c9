"""What scoring and comparing share: the units, measures and samples of one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..results import statistics
from ..results.published.tables import published_reference
from .answers import Answers
from .corruption_measures import corruption_measures
from .measures import (
    Measure,
    multi_label_measures,
    plain_measures,
    sequence_measures,
    shape_measures,
    video_measures,
)
from .resampling import Resampler, Sampled
from .task import Task
from .truth import Truth
from .units import perturbations, units_of


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
    label_names: Sequence[str] = (),
    replicates: int = statistics.REPLICATES,
) -> Prepared:
    """Turn answers into units, and find the measures of a task; see `scoring.score_task` for the arguments."""
    truth = truth or Truth()
    units = {
        model: units_of(task, own, (clean or {}).get(model), truth, label_names)
        for model, own in answers.items()
        if len(own)
    }
    units = {model: own for model, own in units.items() if len(own)}
    by_model = task.reference is not None and published_reference(task.reference) is None
    reference = task.reference if by_model and task.reference in units else None
    return Prepared(task, tuple(_measures(task, label_names, truth)), Resampler(units, replicates), reference)


def _measures(task: Task, labels: Sequence[str], truth: Truth) -> list[Measure]:
    match task.kind:
        case "corruptions":
            return corruption_measures(task)
        case "cue-conflict":
            return shape_measures(labels)
        case "multi-label":
            return multi_label_measures()
        case "video":
            return video_measures()
        case "sequences":
            return sequence_measures(task, perturbations(task, truth))
    return plain_measures()


def estimate(measure: Measure, own: Sampled, reference: Sampled | None) -> tuple[float, np.ndarray]:
    """The estimate of a measure and its draws (B,)."""
    means, draws = own.means[None], own.draws
    if reference is not None:
        means, draws = np.hstack([means, reference.means[None]]), np.hstack([draws, reference.draws])
    point, values = float(measure.compute(means)[0]), measure.compute(draws)
    if measure.centred and np.isfinite(values).any():
        values = values - np.nanmean(values) + point
    return point, values
