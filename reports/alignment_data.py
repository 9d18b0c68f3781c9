"""The input of the tables and figures of human alignment."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypedDict

from ..results.published.tables import PublishedScore
from ..results.schema import DrawnSet, ObserverComparison, ObserverDecisions, ObserverScore

ALL = "all"
"""The data set of a score that is the mean over data sets."""

OVERALL = "overall"
"""The condition of a score over all conditions that count."""

SHAPE_BIAS = "shape_bias"

NO_VALUE = math.nan


class Estimate(NamedTuple):
    """A value with its 95 % intervals over stimuli and over people; NaN where there is none."""

    value: float = NO_VALUE
    low: float = NO_VALUE
    high: float = NO_VALUE
    people_low: float = NO_VALUE
    people_high: float = NO_VALUE
    n: int = 0

    @classmethod
    def of(cls, score: ObserverScore) -> Estimate:
        """The numbers of a score, without its model, task and metric."""
        intervals = (score.ci_low, score.ci_high, score.people_ci_low, score.people_ci_high)
        return cls(score.value, *intervals, score.n)

    @property
    def measured(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)

    @property
    def span(self) -> tuple[float, float]:
        """The interval over stimuli; the value alone where there is none."""
        return (self.low, self.high) if math.isfinite(self.low + self.high) else (self.value, self.value)


class Observer(TypedDict):
    """An observer as tables and figures need it."""

    name: str
    kind: str
    """``"model"``, ``"human"`` (a person, or the people together) or ``"simulated"`` (one, or the group)."""
    label: str


class Agreement(TypedDict):
    """Error consistency of all pairs of observers on a data set."""

    data_set: str
    observers: Sequence[str]
    """Single people among them."""
    values: Sequence[Sequence[float]]
    """A matrix as rows."""


@dataclass(frozen=True)
class AlignmentData:
    """Scores of human alignment with everything needed to draw them.

    Attributes:
        scores: Of every observer.
        data_sets: In the order to draw them.
        observers: Models are drawn in this order and keep their colours by it.
        reference: The observer in ``scores`` that is the whole group compared with.
        agreement: A matrix for each data set.
        shape_decisions: Counts of decisions for shape and texture.
        published: Drawn with real people only: numbers against people do not apply to simulated observers.
        comparisons: Paired differences of models.
        notes: Remarks for people.
        family: Names of all data sets that the mean is over; those of ``data_sets`` if empty.
    """

    scores: Sequence[ObserverScore]
    data_sets: Sequence[DrawnSet] = ()
    observers: Sequence[Observer] = ()
    reference: str = "humans"
    agreement: Sequence[Agreement] = ()
    shape_decisions: Sequence[ObserverDecisions] = ()
    published: Sequence[PublishedScore] = ()
    comparisons: Sequence[ObserverComparison] = ()
    notes: Sequence[str] = ()
    family: Sequence[str] = ()

    @cached_property
    def _observers(self) -> dict[str, Observer]:
        return {record["name"]: record for record in self.observers}

    @cached_property
    def _scores(self) -> dict[tuple[str, str, str, str], Estimate]:
        return {(s.model, s.data_set, s.condition, s.metric): Estimate.of(s) for s in self.scores}

    def kind(self, observer: str) -> str:
        """The kind in the observer's record; ``"model"`` without one."""
        return self._observers[observer]["kind"] if observer in self._observers else "model"

    @property
    def simulated(self) -> bool:
        """Whether the group compared with is simulated."""
        return self.kind(self.reference) == "simulated" or "simulated" in self.reference.lower()

    def label(self, observer: str) -> str:
        """The observer's label in figures, which always says if it is simulated."""
        text = self._text(observer)
        if self._texts[text] > 1 and text != observer:
            text = f"{text} ({observer})"
        simulated = self.kind(observer) == "simulated" or (observer == self.reference and self.simulated)
        return f"{text} (simulated)" if simulated and "simulated" not in text.lower() else text

    @cached_property
    def everyone(self) -> tuple[str, ...]:
        """Every observer: the described ones in their order, then any that only has scores, then the reference."""
        scored = (score.model for score in self.scores)
        return tuple(dict.fromkeys([*self._observers, *scored, self.reference]))

    @cached_property
    def _texts(self) -> Counter[str]:
        return Counter(map(self._text, self.everyone))

    def _text(self, observer: str) -> str:
        return self._observers[observer]["label"] if observer in self._observers else observer

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The described ones in their order, then any that only has scores."""
        return tuple(name for name in self.everyone if name != self.reference and self.kind(name) == "model")

    @cached_property
    def drawn(self) -> tuple[str, ...]:
        """Models, then the group compared with; only those with scores."""
        scored = {score.model for score in self.scores}
        return tuple(name for name in (*self.models, self.reference) if name in scored)

    def data_set(self, name: str) -> DrawnSet:
        """The record of a data set.

        Raises:
            KeyError: If none has this name.
        """
        for record in self.data_sets:
            if record["name"] == name:
                return record
        raise KeyError(name)

    @cached_property
    def _tasks(self) -> dict[str, str]:
        return {score.data_set: score.task for score in self.scores}

    def task(self, data_set: str) -> str:
        """The task of a data set, or of the mean (`ALL`); empty if there are no scores on it."""
        return self._tasks.get(data_set, "")

    @cached_property
    def scored_sets(self) -> tuple[DrawnSet, ...]:
        """Data sets that a model has a score on, in the order to draw them; of people alone, those that they have."""
        own = [name for name in self.drawn if name != self.reference] or [self.reference]
        scored = {score.data_set for score in self.scores if score.model in own}
        return tuple(d for d in self.data_sets if d["name"] in scored)

    def without(self, observer: str) -> tuple[str, ...]:
        """Of the data sets that the mean is over, those that an observer has no score on."""
        own = {score.data_set for score in self.scores if score.model == observer}
        family = self.family or [record["name"] for record in self.data_sets]
        return tuple(name for name in family if name not in own)

    @cached_property
    def graded(self) -> tuple[DrawnSet, ...]:
        """Data sets with a strength to plot against, on which at least one observer has a score."""
        scored = {score.data_set for score in self.scores}
        return tuple(d for d in self.data_sets if d["kind"] != "nonparametric" and d["name"] in scored)

    def estimate(self, observer: str, data_set: str, condition: str, metric: str) -> Estimate:
        """One number; without a value where there is none."""
        return self._scores.get((observer, data_set, condition, metric), Estimate())

    def headline(self, observer: str, metric: str) -> Estimate:
        """The mean over data sets."""
        return self.estimate(observer, ALL, OVERALL, metric)

    @cached_property
    def shape_set(self) -> str:
        """The data set that has shape biases; empty where none has."""
        return next((score.data_set for score in self.scores if score.metric == SHAPE_BIAS), "")

    def shape_counts(self, observer: str) -> dict[str, tuple[int, int]]:
        """Shape and texture decisions of an observer by category."""
        return {
            row["category"]: (row["shape"], row["texture"])
            for row in self.shape_decisions
            if row["observer"] == observer
        }

    def published_values(self, metric: str, data_set: str = ALL) -> dict[str, float]:
        """By model, the first published value of a metric; none with simulated observers."""
        values: dict[str, float] = {}
        if not self.simulated:
            for row in self.published:
                if (row.metric, row.data_set) == (metric, data_set):
                    values.setdefault(row.model, row.value)
        return values
