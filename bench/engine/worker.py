"""One worker: images are read and corrupted once, and every model that lacks them predicts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cores import usable_cores
from ...errors import StoreError
from ...models import registry
from ...models.spec import ModelSpec
from ...results.layout import PARTIAL
from ...results.records import cache_file
from ...results.schema import TOP_K, Failure
from ...results.store import Store
from ...tasks.alignment.decisions import ranking
from ...tasks.answer_spaces import answer_space, predicted_directly
from ...tasks.labels import labels_for
from ...tasks.task import Condition, Task
from ...text import escaped
from ..planning.plan import BASELINE, Pass, Unit
from ..progress import Advance, in_words, silent
from .pixels import Batch, PassPixels, UnitRows, one_line

if TYPE_CHECKING:
    from ...models.model import Model
    from ..settings import Settings
    from .maps import PassMaps, Totals
    from .triplets import Fits, PassTriplets

SPILL_SECONDS = 3.0
"""Seconds between two writes of the predictions of a pass."""

_NOT_YET = "not computed before the run ended"

_SPILL_SHARE = 0.05  # of the time of a pass that storing in between may take


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
        failures: What could not be computed.
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


class Worker:
    """Runs passes one after the other; threads read and corrupt ahead of the forward passes.

    Args:
        job: What there is to do.
        device: Where the models compute.
        threads: Threads that read, corrupt and write.
        advance: Told of progress, in images times models.
        features: Folder for the features of images to learn from; by default beside the store's other caches.
    """

    def __init__(
        self,
        job: Job,
        device: str,
        threads: int | None = None,
        advance: Advance = silent,
        features: Path | None = None,
    ) -> None:
        self.job = job
        self.device = device
        self.advance = advance
        self.threads = threads or usable_cores()
        self.store = Store(job.settings.store, job.settings.layers)
        self._features = features or cache_file(self.store, "features")
        self._models: dict[str, Model | None] = {}
        self._batches: dict[str, int] = {}
        self._totals: Totals = {}
        self._fits: Fits = {}
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
            following = self._pixels(pool, indices[0]) if indices else None
            for number, index in enumerate(indices):
                pixels = following
                assert pixels is not None
                # The next images are read while this pass is being answered.
                following = self._pixels(pool, indices[number + 1]) if number + 1 < len(indices) else None
                answered = self._contained(pool, index, pixels)
                if unwritten is not None:
                    done = _settle(*unwritten)
                    unwritten = None
                    yield done
                    if done.fatal:
                        _settle(*answered)
                        return
                unwritten = answered
            if unwritten is not None:
                yield _settle(*unwritten)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _contained(
        self, pool: ThreadPoolExecutor, index: int, pixels: PassPixels
    ) -> tuple[PassReport, list[Future[None]]]:
        """A pass that breaks in a way that nothing below foresaw costs its own images, and no other's."""
        try:
            return self._run_pass(pool, index, pixels)
        except (Exception, SystemExit) as error:
            return given_up(index, self.job, one_line(error)), []

    def _pixels(self, pool: ThreadPoolExecutor, index: int) -> PassPixels:
        return PassPixels(self.job.passes[index], pool, self.threads, self.job.settings.seed)

    def _lacking(self, work: Pass) -> list[Unit]:
        """Units that are still missing: another run may have stored some of them meanwhile."""
        lacking = []
        for unit in work.units:
            models = tuple(
                spec
                for spec in unit.models
                if self._models.get(spec.identity, spec) is not None
                and not self.store.has(unit.planned.identity, spec.identity, unit.start, unit.stop)
            )
            if models:
                lacking.append(Unit(unit.planned, unit.start, unit.stop, models))
            gone = tuple(spec for spec in unit.models if spec not in models)
            self.advance(_cells(Unit(unit.planned, unit.start, unit.stop, gone)))
        self._advanced = 0
        return lacking

    def _run_pass(
        self, pool: ThreadPoolExecutor, index: int, pixels: PassPixels
    ) -> tuple[PassReport, list[Future[None]]]:
        work, report = self.job.passes[index], PassReport(index)
        units = self._lacking(work)
        if not units:
            return report, []
        if work.asks_features:
            return self._examine(pool, replace(work, units=tuple(units)), report)
        images, failed = pixels.images()
        good = np.array([n for n in range(len(images)) if n not in failed], dtype=np.int64)
        ids = [escaped(str(work.source.image_ids[n])) for n in range(work.start, work.stop)]
        labels = work.source.labels[work.start : work.stop]
        maps = self._comparing(work, units)
        rows: dict[tuple[str, str], UnitRows] = {}
        for unit in units:
            truth = labels_for(unit.planned.task, work.source, labels[: unit.stop - unit.start])
            own = {position: why for position, why in failed.items() if position < unit.stop - unit.start}
            if unit.planned.task.kind.numbers and maps is not None:
                own |= maps.failed(unit.planned.task, unit.stop - unit.start)
            for spec in unit.models:
                collected = UnitRows(ids[: unit.stop - unit.start], truth)
                collected.fail_images(own)
                self._resume(collected, unit, spec, good)
                rows[(unit.planned.identity, spec.identity)] = collected
        if len(good):
            spill_at = time.monotonic() + SPILL_SECONDS
            for batch in pixels.batches(_wanted(units, rows), images, good):
                self._answer_all(batch, units, rows, report, maps)
                now = time.monotonic()
                if now >= spill_at:
                    self._spill(units, rows)
                    ended = time.monotonic()
                    spill_at = ended + max(SPILL_SECONDS, (ended - now) / _SPILL_SHARE)
        report.waited_seconds += pixels.waited_seconds
        # What an earlier run has answered was not asked again.
        self.advance(sum(map(_cells, units)) - self._advanced)
        writes = []
        for unit in units:
            for spec in unit.models:
                own_rows = rows[(unit.planned.identity, spec.identity)]
                if self._models.get(spec.identity) is None and len(good) and not own_rows.complete(unit.planned.task):
                    own_rows.partial = True  # the model failed on the way
                writes.append(
                    pool.submit(
                        _write, self.store, unit.planned.identity, spec.identity, unit.start, unit.stop, own_rows
                    )
                )
        return report, writes

    def _examine(
        self, pool: ThreadPoolExecutor, work: Pass, report: PassReport
    ) -> tuple[PassReport, list[Future[None]]]:
        """A pass of tasks that ask for features."""
        from . import examining

        ids = [escaped(str(work.source.image_ids[n])) for n in range(work.start, work.stop)]
        labels = work.source.labels[work.start : work.stop]
        rows: dict[tuple[str, str], UnitRows] = {}
        for unit in work.units:
            own = labels_for(unit.planned.task, work.source, labels[: unit.stop - unit.start])
            for spec in unit.models:
                key = (unit.planned.identity, spec.identity)
                rows[key] = UnitRows(ids[: unit.stop - unit.start], own)
                examining.resume(self.store, unit, spec, rows[key])
        spill_at = time.monotonic() + SPILL_SECONDS

        def encoder_of(spec: ModelSpec) -> examining.ModelEncoder | None:
            model = self.model(spec, report)
            if model is None:
                return None
            told = in_words(self.advance, spec.name)
            return examining.ModelEncoder(model, self.job.settings.batch, self._features, self.threads, told)

        def answered(unit: Unit, count: int, seconds: float) -> None:
            nonlocal spill_at
            report.images += count
            report.forward_seconds += seconds
            self._advanced += count
            self.advance(count, unit.planned.task.name)
            if time.monotonic() >= spill_at:
                started = time.monotonic()
                self._spill(work.units, rows)
                spill_at = time.monotonic() + max(SPILL_SECONDS, (time.monotonic() - started) / _SPILL_SHARE)

        def telling(spec: ModelSpec) -> Callable[[str, int, int], None]:
            return in_words(self.advance, spec.name)

        examining.examine(work, rows, encoder_of, lambda spec, why: self._fail(spec, why, report), answered, telling)
        self.advance(sum(map(_cells, work.units)) - self._advanced)
        writes = []
        for unit in work.units:
            for spec in unit.models:
                own_rows = rows[unit.planned.identity, spec.identity]
                if not own_rows.complete(unit.planned.task) and len(own_rows):  # the model failed on the way
                    own_rows.fill_gaps(_NOT_YET)
                place = (unit.planned.identity, spec.identity, unit.start, unit.stop)
                writes.append(pool.submit(_write, self.store, *place, own_rows))
        return report, writes

    def _resume(self, rows: UnitRows, unit: Unit, spec: ModelSpec, good: np.ndarray) -> None:
        """Take over what an interrupted run has predicted, then what holds of earlier versions of the task."""
        positions = good[good < unit.stop - unit.start]
        name = self.store.unit_name(unit.planned.identity, spec.identity, unit.start, unit.stop, PARTIAL)
        stored = [(name, unit.planned.task.conditions)] if self.store.folder.exists(name) else []
        for earlier in unit.planned.reusable:
            (located,) = self.store.locate(earlier.identity, spec.identity, [(unit.start, unit.stop)])
            stored += [(located, earlier.conditions)] if located is not None else []
        for name, conditions in stored:
            table = self.store.read_file(name)
            if not isinstance(table, str):
                rows.resume(table, conditions, positions)

    def _spill(self, units: Sequence[Unit], rows: dict[tuple[str, str], UnitRows]) -> None:
        """Store what a long pass has so far, so that an interruption costs seconds and not an hour."""
        for unit in units:
            for spec in unit.models:
                if self._models.get(spec.identity) is not None and len(rows[unit.planned.identity, spec.identity]):
                    columns = rows[(unit.planned.identity, spec.identity)].so_far(_NOT_YET)
                    place = (unit.planned.identity, spec.identity, unit.start, unit.stop)
                    with suppress(StoreError):  # if it lasts, the end of the pass will tell
                        self.store.write_unit(*place, columns, partial=True)

    def _comparing(self, work: Pass, units: Sequence[Unit]) -> PassMaps | PassTriplets | None:
        """What gives the numbers of the tasks that store numbers; None where all store classes."""
        if any(unit.planned.task.maps is not None for unit in units):
            from .maps import PassMaps

            return PassMaps(work, self._totals)
        if any(unit.planned.task.kind.by_features for unit in units):
            from .triplets import PassTriplets

            return PassTriplets(work, self._fits, self.job.settings.batch)
        return None

    def _answer_all(
        self,
        batch: Batch,
        units: Sequence[Unit],
        rows: dict[tuple[str, str], UnitRows],
        report: PassReport,
        maps: PassMaps | PassTriplets | None,
    ) -> None:
        """Every model of every task that wants this condition answers; tasks in other classes share its logits."""
        known: dict[tuple[str, int], Any] = {}
        wanting = [unit for unit in units if batch.condition in unit.planned.task.conditions]
        if batch.images is None:
            for unit in wanting:
                name = unit.planned.task.name
                report.failures.append(Failure("*", name, batch.condition.key, "*", batch.reason))
        for unit in wanting:
            count = unit.stop - unit.start
            positions = batch.positions[batch.positions < count]
            for spec in unit.models:
                unit_rows = rows[(unit.planned.identity, spec.identity)]
                if unit_rows.has(batch.condition):
                    continue
                if batch.images is None:
                    unit_rows.fail_condition(batch.condition, positions, batch.reason)
                else:
                    unit_rows.fail_cells(batch.condition, {n: why for n, why in batch.failed.items() if n < count})
                    images = batch.images[: len(positions)]
                    if unit.planned.task.kind.numbers and maps is not None:
                        self._compare(unit, spec, images, positions, unit_rows, batch.condition, maps, report)
                    elif len(positions):
                        logits = self._logits(spec, images, known, report)
                        if logits is not None:
                            unit_rows.add(batch.condition, positions, *_decide(logits, unit.planned.task, spec))
                self._advanced += count
                self.advance(count, f"{unit.planned.task.name} {batch.condition.key}")

    def _compare(
        self,
        unit: Unit,
        spec: ModelSpec,
        images: np.ndarray,
        positions: np.ndarray,
        rows: UnitRows,
        condition: Condition,
        maps: PassMaps | PassTriplets,
        report: PassReport,
    ) -> None:
        """Add the numbers of a task that stores numbers, for those images that have what they are compared with."""
        task = unit.planned.task
        failed = maps.failed(task, unit.stop - unit.start)
        good = np.array([n for n, position in enumerate(positions) if int(position) not in failed], dtype=np.int64)
        observer = spec.name if spec.source == BASELINE else self.model(spec, report)
        if not len(good):
            rows.add_numbers(condition, good, {})  # answered: there is nothing to compare
        if observer is None or not len(good):
            return
        started = time.monotonic()
        try:
            numbers = maps.numbers(task, observer, images[good], positions[good])
        except (Exception, SystemExit) as error:  # one model that fails must not take the others with it
            self._fail(spec, one_line(error), report)
            return
        finally:
            report.forward_seconds += time.monotonic() - started
        report.images += len(good)
        rows.add_numbers(condition, positions[good], numbers)

    def model(self, spec: ModelSpec, report: PassReport) -> Model | None:
        """A model, loaded at its first use; None once it has failed."""
        if spec.identity not in self._models:
            try:
                self._models[spec.identity] = registry.load(spec, in_words(self.advance, spec.name)).to(self.device)
            except (Exception, SystemExit) as error:  # a file, a driver or memory: whatever it lacks, the others go on
                self._fail(spec, one_line(error), report)
        return self._models[spec.identity]

    def _fail(self, spec: ModelSpec, reason: str, report: PassReport) -> None:
        self._models[spec.identity] = None
        report.failures.append(Failure(spec.name, "*", "*", "*", reason))

    def _logits(
        self, spec: ModelSpec, images: np.ndarray, known: dict[tuple[str, int], Any], report: PassReport
    ) -> Any | None:
        """Logits (N, K) for uint8 (N, H, W, 3), from ``known`` if they are there; None where the model is out."""
        from ...models.batching import answer

        key = (spec.identity, len(images))
        if key in known:
            return known[key]
        model = self.model(spec, report)
        if model is None:
            return None
        started = time.monotonic()
        try:
            batch = self._batches.get(spec.identity, self.job.settings.batch)
            logits, self._batches[spec.identity] = answer(model, images, batch)
        except (Exception, SystemExit) as error:  # one model that fails must not take the others with it
            self._fail(spec, one_line(error), report)
            return None
        finally:
            report.forward_seconds += time.monotonic() - started
        report.images += len(images)
        known[key] = logits
        return logits


