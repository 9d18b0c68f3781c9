"""One model's predictions for one task as a matrix: a row per image, a column per condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..results.predictions import Predictions
from ..results.schema import TOP_K
from .task import Task

_NOT_ASKED = -2  # no row; -1 is a row without an answer


@dataclass(frozen=True)
class Answers:
    """Answers of one model.

    Attributes:
        model: Model name.
        image_ids: (n,) ids, sorted, of the images that were answered under every condition that was asked at all.
        decisions: int16 (n, conditions), the top-1 class; -1 in a column that was never asked.
        correct: float32 (n, conditions), 1 where the decision is the label; NaN in a column that was never asked.
        labels: int64 (n,).
        confidence: float32 (n, conditions), probability of the decision; NaN in a column that was never asked.
        top: int16 (n, conditions, 5), classes best first; -1 where a class is not known. None where the kind of task
            has no use for it: with 75 conditions it would be the largest part by far.
        numbers: float32 (n, conditions) by name, where numbers are stored in place of classes; NaN where one is
            undefined.
    """

    model: str
    image_ids: np.ndarray
    decisions: np.ndarray
    correct: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray
    top: np.ndarray | None = None
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.image_ids)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Positions of these ids, all of which must be present."""
        return np.searchsorted(self.image_ids, ids)


def collect(task: Task, model: str, predictions: Predictions) -> Answers:
    """Lay prediction rows out as a matrix.

    An image that lacks an answer under a condition that other images were asked is left out of every condition, so that
    all columns are about the same images; a condition without any predictions stays as a missing value.

    Args:
        task: Decides the columns.
        model: Name for the result.
        predictions: Rows of one model and task; those with an error are ignored.
    """
    ids = np.array(predictions.image_ids, dtype=np.str_)
    columns = {condition.key: number for number, condition in enumerate(task.conditions)}
    column_of = np.array([columns.get(key, -1) for key in predictions.conditions], dtype=np.int64)
    column = column_of[predictions.condition] if len(predictions) else np.empty(0, np.int64)
    good = (predictions.error < 0) & (column >= 0)
    wide = np.full((len(ids), len(task.conditions)), _NOT_ASKED, dtype=np.int16)
    wide[predictions.image[good], column[good]] = predictions.top[good, 0]
    confidence = np.full(wide.shape, np.nan, dtype=np.float32)
    confidence[predictions.image[good], column[good]] = predictions.confidence[good]
    top = None
    if task.kind.keeps_ranks:
        top = np.full((*wide.shape, TOP_K), -1, dtype=np.int16)
        top[predictions.image[good], column[good]] = predictions.top[good]
    labels = np.full(len(ids), -1, dtype=np.int64)
    labels[predictions.image[good]] = predictions.label[good]

    answered = wide != _NOT_ASKED
    asked = answered.any(axis=0)
    whole = np.flatnonzero(answered[:, asked].all(axis=1)) if asked.any() else np.empty(0, np.int64)
    whole = whole[np.argsort(ids[whole], kind="stable")]
    decisions, truth = wide[whole], labels[whole]
    correct = (decisions == truth[:, None]).astype(np.float32)
    correct[:, ~asked] = np.nan
    decisions[:, ~asked] = -1
    kept = top[whole] if top is not None else None
    numbers = {}
    for name, values in predictions.numbers.items():
        numbers[name] = np.full(wide.shape, np.nan, dtype=np.float32)
        numbers[name][predictions.image[good], column[good]] = values[good]
        numbers[name] = numbers[name][whole]
    return Answers(model, ids[whole], decisions, correct, truth, confidence[whole], kept, numbers)
