"""The published data sets by name, and the tasks on them. Importing this loads no network and no numerical library.

Every module of this folder that has ``DATA_SETS`` is a family of data sets; nothing else has to name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...errors import unknown_name
from ...plugins import own_modules
from .. import kinds
from ..data.downloads.publication import readable_size
from ..task import Task
from .record import DataSet, Form, Opening

if TYPE_CHECKING:
    from ..data.hashing import Progress
    from ..data.source import ConditionSource, ImageSource

AForm = TypeVar("AForm", bound=Form)
Named = TypeVar("Named", DataSet, Task)

_FIRST = ("imagenet", "natural", "video", "corrupted", "cifar", "human")
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
"""Every published data set by name, as in ``--data NAME=DIR``."""

PUBLICATIONS: dict[str, DataSet] = {name: d for name, d in DATA_SETS.items() if not d.part_of}
"""Those with a download of their own, as in ``bench data get NAME``."""

PUBLISHED: dict[str, DataSet] = {name: d for name, d in DATA_SETS.items() if d.form is not None}
"""Those that `open_published` opens."""


def _place_in_listings(task: Task) -> tuple[bool, bool, bool, bool, int]:
    """Clean images, corruptions drawn on the fly, sets published with their conditions, then other images by kind."""
    order = list(kinds.KINDS.values()).index(task.kind)
    return task.label_space != "imagenet-1k", task.kind is not kinds.CLEAN, not task.corrupts, not task.on_disk, order


DATA_SET_TASKS: tuple[Task, ...] = tuple(
    sorted((task for data_set in DATA_SETS.values() for task in data_set.tasks), key=_place_in_listings)
)
"""The tasks of all data sets; those in ImageNet's classes first."""


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
    return DATA_SETS[name].part_of or name, DATA_SETS[name].place


def of_form(name: str, form: type[AForm]) -> tuple[DataSet, AForm]:
    """A data set whose folder has a certain form, and that form.

    Args:
        name: As in `PUBLISHED`.
        form: The class of the form.

    Raises:
        UnknownNameError: With the nearest names of data sets of this form.
    """
    known = {n: (d, d.form) for n, d in PUBLISHED.items() if isinstance(d.form, form)}
    if name not in known:
        raise unknown_name("published set", name, known)
    return known[name]


def open_published(
    name: str,
    root: Path,
    conditions: Sequence[str] | None = None,
    manifest_cache: Path | None = None,
    progress: Progress | None = None,
) -> ImageSource | ConditionSource:
    """Open a published set with the reader that knows its protocol.

    Args:
        name: As in `PUBLISHED`.
        root: Its folder.
        conditions: For sets of several conditions, the keys of those to read, or None for all that are there; for
            ImageNet-P the perturbations to read, one or several. Others have none.
        manifest_cache: JSON file in which content hashes are kept.
        progress: Called with ``(done, total)`` of the files while they are hashed.

    Raises:
        UnknownNameError: No such set; with the nearest names.
        DataError: The folder is missing or not of the set's form.
    """
    data_set = PUBLISHED.get(name)
    if data_set is None or data_set.form is None:
        raise unknown_name("published set", name, PUBLISHED)
    return data_set.form.open(data_set, Opening(root, conditions, manifest_cache, progress))


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
