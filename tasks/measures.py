"""The metrics of each kind of task as functions of column means, so that one bootstrap serves them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .alignment.shape_bias import shape_bias
from .robustness.stability import mean_rate
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
        count: From the columns of the units to the n of the score.
        reads: The model's own columns that the number depends on. Where all of them were measured, for the reference
            too if it is needed, and the number still is NaN, it is undefined and not missing.
        undefined: Why the number can be undefined although everything was measured, for people.
        centred: Draws are shifted so that their mean is the estimate. For a number that grows with the noise in it:
            a sample drawn from a sample is noisier, so the draws lie beside the estimate and the plain percentiles
            might not even hold it.
    """

    condition: str
    metric: str
    compute: Callable[[np.ndarray], np.ndarray]
    proportion: int | None = None
    needs_reference: bool = False
    count: Callable[[np.ndarray], int] = _all_rows
    reads: tuple[int, ...] = ()
    undefined: str = ""
    centred: bool = False


def column(condition: str, metric: str, number: int, undefined: str = "", centred: bool = False) -> Measure:
    """A measure that is one column's mean."""
    return Measure(condition, metric, lambda m: m[:, number], reads=(number,), undefined=undefined, centred=centred)


def proportion(condition: str, metric: str, number: int) -> Measure:
    """A measure that is the share of ones in a column."""
    return Measure(condition, metric, lambda m: m[:, number], proportion=number, reads=(number,))


def mean_of(columns: Sequence[int]) -> Callable[[np.ndarray], np.ndarray]:
    """Mean of some columns. A hole in any of them is a hole in the mean: nothing missing is averaged over."""
    chosen = list(columns)
    return lambda m: m[:, chosen].mean(axis=1)


def plain_measures() -> list[Measure]:
    """Accuracy and calibration of a task with one condition.

    Columns: correct, label among the best five, confidence; then, made from the first and the last of them by
    `robustness.calibration`, RMS calibration error and AURRA.
    """
    few = "fewer than 200 images: the bin of the 100 most confident is left out, and there is no other"
    return [
        proportion("overall", "top1", 0),
        proportion("overall", "top5", 1),
        Measure("overall", "rms_calibration_error", lambda m: m[:, 3], reads=(0, 2), undefined=few, centred=True),
        Measure("overall", "aurra", lambda m: m[:, 4], reads=(0, 2)),
    ]


def multi_label_measures() -> list[Measure]:
    """Share of images whose decision is among the accepted classes. Columns: that."""
    return [proportion("overall", "top1", 0)]


def video_measures() -> list[Measure]:
    """Share of anchors that are right, alone and with all their neighbours. Columns: the two."""
    return [proportion("overall", "pm0", 0), proportion("overall", "pm10", 1)]


def sequence_measures(task: Task, names: Sequence[str]) -> list[Measure]:
    """Flip probability and top-5 distance under each perturbation, and their means over the reference's.

    Columns: flip probability under each perturbation, then top-5 distance under each. Perturbations of the family
    ``"extra"`` have numbers of their own and enter no mean.

    Args:
        task: Gives the reference and the families.
        names: The perturbations in the order of the columns.
    """
    width = 2 * len(names)
    standard = [n for n, name in enumerate(names) if name not in task.families.get("extra", ())]
    never = f"{task.reference or 'the reference'} never changes its answer under some perturbation"
    measures: list[Measure] = []
    for offset, metric, mean_metric in (
        (0, "flip_probability", "mean_flip_rate"),
        (len(names), "top5_distance", "mean_top5_distance"),
    ):
        chosen = [offset + n for n in standard]
        other = [width + c for c in chosen]
        measures.append(Measure("overall", metric, mean_of(chosen), reads=tuple(chosen)))
        measures += [column(name, metric, offset + n) for n, name in enumerate(names)]
        if task.reference is None:
            continue
        measures.append(
            Measure(
                "overall",
                mean_metric,
                lambda m, own=chosen, other=other: mean_rate(m[:, own], m[:, other]),  # type: ignore[misc]
                needs_reference=True,
                reads=tuple(chosen),
                undefined=never,
            )
        )
    return measures


def shape_measures(names: Sequence[str]) -> list[Measure]:
    """Shape bias, pooled and by category, and accuracy for the shape.

    Columns: correct, shape decision, texture decision, then shape and texture decisions by category of the shape.
    """
    classes = len(names)
    neither = "no decision for either cue"
    measures = [
        Measure(
            "overall",
            "shape_bias",
            lambda m: shape_bias(m[:, 1], m[:, 2]),
            count=lambda v: int(v[:, 1:3].sum()),
            reads=(1, 2),
            undefined=neither,
        ),
        proportion("overall", "top1", 0),
    ]
    for number, name in enumerate(names):
        s, t = 3 + number, 3 + classes + number
        measures.append(
            Measure(
                name,
                "shape_bias",
                lambda m, s=s, t=t: shape_bias(m[:, s], m[:, t]),  # type: ignore[misc]
                count=lambda v, s=s, t=t: int(v[:, [s, t]].sum()),  # type: ignore[misc]
                reads=(s, t),
                undefined=neither,
            )
        )
    return measures
