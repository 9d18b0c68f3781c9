"""Finding data sets below a folder: in their usual places at once, elsewhere by looking through it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from .datasets.recognition import Look, Recognised
from .datasets.registry import DATA_SETS, PUBLICATIONS, publication_of
from .download.publication import data_place
from .opening import USER_DATA

DEEPEST = 5
"""Levels below the folder that is looked through: ``ROOT/vision/imagenet/ILSVRC2012/val`` and one more."""

_MOST_FOLDERS = 200
"""Folders in one folder above which it holds classes or videos of no known set, and is not looked through."""


def recognise(look: Look) -> list[Recognised]:
    """The data sets that a folder may hold, each under the name of the folder that a user brings; certain ones first.

    A folder that can be a set for certain is no other set that merely looks like it.
    """
    recognised: dict[str, Recognised] = {}
    for data_set in DATA_SETS.values():
        one = data_set.recognise(look)
        if one is not None:
            before = recognised.get(one.name)
            recognised[one.name] = one if before is None else _together(before, one)
    certain = [one for one in recognised.values() if one.certain]
    return certain or list(recognised.values())


def read_as(folder: Path, name: str) -> Recognised | None:
    """How a folder can be read as one data set, whatever else it looks like; None if it is not of its form.

    A set without a form of images is taken as it is.
    """
    readers = [data_set for data_set in DATA_SETS.values() if data_set.reads and data_set.reads[-1].name == name]
    if all(data_set.form is None for data_set in readers):
        return Recognised(name, folder, "not examined", False)
    return next((one for data_set in readers if (one := data_set.recognise(Look(folder.absolute())))), None)


def _together(one: Recognised, other: Recognised) -> Recognised:
    """Two sets of one folder, such as the stimuli of two experiments."""
    return Recognised(one.name, one.folder, f"{one.why}, {other.why}", one.certain or other.certain, one.flat)


def usual_places(name: str, root: Path) -> Iterator[Path]:
    """Where the folder of a set is expected below a root, the likeliest first.

    Args:
        name: As in ``--data NAME=DIR``.
        root: The folder of all data sets: as ``--to`` of `bench data get`.
    """
    home = publication_of(name)
    if home is not None:
        yield data_place(PUBLICATIONS[home[0]], root) / home[1]
    yield root / name
    yield root / name / "val"


def in_usual_places(root: Path) -> dict[str, Path]:
    """The sets that are in their usual places below a root, by the names of the folders that a user brings.

    Only what is recognised for certain counts. This reads a few folders and may be done before every run.
    """
    places = {name: list(dict.fromkeys(usual_places(name, root))) for name in USER_DATA}
    looks = [Look(place) for place in dict.fromkeys(place for several in places.values() for place in several)]
    by_folder = {
        look.path: {one.name for one in recognise(look) if one.certain and not one.flat}
        for look in looks
        if look.folders or look.files
    }
    folders = {}
    for name, own in places.items():
        # Some sets are read from the folder of another, such as the reassessed labels from that of the images.
        place = next((place for place in (*own, *by_folder) if name in by_folder.get(place, ())), None)
        if place is not None:
            folders[name] = place
    return folders


def scan(root: Path, progress: Callable[[int, int], None] | None = None) -> list[Recognised]:
    """Look through a folder for data sets. A recognised folder is not looked into any further.

    Args:
        root: Where to begin.
        progress: Called with the number of folders directly in the root that were looked through, and of all of them.
    """
    recognised: list[Recognised] = []
    seen: set[Path] = set()
    top = _examine(Look(root), recognised, seen)
    for done, look in enumerate(top, start=1):
        queue = deque([(look, 1)])
        while queue:
            look, depth = queue.popleft()
            inner = _examine(look, recognised, seen)
            queue.extend((folder, depth + 1) for folder in inner if depth < DEEPEST)
        if progress is not None:
            progress(done, len(top))
    return recognised


def _examine(look: Look, recognised: list[Recognised], seen: set[Path]) -> list[Look]:
    """Add the sets that a folder holds, or return the folders in it where it holds none."""
    here = Path(os.path.realpath(look.path))
    if here in seen:
        return []
    seen.add(here)
    sets = recognise(look)
    recognised += sets
    return [] if sets or len(look.folders) > _MOST_FOLDERS else [look.inside(name) for name in look.folders]
