"""The classes that a source is searched for: their words, and which answers of the classifier count as each."""

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
        name: What the manifest calls it; unique.
        terms: Words and phrases that stand for it, the name's own words among them where they are one.
        members: Class indices of the classifier, any of which confirms it.
    """

    name: str
    terms: tuple[str, ...]
    members: tuple[int, ...]


def imagenet_queries() -> tuple[QueryClass, ...]:
    """The 1000 classes of ImageNet-1k with every synonym of WordNet, in the order of the class indices.

    Classes whose first word is shared ("crane") have their index in their name.

    Raises:
        DataError: timm, which ships the words, is not installed.
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
"""Lists that have names. All but the last are for classifiers of ImageNet-1k."""


def load_queries(name: str, label_space: str, num_classes: int) -> tuple[QueryClass, ...]:
    """The classes to search for.

    Args:
        name: A name of `LISTS`, or the path of a CSV file.
        label_space: The classifier's.
        num_classes: How many classes the classifier has.

    Raises:
        UnknownNameError: Neither a list nor a file.
        DataError: A file of another form, or a list for another classifier.
    """
    if name in LISTS:
        wanted = "microworld-16" if name == "microworld-16" else "imagenet-1k"
        if wanted != label_space:
            raise DataError(
                f"The classes {name} need a classifier for {wanted}, but the model predicts {label_space} classes. "
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
    found: list[QueryClass] = []
    for number, row in enumerate(rows):
        name = (row["name"] or "").strip()
        if not name or any(name == other.name for other in found):
            raise DataError(f"{path}, class {number + 1}: the name {name!r} is empty or occurs twice.\n{_FORM}")
        synonyms = [term.strip() for term in (row.get("synonyms") or "").split(";")]
        members = _members(row.get("members") or "", f"{path}, class {name!r}", num_classes)
        if not any(r.get("members") for r in rows):
            members = (number,)
        found.append(QueryClass(name, (name, *(s for s in synonyms if s)), members))
    return tuple(found)


def _members(text: str, where: str, num_classes: int) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.replace(";", " ").split():
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)):
            raise DataError(f"{where}: {part!r} is neither a class index nor a range of them.\n{_FORM}")
        found.extend(range(int(first), int(last or first) + 1))
    if any(index >= num_classes for index in found):
        raise DataError(f"{where}: the classifier's class indices end at {num_classes - 1}.\n{_FORM}")
    return tuple(sorted(set(found)))
