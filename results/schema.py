"""The rows that leave a run: predictions, scores and comparisons. `docs/store.md` describes them for other tools."""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA_VERSION = 2
"""Version of the store's layout and of the prediction columns. Raised whenever either changes."""

TOP_K = 5
"""Classes kept of every answer, best first."""

TOP_COLUMNS = tuple(f"top{rank}" for rank in range(1, TOP_K + 1))

PREDICTION_COLUMNS = (
    "model",
    "task",
    "condition",
    "severity",
    "image_id",
    "label",
    *TOP_COLUMNS,
    "confidence",
    "error",
)
"""Columns of a prediction row.

``model`` and ``task`` are identities (``name@digest``), ``condition`` the corruption or shift, ``severity`` 0 (clean or
ungraded) to 5, ``label`` and ``top1`` to ``top5`` class indices in the classes that the task asks about (-1 where there
is no answer, null where there are fewer classes or an older version did not keep them), ``confidence`` the softmax
probability of ``top1`` with 12 bits of mantissa (relative error under 0.013 %), ``error`` null or the reason why this
image has no prediction.
"""


def condition_key(name: str, severity: int) -> str:
    """``"gaussian_noise/3"``, or the name alone where there is no grade."""
    return f"{name}/{severity}" if severity else name


@dataclass(frozen=True)
class Score:
    """One number with its uncertainty.

    Attributes:
        model: Model name, as the user wrote it.
        task: Task name.
        condition: ``"gaussian_noise/3"`` for a cell, ``"gaussian_noise"`` for its mean over severities, ``"noise"``
            for a family, ``"overall"`` for the whole task.
        metric: ``"top1"``, ``"mce"``, ``"shape_bias"``, ...
        value: The point estimate; NaN where the metric is undefined.
        ci_low: Lower end of the 95 % interval.
        ci_high: Upper end of the 95 % interval.
        n: Number of distinct source images (or of decisions, for shape bias) behind the value.
    """

    model: str
    task: str
    condition: str
    metric: str
    value: float
    ci_low: float
    ci_high: float
    n: int


@dataclass(frozen=True)
class Comparison:
    """A paired difference ``a - b`` of one metric on the same images, with its 95 % interval.

    Attributes:
        a: Model name.
        b: Baseline name.
        task: Task name.
        condition: As in `Score`.
        metric: As in `Score`.
        difference: Value of ``a`` minus value of ``b``.
        ci_low: Lower end of the 95 % interval.
        ci_high: Upper end of the 95 % interval.
        p: Two-sided bootstrap p-value of no difference.
        n: Number of images that both models answered.
    """

    a: str
    b: str
    task: str
    condition: str
    metric: str
    difference: float
    ci_low: float
    ci_high: float
    p: float
    n: int


@dataclass(frozen=True)
class Failure:
    """Something that was asked and is missing from the result, with the reason.

    Attributes:
        model: Model name, or ``"*"`` where every model is concerned.
        task: Task name.
        condition: Condition, or ``"*"``.
        image_id: Image, or ``"*"``.
        reason: One line for a person.
    """

    model: str
    task: str
    condition: str
    image_id: str
    reason: str
