"""From predictions to scores and paired comparisons; every metric is a function of a sample of units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..results import statistics
from ..results.ranking import Contest
from ..results.schema import Comparison, ModelDecisions, Score
from .answers import Answers
from .comparing import compare, main_numbers
from .kinds.kind import Measure
from .prepared import estimate, prepare
from .resampling import Resampler
from .task import Task
from .truth import Truth

Choose = Callable[[Sequence[Score]], Sequence[tuple[str, str]]]
"""From the scores of one task to pairs of models."""


@dataclass(frozen=True)
class Scored:
    """Everything that one task says of some models.

    Attributes:
        scores: Rows for every model, holes as NaN.
        comparisons: Paired differences for every (model, baseline) pair asked for.
        shape_decisions: Counts of decisions by model and category; cue conflict only.
        reasons: Why a score is undefined, by (model, task, condition, metric). A NaN without a reason was not measured.
            With a number, on how many images it is undefined, and why; it is of the others.
        contest: Main numbers of the models to be ranked, if all of them have one.
    """

    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    shape_decisions: tuple[ModelDecisions, ...] = ()
    reasons: Mapping[tuple[str, str, str, str], str] = field(default_factory=dict)
    contest: Contest | None = None


def score_task(
    task: Task,
    answers: Mapping[str, Answers],
    pairs: Sequence[tuple[str, str]],
    clean: Mapping[str, Answers] | None = None,
    truth: Truth | None = None,
    replicates: int = statistics.REPLICATES,
    methods: Mapping[str, Sequence[str]] | None = None,
    contest: Sequence[str] = (),
    choose: Choose | None = None,
) -> Scored:
    """Score one task for some models.

    Args:
        task: What was asked.
        answers: Answers of each model.
        pairs: (model, baseline) pairs to compare, or methods; pairs where one has no predictions are skipped.
        clean: Answers of each model to the clean counterpart, for the relative corruption error.
        truth: What is known of the images beyond their labels, as the kind of task needs it.
        replicates: Bootstrap replicates.
        methods: Names of the runs of each method, for pairs and contests that name methods.
        contest: Models or methods to be ranked together.
        choose: From the scores to more pairs to compare, where it depends on them who is compared with whom.

    Returns:
        Scores in the order of ``answers``, then comparisons in the order of ``pairs``.
    """
    prepared = prepare(task, answers, clean, truth, replicates)
    scores: list[Score] = []
    reasons: dict[tuple[str, str, str, str], str] = {}
    for model in answers:
        columns = prepared.resampler.units[model].columns if model in prepared.resampler.units else None
        for measure in prepared.measures:
            if columns is not None and not measure.applies_to(columns):
                continue
            score, reason = _score(task, model, measure, prepared.resampler, prepared.reference)
            scores.append(score)
            if reason:
                reasons[(model, task.name, measure.condition, measure.metric)] = reason
    pairs = list(dict.fromkeys([*pairs, *(choose(scores) if choose else ())]))
    comparisons = [row for a, b in pairs if a != b for row in compare(prepared, a, b, methods)]
    decisions = task.kind.decisions(task, prepared.resampler.units, truth or Truth())
    together = main_numbers(prepared, contest, methods) if contest else None
    return Scored(tuple(scores), tuple(comparisons), tuple(decisions), reasons, together)


def _score(task: Task, model: str, measure: Measure, resampler: Resampler, reference: str | None) -> tuple[Score, str]:
    """A score, and why it is undefined although everything was measured, if it is."""
    nan = math.nan
    if model not in resampler.units:
        return Score(model, task.name, measure.condition, measure.metric, nan, nan, nan, 0), ""
    # Numbers normalised by a reference model need both on the same units; the others use all that the model has.
    missing = measure.needs_reference and reference is None
    if measure.defined_only:
        return _where_defined(task, model, measure, resampler)
    together = [model, reference] if measure.needs_reference and reference is not None else [model]
    ids = resampler.common(together)
    own = resampler.sampled(model, ids)
    count = own.count(measure)
    if missing or not len(ids):
        return Score(model, task.name, measure.condition, measure.metric, nan, nan, nan, count), ""
    other = resampler.sampled(together[1], ids) if len(together) > 1 else None
    point, draws = estimate(measure, own, other)
    if math.isnan(point):
        parts = [part for part in (own, other) if part is not None]
        measured = all(np.isfinite(part.point.of(measure.reads)).all() for part in parts)
        reason = measure.undefined if measured else ""
        return Score(model, task.name, measure.condition, measure.metric, nan, nan, nan, count), reason
    if measure.proportion is not None:
        # A plain proportion has a better interval than the bootstrap's, which is empty at 0 % and 100 %.
        low, high = statistics.wilson(round(float(own.column(measure.proportion).sum())), len(ids))
    else:
        low, high = statistics.interval(draws)
    return Score(model, task.name, measure.condition, measure.metric, point, low, high, count), ""


def _where_defined(task: Task, model: str, measure: Measure, resampler: Resampler) -> tuple[Score, str]:
    """A score over the units on which it is defined, and how many were left out and why, if any were."""
    row = (model, task.name, measure.condition, measure.metric)
    shared = resampler.together([model], measure)
    n = shared[1] if shared is not None else 0
    left_out = len(resampler.units[model]) - n
    reason = f"undefined on {left_out} images whose {measure.undefined}; these are left out" if left_out else ""
    if shared is None:
        return Score(*row, math.nan, math.nan, math.nan, 0), reason
    point, draws = estimate(measure, shared[0][model], None)
    return Score(*row, point, *statistics.interval(draws), n), reason
