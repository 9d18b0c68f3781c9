"""Whether what lies on disk is what was published, and all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ....errors import DataError
from ..walking import names_in, walk
from .checking import Progress, difference
from .place import data_place, file_place
from .publication import Folder, Publication, RemoteFile

_IMAGES = (".jpeg", ".jpg", ".png")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file or a folder.

    Attributes:
        kind: ``"absent"``, ``"damaged"`` or ``"incomplete"``.
        where: Its path.
        reason: One sentence.
    """

    kind: str
    where: str
    reason: str


@dataclass(frozen=True)
class Verification:
    """What was looked at, and what is wrong with it.

    Attributes:
        name: The data set.
        folder: Where its data were looked for.
        archives: Downloaded files whose size and checksum were compared.
        folders: Unpacked folders whose contents were counted.
        images: Images in these.
        unchecked: Of the downloaded files, those of which neither size nor checksum is published.
        problems: Empty if all is well.
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

    Archives that are there are checked; ones that are not are no problem, since unpacked data do without them. Of the
    unpacked data, all that the catalogue knows must be there.

    Args:
        publication: What it should be.
        where: The folder that was named by ``--to``, or the data folder itself.
        progress: Told how many files and folders are done, and of how many.
    """
    data = _data_folder(publication, where)
    archives = list(_archives(publication, where))
    total = len(archives) + len(publication.folders) + len(publication.required)
    damaged: list[Problem] = []
    wanting: list[Problem] = []
    done = folders = images = found = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    for file, path in archives:
        wrong = difference(file, path)
        if wrong is not None:
            damaged.append(Problem("damaged", str(path), f"Not as published: {wrong}."))
        step()
    for folder in publication.folders:
        problem, count = _check_folder(folder, data / folder.path)
        wanting += [problem] if problem is not None else []
        folders += count is not None
        images += count or 0
        step()
    for name in publication.required:
        if (data / name).is_file():
            found += 1
        else:
            wanting.append(Problem("absent", str(data / name), "The file is missing."))
        step()
    expects = publication.folders or publication.required
    if not (folders or found) if expects else data == where:
        # One sentence, not ninety-five that each name a folder.
        state = "The archives are here, but not unpacked." if archives else f"No files of {publication.title} are here."
        wanting = [Problem("absent", str(data), state)]
    unchecked = tuple(path.name for file, path in archives if file.size is None and file.checksum is None)
    problems = (*damaged, *wanting)
    return Verification(publication.name, str(data), len(archives), folders, images, unchecked, problems)


def _data_folder(publication: Publication, where: Path) -> Path:
    """The first place that looks like the data: below ``--to``, as an archive unpacks, or the folder itself."""
    named = [folder.path for folder in publication.folders if folder.path != "."] + list(publication.required)
    candidates = (data_place(publication, where), where / publication.unpacks_to, where)
    for candidate in candidates:
        held = any((candidate / name).exists() for name in named) if named else candidate != where
        if candidate.is_dir() and held:
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
