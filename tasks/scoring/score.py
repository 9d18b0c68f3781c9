"""From predictions to scores and paired comparisons; every metric is a function of a sample of units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...results import statistics
from ...results.published import timm
from ...results.ranking import Baseline, Contest, effective_robustness
from ...results.schema import Comparison, CurvePoint, ModelDecisions, Score
from ..kinds.kind import Measure
from ..labels import Truth
from ..task import Task
from .compare import compare, contests
from .samples import Answers, Resampler, estimate, prepare

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
        counted: The number by which this task enters the rank over a suite, of the models that have it.
        curves: For figures.
    """

    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    shape_decisions: tuple[ModelDecisions, ...] = ()
    reasons: Mapping[tuple[str, str, str, str], str] = field(default_factory=dict)
    contest: Contest | None = None
    counted: Contest | None = None
    curves: tuple[CurvePoint, ...] = ()


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
    counts_by: Sequence[str] = (),
    main_only: bool = False,
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
        choose: Gives more pairs to compare, where these depend on the scores.
        counts_by: Metrics by the first of which, of those that it measures, the task enters the rank over a suite.
        main_only: Compare by the main number of the whole task alone.

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
    comparisons = [row for a, b in pairs if a != b for row in compare(prepared, a, b, methods, main_only)]
    decisions = task.kind.decisions(task, prepared.resampler.units, truth or Truth())
    together, counted = contests(prepared, contest, methods, counts_by)
    curves = task.kind.curves(task, prepared.resampler.units)
    return Scored(tuple(scores), tuple(comparisons), tuple(decisions), reasons, together, counted, tuple(curves))


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
    n = len(shared[1]) if shared is not None else 0
    left_out = len(resampler.units[model]) - n
    reason = f"undefined on {left_out} images whose {measure.undefined}; these are left out" if left_out else ""
    if shared is None:
        return Score(*row, math.nan, math.nan, math.nan, 0), reason
    point, draws = estimate(measure, shared[0][model], None)
    return Score(*row, point, *statistics.interval(draws), n), reason


# Effective robustness as a score of the photograph tasks that a published line fits.


METRIC = "effective_robustness"

_SHIFTED_SEED, _CLEAN_SEED, _LINE_SEED = 0, 1, 2
"""Two sets of images: they must not share draws where they are equally many."""


def effective_scores(task: Task, answers: Mapping[str, Answers], clean: Mapping[str, Answers]) -> list[Score]:
    """Accuracy on a task beyond what the line of models trained on ImageNet-1k expects of the model's clean accuracy.

    The 95 % interval is a percentile bootstrap that draws the clean and the shifted images independently, since they
    are different photographs, and the line as other such models might have given it. At a clean accuracy of 0 or 1 the
    expectation is its limit, 0 or 1.

    Args:
        task: What was asked.
        answers: Answers of each model to it.
        clean: Answers of each model to the clean counterpart, which has the same classes.

    Returns:
        A row for each model of ``answers``, NaN where its clean or its shifted answers are missing; none at all for a
        task that is not in `timm.LINES`.
    """
    if task.name not in timm.LINES:
        return []
    baseline = timm.line(task.name)
    return [_effective_score(task, model, own, clean.get(model), baseline) for model, own in answers.items()]


def _effective_score(task: Task, model: str, own: Answers, clean: Answers | None, baseline: Baseline) -> Score:
    if clean is None or not len(clean) or not len(own):
        return Score(model, task.name, "overall", METRIC, math.nan, math.nan, math.nan, len(own))
    # One condition each, so one column.
    value = effective_robustness(clean.correct.mean(dtype=np.float64), own.correct.mean(dtype=np.float64), baseline)
    draws = effective_robustness(
        statistics.resampled_means(clean.correct, seed=_CLEAN_SEED)[:, 0],
        statistics.resampled_means(own.correct, seed=_SHIFTED_SEED)[:, 0],
        baseline.draws(statistics.REPLICATES, _LINE_SEED),
    )
    return Score(model, task.name, "overall", METRIC, float(value), *statistics.interval(draws), len(own))
