"""From the stored predictions of every run to effects: over images, over runs, and over both."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...reports.data import ClaimFacts, ClaimsData, ClaimView, HypothesisView, Number
from ...results import statistics
from ...results.schema import Effect
from ...results.statistics import holm, minimum_detectable, t_test
from ...results.store import Store
from ...tasks.scoring.compare import averaged, contrast, effect
from ...tasks.scoring.samples import Prepared, collect, prepare
from ..catalogue import truth_of
from ..planning.plan import Plan
from ..run import Outcome
from .declared import CLAIMS, EXTRA, FEATURES, NUMBERS, WINDOWS, Asked, Claim

if TYPE_CHECKING:
    from ...reports.data import ReportData

Runs = Mapping[str, Sequence[str]]
"""Names of the models that are the runs of each method, by seed."""

Values = Mapping[str, Mapping[tuple[str, str], Sequence[float]]]
"""By method and number (task, metric), the value of each run."""

Extra = Mapping[str, Mapping[Asked, np.ndarray]]
"""By run, float64 (n,): a number for each image or clip."""

_TITLES = {
    "micro-val": "clean",
    "micro-c": "Micro-C",
    "micro-c-bar": "Micro-C-bar",
    "micro-3dcc": "Micro-3DCC",
    "micro-viewpoints": "viewpoints",
    "micro-backgrounds": "backgrounds",
    "micro-light": "light",
    "micro-occlusion": "occlusion",
    "micro-davis": "masks of several objects, J&F",
    "micro-segmentation": "classes of pixels, mIoU",
    "micro-actions": "what moves how",
    "micro-arrow": "forwards or backwards",
}
_METRIC_TITLES = {
    "pm0": "video, pm-0",
    "pm10": "video, pm-10",
    "shape_bias": "shape bias",
    "accuracy": "alignment, accuracy",
    "error_consistency": "alignment, κ",
    "shape": "shape decoded",
    "texture": "texture decoded",
    "j_and_f": "masks carried, J&F",
}


def numbers(tasks: Iterable[str] = ()) -> tuple[Number, ...]:
    """The columns of the tables: what is measured, with headings.

    Args:
        tasks: Tasks of claims that are judged on demand; each adds its column.
    """
    more = set(tasks)
    asked = (*NUMBERS, *(number for number in FEATURES if number.task in more))
    return tuple(
        Number(
            number.task,
            number.metric,
            _TITLES.get(number.task) or _METRIC_TITLES[number.metric],
            number.metric != "error_consistency",
        )
        for number in asked
    )


def judge_claims(measured: Sequence[Outcome], store: Store, runs: Runs, extra: Extra, facts: ClaimFacts) -> ClaimsData:
    """Score every run and every claim.

    Args:
        measured: Plans and scores: one of each suite, of all runs or some.
        store: Holds the predictions.
        runs: The runs of each method.
        extra: What was measured for the tasks in `EXTRA`.
        facts: For the provenance, and the level of significance.

    Returns:
        Claims whose methods are all there; a method without runs leaves out the effects that need it.
    """
    gathered = [outcome.data for outcome in measured]
    plans = [outcome.plan for outcome in measured if outcome.plan is not None]
    columns = numbers(planned.task.name for plan in plans for planned in plan.tasks)
    values = {
        method: {
            (number.task, number.metric): tuple(_value(gathered, extra, name, number) for name in names)
            for number in columns
        }
        for method, names in runs.items()
    }
    prepared = {name: task for plan in plans for name, task in _prepared(plan, store).items()}
    claims = (_view(claim, prepared, runs, values, extra) for claim in CLAIMS)
    failures = tuple(dict.fromkeys(f"{f.model}, {f.task}: {f.reason}" for data in gathered for f in data.failures))
    windows = {method: window for method, window in WINDOWS.items() if method in runs}
    judged = tuple(claim for claim in claims if claim.effects)
    return ClaimsData(judged, columns, values, windows, facts, failures)


def _value(gathered: Sequence[ReportData], extra: Extra, model: str, number: Number) -> float:
    if number.task in EXTRA:
        return float(extra[model][Asked(number.task, number.metric)].mean())
    scores = (data.score(model, number.task, "overall", number.metric) for data in gathered)
    return next((score.value for score in scores if score is not None), math.nan)


def _prepared(plan: Plan, store: Store) -> dict[str, Prepared]:
    """Every task except human alignment, whose numbers have no draws that several runs share."""
    prepared = {}
    for planned in plan.tasks:
        if planned.task.kind.together:
            continue
        answers = {
            spec.name: collect(
                planned.task, spec.name, store.read(planned.identity, spec.identity, planned.ranges())[0]
            )
            for spec in plan.models
            if plan.takes(spec, planned.task)
        }
        # Only whole tasks are asked, and none by the relative error, so that clean answers are not needed.
        truth = truth_of(planned, store)
        prepared[planned.task.name] = prepare(planned.task, answers, None, None if isinstance(truth, str) else truth)
    return prepared


def _view(claim: Claim, prepared: Mapping[str, Prepared], runs: Runs, values: Values, extra: Extra) -> ClaimView:
    effects: list[Effect] = []
    for name, weights in claim.effects.items():
        if any(not runs.get(method) for method in weights):
            continue
        for asked in claim.numbers:
            if asked.task in prepared:
                rows = contrast(prepared[asked.task], name, weights, runs)
                effects += [row for row in rows if (row.condition, row.metric) == ("overall", asked.metric)]
            elif asked.task in EXTRA:
                parts = [
                    (weight, averaged(np.array([extra[run][asked] for run in runs[method]])))
                    for method, weight in weights.items()
                ]
                units = len(extra[runs[next(iter(weights))][0]][asked])
                effects.append(effect(name, asked.task, "overall", asked.metric, parts, units))
            else:
                effects += _over_runs(name, asked, weights, values)
    # The family is what was declared: an effect whose methods are missing today must not make the others significant.
    absent = len(claim.effects) * len(claim.numbers) - len(effects)
    adjusted = holm([*(estimate.p for estimate in effects), *[1.0] * absent])[: len(effects)]
    judged = tuple(replace(estimate, p_adjusted=p) for estimate, p in zip(effects, adjusted, strict=True))
    found = {(estimate.name, Asked(estimate.task, estimate.metric)): estimate for estimate in judged}
    hypotheses = []
    for part in claim.hypotheses:
        own = tuple(found[part.effect, asked] for asked in part.numbers if (part.effect, asked) in found)
        hypotheses.append(HypothesisView(part.key, part.statement, part.effect, own, len(part.numbers) - len(own)))
    return ClaimView(claim.key, claim.title, claim.statement, judged, absent, tuple(hypotheses))


def _over_runs(name: str, asked: Asked, weights: Mapping[str, float], values: Values) -> list[Effect]:
    """An effect with an interval over runs only; none where nothing was asked."""
    number = (asked.task, asked.metric)
    if any(number not in values[method] for method in weights):
        return []
    parts = [(weight, np.array(values[method][number])) for method, weight in weights.items()]
    value = sum(weight * float(part.mean()) for weight, part in parts)
    if math.isnan(value):
        return []
    spread = statistics.over_runs(parts)
    low, high = statistics.t_interval(value, spread)
    error = math.sqrt(spread.variance)
    nan = math.nan
    return [
        Effect(
            name, asked.task, "overall", asked.metric, value, nan, nan, low, high, low, high, spread.df,
            t_test(value, error, spread.df), minimum_detectable(error, spread.df), 0,
            sum(len(part) for _, part in parts),
        )
    ]  # fmt: skip
