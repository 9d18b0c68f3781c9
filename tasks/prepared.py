"""What scoring and comparing share: the units, measures and samples of one task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..results import statistics
from ..results.published.tables import published_reference
from .answers import Answers
from .kinds.kind import Measure
from .resampling import Resampler, Sampled
from .task import Task
from .truth import Truth


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
    """Turn answers into units, and find the measures of a task; see `scoring.score_task` for the arguments."""
    truth = truth or Truth()
    units = {
        model: task.kind.units(task, own, (clean or {}).get(model), truth) for model, own in answers.items() if len(own)
    }
    units = {model: own for model, own in units.items() if len(own)}
    units, measures = task.kind.combined(task, truth, units)
    by_model = task.reference is not None and published_reference(task.reference) is None
    reference = task.reference if by_model and task.reference in units else None
    return Prepared(task, tuple(measures), Resampler(units, replicates), reference)


def estimate(measure: Measure, own: Sampled, reference: Sampled | None) -> tuple[float, np.ndarray]:
    """The estimate of a measure and its draws (B,)."""
    other = (None, None) if reference is None else (reference.point, reference.samples)
    point = float(measure.compute(replace(own.point, reference=other[0]))[0])
    values = measure.compute(replace(own.samples, reference=other[1]))
    if measure.centred and np.isfinite(values).any():
        values = values - np.nanmean(values) + point
    return point, values
