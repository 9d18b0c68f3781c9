"""Opening a task's images by the name of their data set, from the folders that a user named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, unknown_name
from . import plugin_tasks
from .answer_spaces import ANSWER_SPACES, answer_space
from .datasets.annotated import AnnotatedForm
from .datasets.record import DataSet, FolderForm, Opening
from .datasets.registry import DATA_SETS

if TYPE_CHECKING:
    from .images.source import ImageSource

USER_DATA = {folder.name: folder.holds for data_set in DATA_SETS.values() for folder in data_set.reads}
"""Folders that a user brings, each with what it holds and how to name it."""


def _record(dataset: str) -> DataSet:
    if dataset.startswith(plugin_tasks.PREFIX):
        return plugin_tasks.data_set(dataset)
    if dataset not in DATA_SETS:
        near = [name for name in DATA_SETS if name.rpartition("/")[0] == dataset.rpartition("/")[0]]
        raise unknown_name("data set", dataset, near or DATA_SETS)
    return DATA_SETS[dataset]


def folders_of(dataset: str) -> tuple[str, ...]:
    """Names of the folders that a data set is read from; none for what is rendered and for plugins.

    Raises:
        UnknownNameError: No such data set.
    """
    return tuple(folder.name for folder in _record(dataset).reads)


def how_to_bring(dataset: str) -> str:
    """What a data set is read from and how to name it."""
    return "; ".join(folder.holds for folder in _record(dataset).reads)


def expected_form(name: str, folder: Path) -> str:
    """What a folder given as ``--data NAME=DIR`` has to look like, in words."""
    data_set = next(data_set for data_set in DATA_SETS.values() if data_set.reads and data_set.reads[-1].name == name)
    own = isinstance(data_set.form, FolderForm)
    return data_set.expected(folder) if own else f"It needs {data_set.reads[-1].holds}."


def check_data_names(folders: Mapping[str, Path]) -> None:
    """Refuse ``--data`` names that no task asks for, and a folder that holds none of the sets that are read from it.

    Raises:
        UnknownNameError: With the valid names.
        DataError: Of the stimuli that people saw, none of the 17 sets is in their folder.
    """
    for name, folder in folders.items():
        if name not in USER_DATA:
            raise unknown_name("data set", name, USER_DATA, "Use --data NAME=DIR.")
        forms = [d.form for d in DATA_SETS.values() if d.form and [f.name for f in d.reads] == [name]]
        if forms and not any(form.is_in([folder]) for form in forms):
            raise DataError(forms[0].absence(name, folder))


def paths_of(dataset: str, folders: Mapping[str, Path]) -> tuple[Path, ...] | None:
    """The folders that a data set is read from: those that a user names, else those that an installed package brings.

    Returns:
        None where neither are there, or they do not hold it; nothing for what is rendered.
    """
    data_set = _record(dataset)
    if data_set.form is None:
        return None
    if any(folder.name not in folders for folder in data_set.reads):
        return data_set.form.installed() or None
    paths = tuple(folders[folder.name] for folder in data_set.reads)
    return paths if data_set.form.is_in(paths) else None


def available(dataset: str, folders: Mapping[str, Path]) -> bool:
    """Whether a data set can be opened: what is rendered always, others once their folders are there and hold it."""
    return paths_of(dataset, folders) is not None


def annotations_of(dataset: str, folder: Path) -> dict[str, Any]:
    """What annotations say of the images of another data set, as plain data.

    Raises:
        DataError: They are missing, of another revision, or not of their form.
        ValueError: The data set is none of annotations.
    """
    data_set = _record(dataset)
    if not isinstance(data_set.form, AnnotatedForm):
        raise ValueError(f"{dataset} holds no annotations")
    return data_set.form.facts(data_set, folder)


def open_source(
    dataset: str,
    folders: Mapping[str, Path],
    limit: int | None,
    seed: int,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    conditions: Sequence[str] | None = None,
) -> ImageSource:
    """Open a data set.

    Args:
        dataset: As in `Task.dataset`.
        folders: Folders named by the user.
        limit: See `Opening`.
        seed: See `Opening`.
        cache: File in which content hashes of a folder are kept.
        progress: Told ``(done, total)`` of the files of a folder while they are hashed; see `FolderSource`.
        conditions: Keys of the conditions to read, of sets that were published with them applied.

    Raises:
        DataError: Absent data; the message says how to name it.
        UnknownNameError: No such data set.
        ValueError: Classes that another set of the same label space has in another order.
        PluginError: Images of a plugin that fails.
    """
    data_set = _record(dataset)
    paths = paths_of(dataset, folders)
    if data_set.form is None or paths is None:
        raise DataError(f"No data for {dataset!r}: it needs {how_to_bring(dataset)}.")
    if data_set.form.label_space in ANSWER_SPACES:
        answer_space(data_set.form.label_space)  # refuses classes that another set of this space has in another order
    return data_set.form.open(data_set, Opening(paths, conditions, cache, progress, limit, seed))
