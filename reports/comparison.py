"""The data of a comparison for a page or a terminal: the models, and the results."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ..results.metrics import metric
from ..results.schema import Comparison
from .data import ReportData

if TYPE_CHECKING:
    from ..results.ranking import Rank


@dataclass(frozen=True)
class Checked:
    """The result of one `--fail-if` condition.

    Attributes:
        expression: As the user wrote it.
        holds: None if a number that it names is missing.
        detail: The numbers, for people.
    """

    expression: str
    holds: bool | None
    detail: str


@dataclass(frozen=True)
class Compared:
    """Models or methods against each other.

    Attributes:
        sides: Their names, in the order in which they were asked.
        data: Scores of every model, judged comparisons of every two sides, failures, provenance.
        methods: The runs of each side that is a method.
        ranks: Places by task, best first; where there are three sides or more.
        correction: ``"holm"`` or ``"none"``.
        checked: Results of the `--fail-if` conditions.
        notes: What was skipped and why.
        seconds: How long it took.
    """

    sides: tuple[str, ...]
    data: ReportData
    methods: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ranks: tuple[Rank, ...] = ()
    correction: str = "holm"
    checked: tuple[Checked, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @cached_property
    def families(self) -> dict[str, int]:
        """How many comparisons were corrected together, by family."""
        return dict(Counter(row.family for row in self.data.comparisons))

    def value(self, side: str, task: str, condition: str, metric_name: str) -> float:
        """A side's number, the mean of its runs for a method; NaN where any is missing."""
        runs = self.methods.get(side, (side,))
        scores = [self.data.score(run, task, condition, metric_name) for run in runs]
        values = [score.value if score is not None else math.nan for score in scores]
        return sum(values) / len(values)

    def rows(self, a: str, b: str, family: str) -> list[Comparison]:
        """The comparisons of one pair and family."""
        return [row for row in self.data.comparisons if (row.a, row.b, row.family) == (a, b, family)]

    def pairs(self) -> list[tuple[str, str]]:
        """Every two sides, the one that was named first in front."""
        return [(a, b) for n, a in enumerate(self.sides) for b in self.sides[n + 1 :]]

    def tally(self, a: str, b: str) -> tuple[int, int, int, int]:
        """Tasks on which ``a`` wins, loses, ties, and tasks that are missing; in either order of the pair."""
        asked = {str(task["name"]) for task in self.data.asked_tasks}
        ahead = Counter(row.verdict for row in self.rows(a, b, "primary") if row.task in asked)
        behind = Counter(row.verdict for row in self.rows(b, a, "primary") if row.task in asked)
        counts = ahead["win"] + behind["loss"], ahead["loss"] + behind["win"], ahead["tie"] + behind["tie"]
        return *counts, len(asked) - sum(counts)

    def worst(self, a: str, b: str, most: int) -> list[Comparison]:
        """Single conditions on which ``a`` does worst against ``b``."""
        rows = self.rows(a, b, "conditions")
        # Where a task has one condition, that is the task itself, and in another family.
        return sorted(rows, key=lambda row: metric(row.metric).better * row.difference)[:most]

    def unpaired(self) -> list[str]:
        """A sentence for every task and pair of which one side answered images that the other did not."""
        lines = []
        titles = {str(task["name"]): str(task.get("title") or task["name"]) for task in self.data.task_records}
        for row in self.data.comparisons:
            if row.family == "primary" and row.n < max(row.n_a, row.n_b):
                lines.append(
                    f"{titles.get(row.task, row.task)}: {row.a} has {row.n_a:,} images, {row.b} has {row.n_b:,}; "
                    f"compared on the {row.n:,} that all have"
                )
        return lines
