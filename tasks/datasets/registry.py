"""The data sets by name, and the tasks on them. Importing this loads no network and no numerical library.

Every module of this folder that has ``DATA_SETS`` is a family of data sets; nothing else has to name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TypeVar

from ...errors import unknown_name
from ...plugins import own_modules
from .. import kinds
from ..download.publication import readable_size
from ..task import Task
from .record import DataSet, FolderForm

Named = TypeVar("Named", DataSet, Task)

_FIRST = (
    "microworld",
    "micro_features",
    "imagenet",
    "natural",
    "video",
    "corrupted",
    "cifar",
    "human",
    "similarity",
    "unseen",
)
"""Families in the order of listings; one that is not named here follows them."""


def _families() -> Iterator[DataSet]:
    for name in (*_FIRST, *own_modules(__package__, but=(*_FIRST, "registry"))):
        yield from getattr(import_module(f"{__package__}.{name}"), "DATA_SETS", ())


def by_name(items: Iterable[Named]) -> dict[str, Named]:
    """Data sets or tasks by their names.

    Raises:
        ValueError: Two have the same name, of which one would be lost.
    """
    named: dict[str, Named] = {}
    for item in items:
        if item.name in named:
            raise ValueError(f"the name {item.name!r} is given to two: {type(item).__name__}")
        named[item.name] = item
    return named


DATA_SETS: dict[str, DataSet] = by_name(_families())
"""Every data set by name, as in `Task.dataset`."""

PUBLICATIONS: dict[str, DataSet] = {n: d for n, d in DATA_SETS.items() if (d.files or d.gated) and not d.part_of}
"""Those with a download of their own, as in ``bench data get NAME``."""

PUBLISHED: dict[str, DataSet] = {name: d for name, d in DATA_SETS.items() if isinstance(d.form, FolderForm)}
"""Those that are read from a folder of their own as they are published, as in ``--data NAME=DIR``."""


def _place_in_listings(task: Task) -> tuple[bool | int, ...]:
    """The micro-world first, and tasks that are scored together last, both as declared.

    In between photographs: clean images, corruptions drawn on the fly, sets published with their conditions, then other
    images by kind; those in ImageNet's classes first.
    """
    worlds = (task.kind.together, task.world != "microworld")
    if worlds != (False, True):
        return worlds
    order = list(kinds.KINDS.values()).index(task.kind)
    clean = task.kind is kinds.CLEAN
    return *worlds, task.label_space != "imagenet-1k", not clean, not task.corrupts, not task.on_disk, order


DATA_SET_TASKS: tuple[Task, ...] = tuple(
    sorted((task for data_set in DATA_SETS.values() for task in data_set.tasks), key=_place_in_listings)
)
"""The tasks of all data sets, in the order of listings."""


def get_publication(name: str) -> DataSet:
    """Look up a data set that can be downloaded.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in PUBLICATIONS:
        raise unknown_name("published data set", name, PUBLICATIONS, "`bench data list` describes them.")
    return PUBLICATIONS[name]


def publication_of(name: str) -> tuple[str, str] | None:
    """The download that a data set comes with, and the folder within it; None for what is published nowhere."""
    if name not in DATA_SETS:
        return None
    download = DATA_SETS[name].part_of or name
    return (download, DATA_SETS[name].place) if download in PUBLICATIONS else None


def markdown_table() -> str:
    """The downloads as the table of ``docs/data.md``."""
    lines = ["| name | data set | download | checksums | licence | notes |", "|---|---|---|---|---|---|"]
    for publication in PUBLICATIONS.values():
        cells = (
            f"`{publication.name}`",
            f"[{publication.title}]({publication.page})",
            download_in_words(publication),
            publication.checksums,
            publication.licence,
            publication.notes,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def download_in_words(publication: DataSet) -> str:
    """Number of files and their size, or that a person has to fetch them."""
    if publication.gated:
        return "by hand"
    count = len(publication.files)
    size = publication.size_bytes
    known = sum(file.size or 0 for file in publication.files)
    how_large = readable_size(size) if size is not None else f"over {readable_size(known)}" if known else "size unknown"
    return f"{count} file{'s' if count > 1 else ''}, {how_large}"
