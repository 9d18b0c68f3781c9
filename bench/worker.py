"""One worker: images are read once and corrupted once, and every model that lacks them answers."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StoreError, VitobenchError
from ..models import registry
from ..models.spec import ModelSpec
from ..results.schema import TOP_K, Failure
from ..results.store import PARTIAL, Store
from ..tasks.conditions import apply_condition
from ..tasks.data.source import LoadFailure
from ..tasks.task import Condition
from .plan import Pass, Unit
from .progress import Advance, silent
from .unit_rows import UnitRows

if TYPE_CHECKING:
    from ..models.model import Model
    from .settings import Settings

SPILL_SECONDS = 60.0
"""How long a pass goes on before what it has is stored, and again after that."""

_LOAD_CHUNK = 20  # images a thread decodes at a time

Loaded = tuple[np.ndarray, dict[int, LoadFailure]]


@dataclass(frozen=True)
class Job:
    """Everything that workers share; sent to each of them once.

    Attributes:
        settings: Batch, threads, seed, store.
        passes: What is to be done.
        folder: Where the run was started.
    """

    settings: Settings
    passes: tuple[Pass, ...]
    folder: str = "."


@dataclass
class PassReport:
    """What became of one pass.

    Attributes:
        index: Which pass.
        failures: What could not be had.
        images: Images that went through a model, counted for each.
        forward_seconds: Time in forward passes.
        waited_seconds: Time in which the models waited for pixels.
        fatal: Why nothing more can be stored; empty if all is well.
    """

    index: int
    failures: list[Failure] = field(default_factory=list)
    images: int = 0
    forward_seconds: float = 0.0
    waited_seconds: float = 0.0
    fatal: str = ""


@dataclass(frozen=True)
class _Batch:
    """The pixels of one condition for one pass, or the reason why there are none."""

    condition: Condition
    images: np.ndarray | None
    reason: str = ""


def one_line(error: BaseException) -> str:
    """An exception as a reason for a person."""
    if isinstance(error, VitobenchError):
        return str(error)
    first = str(error).splitlines()[0] if str(error) else "no message"
    return f"{type(error).__name__}: {first}"


class Worker:
    """Runs passes one after the other; threads read and corrupt ahead of the forward passes.

    Args:
        job: What there is to do.
        device: Where the models compute.
        threads: Threads that read, corrupt and write.
        advance: Told of progress, in images times models.
    """

    def __init__(self, job: Job, device: str, threads: int | None = None, advance: Advance = silent) -> None:
        self.job = job
        self.device = device
        self.advance = advance
        self.threads = threads or os.cpu_count() or 1
        self.store = Store(job.settings.store)
        self._models: dict[str, Model | None] = {}
        self._batches: dict[str, int] = {}
        self._advanced = 0

    def run(self, indices: Sequence[int]) -> Iterator[PassReport]:
        """Run some passes and store their units.

        Args:
            indices: Which passes of the job.

        Yields:
            A report for each pass, once its units are stored. After a fatal one nothing more is done.
        """
        pool = ThreadPoolExecutor(self.threads)
        unwritten: tuple[PassReport, list[Future[None]]] | None = None
        try:
            following = self._submit_loads(pool, indices[0]) if indices else []
            for number, index in enumerate(indices):
                loads = following
                # The next images are read while this pass is being answered.
                following = self._submit_loads(pool, indices[number + 1]) if number + 1 < len(indices) else []
                begun = self._run_pass(pool, index, loads)
                if unwritten is not None:
                    done = _settle(*unwritten)
                    unwritten = None
                    yield done
                    if done.fatal:
                        _settle(*begun)
                        return
                unwritten = begun
            if unwritten is not None:
                yield _settle(*unwritten)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _submit_loads(self, pool: ThreadPoolExecutor, index: int) -> list[Future[Loaded]]:
        work = self.job.passes[index]
        # A micro-world set renders on all cores by itself; photographs are decoded a few per thread.
        step = work.stop - work.start if work.source.name.startswith("microworld/") else _LOAD_CHUNK
        starts = range(work.start, work.stop, step)
        return [
            pool.submit(work.source.load, range(start, min(start + step, work.stop)), work.geometry) for start in starts
        ]

    def _lacking(self, work: Pass) -> list[Unit]:
        """Units that nobody has stored meanwhile: another run may be at work on the same store."""
        found = []
        for unit in work.units:
            models = tuple(
                spec
                for spec in unit.models
                if self._models.get(spec.identity, spec) is not None
                and not self.store.has(unit.planned.identity, spec.identity, unit.start, unit.stop)
            )
            if models:
                found.append(Unit(unit.planned, unit.start, unit.stop, models))
            gone = tuple(spec for spec in unit.models if spec not in models)
            self.advance(_cells(Unit(unit.planned, unit.start, unit.stop, gone)))
        self._advanced = 0
        return found

    def _run_pass(
        self, pool: ThreadPoolExecutor, index: int, loads: list[Future[Loaded]]
    ) -> tuple[PassReport, list[Future[None]]]:
        work, report = self.job.passes[index], PassReport(index)
        units = self._lacking(work)
        if not units:
            return report, []
        images, failed = self._images(work, loads, report)
        good = np.array([n for n in range(len(images)) if n not in failed], dtype=np.int64)
        ids = [str(work.source.image_ids[n]) for n in range(work.start, work.stop)]
        labels = work.source.labels[work.start : work.stop]
        rows: dict[tuple[str, str], UnitRows] = {}
        for unit in units:
            own = {position: why for position, why in failed.items() if position < unit.stop - unit.start}
            for spec in unit.models:
                begun = UnitRows(ids[: unit.stop - unit.start], labels[: unit.stop - unit.start])
                begun.fail_images(own)
                self._resume(begun, unit, spec, good)
                rows[(unit.planned.identity, spec.identity)] = begun
        if len(good):
            spilled = time.monotonic()
            for batch in self._corrupted(pool, units, images[good], [ids[n] for n in good], rows, report):
                self._answer_all(batch, units, good, rows, report)
                if time.monotonic() - spilled > SPILL_SECONDS:
                    self._spill(units, rows)
                    spilled = time.monotonic()
        # What an earlier run has answered was not asked again.
        self.advance(sum(map(_cells, units)) - self._advanced)
        writes = []
        for unit in units:
            for spec in unit.models:
                kept = rows[(unit.planned.identity, spec.identity)]
                if self._models.get(spec.identity) is None and len(good) and not kept.complete(unit.planned.task):
                    kept.partial = True  # the model failed on the way
                writes.append(
                    pool.submit(_write, self.store, unit.planned.identity, spec.identity, unit.start, unit.stop, kept)
                )
        return report, writes

    def _resume(self, rows: UnitRows, unit: Unit, spec: ModelSpec, good: np.ndarray) -> None:
        """Take over the answers that an interrupted run has left."""
        name = self.store.unit_name(unit.planned.identity, spec.identity, unit.start, unit.stop, PARTIAL)
        if self.store.folder.exists(name):
            table = self.store.read_file(name)
            if not isinstance(table, str):
                rows.resume(table, unit.planned.task.conditions, good[good < unit.stop - unit.start])

    def _spill(self, units: Sequence[Unit], rows: dict[tuple[str, str], UnitRows]) -> None:
        """Store what a long pass has so far, so that an interruption costs a minute and not an hour."""
        for unit in units:
            for spec in unit.models:
                if self._models.get(spec.identity) is not None:
                    columns = rows[(unit.planned.identity, spec.identity)].columns()
                    place = (unit.planned.identity, spec.identity, unit.start, unit.stop)
                    with suppress(StoreError):  # if it lasts, the end of the pass will tell
                        self.store.write_unit(*place, columns, partial=True)

    def _images(
        self, work: Pass, loads: list[Future[Loaded]], report: PassReport
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        parts: list[np.ndarray] = []
        failed: dict[int, LoadFailure] = {}
        offset = 0
        started = time.monotonic()
        for future in loads:
            try:
                pixels, errors = future.result()
            except Exception as error:  # a source that breaks costs these images, for now, and no others
                count = min(_LOAD_CHUNK, work.stop - work.start - offset) if len(loads) > 1 else work.stop - work.start
                size = work.geometry.size
                pixels = np.zeros((count, size, size, 3), np.uint8)
                errors = {n: LoadFailure(one_line(error), transient=True) for n in range(count)}
            parts.append(pixels)
            failed.update({offset + position: reason for position, reason in errors.items()})
            offset += len(pixels)
        report.waited_seconds += time.monotonic() - started
        return np.concatenate(parts), failed

    def _corrupted(
        self,
        pool: ThreadPoolExecutor,
        units: Sequence[Unit],
        images: np.ndarray,
        ids: list[str],
        rows: dict[tuple[str, str], UnitRows],
        report: PassReport,
    ) -> Iterator[_Batch]:
        """The pass under each of its conditions, a few of them computed ahead."""
        conditions = list(
            dict.fromkeys(
                condition
                for unit in units
                for condition in unit.planned.task.conditions
                if not all(rows[(unit.planned.identity, spec.identity)].has(condition) for spec in unit.models)
            )
        )
        # How many images any task wants of a condition: the clean set may be longer than the corrupted one.
        most = {c: max(u.stop - u.start for u in units if c in u.planned.task.conditions) for c in conditions}
        seed = self.job.settings.seed
        queue: deque[tuple[Condition, Future[np.ndarray]]] = deque()

        def submit(condition: Condition) -> None:
            part = slice(0, most[condition])
            queue.append((condition, pool.submit(apply_condition, images[part], condition, ids[part], seed)))

        ahead = iter(conditions)
        for condition in ahead:
            submit(condition)
            if len(queue) > self.threads:
                break
        while queue:
            condition, future = queue.popleft()
            following = next(ahead, None)
            if following is not None:
                submit(following)
            started = time.monotonic()
            try:
                batch = _Batch(condition, future.result())
            except Exception as error:  # one condition that fails must not take the others with it
                batch = _Batch(condition, None, one_line(error))
            report.waited_seconds += time.monotonic() - started
            yield batch

    def _answer_all(
        self,
        batch: _Batch,
        units: Sequence[Unit],
        good: np.ndarray,
        rows: dict[tuple[str, str], UnitRows],
        report: PassReport,
    ) -> None:
        """Every model of every task that wants this condition answers."""
        wanting = [unit for unit in units if batch.condition in unit.planned.task.conditions]
        if batch.images is None:
            for unit in wanting:
                name = unit.planned.task.name
                report.failures.append(Failure("*", name, batch.condition.key, "*", batch.reason))
        for unit in wanting:
            positions = good[good < unit.stop - unit.start]
            for spec in unit.models:
                kept = rows[(unit.planned.identity, spec.identity)]
                if kept.has(batch.condition):
                    continue
                if batch.images is None:
                    kept.fail_condition(batch.condition, positions, batch.reason)
                elif len(positions):
                    answer = self._answer(spec, batch.images[: len(positions)], report)
                    if answer is not None:
                        kept.add(batch.condition, positions, *answer)
                self._advanced += unit.stop - unit.start
                self.advance(unit.stop - unit.start, f"{unit.planned.task.name} {batch.condition.key}")

    def model(self, spec: ModelSpec, report: PassReport) -> Model | None:
        """A model, loaded at its first use; None once it has failed."""
        if spec.identity not in self._models:
            try:
                self._models[spec.identity] = registry.load(spec).to(self.device)
            except Exception as error:  # a file, a driver or memory: whatever it lacks, the others go on
                self._fail(spec, one_line(error), report)
        return self._models[spec.identity]

    def _fail(self, spec: ModelSpec, reason: str, report: PassReport) -> None:
        self._models[spec.identity] = None
        report.failures.append(Failure(spec.name, "*", "*", "*", reason))

    def _answer(
        self, spec: ModelSpec, images: np.ndarray, report: PassReport
    ) -> tuple[np.ndarray, np.ndarray, list[str | None]] | None:
        """Top classes, probability of the best and errors for uint8 (N, H, W, 3); None where the model is out."""
        from ..models.batching import answer

        model = self.model(spec, report)
        if model is None:
            return None
        started = time.monotonic()
        try:
            batch = self._batches.get(spec.identity, self.job.settings.batch)
            logits, self._batches[spec.identity] = answer(model, images, batch)
        except Exception as error:  # one model that fails must not take the others with it
            self._fail(spec, one_line(error), report)
            return None
        finally:
            report.forward_seconds += time.monotonic() - started
        report.images += len(images)
        return _decide(logits)


def _cells(unit: Unit) -> int:
    """Images times models times conditions."""
    return (unit.stop - unit.start) * len(unit.models) * len(unit.planned.task.conditions)


def _decide(logits: Any) -> tuple[np.ndarray, np.ndarray, list[str | None]]:
    import torch

    finite, nan = torch.isfinite(logits).all(dim=1), torch.isnan(logits).any(dim=1)
    p, k = logits.softmax(dim=1).topk(min(TOP_K, logits.shape[1]), dim=1)
    errors: list[str | None] = [
        None if good else f"the model's logits are not finite ({'NaN' if bad else 'infinite'})"
        for good, bad in zip(finite.tolist(), nan.tolist(), strict=True)
    ]
    return k.numpy(), p[:, 0].numpy(), errors


def _write(store: Store, task: str, model: str, start: int, stop: int, rows: UnitRows) -> None:
    if len(rows):
        store.write_unit(task, model, start, stop, rows.columns(), partial=rows.partial)


def _settle(report: PassReport, writes: Iterable[Future[None]]) -> PassReport:
    for future in writes:
        try:
            future.result()
        except StoreError as error:
            report.fatal = str(error)
    return report
