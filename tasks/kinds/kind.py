"""A kind of task: its columns, its measures, its lines in the headline table, and the data it needs.

The bootstrap draws units (images, anchors of videos, sequences), each a row of named columns. Every number is a
function of the columns' means, so one set of draws serves them all. No module of this folder imports NumPy before a
number is computed: a listing of tasks reads the declarations alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ...results.metrics import Metric, add
from ...results.schema import CurvePoint, KindFacts, ModelDecisions, View

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task


@dataclass(frozen=True)
class Ordered:
    """Numbers that depend on the order of the units by a column, and so are no functions of the columns' means.

    Attributes:
        columns: What they are made from.
        names: What they are called; they follow the columns' means.
        compute: From the columns, each (n,), and how often each unit is in each of B samples, int (B, n), to
            (B, numbers); NaN where undefined.
    """

    columns: tuple[str, ...]
    names: tuple[str, ...]
    compute: Callable[..., np.ndarray]


@dataclass(frozen=True)
class Units:
    """The results of one model, one row per unit that the bootstrap draws.

    Attributes:
        ids: (n,), sorted: image ids, anchors or sources of sequences.
        columns: Names of the columns.
        values: (n, columns), float32 for whole numbers and confidences, else float64; NaN where there is no prediction.
        labels: int64 (n,).
        ranked: Columns of confidence and correctness, where measures depend on the order of the one. Their numbers
            follow the columns' means under the names of `RANKED`.
        by_class: Column of correctness whose accuracy in the worst classes follows under the name `WORST_CLASSES`.
        ordered: Further numbers that depend on an order.
    """

    ids: np.ndarray
    columns: tuple[str, ...]
    values: np.ndarray
    labels: np.ndarray
    ranked: tuple[str, str] | None = None
    by_class: str | None = None
    ordered: tuple[Ordered, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def beyond(self) -> tuple[str, ...]:
        """Names of the numbers that are no function of the columns' means."""
        ordered = (name for numbers in self.ordered for name in numbers.names)
        return (*(RANKED if self.ranked else ()), *((WORST_CLASSES,) if self.by_class else ()), *ordered)

    def on(self, ids: np.ndarray) -> np.ndarray:
        """Values of these units, all of which must be present."""
        return self.values if ids is self.ids else self.values[self.ids.searchsorted(ids)]

    def labels_of(self, ids: np.ndarray) -> np.ndarray:
        """Labels of these units, all of which must be present."""
        return self.labels[self.ids.searchsorted(ids)]


RANKED = ("rms_calibration_error", "aurra", "risk_at_80", "coverage_at_5")
"""Numbers made from confidences in order; see `confidences.resampled`."""

WORST_CLASSES = "worst_classes"
"""Accuracy in the classes that are known worst; see `measures.worst_classes`."""


@dataclass(frozen=True)
class Means:
    """Means of named columns over units, or over each of several samples of them.

    Attributes:
        columns: Names.
        array: (B, columns).
        reference: Means of the reference model on the same units, where a number is normalised by them.
    """

    columns: tuple[str, ...]
    array: np.ndarray
    reference: Means | None = None

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.columns)}

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, name: str) -> np.ndarray:
        """One column, (B,)."""
        return self.array[:, self._places[name]]

    def of(self, names: Any) -> np.ndarray:
        """Several columns: (B, ...) in the form of a list of names, or of a list of such lists."""
        return self.array[:, self._at(names)]

    def _at(self, names: Any) -> Any:
        return self._places[names] if isinstance(names, str) else [self._at(name) for name in names]

    @property
    def normaliser(self) -> Means:
        """The reference's means.

        Raises:
            ValueError: There are none; a measure that uses them must set ``needs_reference``.
        """
        if self.reference is None:
            raise ValueError("This number is normalised by a reference model, and none was given.")
        return self.reference


@dataclass(frozen=True)
class Measure:
    """One number of a task.

    Attributes:
        condition: As in `Score`.
        metric: A name of `results.metrics`.
        compute: From means to (B,); NaN where undefined.
        reads: The model's own columns that the number depends on. Where all of them were measured, for the reference
            too if it is needed, and the number still is NaN, it is undefined and not missing.
        proportion: Column that the number is the plain mean of, if it is one.
        needs_reference: Whether the reference model's means on the same units are needed.
        counts: Columns whose sum over units is the n of the score; the number of units if there are none.
        undefined: Why the number can be undefined although everything was measured, for people.
        centred: Whether draws are shifted so that their mean is the estimate. For a number that grows with the noise
            in it: a sample drawn from a sample is noisier, so plain percentiles might not even hold the estimate.
        defined_only: Whether units in which a column of ``reads`` is NaN are left out and counted, because the column
            is undefined there; else a NaN means that something was not measured, and the number is missing. A model
            that lacks the columns altogether then has no such number, and no score of it.
        optional: Whether a model that lacks the columns has no such number, and no score of it.
        beyond: Whether it is one of `Units.beyond`, so that no unit has a part of its own in it.
    """

    condition: str
    metric: str
    compute: Callable[[Means], np.ndarray]
    reads: tuple[str, ...]
    proportion: str | None = None
    needs_reference: bool = False
    counts: tuple[str, ...] = ()
    undefined: str = ""
    centred: bool = False
    defined_only: bool = False
    optional: bool = False
    beyond: bool = False

    def applies_to(self, columns: Sequence[str]) -> bool:
        """Whether a model with these columns has such a number."""
        return not (self.defined_only or self.optional) or set(self.reads) <= set(columns)


