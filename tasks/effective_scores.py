"""Effective robustness as a score of the photograph tasks that a published line fits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import numpy as np

from ..results import statistics
from ..results.effective import Baseline, effective_robustness, fit_baseline
from ..results.published.tables import PUBLISHED_LINES, accuracies_under_shift
from ..results.schema import Score
from .answers import Answers
from .task import Task

METRIC = "effective_robustness"

_SHIFTED_SEED, _CLEAN_SEED = 0, 1  # two sets of images: they must not share draws where they are equally many


@cache
def _baseline(shift: str) -> Baseline:
    pairs = np.array(list(accuracies_under_shift(shift).values()))
    return fit_baseline(pairs[:, 0], pairs[:, 1])


def effective_scores(task: Task, answers: Mapping[str, Answers], clean: Mapping[str, Answers]) -> list[Score]:
    """Accuracy on a task beyond what the published line expects of the model's clean accuracy.

    The 95 % interval is a percentile bootstrap that draws the clean and the shifted images independently, since they
    are different photographs. The line counts as known: that it was fitted to ten models is not in the interval. At a
    clean accuracy of 0 or 1 the expectation is its limit, 0 or 1.

    Args:
        task: What was asked.
        answers: Answers of each model to it.
        clean: Answers of each model to all 1,000 classes of the clean counterpart.

    Returns:
        A row for each model of ``answers``, NaN where its clean or its shifted answers are missing; none at all for a
        task that is not in `PUBLISHED_LINES`.
    """
    if task.name not in PUBLISHED_LINES:
        return []
    baseline = _baseline(PUBLISHED_LINES[task.name])
    return [_score(task, model, own, clean.get(model), baseline) for model, own in answers.items()]


def _score(task: Task, model: str, own: Answers, clean: Answers | None, baseline: Baseline) -> Score:
    if clean is None or not len(clean) or not len(own):
        return Score(model, task.name, "overall", METRIC, math.nan, math.nan, math.nan, len(own))
    # One condition each, so one column.
    value = effective_robustness(clean.correct.mean(dtype=np.float64), own.correct.mean(dtype=np.float64), baseline)
    draws = effective_robustness(
        statistics.resampled_means(clean.correct, seed=_CLEAN_SEED)[:, 0],
        statistics.resampled_means(own.correct, seed=_SHIFTED_SEED)[:, 0],
        baseline,
    )
    return Score(model, task.name, "overall", METRIC, float(value), *statistics.interval(draws), len(own))
