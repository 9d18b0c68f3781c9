"""Tasks from other installed packages: what is listed, and what is checked when their images are opened and read."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .. import plugins as found_plugins
from ..errors import VitobenchError
from ..plugins import TASKS, Plugin
from .corruptions.registry import find as find_corruption
from .datasets.record import DataSet, Form, Opening
from .images.geometry import Geometry
from .images.source import ImageSource, LoadFailure
from .kinds import KINDS, Kind
from .task import Condition, Task

if TYPE_CHECKING:
    from .images.source import ImageSource


# The images of tasks from other installed packages: what is checked when they are opened and when they are loaded.


def check_source(plugin: Plugin, task: Task, source: Any, classes: int) -> None:
    """Check what can be checked of a plugin's images without loading any.

    Args:
        plugin: Where they come from.
        task: Its declaration.
        source: What its ``open`` returned.
        classes: Number of classes of the task's label space.

    Raises:
        PluginError: They are not of the form of `ImageSource`.
    """
    ids, labels = list(source.image_ids), source.labels
    if not ids:
        raise plugin.refuse("it has no images")
    if len(set(ids)) < len(ids) or not all(isinstance(image_id, str) for image_id in ids):
        raise plugin.refuse("image_ids must be different strings")
    if getattr(labels, "shape", None) != (len(ids),) or labels.dtype.kind not in "iu":
        raise plugin.refuse(f"labels must be an integer array of shape ({len(ids)},)")
    if source.label_space != task.label_space:
        raise plugin.refuse(f"its images have labels of {source.label_space}, but the task needs {task.label_space}")
    if labels.min() < 0 or labels.max() >= classes:
        raise plugin.refuse(f"labels must be 0 to {classes - 1}, not {labels.min()} to {labels.max()}")
    if not isinstance(source.digest, str) or len(source.digest) < 16:
        raise plugin.refuse("digest must be a string of 16 characters or more that changes with pixels and labels")
    if not callable(source.load) or not callable(source.manifest):
        raise plugin.refuse("its images have no load() or manifest()")
    try:
        inspect.signature(source.load).bind([0], None, None)
    except TypeError:
        raise plugin.refuse(
            f"its load{inspect.signature(source.load)} takes no condition; write load(indices, geometry, "
            "condition=None), and pass the condition on to super().load"
        ) from None


class CheckedSource(ImageSource):
    """The images of a plugin; pixels of another form are its own failure, and never that of the models shown them.

    Args:
        plugin: Where they come from.
        source: The images, which `check_source` has passed.
    """

    image_ids: Sequence[str]
    labels: np.ndarray

    def __init__(self, plugin: Plugin, source: ImageSource) -> None:
        self._plugin, self._source = plugin, source
        self.name, self.label_space = str(source.name), source.label_space
        self.image_ids, self.labels = source.image_ids, source.labels
        self.digest = source.digest  # asked for while a plugin may still fail by itself
        self.uses_all_cores = bool(getattr(source, "uses_all_cores", False))
        if hasattr(source, "depths"):  # by which `has_depth` knows
            self.depths = source.depths

    def _facts(self) -> str:
        return self.digest

    def manifest(self) -> Mapping[str, Any]:
        """As the plugin gives it."""
        return self._source.manifest()

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        with self._plugin.doing("loading images", alone=False):
            images, failed = self._source.load(indices, geometry, condition)
        wanted = (len(indices), geometry.size, geometry.size, 3)
        if getattr(images, "shape", None) != wanted or str(images.dtype) != "uint8":
            form = f"{getattr(images, 'dtype', type(images).__name__)} {getattr(images, 'shape', '')}".strip()
            raise self._plugin.refuse(f"load() must return uint8 {wanted}, not {form}")
        return images, failed


# Tasks from other installed packages; see `vitobench.plugins`. Listing them loads no numerical library.


PREFIX = "plugin/"
"""Data sets whose images a plugin gives are called ``plugin/TASK``."""

LABEL_SPACES = {"microworld-16": 16, "imagenet-1k": 1000, "cifar-10": 10, "cifar-100": 100}
"""Number of classes of each label space."""


class TaskPlugin(Protocol):
    """What an entry point of the group ``vitobench.tasks`` refers to: a module or an object with these two members.

    The name of the entry point is the name of the task.
    """

    task: Task
    """The declaration. ``name`` and ``dataset`` are set by vitobench; raise ``version`` when the protocol changes."""

    def open(self, limit: int | None, seed: int) -> ImageSource:
        """Open the images.

        Args:
            limit: Number of images that are wanted from the front, or None for all; more may be given.
            seed: Seed of whatever is drawn. Images depend on it and their id alone.
        """


def listed(taken: Iterable[str]) -> list[tuple[Plugin, Task | None, str]]:
    """Every task of a plugin: its entry point, its declaration or None, and what is wrong with it."""
    return found_plugins.looked_at(TASKS, taken, _declaration)


def declaration(name: str, taken: Iterable[str]) -> Task | None:
    """The task of a name; None where no plugin has it.

    Raises:
        PluginError: The plugin fails, or its declaration is not sound.
    """
    plugin = found_plugins.usable(TASKS, taken).get(name)
    return None if plugin is None else _declaration(plugin)


def origin_of(task: Task) -> str:
    """Package and version that a task comes from; empty for those of vitobench."""
    plugin = found_plugins.usable(TASKS, ()).get(task.name) if task.dataset.startswith(PREFIX) else None
    return "" if plugin is None else plugin.origin


@dataclass(frozen=True)
class PluginForm(Form):
    """The images of a plugin's task, which it opens itself."""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        """Open them, and check what can be checked without loading any.

        Raises:
            PluginError: The plugin is gone or fails, or its images are not of the form of `ImageSource`.
        """
        plugin = found_plugins.usable(TASKS, ()).get(data_set.title)
        if plugin is None:
            raise found_plugins.PluginError(f"No installed package provides the task {data_set.title}.")
        task = _declaration(plugin)
        target = plugin.load()
        with plugin.doing("opening its images"):
            source = target.open(opening.limit, opening.seed)
            check_source(plugin, task, source, LABEL_SPACES[task.label_space])
        return CheckedSource(plugin, source)


def data_set(name: str) -> DataSet:
    """The record of a plugin's images: they come with the package, and nothing else is known of them.

    Args:
        name: ``"plugin/TASK"``, whether there is such a plugin or not.
    """
    task = name.removeprefix(PREFIX)
    return DataSet(name, task, page="", files=(), licence="not stated", citation="", form=PluginForm(""))


def _declaration(plugin: Plugin) -> Task:
    target = plugin.load()
    task = getattr(target, "task", None)
    if not isinstance(task, Task):
        raise plugin.refuse(f"{plugin.target} has no `task` of type Task")
    if not callable(getattr(target, "open", None)):
        raise plugin.refuse(f"{plugin.target} has no function open")
    if not isinstance(task.kind, Kind) or not task.kind.for_plugins:
        allowed = ", ".join(name for name, kind in KINDS.items() if kind.for_plugins)
        hint = " Import it: from vitobench.tasks import kinds; kind=kinds.SHIFT." if isinstance(task.kind, str) else ""
        raise plugin.refuse(f"a plugin's task is of kind {allowed}, not {task.kind!r}.{hint}")
    if task.world not in ("microworld", "photographs"):
        raise plugin.refuse(f"its world is {task.world!r}; valid are microworld and photographs")
    if not task.conditions or not all(isinstance(condition, Condition) for condition in task.conditions):
        raise plugin.refuse("it declares no conditions")
    if len({condition.key for condition in task.conditions}) < len(task.conditions):
        raise plugin.refuse("it declares a condition twice")
    if task.label_space not in LABEL_SPACES or task.answers or task.on_disk:
        raise plugin.refuse(
            f"it must use one of the label spaces {', '.join(LABEL_SPACES)} and set neither `answers` nor `on_disk`"
        )
    try:
        for condition in task.conditions:
            if condition.corrupts:
                find_corruption(condition.name)
    except (VitobenchError, LookupError, ValueError) as error:
        raise plugin.failure("declaring its conditions", error) from error
    return replace(task, name=plugin.name, dataset=f"{PREFIX}{plugin.name}")
