"""Estimate what a run will cost, by timing its own code on a few of its images."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...results.schema import Failure, LeftOutRecord
from ...results.store import Coverage, Store
from ...tasks.opening import folders_of, how_to_bring
from ...tasks.task import Condition
from ..planning.plan import Pass, Plan, PlannedTask, Unit, group
from ..settings import Settings
from .executors import amount

# Bytes of a stored prediction depend on how well its class indices compress: 16 classes take fewer than 1000.
_BYTES_A_ROW = {"microworld-16": 4.0}
_MOST_BYTES_A_ROW = 7.5
_BYTES_A_FILE = 5500  # footer, names and ids
_FEW, _MANY = 8, 50  # numbers of images to time
_PATIENCE = 8.0  # seconds that timing the larger number may take
_MOST_CONDITIONS = 15
_START_AND_SCORES = 4.0  # seconds: imports, reading the store, intervals, the page


@dataclass(frozen=True)
class TaskBudget:
    """What one task needs.

    Attributes:
        task: Task name.
        images: Images of the task.
        conditions: Number of conditions.
        done: Units in the store, summed over models.
        missing: Units to run, summed over models.
        answers: Predictions to compute: images times conditions times models.
    """

    task: str
    images: int
    conditions: int
    done: int
    missing: int
    answers: int


@dataclass(frozen=True)
class FolderRead:
    """A folder that tasks read.

    Attributes:
        name: As in ``--data NAME=DIR``.
        folder: The folder.
        origin: Who named it: ``--data``, an environment variable, or a key of a configuration file.
        tasks: Names of the tasks.
    """

    name: str
    folder: str
    origin: str
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class Budget:
    """What a run needs.

    Attributes:
        tasks: The cost of each task.
        models: Names of the models, including their baselines and references.
        images: Distinct images to read, counted once for all models of one input size.
        answers: Predictions to compute.
        bytes: Estimated disk space for the new predictions.
        seconds: Estimated time on this machine; None if it was not or could not be measured.
        device: Device that was timed.
        absent: Missing data sets, each with how to get it.
        failures: Models that cannot be loaded.
        left_out: For each data set, what the listing of its folder left out; see `LeftOut.record`.
        folders: The folders to read, each with who named it.
    """

    tasks: tuple[TaskBudget, ...]
    models: tuple[str, ...]
    images: int
    answers: int
    bytes: int
    seconds: float | None
    device: str
    absent: dict[str, str]
    failures: tuple[Failure, ...]
    left_out: dict[str, LeftOutRecord] = field(default_factory=dict)
    folders: tuple[FolderRead, ...] = ()


def folders_read(plan: Plan) -> tuple[FolderRead, ...]:
    """The folders that the tasks of a plan read, in the order of the tasks."""
    tasks: dict[str, list[str]] = {}
    for planned in plan.run_tasks:
        for name in folders_of(planned.task.dataset):
            tasks.setdefault(name, []).append(planned.task.name)
    settings = plan.settings
    return tuple(
        FolderRead(name, str(settings.data[name]), settings.origins.get(name, "--data"), tuple(names))
        for name, names in tasks.items()
    )


def budget(
    plan: Plan, store: Store, measure: bool = True, progress: Callable[[int, int], None] | None = None
) -> Budget:
    """Estimate what a plan costs.

    Args:
        plan: What to run.
        store: Where finished units are.
        measure: Load the models and time them on a few images; otherwise no time is estimated.
        progress: Called with the number of finished measurements and their total.
    """
    missing = plan.missing(store)
    to_compute = _without_reused(missing, store)
    passes = group(to_compute)
    units_to_run: dict[str, int] = {}
    for unit in missing:
        units_to_run[unit.planned.task.name] = units_to_run.get(unit.planned.task.name, 0) + len(unit.models)
    predictions, rows = _predictions(to_compute), _predictions(missing)
    tasks = []
    for planned in plan.run_tasks:
        name = planned.task.name
        n_models = sum(plan.takes(m, planned.task) and not m.imported for m in plan.models)
        units_missing = units_to_run.get(name, 0)
        total = len(planned.ranges()) * n_models
        tasks.append(
            TaskBudget(
                name,
                planned.images,
                len(planned.task.conditions),
                total - units_missing,
                units_missing,
                predictions.get(name, 0),
            )
        )
    seconds: float | None = None
    device = plan.settings.device
    failures: tuple[Failure, ...] = ()
    if not passes:
        seconds = 0.0
    elif measure:
        seconds, device, failures = _measure(plan.settings, passes, progress)
    size = sum(_BYTES_A_FILE * units for units in units_to_run.values())
    for planned in plan.run_tasks:
        row = _BYTES_A_ROW.get(planned.task.label_space, _MOST_BYTES_A_ROW)
        size += int(rows.get(planned.task.name, 0) * row)
    absent = {name: how_to_bring(name) for name in plan.absent}
    return Budget(
        tuple(tasks),
        tuple(spec.name for spec in plan.models),
        sum(work.stop - work.start for work in passes),
        sum(predictions.values()),
        size,
        seconds,
        device,
        absent,
        (*plan.failures, *failures),
        {planned.task.dataset: planned.left_out for planned in plan.tasks if planned.left_out},
        folders_read(plan),
    )


def _predictions(units: Sequence[Unit]) -> dict[str, int]:
    """Images times conditions times models, by task."""
    predictions: dict[str, int] = {}
    for unit in units:
        count = (unit.stop - unit.start) * len(unit.planned.task.conditions) * len(unit.models)
        predictions[unit.planned.task.name] = predictions.get(unit.planned.task.name, 0) + count
    return predictions


def _without_reused(units: Sequence[Unit], store: Store) -> list[Unit]:
    """The same units with those conditions only for which no earlier version of their task has predictions."""
    coverages: dict[tuple[str, str], Coverage] = {}
    left: dict[tuple[str, int, int, tuple[Condition, ...]], Unit] = {}
    for unit in units:
        for model in unit.models:
            reused: set[Condition] = set()
            for earlier in unit.planned.reusable:
                key = (earlier.identity, model.identity)
                if key not in coverages:
                    coverages[key] = store.coverage(*key)
                if coverages[key].has(unit.start, unit.stop):
                    reused.update(earlier.conditions)
            conditions = tuple(c for c in unit.planned.task.conditions if c not in reused)
            place = (unit.planned.identity, unit.start, unit.stop, conditions)
            task = replace(unit.planned.task, conditions=conditions)
            planned = replace(unit.planned, task=task, reusable=())
            models = left[place].models if place in left else ()
            left[place] = Unit(planned, unit.start, unit.stop, (*models, model))
    return [unit for unit in left.values() if unit.planned.task.conditions]


def _measure(
    settings: Settings, passes: Sequence[Pass], progress: Callable[[int, int], None] | None
) -> tuple[float | None, str, tuple[Failure, ...]]:
    from .executors import choose_device
    from .worker import Job, Worker

    device = choose_device(settings.device)
    # Passes with the same tasks, models and image size take the same time per image: only the first is timed.
    kinds: dict[tuple[Any, ...], list[Pass]] = {}
    for work in passes:
        work_key = tuple((u.planned.identity, tuple(m.identity for m in u.models)) for u in work.units)
        kinds.setdefault((work.source.name, work.geometry, work_key), []).append(work)
    # Timed predictions go into memory, never into the user's store, and features to learn from into a folder that is
    # removed.
    scratch_settings = replace(settings, store=f"memory://vitobench-{uuid.uuid4().hex}", recompute=True)
    started = time.monotonic()
    failures: dict[Failure, None] = {}
    total, steady = 0.0, 0.0

    def timed(samples: list[Pass]) -> list[float]:
        """Seconds of each sample, run one after the other in one worker."""
        worker.job = Job(scratch_settings, tuple(samples))
        times = []
        for index in range(len(samples)):
            started_at = time.monotonic()
            for report in worker.run([index]):
                failures.update(dict.fromkeys(report.failures))
            times.append(time.monotonic() - started_at)
        return times

    learned: set[tuple[str, str]] = set()
    with tempfile.TemporaryDirectory(prefix="vitobench-", ignore_cleanup_errors=True) as folder:
        worker = Worker(Job(scratch_settings, ()), device, settings.threads, features=Path(folder))
        for number, members in enumerate(kinds.values(), 1):
            first = members[0]
            timed([_sample(first, 2)])  # warm up: load the models, compile the kernels
            few = _sample(first, _FEW)
            seconds = timed([few])[0]
            sample = few
            if seconds * _MANY / _FEW < _PATIENCE and first.stop - first.start > _FEW:
                sample = _sample(first, _MANY)
                seconds = timed([sample])[0]
            steady += seconds
            total += seconds * (sum(map(amount, members)) + _learned(first, learned)) / max(1, amount(sample))
            if progress is not None:
                progress(number, len(kinds))
    # The run also has to load and compile, but only once, whereas timing sampled every kind of pass twice or thrice;
    # half of the overhead seen here, capped, is a fair guess.
    overhead = min(time.monotonic() - started - steady, 60.0) / 2
    import torch

    side_by_side = settings.workers or 1
    if device == "cuda" and side_by_side > 1:
        total /= min(side_by_side, torch.cuda.device_count())
    return total + overhead + _START_AND_SCORES, device, tuple(failures)


def _sample(work: Pass, images: int) -> Pass:
    """The same pass with fewer images and, of many conditions, one of every name."""
    units = []
    for unit in work.units:
        task = unit.planned.task
        conditions = _spread(task.conditions)
        planned: PlannedTask = replace(
            unit.planned,
            task=replace(task, conditions=conditions, images=images, protocol=task.protocol and task.protocol.brief()),
            identity=f"{task.name}@{images}",
        )
        units.append(Unit(planned, unit.start, min(unit.stop, unit.start + images), unit.models))
    return replace(work, units=tuple(units))


def _learned(work: Pass, counted: set[tuple[str, str]]) -> int:
    """Images times models that tasks learn from once, before the first pass over others.

    Args:
        work: A pass.
        counted: Tasks and models, by identity, that other passes have been counted for; those of this one are added.
    """
    images = 0
    for unit in work.units:
        new = {(unit.planned.identity, spec.identity) for spec in unit.models} - counted
        if unit.planned.task.protocol is not None and new:
            images += unit.planned.task.protocol.learns(work.source) * len(new)
        counted |= new
    return images


def _spread(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """All conditions if they are few; otherwise one of every name, cycling through the severities."""
    names = list(dict.fromkeys(condition.name for condition in conditions))
    if len(conditions) <= _MOST_CONDITIONS:
        return conditions
    one_each = []
    for number, name in enumerate(names):
        severities = [condition for condition in conditions if condition.name == name]
        one_each.append(severities[number % len(severities)])
    return tuple(one_each)
