"""One pass over the images: pixels read and corrupted ahead of the models, and the predictions that come back."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import VitobenchError
from ...results.predictions import ANY_CONDITION
from ...results.schema import TOP_K
from ...results.unit_file import in_place, numbers_of, top_of
from ...tasks.corruptions import corrupt
from ...tasks.corruptions.registry import find
from ...tasks.images.source import LoadFailure, has_depth
from ...tasks.task import Condition, Task
from ..planning.plan import Pass

if TYPE_CHECKING:
    import pyarrow as pa


# From clean pixels to the pixels of a condition.


def needs_depth(condition: Condition) -> bool:
    """Whether a condition is drawn from depth maps beside the images."""
    return condition.corrupts and find(condition.name).needs_depth


def apply_condition(
    images: np.ndarray,
    condition: Condition,
    image_ids: Sequence[str],
    seed: int,
    depths: np.ndarray | None = None,
) -> np.ndarray:
    """Pixels of a batch under a condition.

    Args:
        images: uint8 (N, H, W, 3), after resize and crop.
        condition: The cell; without severity the images come back as they are.
        image_ids: N ids; with the seed they decide all random numbers.
        seed: Seed of the run.
        depths: float32 (N, H, W), where the condition needs them.

    Returns:
        uint8 (N, H, W, 3).
    """
    if not condition.corrupts:
        return images
    return corrupt(
        images,
        condition.name,
        condition.severity,
        image_ids=image_ids,
        seed=seed,
        depths=depths,
        variant=condition.variant,
    )


# The pixels of one pass: read once and corrupted once per condition, ahead of the models.


_LOAD_CHUNK = 20  # images a thread decodes at a time, at most

Loaded = tuple[np.ndarray, dict[int, LoadFailure]]


@dataclass(frozen=True)
class Batch:
    """The pixels of one condition.

    Attributes:
        condition: The cell.
        images: uint8 (m, H, W, 3); None if the condition could not be computed.
        positions: int (m,), which images of the pass these are, in rising order.
        failed: Images that could not be read or corrupted under this condition only, by position.
        reason: Why there are no images at all.
    """

    condition: Condition
    images: np.ndarray | None
    positions: np.ndarray
    failed: Mapping[int, LoadFailure] = field(default_factory=dict)
    reason: str = ""


def one_line(error: BaseException) -> str:
    """An exception as a reason for a person."""
    if isinstance(error, VitobenchError):
        return str(error)
    first = str(error).splitlines()[0] if str(error) else "no message"
    return f"{type(error).__name__}: {first}"


class PassPixels:
    """Reads the images of a pass as soon as it is made, in threads.

    Args:
        work: The pass.
        pool: Threads that read and corrupt.
        threads: How many they are; one condition more than that is made ahead.
        seed: Seed of the run.

    Attributes:
        waited_seconds: How long models waited for pixels.
    """

    def __init__(self, work: Pass, pool: ThreadPoolExecutor, threads: int, seed: int) -> None:
        self.work = work
        self.waited_seconds = 0.0
        self._pool, self._threads, self._seed = pool, threads, seed
        self._by_condition = bool(work.source.conditions)
        # Where features are asked, images are read at other sizes, by the protocol.
        self._loads = [] if self._by_condition or work.asks_features else self._submit_loads()

    def _submit_loads(self) -> list[tuple[range, Future[Loaded]]]:
        work = self.work
        count = work.stop - work.start
        # Only one pass is read ahead: with many cores, larger parts would leave some of them without work.
        step = count if work.source.uses_all_cores else max(1, min(_LOAD_CHUNK, -(-count // self._threads)))
        parts = [range(start, min(start + step, work.stop)) for start in range(work.start, work.stop, step)]
        return [(part, self._pool.submit(work.source.load, part, work.geometry)) for part in parts]

    def images(self) -> Loaded:
        """The images without any condition.

        Returns:
            uint8 (n, H, W, 3), and the images that could not be read, by position; without any pixels where every
            condition is a folder of its own.
        """
        if self._by_condition:
            return np.empty((self.work.stop - self.work.start, 0, 0, 3), np.uint8), {}
        pixels: list[np.ndarray] = []
        failed: dict[int, LoadFailure] = {}
        size = self.work.geometry.size
        for part, future in self._loads:
            try:
                images, errors = self._wait(future)
            except Exception as error:  # a source that breaks costs these images, for now, and no others
                images = np.zeros((len(part), self.work.source.stacked * size, size, 3), np.uint8)
                errors = {n: LoadFailure(one_line(error), transient=True) for n in range(len(part))}
            pixels.append(images)
            failed |= {part.start - self.work.start + position: reason for position, reason in errors.items()}
        self._loads = []
        return np.concatenate(pixels), failed

    def batches(self, wanted: Mapping[Condition, int], images: np.ndarray, good: np.ndarray) -> Iterator[Batch]:
        """The pass under each of its conditions, a few of them made ahead.

        Args:
            wanted: The conditions, each with the number of images that any task wants of it: the clean set may be
                longer than the corrupted one.
            images: From `images`.
            good: int (m,), positions of the images that were read.
        """
        ids = [str(self.work.source.image_ids[self.work.start + int(n)]) for n in good]
        depths = self._depths(wanted, good)
        make = self._from_folders(good) if self._by_condition else self._drawn(images[good], ids, depths)
        queue: deque[tuple[Condition, Future[Loaded]]] = deque()
        ahead = iter(wanted.items())
        counts = {condition: int((good < count).sum()) for condition, count in wanted.items()}

        def submit() -> None:
            following = next(ahead, None)
            if following is not None:
                condition = following[0]
                queue.append((condition, self._pool.submit(make, condition, counts[condition])))

        for _ in range(self._threads + 1):
            submit()
        while queue:
            condition, future = queue.popleft()
            submit()
            positions = good[: counts[condition]]
            try:
                pixels, failed = self._wait(future)
            except Exception as error:  # one condition that fails must not take the others with it
                yield Batch(condition, None, positions, reason=one_line(error))
                continue
            readable = np.array([n for n in range(len(positions)) if n not in failed], dtype=np.int64)
            yield Batch(
                condition,
                pixels if len(readable) == len(pixels) else pixels[readable],
                positions[readable],
                {int(positions[n]): why for n, why in failed.items()},
            )

    def _drawn(
        self, images: np.ndarray, ids: list[str], depths: Future[Loaded] | None
    ) -> Callable[[Condition, int], Loaded]:
        def make(condition: Condition, count: int) -> Loaded:
            if depths is None or not needs_depth(condition):
                return apply_condition(images[:count], condition, ids[:count], self._seed, None), {}
            deep, failed = depths.result()
            if not failed:
                return apply_condition(images[:count], condition, ids[:count], self._seed, deep[:count]), {}
            readable = [n for n in range(count) if n not in failed]
            pixels = np.zeros_like(images[:count])
            if readable:
                seen = [ids[n] for n in readable]
                pixels[readable] = apply_condition(images[readable], condition, seen, self._seed, deep[readable])
            return pixels, {n: why for n, why in failed.items() if n < count}

        return make

    def _from_folders(self, good: np.ndarray) -> Callable[[Condition, int], Loaded]:
        work = self.work

        def make(condition: Condition, count: int) -> Loaded:
            return work.source.load([work.start + int(n) for n in good[:count]], work.geometry, condition.key)

        return make

    def _depths(self, wanted: Mapping[Condition, int], good: np.ndarray) -> Future[Loaded] | None:
        if self._by_condition or not any(map(needs_depth, wanted)):  # published images are corrupted already
            return None
        source = self.work.source
        places = [self.work.start + int(n) for n in good]
        if not has_depth(source):
            failed: Future[Loaded] = Future()
            failed.set_exception(VitobenchError(f"{source.name} has no depth maps"))
            return failed
        return self._pool.submit(source.depths, places, self.work.geometry)

    def _wait(self, future: Future[Loaded]) -> Loaded:
        started = time.monotonic()
        try:
            return future.result()
        finally:
            self.waited_seconds += time.monotonic() - started


# The predictions of one model for one unit, collected condition by condition.


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

    @property
    def positions(self) -> set[int]:
        """The unit's images that have a row of any kind."""
        return {int(position) for part in self._parts for position in part.positions}

    def fill_gaps(self, reason: str) -> None:
        """Note the images that have no row yet as failed for now, so that the unit lists all of its images."""
        gaps = np.array(sorted(set(range(len(self._ids))) - self.positions), dtype=np.int64)
        if len(gaps):
            self.partial = True
            self._blank(ANY_CONDITION, 0, gaps, [reason] * len(gaps))

    def so_far(self, reason: str) -> dict[str, Any]:
        """The columns with gaps filled as by `fill_gaps`; the rows themselves stay as they are."""
        copied = copy(self)
        copied._parts = list(self._parts)
        copied.fill_gaps(reason)
        return copied.columns()

    def take_over(self, table: pa.Table, condition: Condition) -> None:
        """Take the numbers that an earlier run has found, whichever images they are of; the rest stays to be asked.

        Args:
            table: What was stored of the unit.
            condition: The cell.
        """
        names = np.array(table.column("condition").to_pylist(), dtype=object)
        there = np.flatnonzero((names == condition.name) & np.array(table.column("error").is_null()))
        ids = table.column("image_id").to_pylist()
        place = {str(image_id): position for position, image_id in enumerate(self._ids)}
        rows = np.array([row for row in there.tolist() if ids[row] in place], dtype=np.int64)
        numbers = {name: table.column(name).to_numpy()[rows] for name in numbers_of(table.schema)}
        positions = np.array([place[ids[row]] for row in rows.tolist()], dtype=np.int64)
        self._blank(condition.name, condition.severity, positions, [None] * len(positions), numbers)

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
                own = {name: values[rows] for name, values in numbers.items()}
                if in_place(table.schema):
                    self.add_numbers(condition, places, own)
                else:
                    self.add(condition, places, top[rows], confidence[rows], [None] * len(rows), own)

    def add(
        self,
        condition: Condition,
        positions: np.ndarray,
        top: np.ndarray,
        confidence: np.ndarray,
        errors: Sequence[str | None],
        numbers: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Take the answers to one condition.

        Args:
            condition: The cell.
            positions: int (m,), which of the unit's images were asked.
            top: int (m, k), classes best first.
            confidence: float (m,), probability of the best.
            errors: m reasons why there is no answer, None where there is one.
            numbers: float (m,) by name, of `BESIDE`.
        """
        self._answered.add(condition)
        bad = np.array([error is not None for error in errors], dtype=bool)
        classes = np.where(bad[:, None], -1, top).astype(np.int16)
        values = np.where(bad, np.nan, confidence).astype(np.float32)
        beside = {name: np.where(bad, np.nan, own) for name, own in (numbers or {}).items()}
        self._parts.append(_Part(condition.name, condition.severity, positions, classes, values, list(errors), beside))

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
