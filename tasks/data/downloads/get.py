"""Download, check and unpack a published data set; steps that are already done are skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from ....errors import DataError, unknown_name
from .checking import Progress
from .fetch import fetch
from .place import data_place, file_place, unpack_place
from .publication import Publication, RemoteFile
from .unpack import is_unpacked, refuse_mixture, unpack

Bars = Callable[[str], AbstractContextManager[Progress | None]]
"""Opens a progress bar with a title."""


def chosen_files(publication: Publication, only: Sequence[str]) -> list[RemoteFile]:
    """The files to get: those named by `only`, or all if it is empty.

    Raises:
        UnknownNameError: The publication has no file of such a name.
    """
    files = {file.name: file for file in publication.files}
    for name in only:
        if name not in files:
            raise unknown_name(f"file of {publication.name}", name, files)
    return [file for name, file in files.items() if not only or name in only]


def is_here(publication: Publication, file: RemoteFile, root: Path) -> bool:
    """Whether a file is downloaded, and unpacked if it is an archive. Its contents are not read."""
    if file.is_archive:
        return is_unpacked(file, unpack_place(publication, root))
    place = file_place(publication, file, root)
    return place.is_file() and file.size in (None, place.stat().st_size)


def missing_bytes(publication: Publication, files: Sequence[RemoteFile], root: Path) -> int | None:
    """Bytes left to download; None if the size of a missing file is unknown."""
    total = 0
    for file in files:
        place = file_place(publication, file, root)
        if is_here(publication, file, root) or place.exists():
            continue
        if file.size is None:
            return None
        part = place.with_name(place.name + ".part")
        total += max(0, file.size - (part.stat().st_size if part.exists() else 0))
    return total


def get(
    publication: Publication, files: Sequence[RemoteFile], root: Path, bars: Bars, remove_archives: bool = False
) -> Path:
    """Download, check and unpack.

    Args:
        publication: The data set.
        files: Which of its files, from `chosen_files`.
        root: Folder of all data sets.
        bars: Shows progress.
        remove_archives: Delete each archive once it is unpacked.

    Returns:
        The folder for ``--data NAME=DIR``.

    Raises:
        DataError: It must be downloaded by hand, or a file could not be downloaded. Earlier files are kept.
    """
    if publication.gated:
        raise DataError(by_hand(publication))
    for file in files:
        place = file_place(publication, file, root)
        if not is_here(publication, file, root):
            if file.is_archive:
                refuse_mixture(file, unpack_place(publication, root))  # before downloading gigabytes in vain
            with bars(file.name) as progress:
                fetch(file, place, progress, room_to_unpack=file.is_archive)
            if file.is_archive:
                with bars(f"unpacking {file.name}") as progress:
                    unpack(file, place, unpack_place(publication, root), progress, checked=True)
        if remove_archives and file.is_archive:
            place.unlink(missing_ok=True)
    return data_place(publication, root)


def by_hand(publication: Publication) -> str:
    """How to get a data set that has no direct link."""
    return (
        f"{publication.title} cannot be downloaded automatically, because you must accept its terms first "
        f"({publication.page}). {publication.notes} Then give its folder: --data {publication.name}=DIR."
    )
