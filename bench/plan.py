"""From what was asked to what is missing: models, tasks, and the units that no store holds yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import VitobenchError
from ..models import registry
from ..models.spec import ModelSpec
from ..results.schema import Failure
from ..results.store import Store
from ..tasks.data.datasets import USER_DATA, available, check_data_names, open_source
from ..tasks.data.geometry import Geometry
from ..tasks.data.source import ImageSource
from ..tasks.registry import get_suite, get_task
from ..tasks.task import Task
from .settings import SHARD, Settings


@dataclass(frozen=True)
class PlannedTask:
    """A task with its images.

    Attributes:
        task: The declaration.
        source: Its images.
        identity: See `Task.identity`.
        images: Number of images taken from the front of the source.
    """

    task: Task
    source: ImageSource
    identity: str
    images: int

    def ranges(self) -> list[tuple[int, int]]:
        """(start, stop) of every unit."""
        return [(start, min(start + SHARD, self.images)) for start in range(0, self.images, SHARD)]


@dataclass(frozen=True)
class Unit:
    """The smallest piece of work: one task on one range of images, for every model that lacks it."""

    planned: PlannedTask
    start: int
    stop: int
    models: tuple[ModelSpec, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that a run does and shows.

    Attributes:
        settings: What was asked.
        models: Asked models, then baselines and reference models that came along.
        pairs: (model, baseline) to compare.
        tasks: The tasks that at least one model takes.
        failures: Models or data that could not be had.
        notes: Lines for the user about what was left out and why.
    """

    settings: Settings
    models: tuple[ModelSpec, ...]
    pairs: tuple[tuple[str, str], ...]
    tasks: tuple[PlannedTask, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]

    def takes(self, model: ModelSpec, task: Task) -> bool:
        """Whether a model answers in a task's label space."""
        return model.label_space == task.label_space

    def cells(self) -> Iterator[tuple[PlannedTask, ModelSpec]]:
        """Every (task, model) that is asked."""
        for planned in self.tasks:
            for model in self.models:
                if self.takes(model, planned.task):
                    yield planned, model

    def missing(self, store: Store) -> list[Unit]:
        """Units that at least one model lacks in the store."""
        units = []
        for planned in self.tasks:
            takers = [m for m in self.models if self.takes(m, planned.task)]
            for start, stop in planned.ranges():
                lacking = tuple(m for m in takers if not store.has(planned.identity, m.identity, start, stop))
                if lacking:
                    units.append(Unit(planned, start, stop, lacking))
        return units


@dataclass(frozen=True)
class Pass:
    """One reading of some images that feeds every task and model that needs these pixels.

    Attributes:
        source: The images.
        geometry: Size at which they are read.
        start: First image.
        units: What is asked of them, each with the models of this geometry.
    """

    source: ImageSource
    geometry: Geometry
    start: int
    units: tuple[Unit, ...]

    @property
    def stop(self) -> int:
        """One past the last image that any unit asks for."""
        return max(unit.stop for unit in self.units)


def geometry_of(spec: ModelSpec) -> Geometry:
    """The pixels that a model wants to see."""
    p = spec.preprocessing
    return Geometry(p.size, p.resize, p.interpolation)


def group(units: list[Unit]) -> list[Pass]:
    """Bring together what can share decoded pixels: the same data, the same images, the same geometry."""
    groups: dict[tuple[str, int, Geometry], list[Unit]] = defaultdict(list)
    for unit in units:
        by_geometry: dict[Geometry, list[ModelSpec]] = defaultdict(list)
        for model in unit.models:
            by_geometry[geometry_of(model)].append(model)
        for geometry, models in by_geometry.items():
            key = (unit.planned.task.dataset, unit.start, geometry)
            groups[key].append(Unit(unit.planned, unit.start, unit.stop, tuple(models)))
    passes = []
    for (_, start, geometry), members in groups.items():
        # Tasks may take more or fewer images of one data set; the longest knows the ids of all.
        longest = max(members, key=lambda unit: unit.planned.images)
        passes.append(Pass(longest.planned.source, geometry, start, tuple(members)))
    return passes


def _resolve(names: list[str]) -> tuple[list[ModelSpec], list[Failure]]:
    specs, failures = [], []
    for name in names:
        try:
            specs.append(registry.resolve(name))
        except VitobenchError as error:
            # With one model asked, a wrong name is wrong usage; among several it must not stop the rest.
            if len(names) == 1:
                raise
            failures.append(Failure(name, "*", "*", "*", str(error)))
    if not specs:
        raise VitobenchError("None of the models could be found:\n" + "\n".join(f.reason for f in failures))
    return specs, failures


