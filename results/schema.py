"""The rows that a run produces: predictions, scores, comparisons and what they belong to.

`docs/store.md` describes them for other tools.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NotRequired, Required, TypedDict, TypeVar

_Row = TypeVar("_Row", "Score", "Comparison")

SCHEMA_VERSION = 3
"""Version of the store's layout and of its files. Raised whenever either changes."""

TOP_K = 5
"""Classes stored per prediction, best first."""

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
probability of ``top1`` with 12 bits of mantissa, above one half of its distance to 1 (relative error under 0.013 %),
``error`` null or the reason why this image has no prediction.
"""


class View(StrEnum):
    """How a report can show a task beside its headline; a kind of task says which of these fit."""

    SEVERITIES = "severities"
    """Accuracy of every corruption at every severity."""
    AGAINST_CLEAN = "against-clean"
    """Top-1 over all images, against that on the clean counterpart."""
    SHIFT = "shift"
    """One of the natural shifts, in one table with their clean counterparts."""
    SHAPE = "shape"
    """Decisions for shape and texture by category."""
    FACTORS = "factors"
    """How much more often a model errs where an annotated factor holds."""
    ALIGNMENT = "alignment"
    """Human alignment, in a section and in tables of its own."""


def condition_key(name: str, severity: int) -> str:
    """``"gaussian_noise/3"``, or the name alone where there is no grade."""
    return f"{name}/{severity}" if severity else name


@dataclass(frozen=True)
class Score:
    """One number with its uncertainty.

    Attributes:
        model: Model name, as the user wrote it; in an `ObserverScore` that of any observer.
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
class ObserverScore(Score):
    """A number of human alignment: of a model, a person, or the people (or simulated observers) together.

    ``condition`` is as the data set spells it, in case of shape bias the category whose shape is shown; ``ci_low`` and
    ``ci_high`` are over stimuli; ``n`` counts stimuli, in case of shape bias decisions for either cue.

    Attributes:
        data_set: Name of the data set that ``task`` asks about; ``"all"`` for the mean over a family of them.
        reference: The group's name if the number compares with it.
        counted: Whether ``"overall"`` counts this condition.
        people_ci_low: Lower end of the 95 % interval over people; NaN where there is none.
        people_ci_high: Its upper end.
    """

    data_set: str = ""
    reference: str | None = None
    counted: bool = True
    people_ci_low: float = math.nan
    people_ci_high: float = math.nan


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
        p: Two-sided p-value of no difference, by ``test``.
        n: Number of images that both models answered.
        n_a: Number of images that ``a`` answered.
        n_b: Number of images that ``b`` answered.
        test: A name of `statistics.TESTS`; empty in rows of older versions, whose p is the bootstrap's.
        minimum_detectable: Smallest difference that this many images would have shown with power 0.8 at a level of
            0.05 without correction; NaN where the models never differ.
        family: The comparisons that ``p_adjusted`` is corrected for, see `judgement.family_of`.
        p_adjusted: Holm's p-value within the family, or ``p`` where no correction was asked for; NaN before judgement.
        verdict: ``"win"``, ``"loss"`` or ``"tie"`` of ``a``, by ``p_adjusted`` and the side on which the metric is
            better; empty before judgement.
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
    n_a: int = 0
    n_b: int = 0
    test: str = ""
    minimum_detectable: float = math.nan
    family: str = ""
    p_adjusted: float = math.nan
    verdict: str = ""


@dataclass(frozen=True)
class MethodComparison(Comparison):
    """A difference of two methods, each the mean of its runs, with the two components of its variance kept apart.

    ``ci_low`` and ``ci_high`` are over images, with the runs fixed. ``p`` and ``minimum_detectable`` are over both.

    Attributes:
        runs_a: Runs of ``a``; 1 is a fixed checkpoint.
        runs_b: Runs of ``b``.
        runs_ci_low: Lower end of the 95 % interval over runs, with the images fixed; NaN where no method has two runs.
        runs_ci_high: Its upper end.
        both_ci_low: Lower end of the 95 % interval over images and runs.
        both_ci_high: Its upper end.
        df: Degrees of freedom of the last one.
    """

    runs_a: int = 1
    runs_b: int = 1
    runs_ci_low: float = math.nan
    runs_ci_high: float = math.nan
    both_ci_low: float = math.nan
    both_ci_high: float = math.nan
    df: float = math.nan


@dataclass(frozen=True)
class ObserverComparison(Comparison):
    """A difference of two observers in a metric of human alignment, on the same stimuli.

    Attributes:
        data_set: As in `ObserverScore`.
        p_bootstrap: The bootstrap's own p-value, which is never under 2 / (B + 1); ``p`` goes on beyond that.
    """

    data_set: str = ""
    p_bootstrap: float = math.nan


def narrowed(row: _Row, kind: type[_Row]) -> _Row:
    """The columns of ``kind`` alone, for tables in which rows of all tasks are alike."""
    return kind(**{field.name: getattr(row, field.name) for field in fields(kind)})


@dataclass(frozen=True)
class Effect:
    """A weighted sum of training methods in one metric, with the two components of its variance kept apart.

    Attributes:
        name: What the sum is called: ``"time"``, ``"vito - moclr"``.
        task: Task name.
        condition: As in `Score`.
        metric: As in `Score`.
        value: The sum; each method counts with the mean of its runs.
        ci_low: Lower end of the 95 % interval over images, with the runs fixed.
        ci_high: Its upper end.
        runs_ci_low: Lower end of the 95 % interval over runs, with the images fixed; NaN where no method has two runs.
        runs_ci_high: Its upper end.
        both_ci_low: Lower end of the 95 % interval over images and runs.
        both_ci_high: Its upper end.
        df: Degrees of freedom of the last one.
        p: Two-sided p-value of no effect, over both.
        minimum_detectable: Smallest effect that these images and runs would have shown, as in `Comparison`.
        n: Images that every run answered.
        runs: Runs of all methods together.
        p_adjusted: Holm's p-value among the effects that are asked together; NaN before.
    """

    name: str
    task: str
    condition: str
    metric: str
    value: float
    ci_low: float
    ci_high: float
    runs_ci_low: float
    runs_ci_high: float
    both_ci_low: float
    both_ci_high: float
    df: float
    p: float
    minimum_detectable: float
    n: int
    runs: int
    p_adjusted: float = math.nan


