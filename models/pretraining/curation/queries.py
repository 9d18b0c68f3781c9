"""The classes to search for: their names in metadata, and the classifier's classes that confirm each."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from ....errors import DataError, unknown_name
from ....tasks.data.classes import (
    MergedClass,
    entry_level_classes,
    imagenet_synonyms,
    imagenet_vid_classes,
    ytbb_classes,
)
from ....tasks.data.microworld.vocabulary import CLASSES, SYNONYMS
from ....text_files import NotTextError, read_text

_FORM = """Expected a CSV file with a header and these columns:
  name,synonyms,members
  dog,puppy;hound,151-268
members are class indices of the classifier that count as the class; it may be left out where the file has as many rows
as the classifier has classes, in the same order."""


@dataclass(frozen=True)
class QueryClass:
    """A class to search for.

    Attributes:
        name: Name in the manifest; unique.
        terms: Words and phrases for it, usually including its name.
        members: Class indices of the classifier; any of them confirms the class.
    """

    name: str
    terms: tuple[str, ...]
    members: tuple[int, ...]


def imagenet_queries() -> tuple[QueryClass, ...]:
    """The 1000 classes of ImageNet-1k with all WordNet synonyms, in the order of the class indices.

    If several classes share a first term ("crane"), their names include the index.

    Raises:
        DataError: timm, which ships the synonyms, is not installed.
    """
    words = imagenet_synonyms()
    first = [terms[0] for terms in words]
    return tuple(
        QueryClass(terms[0] if first.count(terms[0]) == 1 else f"{terms[0]} ({index})", terms, (index,))
        for index, terms in enumerate(words)
    )


def microworld_queries() -> tuple[QueryClass, ...]:
    """The 16 classes of the micro-world."""
    return tuple(QueryClass(name, (name, *SYNONYMS.get(name, ())), (i,)) for i, name in enumerate(CLASSES))


def _merged(classes: tuple[MergedClass, ...]) -> tuple[QueryClass, ...]:
    return tuple(QueryClass(c.name, (c.name,), c.imagenet) for c in classes if c.imagenet)


LISTS = {
    "imagenet-1k": imagenet_queries,
    "entry-level-16": lambda: _merged(entry_level_classes()),
    "imagenet-vid-30": lambda: _merged(imagenet_vid_classes()),
    "ytbb-19": lambda: _merged(ytbb_classes()),
    "microworld-16": microworld_queries,
}
"""Built-in lists. All but the last are for classifiers of ImageNet-1k."""


def load_queries(name: str, label_space: str, num_classes: int) -> tuple[QueryClass, ...]:
    """The classes to search for.

    Args:
        name: A key of `LISTS`, or the path of a CSV file.
        label_space: Label space of the classifier.
        num_classes: Number of the classifier's classes.

    Raises:
        UnknownNameError: It is neither a list nor a file.
        DataError: The file has an unexpected form, or the list is for another classifier.
    """
    if name in LISTS:
        needed = "microworld-16" if name == "microworld-16" else "imagenet-1k"
        if needed != label_space:
            raise DataError(
                f"The classes {name} need a classifier for {needed}, but the model predicts {label_space} classes. "
                "Choose another --classes or --model."
            )
        return LISTS[name]()
    path = Path(name)
    if not path.is_file():
        raise unknown_name("list of classes", name, LISTS, "You can also give a CSV file with your own classes.")
    return _read(path, num_classes)


def _read(path: Path, num_classes: int) -> tuple[QueryClass, ...]:
    try:
        text = io.StringIO(read_text(path), newline="")
        rows = list(csv.DictReader(line for line in text if not line.startswith("#")))
    except (OSError, NotTextError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table ({error}).\n{_FORM}") from None
    if not rows or "name" not in rows[0]:
        raise DataError(f"{path} has no rows under a column 'name'.\n{_FORM}")
    if not any(row.get("members") for row in rows) and len(rows) != num_classes:
        raise DataError(
            f"{path} names {len(rows)} classes and no members; the model has {num_classes} classes.\n{_FORM}"
        )
    classes: list[QueryClass] = []
    for number, row in enumerate(rows):
        name = (row["name"] or "").strip()
        if not name or any(name == earlier.name for earlier in classes):
            raise DataError(f"{path}, class {number + 1}: the name {name!r} is empty or occurs twice.\n{_FORM}")
        synonyms = [term.strip() for term in (row.get("synonyms") or "").split(";")]
        members = _members(row.get("members") or "", f"{path}, class {name!r}", num_classes)
        if not any(r.get("members") for r in rows):
            members = (number,)
        classes.append(QueryClass(name, (name, *(s for s in synonyms if s)), members))
    return tuple(classes)


def _members(text: str, where: str, num_classes: int) -> tuple[int, ...]:
    indices: list[int] = []
    for part in text.replace(";", " ").split():
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)):
            raise DataError(f"{where}: {part!r} is neither a class index nor a range of them.\n{_FORM}")
        indices.extend(range(int(first), int(last or first) + 1))
    if any(index >= num_classes for index in indices):
        raise DataError(f"{where}: the classifier's class indices end at {num_classes - 1}.\n{_FORM}")
    return tuple(sorted(set(indices)))
