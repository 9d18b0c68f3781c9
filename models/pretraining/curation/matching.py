"""Find class names in the metadata of a video."""

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
