"""What a run consists of: models, tasks, and the units that the store lacks, grouped by the pixels they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import VitobenchError
from ...models.spec import ModelSpec, Preprocessing
from ...results.schema import Failure, LeftOutRecord
from ...results.store import Store
from ...tasks.answer_spaces import predicted_directly
from ...tasks.images.geometry import Geometry
from ...tasks.images.source import ImageSource
from ...tasks.kinds import OBSERVERS
from ...tasks.task import Condition, Task
from ..settings import SHARD, Settings

NO_CLASSES = "none"
"""Label space of encoders without a classifier, and of baselines, which take part in tasks whose kind names them."""

BASELINE = "baseline"
"""Source of the baselines without a network."""


@dataclass(frozen=True)
class Reusable:
    """Predictions stored for an earlier version of a task that hold for this one.

    Attributes:
        identity: Of the earlier version.
        conditions: Those whose pixels are the same now.
    """

    identity: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class PlannedTask:
    """A task with its images.

    Attributes:
        task: The declaration.
        data_digest: Digest of its images.
        seed: Seed of its images and corruptions.
        identity: See `Task.identity`.
        images: Number of images taken from the front of the source.
        source: The images themselves; None where only stored answers are wanted.
        left_out: What the listing of its folder left out, as from `LeftOut.record`; empty where that is nothing.
        reusable: What earlier versions of it left in the store, the most conditions first.
        labels_alone: Where names and labels are from, for predictions that were imported without images; else empty.
        annotations: Folder with what is known of the images, of a task that is made of another's predictions; None
            where only the store may have kept it. Identity, data and images of such a task are those of the other.
    """

    task: Task
    data_digest: str
    seed: int
    identity: str
    images: int
    source: ImageSource | None = None
    left_out: LeftOutRecord = field(default_factory=LeftOutRecord, compare=False)
    reusable: tuple[Reusable, ...] = field(default=(), compare=False)
    labels_alone: str = field(default="", compare=False)
    annotations: Path | None = field(default=None, compare=False)

    def for_task(self, task: Task, annotations: Path | None) -> PlannedTask:
        """A task that is made of the predictions of this one."""
        return replace(self, task=task, annotations=annotations, left_out=LeftOutRecord(), reusable=())

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


def reuse_lines(units: Iterable[Unit]) -> list[str]:
    """For each task of some units, a line on the stored predictions that they take over."""
    lines = {}
    for planned in (unit.planned for unit in units if unit.planned.reusable):
        conditions = planned.task.conditions
        same = {condition for earlier in planned.reusable for condition in earlier.conditions}
        changed = ", ".join(dict.fromkeys(condition.name for condition in conditions if condition not in same))
        sources = ", ".join(earlier.identity for earlier in planned.reusable)
        why = f"only {changed} changed" if changed else "nothing changed"
        lines[planned.identity] = (
            f"{planned.task.name}: {why} since {sources}; stored predictions under {len(same)} of {len(conditions)} "
            "conditions are used"
        )
    return list(lines.values())


@dataclass(frozen=True)
class Plan:
    """Everything that a run does and shows.

    Attributes:
        settings: What was asked.
        models: Asked models, then baselines and reference models that came along.
        pairs: (model, baseline) to compare.
        tasks: The tasks that at least one model takes.
        failures: Models or data that could not be loaded.
        notes: Lines for the user about what was left out and why.
        absent: Data sets that tasks of the suite need and that were not named.
    """

    settings: Settings
    models: tuple[ModelSpec, ...]
    pairs: tuple[tuple[str, str], ...]
    tasks: tuple[PlannedTask, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    absent: tuple[str, ...] = ()

    def takes(self, model: ModelSpec, task: Task) -> bool:
        """See `takes`."""
        return takes(model, task)

    @property
    def run_tasks(self) -> tuple[PlannedTask, ...]:
        """The tasks with predictions of their own; see `Task.made_of`."""
        return tuple(planned for planned in self.tasks if not planned.task.made_of)

    def cells(self) -> Iterator[tuple[PlannedTask, ModelSpec]]:
        """Every (task, model) that is asked, of tasks with predictions of their own."""
        for planned in self.run_tasks:
            for model in self.models:
                if self.takes(model, planned.task):
                    yield planned, model

    def missing(self, store: Store, progress: Callable[[int, int], None] | None = None) -> list[Unit]:
        """Units that at least one model lacks in the store and its layers and can compute; imported models never run.

        Args:
            store: Whose units count, and those of layers that can be trusted.
            progress: Told for how many pairs of task and model layers were read, and of how many.
        """
        units = []
        read, cells = 0, sum(not model.imported for _, model in self.cells())
        for planned in self.run_tasks:
            takers = [m for m in self.models if self.takes(m, planned.task) and not m.imported]
            done = {}
            for m in takers:
                done[m.identity] = store.trusted(planned.identity, m.identity, planned.ranges())
                read += 1
                if progress is not None and store.below:
                    progress(read, cells)
            for start, stop in planned.ranges():
                lacking = tuple(m for m in takers if not done[m.identity].has(start, stop))
                if lacking:
                    units.append(Unit(planned, start, stop, lacking))
        return units

    def asked(self) -> int:
        """Units asked for, counted for each model that can be run."""
        return sum(len(planned.ranges()) for planned, model in self.cells() if not model.imported)


def takes(model: ModelSpec, task: Task) -> bool:
    """Whether a model takes part in a task: it predicts the task's classes, or is a baseline that the task has.

    A model without a classifier takes part where only features are compared.
    """
    if model.source == BASELINE:
        return model.name in task.kind.baselines(task)
    return predicts(model.label_space, task)


def predicts(label_space: str, task: Task) -> bool:
    """Whether models of these classes can be asked: they are the task's or those of its answers, or none are needed."""
    if task.protocol is not None:
        return True
    if label_space == NO_CLASSES:
        return task.kind.by_features
    return label_space == task.label_space or predicted_directly(label_space, task.answers)


