"""The predictions of one model for one unit, collected condition by condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..results.asked import ANY_CONDITION
from ..results.schema import TOP_K
from ..results.unit_file import numbers_of, top_of
from ..tasks.data.source import LoadFailure
from ..tasks.task import Condition, Task

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class _Part:
    """The rows of one condition: m images.

    Attributes:
        condition: Its name.
        severity: Its severity.
        positions: int (m,), which of the unit's images.
        top: int16 (m, k), classes best first; -1 where there is none.
        confidence: float32 (m,).
        errors: m reasons why there is no answer.
        numbers: float (m,) by name.
    """

    condition: str
    severity: int
    positions: np.ndarray
    top: np.ndarray
    confidence: np.ndarray
    errors: Sequence[str | None]
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)


class UnitRows:
    """Grows condition by condition, and comes out image by image.

    Args:
        ids: Ids of the unit's images.
        labels: int (n,), their classes.
    """

    def __init__(self, ids: Sequence[str], labels: np.ndarray) -> None:
        self._ids = np.array(ids, dtype=object)
        self._labels = np.asarray(labels, dtype=np.int16)
        self._answered: set[Condition] = set()
        self._parts: list[_Part] = []
        self.partial = False
        """Whether something is in it that should be tried again."""

    def __len__(self) -> int:
        return sum(len(part.positions) for part in self._parts)

    def complete(self, task: Task) -> bool:
        """Whether every condition of a task has been answered."""
        return all(condition in self._answered for condition in task.conditions)

    def has(self, condition: Condition) -> bool:
        """Whether a condition has been answered."""
        return condition in self._answered

    def resume(self, table: pa.Table, conditions: Iterable[Condition], positions: np.ndarray) -> None:
        """Take over what an earlier run has answered, where it has an answer for every image.

        Args:
            table: What was stored of the unit.
            conditions: The cells that are wanted.
            positions: int (m,), the images that can be read.
        """
        ids = np.array(table.column("image_id").to_pylist(), dtype=object)
        names = np.array(table.column("condition").to_pylist(), dtype=object)
        severities = table.column("severity").to_numpy()
        answered = np.array(table.column("error").is_null())
        top, confidence = top_of(table), table.column("confidence").to_numpy()
        numbers = {name: table.column(name).to_numpy() for name in numbers_of(table.schema)}
        wanted = {str(self._ids[position]): int(position) for position in positions}
        for condition in conditions:
            if condition in self._answered:
                continue
            rows = np.flatnonzero((names == condition.name) & (severities == condition.severity) & answered)
            rows = np.array([row for row in rows if ids[row] in wanted], dtype=np.int64)
            if len(rows) == len(wanted):
                places = np.array([wanted[str(ids[row])] for row in rows], dtype=np.int64)
                if numbers:
                    self.add_numbers(condition, places, {name: values[rows] for name, values in numbers.items()})
                else:
                    self.add(condition, places, top[rows], confidence[rows], [None] * len(rows))

    def add(
        self,
        condition: Condition,
        positions: np.ndarray,
        top: np.ndarray,
        confidence: np.ndarray,
        errors: Sequence[str | None],
    ) -> None:
        """Take the answers to one condition.

        Args:
            condition: The cell.
            positions: int (m,), which of the unit's images were asked.
            top: int (m, k), classes best first.
            confidence: float (m,), probability of the best.
            errors: m reasons why there is no answer, None where there is one.
        """
        self._answered.add(condition)
        bad = np.array([error is not None for error in errors], dtype=bool)
        kept = np.where(bad[:, None], -1, top).astype(np.int16)
        values = np.where(bad, np.nan, confidence).astype(np.float32)
        self._parts.append(_Part(condition.name, condition.severity, positions, kept, values, list(errors)))

    def add_numbers(self, condition: Condition, positions: np.ndarray, numbers: Mapping[str, np.ndarray]) -> None:
        """Take numbers in place of classes.

        Args:
            condition: The cell.
            positions: int (m,), which of the unit's images were asked.
            numbers: float (m,) by name, NaN where one is undefined.
        """
        self._answered.add(condition)
        self._blank(condition.name, condition.severity, positions, [None] * len(positions), numbers)

    def fail_condition(self, condition: Condition, positions: np.ndarray, reason: str) -> None:
        """Record that a condition could temporarily not be computed."""
        self.partial = True
        self._blank(condition.name, condition.severity, positions, [reason] * len(positions))

    def fail_cells(self, condition: Condition, failures: Mapping[int, LoadFailure]) -> None:
        """Record images that could not be read or corrupted under one condition, by position."""
        positions = np.array(sorted(failures), dtype=np.int64)
        self.partial = self.partial or any(failure.transient for failure in failures.values())
        self._blank(condition.name, condition.severity, positions, [failures[int(p)].reason for p in positions])

    def fail_images(self, failures: Mapping[int, LoadFailure]) -> None:
        """Note the images that could not be read, by position; they have one row for all conditions."""
        positions = np.array(sorted(failures), dtype=np.int64)
        self.partial = self.partial or any(failure.transient for failure in failures.values())
        self._blank(ANY_CONDITION, 0, positions, [failures[int(p)].reason for p in positions])

    def _blank(
        self,
        name: str,
        severity: int,
        positions: np.ndarray,
        reasons: Sequence[str | None],
        numbers: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        n = len(positions)
        if n:
            top, confidence = np.full((n, 1), -1, np.int16), np.full(n, np.nan, np.float32)
            self._parts.append(_Part(name, severity, positions, top, confidence, list(reasons), numbers or {}))

    def columns(self) -> dict[str, Any]:
        """The columns of `results.unit_file.table_of`, sorted by image and then by order of conditions."""
        sizes = [len(part.positions) for part in self._parts]
        position = np.concatenate([part.positions for part in self._parts]) if sizes else np.empty(0, np.int64)
        order = np.argsort(position, kind="stable")
        width = max((part.top.shape[1] for part in self._parts), default=1)
        top = np.full((len(position), min(width, TOP_K)), -1, np.int16)
        numbers = {
            name: np.full(len(position), np.nan, np.float32)
            for name in dict.fromkeys(name for part in self._parts for name in part.numbers)
        }
        start = 0
        for part, size in zip(self._parts, sizes, strict=True):
            rows = slice(start, start + size)
            top[rows, : part.top.shape[1]] = part.top
            for name, values in part.numbers.items():
                numbers[name][rows] = values
            start += size
        names = np.repeat(np.array([part.condition for part in self._parts], dtype=object), sizes)
        severities = np.repeat(np.array([part.severity for part in self._parts], dtype=np.int8), sizes)
        confidence = np.concatenate([part.confidence for part in self._parts]) if sizes else np.empty(0, np.float32)
        errors = [error for part in self._parts for error in part.errors]
        return {
            "condition": names[order],
            "severity": severities[order],
            "image_id": self._ids[position[order]],
            "label": self._labels[position[order]],
            "top": top[order],
            "confidence": confidence[order],
            "error": [errors[i] for i in order],
            "numbers": {name: values[order] for name, values in numbers.items()},
        }
