"""Finding class names in the words that people gave a video."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .queries import QueryClass

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
        term: Which of its words or phrases was found.
        field: Where.
    """

    query: int
    term: str
    field: str


def words(text: str) -> tuple[str, ...]:
    """The words of a text, case-folded; hyphens, underscores and punctuation part them."""
    return tuple(word.replace("’", "'") for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def plurals(word: str) -> set[str]:
    """Plural forms of an English noun, by rule and a short list of exceptions; a form too many does no harm.

    Args:
        word: In lower case.
    """
    found = {word + "s"}
    if word.endswith(("s", "x", "z", "ch", "sh")):
        found = {word + "es"}
    elif word.endswith("y") and len(word) > 1 and word[-2] not in "aeiou":
        found = {word[:-1] + "ies"}
    elif word.endswith("o"):
        found.add(word + "es")
    for suffix, plural in _IRREGULAR.items():
        # Compounds too ("fireman"); not "human", whose plural is regular.
        if (
            word.endswith(suffix)
            and (word == suffix or suffix in {"man", "woman", "mouse", "foot"})
            and word != "human"
        ):
            found.add(word[: -len(suffix)] + plural)
    if word in _F_TO_VES or word.endswith("wolf"):
        found.add(word[:-1] + "ves")
    if word in _FE_TO_VES:
        found.add(word[:-2] + "ves")
    return found


class Matcher:
    """Finds the classes that metadata name.

    A term matches whole words only, in the singular or the plural of its last word, regardless of case. Where terms
    overlap the longest wins ("soccer ball", not "ball"), then the one that begins first. A term of several classes
    ("crane") matches them all, and so do several terms: the video then has several queries.
    """

    def __init__(self, queries: Sequence[QueryClass]) -> None:
        """Index the terms of some classes by their words."""
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
            metadata: Text, or several texts (tags) that no term crosses, by field.
            fields: Which of them are searched; the first that names a class is the one reported.
        """
        found: dict[int, Match] = {}
        for field in fields:
            value = metadata.get(field, ())
            for text in (value,) if isinstance(value, str) else value:
                for term in self._terms(words(text)):
                    for query, told in self._classes[term].items():
                        found.setdefault(query, Match(query, told, field))
        return tuple(found[query] for query in sorted(found))

    def _terms(self, text: tuple[str, ...]) -> list[tuple[str, ...]]:
        spans = [
            (start, stop)
            for start in range(len(text))
            for stop in range(start + 1, min(start + self._longest, len(text)) + 1)
            if text[start:stop] in self._classes
        ]
        taken = [False] * len(text)
        kept = []
        for start, stop in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
            if not any(taken[start:stop]):
                taken[start:stop] = [True] * (stop - start)
                kept.append(text[start:stop])
        return kept
