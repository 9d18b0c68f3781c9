"""What the figures of human alignment are drawn from, as plain records."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

Record = Mapping[str, Any]

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

    @property
    def measured(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)

    @property
    def span(self) -> tuple[float, float]:
        """The interval over stimuli; the value alone where there is none."""
        return (self.low, self.high) if math.isfinite(self.low + self.high) else (self.value, self.value)


@dataclass(frozen=True)
class AlignmentData:
    """Scores of human alignment with everything needed to draw them.

    Attributes:
        scores: ``{observer, reference, data_set, condition, counted, metric, value, ci_low, ci_high, people_ci_low,
            people_ci_high, n}``; ``condition`` is a category whose shape is shown in case of shape bias.
        data_sets: ``{name, title, axis, conditions, ticks, excluded, kind}`` in the order to draw them: ``conditions``
            in order of strength, ``ticks`` what they are called at the axis, ``kind`` one of ``"parametric"``,
            ``"binary"`` and ``"nonparametric"``. ``chance`` is the accuracy of guessing, 1/16 unless given.
        observers: ``{name, kind, label}``; ``kind`` is ``"model"``, ``"human"`` (a person, or the people together),
            ``"simulated"`` (likewise). Models are drawn in this order and keep their colours by it.
        reference: The observer in ``scores`` that is the whole group compared with.
        agreement: ``{data_set, observers, values}``: names, single people among them, and a matrix of error consistency
            as rows.
        shape_decisions: ``{observer, category, shape, texture}``, counts.
        published: ``{model, data_set, metric, value, source, protocol}``. Drawn beside real people only, since numbers
            against people are none against simulated observers.
        comparisons: Paired differences of models, ``{a, b, data_set, metric, difference, ci_low, ci_high, p, n}``.
        notes: Remarks for people.
        family: Names of all data sets that the mean is over; those of ``data_sets`` if empty.
    """

    scores: Sequence[Record]
    data_sets: Sequence[Record] = ()
    observers: Sequence[Record] = ()
    reference: str = "humans"
    agreement: Sequence[Record] = ()
    shape_decisions: Sequence[Record] = ()
    published: Sequence[Record] = ()
    comparisons: Sequence[Record] = ()
    notes: Sequence[str] = ()
    family: Sequence[str] = ()

    @cached_property
    def _observers(self) -> dict[str, Record]:
        return {str(record["name"]): record for record in self.observers}

    @cached_property
    def _scores(self) -> dict[tuple[str, str, str, str], Estimate]:
        return {
            (str(s["observer"]), str(s["data_set"]), str(s["condition"]), str(s["metric"])): Estimate(
                value=_number(s["value"]),
                low=_number(s["ci_low"]),
                high=_number(s["ci_high"]),
                people_low=_number(s["people_ci_low"]),
                people_high=_number(s["people_ci_high"]),
                n=int(s["n"]),
            )
            for s in self.scores
        }

    def kind(self, observer: str) -> str:
        """``"model"`` for whomever no record describes."""
        return str(self._observers.get(observer, {}).get("kind", "model"))

    @property
    def simulated(self) -> bool:
        """Whether the group compared with is simulated."""
        return self.kind(self.reference) == "simulated" or "simulated" in self.reference.lower()

    def label(self, observer: str) -> str:
        """What an observer is called in a figure; a simulated one is always called so."""
        text = str(self._observers.get(observer, {}).get("label") or observer)
        if self._texts[text] > 1 and text != observer:
            text = f"{text} ({observer})"
        simulated = self.kind(observer) == "simulated" or (observer == self.reference and self.simulated)
        return f"{text} (simulated)" if simulated and "simulated" not in text.lower() else text

    @cached_property
    def everyone(self) -> tuple[str, ...]:
        """Every observer: the described ones in their order, then any that only has scores, then the reference."""
        scored = (str(score["observer"]) for score in self.scores)
        return tuple(dict.fromkeys([*self._observers, *scored, self.reference]))

    @cached_property
    def _texts(self) -> Counter[str]:
        return Counter(str(self._observers.get(name, {}).get("label") or name) for name in self.everyone)

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The described ones in their order, then any that only has scores."""
        return tuple(name for name in self.everyone if name != self.reference and self.kind(name) == "model")

    @cached_property
    def drawn(self) -> tuple[str, ...]:
        """Models, then the group compared with, as far as either has scores."""
        scored = {str(score["observer"]) for score in self.scores}
        return tuple(name for name in (*self.models, self.reference) if name in scored)

    def data_set(self, name: str) -> Record:
        """The record of a data set.

        Raises:
            KeyError: If none has this name.
        """
        for record in self.data_sets:
            if record["name"] == name:
                return record
        raise KeyError(name)

    @cached_property
    def scored_sets(self) -> tuple[Record, ...]:
        """Data sets that a model has a score on, in the order to draw them; of people alone, those that they have."""
        own = [name for name in self.drawn if name != self.reference] or [self.reference]
        scored = {str(score["data_set"]) for score in self.scores if score["observer"] in own}
        return tuple(d for d in self.data_sets if d["name"] in scored)

    def without(self, observer: str) -> tuple[str, ...]:
        """Of the data sets that the mean is over, those that an observer has no score on."""
        own = {str(score["data_set"]) for score in self.scores if score["observer"] == observer}
        family = self.family or [str(record["name"]) for record in self.data_sets]
        return tuple(name for name in family if name not in own)

    @cached_property
    def graded(self) -> tuple[Record, ...]:
        """Data sets with a strength to plot against, on which at least one observer has a score."""
        scored = {str(score["data_set"]) for score in self.scores}
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
        return next((str(score["data_set"]) for score in self.scores if score["metric"] == SHAPE_BIAS), "")

    def shape_counts(self, observer: str) -> dict[str, tuple[int, int]]:
        """Shape and texture decisions of an observer by category."""
        return {
            str(row["category"]): (int(row["shape"]), int(row["texture"]))
            for row in self.shape_decisions
            if row["observer"] == observer
        }

    def published_values(self, metric: str, data_set: str = ALL) -> dict[str, float]:
        """By model, the first published value of a metric; none beside simulated observers."""
        found: dict[str, float] = {}
        if not self.simulated:
            for row in self.published:
                if row["metric"] == metric and row["data_set"] == data_set:
                    found.setdefault(str(row["model"]), float(row["value"]))
        return found


def _number(value: float | None) -> float:
    """A hole is null in JSON."""
    return NO_VALUE if value is None else float(value)
