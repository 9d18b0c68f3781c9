"""The official lists of sets of actions: which clips are for fitting, which are to be judged, and what happens in them.

Lists are taken as they are published. One that is of another form, contradicts itself or names what is not there would
give a wrong number, and is an error that names the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...text_files import NotTextError, read_text
from ..clips.container import EXTENSIONS
from ..images.folders import first, shuffling_key
from ..images.walking import walk
from .filmed_clips import ClipLists, FilmedClip
from .masks import names_listed

_SPLITS = 3


class _Videos:
    """The files of a folder of videos, found without regard to case.

    Args:
        root: Folder of the set.
        folder: Below it.

    Raises:
        DataError: There is no such folder, or it cannot be read.
    """

    def __init__(self, root: Path, folder: str) -> None:
        if not (root / folder).is_dir():
            raise DataError(f"there is no folder {folder}")
        names = walk(root / folder, EXTENSIONS).files
        self._folder, self._exact = folder, frozenset(names)
        self._folded = {name.casefold(): name for name in names}

    def placed(self, clips: Sequence[FilmedClip], listing: str) -> list[FilmedClip]:
        """The clips with their files.

        Args:
            clips: Named as a list has them.
            listing: What the list is called.

        Raises:
            DataError: Some are not there.
        """
        found = [c.name if c.name in self._exact else self._folded.get(c.name.casefold()) for c in clips]
        absent = [clip.name for clip, name in zip(clips, found, strict=True) if name is None]
        if absent:
            raise DataError(
                f"{listing} names {len(absent)} videos that are not in {self._folder}, such as {first(absent, 3)}"
            )
        return [replace(clip, file=f"{self._folder}/{name}") for clip, name in zip(clips, found, strict=True)]


def _check_names(clips: Sequence[FilmedClip], listing: str) -> None:
    """Refuse a list that names a clip twice."""
    seen: set[str] = set()
    for clip in clips:
        if clip.name.casefold() in seen:
            raise DataError(f"{listing} names {clip.name} twice")
        seen.add(clip.name.casefold())


def _merged(parts: Sequence[Sequence[FilmedClip]]) -> tuple[FilmedClip, ...]:
    """Clips of the lists for fitting of each split, each clip once."""
    splits: dict[str, list[int]] = {}
    clips: dict[str, FilmedClip] = {}
    for number, part in enumerate(parts):
        for clip in part:
            splits.setdefault(clip.name, []).append(number)
            clips[clip.name] = clip
    return tuple(replace(clips[name], splits=tuple(splits[name])) for name in sorted(clips))


# UCF101: a list of the clips for fitting and one of those to be judged, for each split.


UCF_VIDEOS, UCF_LISTS = "UCF-101", "ucfTrainTestlist"
_UCF_NAME = re.compile(r"(?P<folder>[^/\s]+)/v_[^/\s]+_g(?P<group>\d+)_c\d+\.avi", re.IGNORECASE)
_UCF_FORM = "use the published lists of recognition (UCF101TrainTestSplits-RecognitionTask), not those of detection"


def ucf101(root: Path, classes: Sequence[str]) -> ClipLists:
    """The lists of UCF101.

    A group is the clips of a class that share footage, ``g01`` to ``g25``. While a head is fitted all clips of one
    group number are held out together, as the official splits do it.

    Args:
        root: The folder with ``UCF-101`` and ``ucfTrainTestlist``.
        classes: Names, in the order of their numbers; case does not matter.

    Raises:
        DataError: A list is missing, of another form, contradicts another one, or names videos that are not there.
    """
    _ucf_classes(root, classes)
    videos = _Videos(root, UCF_VIDEOS)
    judged: list[FilmedClip] = []
    learning = []
    for split in range(_SPLITS):
        train, test = (f"{UCF_LISTS}/{part}list{split + 1:02d}.txt" for part in ("train", "test"))
        seen, asked = _ucf_list(root, train, classes, True), _ucf_list(root, test, classes, False)
        shared = sorted({clip.group for clip in seen} & {clip.group for clip in asked})
        if shared:
            raise DataError(
                f"{train} and {test} share {len(shared)} groups, such as {shared[0]}: clips of a group show the same "
                f"people and places; {_UCF_FORM}"
            )
        learning.append(videos.placed(seen, train))
        judged += [replace(clip, splits=(split,)) for clip in videos.placed(asked, test)]
    return ClipLists(tuple(judged), _merged(learning), _SPLITS)


def _ucf_classes(root: Path, classes: Sequence[str]) -> None:
    """Check that the published numbers of classes are those of the record."""
    listing = f"{UCF_LISTS}/classInd.txt"
    lines = [line.split() for line in names_listed(root / listing)]
    if any(len(line) != 2 or not line[0].isdecimal() for line in lines):
        raise DataError(f"{listing} has lines that are not NUMBER CLASS; {_UCF_FORM}")
    if len(lines) != len(classes):
        raise DataError(f"{listing} has {len(lines)} classes, there are {len(classes)}; {_UCF_FORM}")
    for number, (line, name) in enumerate(zip(lines, classes, strict=True), 1):
        if int(line[0]) != number or line[1].casefold() != name.casefold():
            raise DataError(f"{listing} says {' '.join(line)} where {number} {name} is expected; {_UCF_FORM}")


def _ucf_list(root: Path, listing: str, classes: Sequence[str], labelled: bool) -> list[FilmedClip]:
    numbers = {name.casefold(): number for number, name in enumerate(classes)}
    clips = []
    for line in names_listed(root / listing):
        name, _, label = line.partition(" ")
        match, label = _UCF_NAME.fullmatch(name), label.strip()
        if match is None or (labelled and not label):
            wanted = f"CLASS/v_NAME_gXX_cYY.avi{' LABEL' if labelled else ''}"
            raise DataError(f"{listing} has the line {line!r} where {wanted} is expected; {_UCF_FORM}")
        action = numbers.get(match["folder"].casefold())
        if action is None:
            raise DataError(f"{listing} names {name}, whose class {match['folder']} is not in classInd.txt")
        if label and label != str(action + 1):
            known = "" if label in map(str, range(1, len(classes) + 1)) else f", and there are 1 to {len(classes)}"
            raise DataError(
                f"{listing} gives {name} the label {label}; {match['folder']} is {action + 1} in classInd.txt{known}"
            )
        group = int(match["group"])
        clips.append(FilmedClip(name, "", action, f"{classes[action]}/g{group:02d}", group))
    _check_names(clips, listing)
    return clips


# HMDB51: for each class and split a list of all its clips with marks.


HMDB_VIDEOS, HMDB_LISTS = "hmdb51_org", "testTrainMulti_7030_splits"
_HMDB_NAME = re.compile(r"(.+)_[a-z]_[a-z]{2}_np\d+_[a-z]{2}_[a-z]{3}_\d+\.avi", re.IGNORECASE)
"""The film and the class; then what is seen of the body, the camera, people, the direction and the quality."""


def hmdb51(root: Path, classes: Sequence[str]) -> ClipLists:
    """The lists of HMDB51.

    A group is the clips of one film, of whatever class: what their names have before the class.

    Args:
        root: The folder with ``hmdb51_org`` and ``testTrainMulti_7030_splits``.
        classes: Names, in the order of their numbers.

    Raises:
        DataError: A list is missing, of another form, or names videos that are not there.
    """
    videos = _Videos(root, HMDB_VIDEOS)
    parts: dict[int, list[list[FilmedClip]]] = {1: [], 2: []}
    for split in range(_SPLITS):
        of_mark: dict[int, list[FilmedClip]] = {1: [], 2: []}
        for action, name in enumerate(classes):
            listing = f"{HMDB_LISTS}/{name}_test_split{split + 1}.txt"
            for mark, clips in _hmdb_list(root, listing, name, action).items():
                of_mark[mark] += videos.placed(clips, listing)
        for mark, clips in of_mark.items():
            parts[mark].append(clips)
    judged = [replace(clip, splits=(split,)) for split, clips in enumerate(parts[2]) for clip in clips]
    learning = _merged(parts[1])
    rank = {group: number for number, group in enumerate(sorted({clip.group for clip in learning}))}
    return ClipLists(tuple(judged), tuple(replace(clip, number=rank[clip.group]) for clip in learning), _SPLITS)


def _hmdb_list(root: Path, listing: str, name: str, action: int) -> dict[int, list[FilmedClip]]:
    clips: dict[int, list[FilmedClip]] = {0: [], 1: [], 2: []}
    for line in names_listed(root / listing):
        video, _, mark = line.rpartition(" ")
        video = video.strip()
        if mark not in ("0", "1", "2") or not video.lower().endswith(".avi"):
            raise DataError(
                f"{listing} has the line {line!r} where NAME.avi and a mark are expected: 1 for fitting, 2 to be "
                "judged, 0 for neither; use the published lists (test_train_splits)"
            )
        match = _HMDB_NAME.fullmatch(video)
        film = match[1] if match else video.rpartition(".")[0]
        if film.casefold().endswith(f"_{name}".casefold()):
            film = film[: -len(name) - 1]
        clips[int(mark)].append(FilmedClip(f"{name}/{video}", "", action, film, 0))
    _check_names([clip for own in clips.values() for clip in own], listing)
    return {mark: clips[mark] for mark in (1, 2)}


# Something-Something v2: a list of the clips for fitting and one of those to be judged, with their templates.


SSV2_VIDEOS = "20bn-something-something-v2"
SSV2_FORMS = ("labels/{}.json", "{}.json", "something-something-v2-{}.json")
"""Where the lists are: as they are published now, and as they were."""


def something_something(root: Path, classes: Sequence[str], most: int) -> ClipLists:
    """The lists of Something-Something v2. Each clip is a group of its own: no one says which were filmed together.

    Args:
        root: The folder with ``20bn-something-something-v2`` and the lists.
        classes: Names, in the order of their numbers: templates without brackets.
        most: Clips of the list for fitting that are used; which ones depends on their ids alone.

    Raises:
        DataError: A list is missing, of another form, or names videos that are not there.
    """
    form = next((form for form in SSV2_FORMS if (root / form.format("labels")).is_file()), SSV2_FORMS[0])
    labels, train, validation = (form.format(part) for part in ("labels", "train", "validation"))
    numbers = _json(root, labels, dict)
    if numbers != {name: str(number) for number, name in enumerate(classes)}:
        differing = [n for k, n in enumerate(classes) if numbers.get(n) != str(k)] or [*{*numbers} - {*classes}]
        raise DataError(f"{labels} has other classes or numbers than are published, such as {differing[0]!r}")
    taught, asked = _templates(root, train, numbers), _templates(root, validation, numbers)
    both = sorted({*taught} & {*asked})
    if both:
        raise DataError(f"{train} and {validation} share {len(both)} clips, such as {both[0]}")
    videos = _Videos(root, SSV2_VIDEOS)
    used = sorted(taught, key=shuffling_key)[:most]
    learning, judged = (
        videos.placed([FilmedClip(f"{own}.webm", "", of[own], own, int(own)) for own in sorted(names)], listing)
        for of, names, listing in ((taught, used, train), (asked, asked, validation))
    )
    return ClipLists(tuple(judged), tuple(learning))


def _templates(root: Path, listing: str, numbers: Mapping[str, str]) -> dict[str, int]:
    """Class of each clip by its id."""
    found: dict[str, int] = {}
    for row in _json(root, listing, list):
        own, template = (row.get("id"), row.get("template")) if isinstance(row, dict) else (None, None)
        if not str(own).isdecimal() or not isinstance(template, str):
            raise DataError(f"{listing} has the entry {str(row)[:100]!r}, without an id and a template")
        name = template.replace("[", "").replace("]", "")
        if name not in numbers:
            raise DataError(f"{listing} gives clip {own} the template {template!r}, which is none of the classes")
        if str(own) in found:
            raise DataError(f"{listing} names clip {own} twice")
        found[str(own)] = int(numbers[name])
    if not found:
        raise DataError(f"{listing} is empty")
    return found


def _json(root: Path, listing: str, of: type) -> Any:
    try:
        found = json.loads(read_text(root / listing))
    except (OSError, NotTextError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise DataError(f"the list {listing} cannot be read ({reason})") from None
    if not isinstance(found, of):
        raise DataError(f"{listing} is no JSON {'object' if of is dict else 'list'}, as it is published")
    return found