def column(
    condition: str, metric: str, name: str, undefined: str = "", centred: bool = False, defined_only: bool = False
) -> Measure:
    """A measure that is one column's mean."""
    read = (name,)
    return Measure(
        condition, metric, lambda m: m[name], read, undefined=undefined, centred=centred, defined_only=defined_only
    )


def proportion(condition: str, metric: str, name: str) -> Measure:
    """A measure that is the share of ones in a column."""
    return Measure(condition, metric, lambda m: m[name], (name,), proportion=name)


def mean_of(names: Sequence[str]) -> Callable[[Means], np.ndarray]:
    """Mean of some columns. If any value is missing, the mean is missing too: it is never taken over the rest."""
    chosen = list(names)
    return lambda m: m.of(chosen).mean(axis=1)


@dataclass(frozen=True)
class Line:
    """One line of the headline table.

    Attributes:
        condition: As in `Score`.
        metric: A name of `results.metrics`.
        part: Whether it is a part of the task, named by its condition: a family of corruptions.
    """

    condition: str
    metric: str
    part: bool = False


class Kind(ABC):
    """A kind of task. One object serves all its tasks; it holds no state.

    Attributes:
        name: Its name in listings and records.
        metrics: Metrics that it alone has, which no other module has to know; the class makes them known.
        views: How reports can show its tasks besides the headline.
        keeps_ranks: Whether a measure uses more than the best class, so that all five are read from the store.
        needs: Fields of `Truth` that its numbers need; kept in the store for sets that come from a folder.
        together: Whether its tasks are scored together, world by world, with observers and models.
        in_gallery: Whether images on which two models disagree are shown on the page.
        for_plugins: Whether plugins may have tasks of this kind: its images need no facts beyond their labels.
        merges: Whether a user may choose the rule by which probabilities of classes are merged to categories.
        numbers: What is stored of each image in place of classes, each with its smallest and largest value; empty
            where classes are stored. See `results.predictions.Asked.numbers`.
        observers: Baselines without a network that are scored on its tasks, with their versions; see `baselines`.
        ceilings: Those of the observers that say what can be reached at most; the others are floors.
        by_features: Whether features are compared and no classes predicted, so that models without a classifier take
            part as well.
        keeps_beside: Whether units hold the numbers of `results.schema.BESIDE` beside the classes.
        choices: How many choices a label is one of, where labels are what people chose; 0 where they are classes.
    """

    name: str
    metrics: tuple[Metric, ...] = ()
    views: tuple[View, ...] = ()
    keeps_ranks = False
    needs: tuple[str, ...] = ()
    together = False
    in_gallery = False
    for_plugins = False
    merges = False
    numbers: Mapping[str, tuple[float, float]] = MappingProxyType({})
    observers: Mapping[str, str] = MappingProxyType({})
    ceilings: tuple[str, ...] = ()
    by_features = False
    choices = 0
    keeps_beside = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for metric in cls.metrics:
            add(metric)

    def __repr__(self) -> str:
        return f"<kind {self.name}>"

    @abstractmethod
    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Turn the predictions of one model into units with columns.

        Args:
            task: The task.
            answers: Predictions of one model.
            clean: Its predictions on the clean counterpart.
            truth: Facts about the images.
        """

    def mismatch(self, task: Task, answers: Answers, truth: Truth) -> str:
        """Why facts about images cannot be those of the images that a model answered; empty where they can."""
        return ""

    @abstractmethod
    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """The numbers of a task, functions of the columns of `units`."""

    def combined(self, task: Task, truth: Truth, units: Mapping[str, Units]) -> tuple[dict[str, Units], list[Measure]]:
        """Units of all models in a form in which they can be compared, and the numbers of the task.

        Args:
            task: The task.
            truth: Facts about the images.
            units: By model, from `units`.
        """
        return dict(units), self.measures(task, truth)

    def whole(self, task: Task) -> str:
        """The condition of the numbers for a whole task."""
        return "overall"

    def lines(self, task: Task) -> list[Line]:
        """The lines of a task in the headline, the main metric among them."""
        return [Line("overall", task.metric)]

    def facts(self, task: Task) -> KindFacts:
        """Facts for a task's record in a report that this kind adds, as plain data."""
        return {}

    def baselines(self, task: Task) -> tuple[str, ...]:
        """Which of the observers are scored on a task: all of them unless a kind says otherwise."""
        return tuple(self.observers)

    def curves(self, task: Task, units: Mapping[str, Units]) -> list[CurvePoint]:
        """Curves of every model, for figures."""
        return []

    def decisions(self, task: Task, units: Mapping[str, Units], truth: Truth) -> list[ModelDecisions]:
        """Counts of decisions by model and category."""
        return []
