"""From answers to scores and paired comparisons: every metric is a function of per-image column means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..results import statistics
from ..results.schema import Comparison, Score
from .alignment.shape_bias import cue_hits
from .answers import Answers
from .measures import Measure, corruption_measures, plain_measures, shape_measures
from .task import Task


@dataclass(frozen=True)
class Scored:
    """Everything that one task says of some models.

    Attributes:
        scores: Rows for every model, holes as NaN.
        comparisons: Paired differences for every (model, baseline) pair asked for.
        shape_decisions: Rows ``{model, task, category, shape, texture, other}``; cue conflict only.
    """

    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    shape_decisions: tuple[dict[str, Any], ...] = field(default=())


@dataclass(frozen=True)
class _Columns:
    """Per-image columns of one model, and those of the reference on the same images."""

    ids: np.ndarray
    values: np.ndarray
    labels: np.ndarray


def _columns(
    task: Task, answers: Answers, clean: Answers | None, textures: Mapping[str, int], names: Sequence[str]
) -> _Columns:
    if task.kind == "cue-conflict":
        decided = answers.decisions[:, 0]
        shown = np.array([textures[str(i)] for i in answers.image_ids], dtype=np.int64)
        by_shape, by_texture = cue_hits(decided, answers.labels, shown)
        member = answers.labels[:, None] == np.arange(len(names))[None, :]
        values = np.column_stack(
            [answers.correct[:, 0], by_shape, by_texture, by_shape[:, None] & member, by_texture[:, None] & member]
        )
        return _Columns(answers.image_ids, values.astype(np.float32), answers.labels)
    if task.kind != "corruptions":
        return _Columns(answers.image_ids, answers.correct, answers.labels)
    ids, values = answers.image_ids, answers.correct
    untouched = np.full((len(ids), 1), np.nan, dtype=np.float32)
    if clean is not None and np.isin(ids, clean.image_ids).all():
        untouched = clean.correct[clean.rows(ids), :1]
    return _Columns(ids, np.hstack([values, untouched]), answers.labels)


def _measures(task: Task, labels: Sequence[str]) -> list[Measure]:
    if task.kind == "corruptions":
        return corruption_measures(task)
    if task.kind == "cue-conflict":
        return shape_measures(labels)
    return plain_measures()


def _on(columns: _Columns, ids: np.ndarray) -> np.ndarray:
    order = np.searchsorted(columns.ids, ids)  # ids are sorted by `collect`
    return columns.values[order]


def _common(parts: Iterable[_Columns]) -> np.ndarray:
    ids: np.ndarray | None = None
    for part in parts:
        ids = part.ids if ids is None else np.intersect1d(ids, part.ids, assume_unique=True)
    return ids if ids is not None else np.empty(0, dtype=object)


def _score(task: Task, model: str, measure: Measure, values: np.ndarray, means: np.ndarray, reps: np.ndarray) -> Score:
    count = measure.count(values)
    point = float(measure.compute(means[None])[0]) if len(values) else math.nan
    if math.isnan(point):
        return Score(model, task.name, measure.condition, measure.metric, math.nan, math.nan, math.nan, count)
    if measure.proportion is not None:
        # A plain proportion has a better interval than the bootstrap's, which is empty at 0 % and 100 %.
        low, high = statistics.wilson(round(float(values[:, measure.proportion].sum())), len(values))
    else:
        low, high = statistics.interval(measure.compute(reps))
    return Score(model, task.name, measure.condition, measure.metric, point, low, high, count)


def score_task(
    task: Task,
    answers: Mapping[str, Answers],
    pairs: Sequence[tuple[str, str]],
    clean: Mapping[str, Answers] | None = None,
    textures: Mapping[str, int] | None = None,
    label_names: Sequence[str] = (),
    replicates: int = statistics.REPLICATES,
) -> Scored:
    """Score one task for some models.

    Args:
        task: What was asked.
        answers: Answers of each model.
        pairs: (model, baseline) pairs to compare; those of which one has no answers are passed over.
        clean: Answers of each model to the clean counterpart, for the relative corruption error.
        textures: Texture class of each image id; cue conflict only.
        label_names: Names of the classes; cue conflict only.
        replicates: Bootstrap replicates.

    Returns:
        Scores in the order of ``answers``, then comparisons in the order of ``pairs``.
    """
    columns = {
        model: _columns(task, own, (clean or {}).get(model), textures or {}, label_names)
        for model, own in answers.items()
        if len(own)
    }
    measures = _measures(task, label_names)
    reference = columns.get(task.reference or "")
    scores: list[Score] = []
    for model in answers:
        if model not in columns:
            scores += [
                Score(model, task.name, m.condition, m.metric, math.nan, math.nan, math.nan, 0) for m in measures
            ]
            continue
        # Numbers normalised by a reference model need both on the same images; the others use all that the model has.
        for needs in (False, True):
            chosen = [m for m in measures if m.needs_reference == needs]
            if not chosen:
                continue
            parts = [columns[model]] + ([reference] if needs and reference is not None else [])
            ids = _common(parts)
            values = np.hstack([_on(part, ids) for part in parts])
            reps = statistics.resampled_means(values, replicates)
            means = values.mean(axis=0, dtype=np.float64) if len(values) else np.full(values.shape[1], np.nan)
            missing = needs and reference is None
            for measure in chosen:
                if missing:
                    nan = math.nan
                    scores.append(Score(model, task.name, measure.condition, measure.metric, nan, nan, nan, len(ids)))
                else:
                    scores.append(_score(task, model, measure, values, means, reps))
    comparisons = [
        row
        for a, b in pairs
        if a in columns and b in columns and a != b
        for row in _compare(task, measures, a, b, columns, reference, replicates)
    ]
    order = {(m.condition, m.metric): n for n, m in enumerate(measures)}
    rank = {model: n for n, model in enumerate(answers)}
    scores.sort(key=lambda s: (rank[s.model], order[(s.condition, s.metric)]))
    decisions = _decisions(task, columns, label_names) if task.kind == "cue-conflict" else ()
    return Scored(tuple(scores), tuple(comparisons), tuple(decisions))


def _compare(
    task: Task,
    measures: Sequence[Measure],
    a: str,
    b: str,
    columns: Mapping[str, _Columns],
    reference: _Columns | None,
    replicates: int,
) -> list[Comparison]:
    parts = [columns[a], columns[b]] + ([reference] if reference is not None else [])
    ids = _common(parts)
    if not len(ids):
        return []
    stacked = np.hstack([_on(part, ids) for part in parts])
    reps = statistics.resampled_means(stacked, replicates)
    means = stacked.mean(axis=0, dtype=np.float64)[None]
    width = columns[a].values.shape[1]

    def side(of: np.ndarray, which: int, measure: Measure) -> np.ndarray:
        own = of[:, which * width : (which + 1) * width]
        if measure.needs_reference:
            own = np.hstack([own, of[:, 2 * width :]])
        return measure.compute(own)

    rows = []
    for measure in measures:
        if measure.needs_reference and reference is None:
            continue
        difference = float((side(means, 0, measure) - side(means, 1, measure))[0])
        if math.isnan(difference):
            continue
        draws = side(reps, 0, measure) - side(reps, 1, measure)
        low, high = statistics.interval(draws)
        p = statistics.two_sided_p(draws)
        rows.append(Comparison(a, b, task.name, measure.condition, measure.metric, difference, low, high, p, len(ids)))
    return rows


def _decisions(task: Task, columns: Mapping[str, _Columns], names: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for model, part in columns.items():
        # Columns: correct, shape, texture, then 16 of each by category; see `_columns`.
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
