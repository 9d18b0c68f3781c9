"""Which class a name means, and which class each of many names is, for every label space with names.

WordNet gives most classes several names, and some names to two classes ("crane"). The rest of the list decides between
those, or nobody does: a class that is not certain is an error.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from ..errors import CheckpointError
from ..tasks.images.classes import cifar_names, imagenet_synonyms, imagenet_wnids
from ..tasks.microworld.vocabulary import CLASSES
from .zoo_card import LABEL_SPACES

IMAGENET = "imagenet-1k"
"""The label space whose classes have WordNet ids and synonyms."""

SHOWN = 5
"""Examples in a message."""

_MOST_LACKING = 10  # of the published lists each lacks at most 9 of the 1000 classes
_WNID = re.compile(r"n\d{8}\b")
_BACKGROUND = ("background", "dummy")

Index = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Listed:
    """Names in the order of a classifier's outputs.

    Attributes:
        names: One per output.
        where: What has them, for messages.
        unit: What each is in there: ``"output"``, or ``"line"``.
        first: Number of the first one.
        mend: What to write where they do not say enough, as a sentence.
    """

    names: Sequence[str]
    where: str
    unit: str
    first: int
    mend: str

    @property
    def own(self) -> list[int]:
        """Places of all names but that of a background."""
        return [place for place, name in enumerate(self.names) if plain(name) not in _BACKGROUND]

    @property
    def space(self) -> str | None:
        """The label space with as many classes; None if there is none."""
        return next((space for space, count in LABEL_SPACES.items() if count == len(self.own)), None)


def places_of(listed: Listed, space: str, every: bool) -> tuple[int, ...]:
    """The place of each class in a list of names.

    Args:
        listed: The names.
        space: A key of `LABEL_SPACES`.
        every: Whether each name but that of a background must be that of a class. If not, names of none are left out,
            and up to ten classes may be absent.

    Returns:
        For each class of the label space its place, or -1 if it has none.

    Raises:
        CheckpointError: A name is that of no class, or of several and the rest does not decide; two names are one
            class; or too many classes have none.
    """
    total = LABEL_SPACES[space]
    own = listed.own
    candidates = {place: classes_of(listed.names[place], space) for place in own}
    unknown = [place for place, labels in candidates.items() if not labels]
    if unknown and every:
        raise CheckpointError(
            f"{listed.where}: {len(unknown)} of its {len(own)} {listed.unit}s have names of no class of {space}: "
            f"{_quoted(listed, unknown)}. {listed.mend}"
        )
    if len(own) == total and all(label in candidates[place] for label, place in enumerate(own)):
        # Every name agrees with the usual order. Hundreds of names have one class only, so no other order is meant.
        return tuple(own)
    places = _decided(listed, {place: labels for place, labels in candidates.items() if labels}, space)
    lacking = [label for label in range(total) if label not in places]
    # A few names of their own ("crane bird") are clear in a list of as many lines that is otherwise in WordNet's order.
    guessed = places | dict(zip(lacking, unknown, strict=False))
    if len(unknown) == len(lacking) <= _MOST_LACKING and _is_sorted(guessed):
        places, lacking = guessed, []
    if len(lacking) > (0 if every else _MOST_LACKING):
        said = f" {listed.unit.capitalize()}s that name none: {_quoted(listed, unknown)}." if unknown else ""
        raise CheckpointError(
            f"{listed.where} names {total - len(lacking)} of the {total} classes of {space}.{said} {listed.mend}"
        )
    return tuple(places.get(label, -1) for label in range(total))


def classes_of(name: str, space: str) -> tuple[int, ...]:
    """Classes that a name may mean; empty for none.

    A WordNet id counts before names, and all names of a class together before some of them. (One name alone does not
    count more for a class that has no other: "cardigan" is also a dog.)
    """
    ids, whole, single = _indices(space)
    if written := _WNID.findall(name):
        return ids.get(written[0], ())
    parts = {plain(part) for part in name.split(",")} - {""}
    for text in (_together(parts), plain(name)):
        if text in whole:
            return whole[text]
    shared = [set(labels) for part in (plain(name), *parts) if (labels := single.get(part, ()))]
    if not shared:
        return ()
    return tuple(sorted(set.intersection(*shared) or set.union(*shared)))


def named_class(label: int, space: str) -> str:
    """A class in words: ``"n01440764 (tench)"``."""
    if space == IMAGENET:
        return f"{imagenet_wnids()[label]} ({imagenet_synonyms()[label][0]})"
    return f"class {label} ({_synonyms(space)[label][0]})"


def plain(name: str) -> str:
    """A name without capitals, underscores, hyphens and commas."""
    return " ".join(re.sub("[_,-]", " ", name).casefold().split())


def _decided(listed: Listed, candidates: Mapping[int, tuple[int, ...]], space: str) -> dict[int, int]:
    """The place of each class that has one, by what its name says, by what the others leave, or by the order."""
    left = dict(candidates)
    places: dict[int, int] = {}
    while certain := {place: labels[0] for place, labels in left.items() if len(labels) == 1}:
        for place, label in certain.items():
            if label in places:
                raise _twice(listed, places[label], place, named_class(label, space))
            places[label] = place
        left = {
            place: tuple(label for label in labels if label not in places) or labels[:1]
            for place, labels in left.items()
            if place not in certain
        }
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, labels in left.items():
        groups[labels].append(place)
    clear = dict(places)
    is_sorted = _is_sorted(clear)
    for labels, where in groups.items():
        free = [label for label in labels if label not in places]
        said = " or ".join(named_class(label, space) for label in free)
        if len(where) > len(free):
            other = where[-2] if len(where) > 1 else places[labels[0]]
            raise _twice(listed, other, where[-1], said or named_class(labels[0], space))
        chosen = _in_order(free, where, clear) if is_sorted else _by_capitals(free, [listed.names[n] for n in where])
        if chosen is None:
            raise CheckpointError(
                f"{listed.where}: the name of {listed.unit} {where[0] + listed.first}, {listed.names[where[0]]!r}, may "
                f"be {said}. {listed.mend}"
            )
        places.update(zip(chosen, where, strict=True))
    return places


def _in_order(free: list[int], where: list[int], clear: Mapping[int, int]) -> list[int] | None:
    """The classes at some places of a list that is otherwise sorted; None if that does not say."""
    chosen = free if len(where) == len(free) else [label for label in free if _fits(label, where[0], clear)]
    return sorted(chosen) if len(chosen) == len(where) else None


def _by_capitals(free: list[int], names: list[str]) -> list[int] | None:
    """The classes of names that differ in capitals ("Cardigan" is a dog); None unless there is one for each."""
    synonyms = imagenet_synonyms()
    exact = [[label for label in free if name in synonyms[label]] for name in names]
    chosen = [labels[0] for labels in exact if len(labels) == 1]
    return chosen if len(set(chosen)) == len(names) == len(free) else None


def _fits(label: int, place: int, places: Mapping[int, int]) -> bool:
    """Whether a class put at a place keeps the list sorted."""
    return all((other < label) == (where < place) for other, where in places.items())


def _is_sorted(places: Mapping[int, int]) -> bool:
    return [places[label] for label in sorted(places)] == sorted(places.values())


def _twice(listed: Listed, one: int, other: int, said: str) -> CheckpointError:
    one, other = sorted((one, other))
    return CheckpointError(
        f"{listed.where}: {listed.unit}s {one + listed.first} and {other + listed.first} ({listed.names[one]!r}, "
        f"{listed.names[other]!r}) are both {said}. {listed.mend}"
    )


def _quoted(listed: Listed, places: Sequence[int]) -> str:
    return ", ".join(repr(listed.names[place]) for place in places[:SHOWN])


@cache
def _indices(space: str) -> tuple[Index, Index, Index]:
    """Classes by WordNet id, by all of their names together, and by each of them; names in plain form."""
    every = list(enumerate(_synonyms(space)))
    several = [(names, label) for label, names in every if len(names) > 1]
    return (
        {wnid: (label,) for label, wnid in enumerate(imagenet_wnids())} if space == IMAGENET else {},
        _grouped(
            (text, label)
            for names, label in several
            for text in {_together(map(plain, names)), plain(", ".join(names))}
        ),
        _grouped((name, label) for label, names in every for name in sorted(set(map(plain, names)))),
    )


def _synonyms(space: str) -> Sequence[Sequence[str]]:
    if space == IMAGENET:
        return imagenet_synonyms()
    return [(name,) for name in (CLASSES if space == "microworld-16" else cifar_names(LABEL_SPACES[space]))]


def _together(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))


def _grouped(pairs: Iterable[tuple[str, int]]) -> Index:
    groups: dict[str, list[int]] = defaultdict(list)
    for name, label in pairs:
        groups[name].append(label)
    return {name: tuple(labels) for name, labels in groups.items()}