def _wanted(units: Sequence[Unit], rows: dict[tuple[str, str], UnitRows]) -> dict[Condition, int]:
    """Conditions that any model of any unit lacks, each with the largest number of images."""
    wanted: dict[Condition, int] = {}
    for unit in units:
        own = [rows[(unit.planned.identity, spec.identity)] for spec in unit.models]
        for condition in unit.planned.task.conditions:
            if not all(unit_rows.has(condition) for unit_rows in own):
                wanted[condition] = max(wanted.get(condition, 0), unit.stop - unit.start)
    return wanted


def _cells(unit: Unit) -> int:
    """Images times models times conditions."""
    return (unit.stop - unit.start) * len(unit.models) * len(unit.planned.task.conditions)


def _decide(
    logits: Any, task: Task, spec: ModelSpec
) -> tuple[np.ndarray, np.ndarray, list[str | None], dict[str, np.ndarray]]:
    """Best classes, probability of the best, errors and numbers beside, in the classes that the task asks about."""
    import torch

    finite, nan = torch.isfinite(logits).all(dim=1), torch.isnan(logits).any(dim=1)
    merges = task.answers and not predicted_directly(spec.label_space, task.answers)
    space = answer_space(task.answers) if merges else None
    if space is not None and space.merge:
        # Rows that are not finite get an error below, whatever stands in them.
        defined = torch.where(finite[:, None], logits, 0.0).numpy()
        top, confidence = ranking(defined, space.groups, space.merge, TOP_K)
    else:
        logits = logits if space is None else space.scores(logits)
        p, k = logits.softmax(dim=1).topk(min(TOP_K, logits.shape[1]), dim=1)
        top, confidence = k.numpy(), p[:, 0].numpy()
    errors: list[str | None] = [
        None if good else f"the model's logits are not finite ({'NaN' if bad else 'infinite'})"
        for good, bad in zip(finite.tolist(), nan.tolist(), strict=True)
    ]
    beside = {}
    if task.kind.keeps_beside:
        beside = {"energy": logits.logsumexp(dim=1).numpy(), "max_logit": logits.amax(dim=1).numpy()}
    return top, confidence, errors, beside


def _write(store: Store, task: str, model: str, start: int, stop: int, rows: UnitRows) -> None:
    if len(rows):
        store.write_unit(task, model, start, stop, rows.columns(), partial=rows.partial)


def _settle(report: PassReport, writes: Iterable[Future[None]]) -> PassReport:
    for future in writes:
        try:
            future.result()
        except StoreError as error:
            report.fatal = str(error)
        except Exception as error:
            report.failures.append(Failure("*", "*", "*", "*", f"predictions could not be stored: {one_line(error)}"))
    return report


def given_up(index: int, job: Job, reason: str) -> PassReport:
    """The report of a pass that could not be run: a failure for each of its tasks."""
    work = job.passes[index]
    names = dict.fromkeys(unit.planned.task.name for unit in work.units)
    failures = [Failure("*", name, "*", f"images {work.start} to {work.stop - 1}", reason) for name in names]
    return PassReport(index, failures)
