"""Estimate what a run will cost, by timing its own code on a few of its images."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..results.schema import Failure
from ..results.store import Store
from ..tasks.data.datasets import how_to_bring
from ..tasks.task import Condition
from .executors.base import amount
from .plan import Pass, Plan, PlannedTask, Unit, group
from .settings import Settings

_BYTES_A_ROW = {"microworld-16": 4.0}
_MOST_BYTES_A_ROW = 7.5
_BYTES_A_FILE = 5500  # footer, names and ids
_FEW, _MANY = 8, 50  # images that are timed
_PATIENCE = 8.0  # seconds that timing the larger number may take
_MOST_CONDITIONS = 15
_START_AND_SCORES = 4.0  # seconds: imports, reading the store, intervals, the page


@dataclass(frozen=True)
class TaskBudget:
    """What one task needs.

    Attributes:
        task: Task name.
        images: Images of the task.
        conditions: Cells.
        done: Units in the store, counted for each model.
        missing: Units to run, counted for each model.
        answers: Answers to compute: images times conditions times models.
    """

    task: str
    images: int
    conditions: int
    done: int
    missing: int
    answers: int


@dataclass(frozen=True)
class Budget:
    """What a run needs.

    Attributes:
        tasks: By task.
        models: Names of the models, companions too.
        images: Distinct images to read, counted once for all models of one input size.
        answers: Answers to compute.
        bytes: Disk that the new predictions take, about.
        seconds: Time on this machine, about; None where it was not measured or nothing could be.
        device: Where it was measured.
        absent: Data sets that are not here, with how to get them.
        failures: Models that cannot be loaded.
        left_out: By data set what the listing of its folder left out; see `LeftOut.record`.
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
    left_out: dict[str, dict[str, Any]] = field(default_factory=dict)


def budget(
    plan: Plan, store: Store, measure: bool = True, progress: Callable[[int, int], None] | None = None
) -> Budget:
    """Tell what a plan costs.

    Args:
        plan: What is to be run.
        store: What is there already.
        measure: Load the models and time them on a few images; otherwise no time is estimated.
        progress: Told how many measurements are done, and of how many.
    """
    missing = plan.missing(store)
    passes = group(missing)
    lacking: dict[str, int] = {}
    answers: dict[str, int] = {}
    for unit in missing:
        name = unit.planned.task.name
        lacking[name] = lacking.get(name, 0) + len(unit.models)
        rows = (unit.stop - unit.start) * len(unit.planned.task.conditions) * len(unit.models)
        answers[name] = answers.get(name, 0) + rows
    tasks = []
    for planned in plan.tasks:
        name = planned.task.name
        takers = sum(plan.takes(model, planned.task) for model in plan.models)
        left = lacking.get(name, 0)
        total = len(planned.ranges()) * takers
        tasks.append(
            TaskBudget(name, planned.images, len(planned.task.conditions), total - left, left, answers.get(name, 0))
        )
    seconds: float | None = None
    device = plan.settings.device
    failures: tuple[Failure, ...] = ()
    if not passes:
        seconds = 0.0
    elif measure:
        seconds, device, failures = _measure(plan.settings, passes, progress)
    size = sum(_BYTES_A_FILE * units for units in lacking.values())
    for planned in plan.tasks:
        row = _BYTES_A_ROW.get(planned.task.label_space, _MOST_BYTES_A_ROW)
        size += int(answers.get(planned.task.name, 0) * row)
    absent = {name: how_to_bring(name) for name in plan.absent}
    return Budget(
        tuple(tasks),
        tuple(spec.name for spec in plan.models),
        sum(work.stop - work.start for work in passes),
        sum(answers.values()),
        size,
        seconds,
        device,
        absent,
        (*plan.failures, *failures),
        {planned.task.dataset: dict(planned.left_out) for planned in plan.tasks if planned.left_out},
    )


def _measure(
    settings: Settings, passes: Sequence[Pass], progress: Callable[[int, int], None] | None
) -> tuple[float | None, str, tuple[Failure, ...]]:
    from .executors.device import choose_device
    from .worker import Job, Worker

    device = choose_device(settings.device)
    # The first of its kind stands for all passes with the same tasks, models and size of image.
    kinds: dict[tuple[Any, ...], list[Pass]] = {}
    for work in passes:
        asked = tuple((u.planned.identity, tuple(m.identity for m in u.models)) for u in work.units)
        kinds.setdefault((work.source.name, work.geometry, asked), []).append(work)
    # Nothing of this reaches the store that was asked for.
    aside = replace(settings, store=f"memory://vitobench-{uuid.uuid4().hex}")
    started = time.monotonic()
    failures: dict[Failure, None] = {}
    total, steady = 0.0, 0.0

    def timed(samples: list[Pass]) -> list[float]:
        """Seconds of each sample, in one worker, as they would run one after the other."""
        worker.job = Job(aside, tuple(samples))
        times = []
        for index in range(len(samples)):
            begun = time.monotonic()
            for report in worker.run([index]):
                failures.update(dict.fromkeys(report.failures))
            times.append(time.monotonic() - begun)
        return times

    worker = Worker(Job(aside, ()), device, settings.threads)
    for done, members in enumerate(kinds.values(), 1):
        first = members[0]
        timed([_sample(first, 2)])  # models load, kernels compile
        few = _sample(first, _FEW)
        seconds = timed([few])[0]
        sample = few
        if seconds * _MANY / _FEW < _PATIENCE and first.stop - first.start > _FEW:
            sample = _sample(first, _MANY)
            seconds = timed([sample])[0]
        steady += seconds
        total += seconds * sum(map(amount, members)) / max(1, amount(sample))
        if progress is not None:
            progress(done, len(kinds))
    # Loading and compiling are paid by the run, too.
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
        chosen = _spread(task.conditions)
        planned: PlannedTask = replace(
            unit.planned, task=replace(task, conditions=chosen, images=images), identity=f"{task.name}@{images}"
        )
        units.append(Unit(planned, unit.start, min(unit.stop, unit.start + images), unit.models))
    return replace(work, units=tuple(units))


def _spread(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """All conditions if they are few, else one of every name, the severities in turn."""
    names = list(dict.fromkeys(condition.name for condition in conditions))
    if len(conditions) <= _MOST_CONDITIONS:
        return conditions
    chosen = []
    for number, name in enumerate(names):
        own = [condition for condition in conditions if condition.name == name]
        chosen.append(own[number % len(own)])
    return tuple(chosen)