def make_plan(settings: Settings, store: Store) -> Plan:
    """Decide what a run consists of, without loading a model or reading an image.

    Args:
        settings: What was asked.
        store: Keeps content hashes of data folders between runs.

    Raises:
        VitobenchError: Unknown names, no data for any model, or nothing that could be run.
    """
    check_data_names(settings.data)
    if settings.limit is not None and settings.limit < 1:
        raise VitobenchError(f"--limit {settings.limit} leaves no image; give 1 or more.")
    if settings.suite is None and not settings.tasks:
        raise VitobenchError("Nothing to run: name a --suite (see `bench suites`) or a --task (see `bench tasks`).")
    names = [*(get_suite(settings.suite).tasks if settings.suite else ()), *settings.tasks]
    wanted = [get_task(name) for name in dict.fromkeys(names)]
    asked, failures = _resolve(list(dict.fromkeys(settings.models)))

    spaces = {spec.label_space for spec in asked}
    fitting = [task for task in wanted if task.label_space in spaces]
    for spec in asked:
        if not any(task.label_space == spec.label_space for task in wanted):
            raise VitobenchError(
                f"{spec.name} answers in {spec.label_space}, and none of these tasks asks for that: "
                f"{', '.join(t.name for t in wanted)}."
            )
    absent = dict.fromkeys(task.dataset for task in fitting if not available(task.dataset, settings.data))
    runnable = [task for task in fitting if task.dataset not in absent]
    for spec in asked:
        if not any(task.label_space == spec.label_space for task in runnable):
            hints = "; ".join(USER_DATA[name] for name in absent)
            raise VitobenchError(f"{spec.name} answers in {spec.label_space}; its tasks need {hints}.")
    notes = [f"No data for {name}: it is made of {USER_DATA[name]}." for name in absent]
    unused = [name for name in settings.data if name not in {task.dataset for task in runnable}]
    notes += [f"--data {name} was not used: no model here answers in its classes." for name in unused]

    models, pairs, more = _companions(settings, asked, runnable)
    failures += more
    planned: list[PlannedTask] = []
    for task in runnable:
        asked_images = task.images if settings.limit is None else min(settings.limit, task.images or settings.limit)
        cache = store.root / "manifests" / f"{task.dataset.replace('/', '-')}.json"
        shared = next((p.source for p in planned if p.task.dataset == task.dataset and _photographs(task)), None)
        source = shared or open_source(task.dataset, settings.data, asked_images, settings.seed, cache)
        count = len(source.image_ids) if asked_images is None else min(asked_images, len(source.image_ids))
        planned.append(PlannedTask(task, source, task.identity(source.digest, settings.seed), count))
    return Plan(settings, tuple(models), tuple(pairs), tuple(planned), tuple(failures), tuple(notes))


def _photographs(task: Task) -> bool:
    return not task.dataset.startswith("microworld/")


def _companions(
    settings: Settings, asked: list[ModelSpec], tasks: list[Task]
) -> tuple[list[ModelSpec], list[tuple[str, str]], list[Failure]]:
    """Baselines and reference models that are not asked for by name but needed for the asked ones."""
    models = {spec.name: spec for spec in asked}
    failures: list[Failure] = []

    def add(name: str) -> None:
        if name not in models:
            try:
                models[name] = registry.resolve(name)
            except VitobenchError as error:
                # A name that the user typed is better refused now than reported after hours.
                if name in (settings.baselines or ()):
                    raise
                failures.append(Failure(name, "*", "*", "*", str(error)))

    pairs: list[tuple[str, str]] = []
    for spec in asked:
        names = settings.baselines if settings.baselines is not None else (spec.baseline,) if spec.baseline else ()
        for name in dict.fromkeys(names):
            if name != spec.name:
                add(name)
                pairs.append((spec.name, name))
    spaces = {spec.label_space for spec in asked}
    for task in tasks:
        if task.reference is not None and task.reference != "alexnet" and task.label_space in spaces:
            add(task.reference)
    if settings.baselines is None:
        # A baseline that came along is compared with its own baseline if that is here anyway.
        for spec in list(models.values()):
            if spec.baseline in models and (spec.name, spec.baseline) not in pairs:
                pairs.append((spec.name, str(spec.baseline)))
    here = [(a, b) for a, b in pairs if b in models]
    for a, b in here:
        if models[a].label_space != models[b].label_space:
            reason = f"answers in {models[b].label_space} and {a} in {models[a].label_space}: they cannot be compared"
            failures.append(Failure(b, "*", "*", "*", reason))
    # A baseline that answers in nobody's classes has nothing to do here.
    kept = [spec for spec in models.values() if spec.label_space in spaces]
    return kept, [(a, b) for a, b in here if models[a].label_space == models[b].label_space], failures
