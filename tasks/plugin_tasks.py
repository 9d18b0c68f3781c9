"""Tasks from other installed packages; see `vitobench.plugins`. Listing them loads no numerical library."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from .. import plugins as found_plugins
from ..errors import VitobenchError
from ..plugins import TASKS, Plugin
from .corruptions.registry import find as find_corruption
from .datasets.record import DataSet, Form, Opening
from .kinds import KINDS, Kind
from .task import Condition, Task

if TYPE_CHECKING:
    from .images.source import ImageSource

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
            limit: Number of images that are needed, from the first on, or None for all; more may be returned.
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
        """Open them, and check them as far as possible without loading any.

        Raises:
            PluginError: The plugin is gone or fails, or its images are not of the form of `ImageSource`.
        """
        from .plugin_images import CheckedSource, check_source

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
    """The record of a plugin's images: they come with the package, and nothing else is known about them.

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
