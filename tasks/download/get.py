"""Download, unpack and verify a published data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError, unknown_name
from ..images.walking import names_in, walk
from .fetch import fetch
from .publication import Folder, Progress, Publication, RemoteFile, data_place, difference, file_place, unpack_place
from .unpack import is_unpacked, refuse_mixture, unpack

# Download, check and unpack a published data set; steps that are already done are skipped.


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


# Check whether a data set on disk is the published one, and complete.


_IMAGES = (".jpeg", ".jpg", ".png")


@dataclass(frozen=True)
class Problem:
    """A problem with a file or a folder.

    Attributes:
        kind: ``"absent"``, ``"damaged"`` or ``"incomplete"``.
        where: Path of the file or folder.
        reason: One sentence.
    """

    kind: str
    where: str
    reason: str


@dataclass(frozen=True)
class Verification:
    """What was checked, and the problems.

    Attributes:
        name: The data set.
        folder: Folder in which its data were expected.
        archives: Number of downloaded files whose size and checksum were compared.
        folders: Number of unpacked folders whose contents were counted.
        images: Number of images in these folders.
        unchecked: Downloaded files with neither a published size nor a checksum.
        problems: Empty if everything is in order.
    """

    name: str
    folder: str
    archives: int
    folders: int
    images: int
    unchecked: tuple[str, ...]
    problems: tuple[Problem, ...]


def verify(publication: Publication, where: Path, progress: Progress | None = None) -> Verification:
    """Compare a folder with the catalogue.

    Existing archives are checked; missing ones are no problem, since unpacked data do not need them. Of the unpacked
    data, every folder and file in the catalogue must exist.

    Args:
        publication: What the folder should contain.
        where: The folder given to ``--to``, or the data folder itself.
        progress: Called with the number of finished files and folders and their total.
    """
    data = _data_folder(publication, where)
    archives = list(_archives(publication, where))
    total = len(archives) + len(publication.folders) + len(publication.required)
    damaged: list[Problem] = []
    absent: list[Problem] = []
    steps = folders = images = required = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if progress is not None:
            progress(steps, total)

    for file, path in archives:
        wrong = difference(file, path)
        if wrong is not None:
            damaged.append(Problem("damaged", str(path), f"Not as published: {wrong}."))
        step()
    for folder in publication.folders:
        problem, count = _check_folder(folder, data / folder.path)
        absent += [problem] if problem is not None else []
        folders += count is not None
        images += count or 0
        step()
    for name in publication.required:
        if (data / name).is_file():
            required += 1
        else:
            absent.append(Problem("absent", str(data / name), "The file is missing."))
        step()
    expects = publication.folders or publication.required
    if not (folders or required) if expects else data == where:
        # One sentence, rather than one for each of up to ninety-five folders.
        state = "The archives are here, but not unpacked." if archives else f"No files of {publication.title} are here."
        absent = [Problem("absent", str(data), state)]
    unchecked = tuple(path.name for file, path in archives if file.size is None and file.checksum is None)
    problems = (*damaged, *absent)
    return Verification(publication.name, str(data), len(archives), folders, images, unchecked, problems)


def _data_folder(publication: Publication, where: Path) -> Path:
    """The first place that looks like the data: below ``--to``, where an archive unpacks to, or the folder itself."""
    expected = [folder.path for folder in publication.folders if folder.path != "."] + list(publication.required)
    candidates = (data_place(publication, where), where / publication.unpacks_to, where)
    for candidate in candidates:
        plausible = any((candidate / name).exists() for name in expected) if expected else candidate != where
        if candidate.is_dir() and plausible:
            return candidate
    return where


def _archives(publication: Publication, where: Path) -> Iterator[tuple[RemoteFile, Path]]:
    for file in publication.files:
        for path in (file_place(publication, file, where), where / file.name):
            if path.is_file():
                yield file, path
                break


def _check_folder(folder: Folder, path: Path) -> tuple[Problem | None, int | None]:
    """What is wrong with an unpacked folder, and how many images it has (None if it is absent)."""
    if not path.is_dir():
        return Problem("absent", str(path), "The folder is missing."), None
    try:
        classes = len(names_in(path)[0])
        images = len(walk(path, _IMAGES).files)
    except (OSError, DataError) as error:
        return Problem("incomplete", str(path), f"It cannot be listed: {error}"), 0
    reasons = []
    if folder.classes is not None and classes != folder.classes:
        reasons.append(f"{classes:,} folders instead of {folder.classes:,}")
    if folder.images is not None and images != folder.images:
        reasons.append(f"{images:,} images instead of {folder.images:,}")
    problem = Problem("incomplete", str(path), f"It has {' and '.join(reasons)}.") if reasons else None
    return problem, images