class Curve(StrEnum):
    """What a curve shows."""

    RELIABILITY = "reliability"
    """Accuracy in bins of confidence, against the mean confidence of the bin."""
    RISK = "risk-coverage"
    """Error among the most confident predictions, against the share of images that they are."""


@dataclass(frozen=True)
class CurvePoint:
    """A point of a curve of one model on one task.

    Attributes:
        model: Model name.
        task: Task name.
        curve: A value of `Curve`.
        at: Place on the horizontal axis, in [0, 1].
        value: Value there, in [0, 1].
        ci_low: Lower end of the 95 % interval at this point.
        ci_high: Its upper end.
        n: Predictions behind the value.
    """

    model: str
    task: str
    curve: str
    at: float
    value: float
    ci_low: float
    ci_high: float
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


class Decisions(TypedDict):
    """How often stimuli with one category's shape and another's texture were taken for which."""

    category: str
    """Whose shape is shown."""
    shape: int
    texture: int
    other: int
    """Decisions for neither; trials without a response are among them."""


class ModelDecisions(Decisions):
    """`Decisions` of a model in a task."""

    model: str
    task: str


class ObserverDecisions(Decisions):
    """`Decisions` of an observer in human alignment."""

    observer: str


class DrawnSet(TypedDict):
    """A data set of human alignment for those who draw it."""

    name: str
    task: str
    """The task that asks about it."""
    title: str
    axis: str
    """What its conditions are measures of; empty where there is only one."""
    conditions: list[str]
    """In order of strength."""
    ticks: list[str]
    """What the conditions are called at the axis."""
    excluded: list[str]
    """Conditions that no score over conditions counts."""
    kind: str
    """``"parametric"`` for a distortion in grades, ``"binary"`` for one that is there or not, else
    ``"nonparametric"``."""
    chance: NotRequired[float]
    """Accuracy of guessing; 1/16 unless given."""


class HeadlineLine(TypedDict):
    """A line of the headline, as in `TaskRecord`."""

    condition: str
    metric: str
    part: bool
    """Whether it is a part of the task, named by its condition: a family of corruptions."""


class LeftOutRecord(TypedDict, total=False):
    """Files of a data set's folder that were left out although they may have been meant; empty where there are none."""

    line: str
    """For people."""
    kinds: dict[str, dict[str, object]]
    """By kind of file, ``count`` and an ``example``."""


BESIDE: Mapping[str, str] = MappingProxyType(
    {
        "energy": "log of the sum of the exponentials of the logits",
        "max_logit": "largest logit",
    }
)
"""Numbers that a unit may hold of each prediction beside its classes, with what they are."""


class KindFacts(TypedDict, total=False):
    """What a task's record holds because the task is of a certain kind."""

    shape_classes: list[str]
    """Categories of shape in case of cue conflict."""
    maps: dict[str, Any]
    """How the maps of a saliency task are made and prepared."""
    reference_maps: str
    """What they are compared with."""
    ceiling: float
    """The largest correlation that can be expected of them."""
    chance: float
    """Accuracy of guessing, in case of judgements of similarity."""
    over_time: list[str]
    """Conditions that are parts of the clips, in the order of time."""


class TaskRecord(KindFacts, total=False):
    """A task in a report. Only ``name`` is always there: a task that is known by its scores alone has nothing else."""

    name: Required[str]
    identity: str
    title: str
    kind: str
    views: list[str]
    """Values of `View`."""
    headline: list[HeadlineLine]
    world: str
    """``"microworld"``, ``"photographs"`` or empty."""
    clean: str | None
    """Name of the clean counterpart."""
    made_of: str
    """Name of the task whose predictions it is made of, where it has none of its own."""
    data: str
    data_digest: str
    seed: int
    conditions: list[str]
    n: int
    """Images."""
    citation: str
    metric: str
    floors: list[str]
    """In a task that asks for features: baselines without a network, which an encoder has to pass."""
    ceilings: list[str]
    """Likewise baselines that say what can be reached at most."""
    notes: str
    version: int
    plugin: str
    """Where a task comes from that is not of this package."""
    families: dict[str, list[str]]
    """Corruptions by family."""
    reference: str
    """The model that errors are relative to."""
    images_from: str
    """A training class whose data may hold the images."""
    hub: str
    """The data set on the Hugging Face Hub that publishes the images."""
    left_out: LeftOutRecord
    mean_of: int
    """Of how many tasks it is the mean, where it is one."""


class Origin(TypedDict):
    """Where some predictions were computed."""

    store: str
    """The store that has them."""
    version: str
    """Of vitobench; empty where no run tells."""
    date: str
    machine: str


class LayerFacts(Origin):
    """Predictions that were read from a layer."""

    models: list[str]
    tasks: list[str]


class RunFacts(TypedDict, total=False):
    """What a result is a result of."""

    versions: dict[str, str]
    """Of this package, Python and what it computes with."""
    date: str
    seed: int
    command: str
    store: str
    schema: int
    layers: list[LayerFacts]
    """Where the predictions came from that the store itself lacks; absent where it has them all."""
    layer_problems: list[str]
    """Layers that were skipped, and damaged files in others; absent where there are none."""
