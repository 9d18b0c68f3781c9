"""The classes to search for: their names, finding these in metadata, and confirming them with the classifier."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....errors import DataError, unknown_name
from ....tasks.images.classes import (
    MergedClass,
    entry_level_classes,
    imagenet_synonyms,
    imagenet_vid_classes,
    ytbb_classes,
)
from ....tasks.microworld.vocabulary import CLASSES, SYNONYMS
from ....text_files import NotTextError, read_text
from .settings import CurationSettings

# The classes to search for: their names in metadata, and the classifier's classes that confirm each.


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


# Find class names in the metadata of a video.


_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_IRREGULAR = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people",
    "mouse": "mice",
    "goose": "geese",
    "foot": "feet",
    "tooth": "teeth",
    "ox": "oxen",
    "louse": "lice",
    "cactus": "cacti",
    "hippopotamus": "hippopotami",
}
_F_TO_VES = frozenset({"wolf", "calf", "half", "leaf", "loaf", "shelf", "thief", "scarf", "hoof", "elf", "wharf"})
_FE_TO_VES = frozenset({"knife", "life", "wife"})


@dataclass(frozen=True)
class Match:
    """A class that a video's metadata name.

    Attributes:
        query: Position of the class in the list of queries.
        term: The word or phrase that was found.
        field: The field it was found in.
    """

    query: int
    term: str
    field: str


def words(text: str) -> tuple[str, ...]:
    """The words of a text, case-folded; hyphens, underscores and punctuation separate words."""
    return tuple(word.replace("’", "'") for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def plurals(word: str) -> set[str]:
    """Plural forms of an English noun in lower case, by rules and a short list of exceptions.

    A form too many does no harm, because it would hardly occur in a title.
    """
    forms = {word + "s"}
    if word.endswith(("s", "x", "z", "ch", "sh")):
        forms = {word + "es"}
    elif word.endswith("y") and len(word) > 1 and word[-2] not in "aeiou":
        forms = {word[:-1] + "ies"}
    elif word.endswith("o"):
        forms.add(word + "es")
    for suffix, plural in _IRREGULAR.items():
        # Also compounds ("fireman"), but not "human", whose plural is regular.
        if (
            word.endswith(suffix)
            and (word == suffix or suffix in {"man", "woman", "mouse", "foot"})
            and word != "human"
        ):
            forms.add(word[: -len(suffix)] + plural)
    if word in _F_TO_VES or word.endswith("wolf"):
        forms.add(word[:-1] + "ves")
    if word in _FE_TO_VES:
        forms.add(word[:-2] + "ves")
    return forms


class Matcher:
    """Finds the classes that metadata name.

    A term only matches whole words, in the singular or the plural of its last word, regardless of case. If terms
    overlap, the longest wins ("soccer ball", not "ball"), then the one that begins first. A term of several classes
    ("crane") matches all of them, so a video may match several classes.
    """

    def __init__(self, queries: Sequence[QueryClass]) -> None:
        """Index the terms of all classes by their words."""
        self._classes: dict[tuple[str, ...], dict[int, str]] = {}
        for position, query in enumerate(queries):
            for term in query.terms:
                parts = words(term)
                if not parts:
                    continue
                for last in {parts[-1], *plurals(parts[-1])}:
                    self._classes.setdefault((*parts[:-1], last), {}).setdefault(position, term)
        self._longest = max(map(len, self._classes), default=0)

    def find(self, metadata: Mapping[str, str | Sequence[str]], fields: Iterable[str]) -> tuple[Match, ...]:
        """The classes that a video's metadata name, each once, in the order of the queries.

        Args:
            metadata: By field, a text or several texts (tags); a term never extends over two texts.
            fields: The fields to search; the first one that names a class is reported.
        """
        matches: dict[int, Match] = {}
        for field in fields:
            value = metadata.get(field, ())
            for text in (value,) if isinstance(value, str) else value:
                for term in self._terms(words(text)):
                    for query, name in self._classes[term].items():
                        matches.setdefault(query, Match(query, name, field))
        return tuple(matches[query] for query in sorted(matches))

    def _terms(self, text: tuple[str, ...]) -> list[tuple[str, ...]]:
        spans = [
            (start, stop)
            for start in range(len(text))
            for stop in range(start + 1, min(start + self._longest, len(text)) + 1)
            if text[start:stop] in self._classes
        ]
        taken = [False] * len(text)
        longest_terms = []
        for start, stop in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
            if not any(taken[start:stop]):
                taken[start:stop] = [True] * (stop - start)
                longest_terms.append(text[start:stop])
        return longest_terms


# Check whether the classifier confirms the class that the metadata name.


@dataclass(frozen=True)
class FrameAnswer:
    """A classifier's top predictions for one frame.

    Attributes:
        labels: Class indices, the most likely first.
        confidences: Their softmax probabilities.
    """

    labels: tuple[int, ...]
    confidences: tuple[float, ...]


def votes(frames: Sequence[FrameAnswer], query: QueryClass, settings: CurationSettings) -> list[float]:
    """The probability of a class on every frame that confirms it.

    A frame confirms a class if one of its members is among the ``top_k`` predictions and has at least the required
    confidence. The most likely member counts; probabilities are not summed over members.

    Args:
        frames: Top predictions for each frame, ``top_k`` or more.
        query: The class.
        settings: ``top_k`` and ``confidence``.
    """
    members = set(query.members)
    confirming = []
    for answer in frames:
        first = zip(answer.labels[: settings.top_k], answer.confidences, strict=False)
        best = max((confidence for label, confidence in first if label in members), default=-1.0)
        if best >= settings.confidence:
            confirming.append(best)
    return confirming


def confirmed_class(
    frames: Sequence[FrameAnswer],
    matches: Sequence[Match],
    queries: Sequence[QueryClass],
    settings: CurationSettings,
) -> int | None:
    """The class that the classifier confirms; of several, the one with the most frames, then the largest probability.

    Args:
        frames: Top predictions for each frame.
        matches: The classes that the metadata name.
        queries: All classes.
        settings: ``top_k``, ``agree`` and ``confidence``.

    Returns:
        Position of the class in ``queries``, or None if none is confirmed.
    """
    ranked = []
    for match in matches:
        confirming = votes(frames, queries[match.query], settings)
        if len(confirming) >= settings.agree:
            ranked.append((-len(confirming), -sum(confirming), match.query))
    return min(ranked)[2] if ranked else None