def observer(name: str) -> ModelSpec:
    """The description of a baseline without a network; see `Kind.observers`."""
    return ModelSpec(
        name,
        source=BASELINE,
        architecture=OBSERVERS[name],
        preprocessing=Preprocessing(),
        label_space=NO_CLASSES,
        weights_hash="",
        training_data="none",
        licence="none",
        description="A baseline without a network.",
    )


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
    def asks_features(self) -> bool:
        """Whether its tasks ask for features, and read the images themselves; then all of them do."""
        return any(unit.planned.task.protocol is not None for unit in self.units)

    @property
    def stop(self) -> int:
        """One past the last image that any unit asks for."""
        return max(unit.stop for unit in self.units)


_OWN_SIZE = Geometry(1, 1, "bilinear")
"""Stands for the sizes at which protocols of features read images: no model has it."""


def geometry_of(spec: ModelSpec, task: Task | None = None) -> Geometry:
    """The pixels that a model wants to see.

    Args:
        spec: The model.
        task: What it is asked; of a saliency task the reference maps are of the whole central square of an image, so
            that is what every model sees, whatever its crop mode.

    Raises:
        VitobenchError: Its preprocessing is none that can be done.
    """
    preprocessing = spec.preprocessing
    try:
        if task is not None and task.protocol is not None:
            return _OWN_SIZE
        if task is not None and task.maps is not None:
            return Geometry(preprocessing.size, preprocessing.size, preprocessing.interpolation)
        return preprocessing.geometry
    except ValueError as error:
        raise VitobenchError(f"The preprocessing of {spec.name} is not supported: {error}.") from None


def group(units: list[Unit]) -> list[Pass]:
    """Bring together what can share decoded pixels: the same data, the same images, the same geometry."""
    groups: dict[tuple[str, int, Geometry], list[Unit]] = defaultdict(list)
    for unit in units:
        by_geometry: dict[Geometry, list[ModelSpec]] = defaultdict(list)
        # A baseline has no size of its own: it goes along with the first model.
        blind = [model for model in unit.models if model.source == BASELINE]
        for model in [model for model in unit.models if model not in blind] or blind:
            by_geometry[geometry_of(model, unit.planned.task)].append(model)
        first = next(iter(by_geometry.values()))
        first += [model for model in blind if model not in first]
        for geometry, models in by_geometry.items():
            key = (unit.planned.task.dataset, unit.start, geometry)
            groups[key].append(Unit(unit.planned, unit.start, unit.stop, tuple(models)))
    passes = []
    for (_, start, geometry), members in groups.items():
        # Tasks may take more or fewer images of one data set; the longest knows the ids of all.
        longest = max(members, key=lambda unit: unit.planned.images)
        source = longest.planned.source
        assert source is not None, "a plan of stored answers has nothing to run"
        passes.append(Pass(source, geometry, start, tuple(members)))
    return passes
