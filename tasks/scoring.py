"""From answers to scores and paired comparisons: every metric is a function of what a sample of units gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..results import statistics
from ..results.published.tables import published_reference
from ..results.schema import Comparison, Score
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
from .units import Units, perturbations, units_of


@dataclass(frozen=True)
class Scored:
    """Everything that one task says of some models.

    Attributes:
        scores: Rows for every model, holes as NaN.
        comparisons: Paired differences for every (model, baseline) pair asked for.
        shape_decisions: Rows ``{model, task, category, shape, texture, other}``; cue conflict only.
        reasons: Why a score is undefined, by (model, task, condition, metric). A NaN without a reason was not measured.
    """

    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    shape_decisions: tuple[dict[str, Any], ...] = field(default=())
    reasons: Mapping[tuple[str, str, str, str], str] = field(default_factory=dict)


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


def score_task(
    task: Task,
    answers: Mapping[str, Answers],
    pairs: Sequence[tuple[str, str]],
    clean: Mapping[str, Answers] | None = None,
    truth: Truth | None = None,
    label_names: Sequence[str] = (),
    replicates: int = statistics.REPLICATES,
) -> Scored:
    """Score one task for some models.

    Args:
        task: What was asked.
        answers: Answers of each model.
        pairs: (model, baseline) pairs to compare; those of which one has no answers are passed over.
        clean: Answers of each model to the clean counterpart, for the relative corruption error.
        truth: What is known of the images beyond their labels, as the kind of task needs it.
        label_names: Names of the classes; cue conflict only.
        replicates: Bootstrap replicates.

    Returns:
        Scores in the order of ``answers``, then comparisons in the order of ``pairs``.
    """
    truth = truth or Truth()
    units = {
        model: units_of(task, own, (clean or {}).get(model), truth, label_names)
        for model, own in answers.items()
        if len(own)
    }
    units = {model: own for model, own in units.items() if len(own)}
    measures = _measures(task, label_names, truth)
    resampler = Resampler(units, replicates)
    by_model = task.reference is not None and published_reference(task.reference) is None
    reference = task.reference if by_model and task.reference in units else None
    scores: list[Score] = []
    reasons: dict[tuple[str, str, str, str], str] = {}
    for model in answers:
        for measure in measures:
            score, reason = _score(task, model, measure, resampler, reference)
            scores.append(score)
            if reason:
                reasons[(model, task.name, measure.condition, measure.metric)] = reason
    comparisons = [
        row
        for a, b in pairs
        if a in units and b in units and a != b
        for row in _compare(task, measures, a, b, resampler, reference)
    ]
    decisions = _decisions(task, units, label_names) if task.kind == "cue-conflict" else ()
    return Scored(tuple(scores), tuple(comparisons), tuple(decisions), reasons)


def _score(task: Task, model: str, measure: Measure, resampler: Resampler, reference: str | None) -> tuple[Score, str]:
    """A score, and why it is undefined although everything was measured, if it is."""
    nan = math.nan
    if model not in resampler.units:
        return Score(model, task.name, measure.condition, measure.metric, nan, nan, nan, 0), ""
    # Numbers normalised by a reference model need both on the same units; the others use all that the model has.
    missing = measure.needs_reference and reference is None
    together = [model, reference] if measure.needs_reference and reference is not None else [model]
    ids = resampler.common(together)
    own = resampler.sampled(model, ids)
    count = measure.count(own.values)
    if missing or not len(ids):
        return Score(model, task.name, measure.condition, measure.metric, nan, nan, nan, count), ""
    other = resampler.sampled(together[1], ids) if len(together) > 1 else None
    point, draws = _numbers(measure, own, other)
    if math.isnan(point):
        reads = list(measure.reads)
        measured = all(np.isfinite(part.means[reads]).all() for part in (own, other) if part is not None)
        reason = measure.undefined if measured else ""
        return Score(model, task.name, measure.condition, measure.metric, nan, nan, nan, count), reason
    if measure.proportion is not None:
        # A plain proportion has a better interval than the bootstrap's, which is empty at 0 % and 100 %.
        low, high = statistics.wilson(round(float(own.values[:, measure.proportion].sum())), len(ids))
    else:
        low, high = statistics.interval(draws)
    return Score(model, task.name, measure.condition, measure.metric, point, low, high, count), ""


def _numbers(measure: Measure, own: Sampled, reference: Sampled | None) -> tuple[float, np.ndarray]:
    """The estimate of a measure and its draws (B,)."""
    means, draws = own.means[None], own.draws
    if reference is not None:
        means, draws = np.hstack([means, reference.means[None]]), np.hstack([draws, reference.draws])
    point, values = float(measure.compute(means)[0]), measure.compute(draws)
    if measure.centred and np.isfinite(values).any():
        values = values - np.nanmean(values) + point
    return point, values


def _compare(
    task: Task, measures: Sequence[Measure], a: str, b: str, resampler: Resampler, reference: str | None
) -> list[Comparison]:
    ids = resampler.common([a, b] if reference is None else [a, b, reference])
    if not len(ids):
        return []
    left, right = resampler.sampled(a, ids), resampler.sampled(b, ids)
    third = None if reference is None else resampler.sampled(reference, ids)
    rows = []
    for measure in measures:
        if measure.needs_reference and third is None:
            continue
        other = third if measure.needs_reference else None
        (one, draws), (two, other_draws) = _numbers(measure, left, other), _numbers(measure, right, other)
        difference = one - two
        if math.isnan(difference):
            continue
        draws = draws - other_draws
        low, high = statistics.interval(draws)
        p = statistics.two_sided_p(draws)
        rows.append(Comparison(a, b, task.name, measure.condition, measure.metric, difference, low, high, p, len(ids)))
    return rows


def _decisions(task: Task, units: Mapping[str, Units], names: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for model, part in units.items():
        # Columns: correct, shape, texture, then those of each category; see `units`.
        classes = len(names)
        by_shape = part.values[:, 3 : 3 + classes].sum(axis=0)
        by_texture = part.values[:, 3 + classes :].sum(axis=0)
        shown = np.bincount(part.labels, minlength=classes)
        for number, name in enumerate(names):
            s, t = int(by_shape[number]), int(by_texture[number])
            rows.append(
                {
                    "model": model,
                    "task": task.name,
                    "category": name,
                    "shape": s,
                    "texture": t,
                    "other": int(shown[number]) - s - t,
                }
            )
    return rows
