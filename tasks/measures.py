"""The metrics of each kind of task as functions of column means, so that one bootstrap serves them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..results.published.tables import ALEXNET_CLEAN_ERROR, alexnet_errors
from .alignment.shape_bias import shape_bias
from .robustness.metrics import corruption_error, relative_corruption_error
from .task import Task


def _all_rows(values: np.ndarray) -> int:
    return len(values)


@dataclass(frozen=True)
class Measure:
    """One number of a task.

    Attributes:
        condition: As in `Score`.
        metric: As in `Score`.
        compute: From means (B, columns) to (B,); NaN where undefined.
        proportion: Column that the number is the plain mean of, if it is one.
        needs_reference: The means hold the reference model's columns after the model's own.
        count: From per-image columns to the n of the score.
    """

    condition: str
    metric: str
    compute: Callable[[np.ndarray], np.ndarray]
    proportion: int | None = None
    needs_reference: bool = False
    count: Callable[[np.ndarray], int] = _all_rows


def plain_measures() -> list[Measure]:
    """Top-1 accuracy of a task with one condition."""
    return [Measure("overall", "top1", lambda m: m[:, 0], proportion=0)]


def _mean_of(columns: Sequence[int]) -> Callable[[np.ndarray], np.ndarray]:
    chosen = list(columns)
    # A hole in any of the cells is a hole in their mean: nothing missing is averaged over.
    return lambda m: m[:, chosen].mean(axis=1)


def corruption_measures(task: Task) -> list[Measure]:
    """Accuracy of cells, corruptions and families; corruption errors against the reference.

    Columns: the task's conditions in order, then clean accuracy on the same images.
    """
    cells = {condition.key: n for n, condition in enumerate(task.conditions)}
    width = len(task.conditions) + 1
    names = list(dict.fromkeys(condition.name for condition in task.conditions))
    grades = sorted({condition.severity for condition in task.conditions})

    def at(name: str) -> list[int]:
        return [cells[f"{name}/{grade}"] for grade in grades]

    measures = [Measure("overall", "top1", _mean_of(range(width - 1)))]
    for family, members in task.families.items():
        measures.append(Measure(family, "top1", _mean_of([c for name in members for c in at(name)])))
        for grade in grades:
            measures.append(Measure(f"{family}/{grade}", "top1", _mean_of([cells[f"{n}/{grade}"] for n in members])))
    for name in names:
        measures.append(Measure(name, "top1", _mean_of(at(name))))
        for grade in grades:
            column = cells[f"{name}/{grade}"]
            measures.append(Measure(f"{name}/{grade}", "top1", _mean_of([column]), proportion=column))

    grid = np.array([at(name) for name in names])
    published = np.array([alexnet_errors()[name] for name in names]) if task.reference == "alexnet" else None
    joint = published is None

    def errors(means: np.ndarray) -> np.ndarray:
        return 1.0 - means[:, grid]

    def reference(means: np.ndarray) -> np.ndarray:
        if published is not None:
            return np.broadcast_to(published, (len(means), *published.shape))
        return 1.0 - means[:, width:][:, grid]

    def relative(means: np.ndarray) -> np.ndarray:
        clean = 1.0 - means[:, width - 1]
        other = np.full(len(means), ALEXNET_CLEAN_ERROR) if published is not None else 1.0 - means[:, 2 * width - 1]
        return relative_corruption_error(errors(means), clean, reference(means), other).mean(axis=1)

    def ce(number: int) -> Callable[[np.ndarray], np.ndarray]:
        return lambda m: corruption_error(errors(m), reference(m))[:, number]

    measures += [Measure(name, "ce", ce(n), needs_reference=joint) for n, name in enumerate(names)]
    measures.append(
        Measure(
            "overall", "mce", lambda m: corruption_error(errors(m), reference(m)).mean(axis=1), needs_reference=joint
        )
    )
    measures.append(Measure("overall", "relative_mce", relative, needs_reference=joint))
    return measures


def shape_measures(names: Sequence[str]) -> list[Measure]:
    """Shape bias, pooled and by category, and accuracy for the shape.

    Columns: correct, shape decision, texture decision, then shape and texture decisions by category of the shape.
    """
    classes = len(names)
    measures = [
        Measure(
            "overall",
            "shape_bias",
            lambda m: shape_bias(m[:, 1], m[:, 2]),
            count=lambda v: int(v[:, 1:3].sum()),
        ),
        Measure("overall", "top1", lambda m: m[:, 0], proportion=0),
    ]
    for number, name in enumerate(names):
        s, t = 3 + number, 3 + classes + number
        measures.append(
            Measure(
                name,
                "shape_bias",
                lambda m, s=s, t=t: shape_bias(m[:, s], m[:, t]),  # type: ignore[misc]
                count=lambda v, s=s, t=t: int(v[:, [s, t]].sum()),  # type: ignore[misc]
            )
        )
    return measures
