"""Which output of a classifier is which class, from the names that its outputs have."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..errors import CheckpointError
from ..tasks.images.classes import cifar_names, imagenet_synonyms, imagenet_wnids
from ..tasks.microworld.vocabulary import CLASSES
from ..text_files import NotTextError, read_text
from .zoo_card import LABEL_SPACES

_WNID = re.compile(r"n\d{8}\b")
_UNNAMED = re.compile(r"(label[ _]?)?\d+", re.IGNORECASE)  # as transformers writes where nobody gave names
_BACKGROUND = ("background", "dummy")
_SHOWN = 3


@dataclass(frozen=True)
class Outputs:
    """The classes of a classifier's outputs.

    Attributes:
        label_space: A key of `vitobench.models.zoo_card.LABEL_SPACES`.
        order: For each class the number of its output; None if they are in the order of the classes.
    """

    label_space: str
    order: tuple[int, ...] | None = None


def outputs_named(names: Sequence[str], where: str, mend: str) -> Outputs:
    """Find the class of each output by its name.

    A name is a WordNet id, or one or all of the names that WordNet has for a class (``"tench, Tinca tinca"``); for
    other label spaces, their own names. Where several classes have a name (``"crane"``), the other outputs decide: by
    what they leave over, or because all of them are in the order of the classes.

    Args:
        names: One per output.
        where: Of what, for error messages.
        mend: What to write where the names do not say enough, as a sentence.

    Raises:
        CheckpointError: The outputs have no names, their number is that of no label space, or a name is that of no
            class, of several, or occurs twice.
    """
    if all(_UNNAMED.fullmatch(name) for name in names):
        raise CheckpointError(
            f"{where}: its {len(names)} outputs have no names ({', '.join(names[:_SHOWN])}, ...). {mend}"
        )
    own = [number for number, name in enumerate(names) if _plain(name) not in _BACKGROUND]
    space = next((space for space, count in LABEL_SPACES.items() if count == len(own)), None)
    if space is None:
        spaces = " or ".join(f"{count} ({name})" for name, count in LABEL_SPACES.items())
        raise CheckpointError(
            f"{where}: its outputs have the names of {len(own)} classes ({', '.join(map(repr, names[:_SHOWN]))}, ...); "
            f"a classifier of {spaces} classes is needed."
        )
    candidates = {number: _classes_of(names[number], space) for number in own}
    if unknown := [names[number] for number, classes in candidates.items() if not classes]:
        raise CheckpointError(
            f"{where}: {len(unknown)} of its {len(own)} outputs have names of no class of {space}: "
            f"{', '.join(map(repr, unknown[:_SHOWN]))}. {mend}"
        )
    places, unclear = _assigned(candidates, own)
    if twice := [label for label, times in Counter(places.values()).items() if times > 1]:
        both = [number for number, label in places.items() if label == twice[0]]
        raise CheckpointError(
            f"{where}: outputs {both[0]} and {both[1]} ({names[both[0]]!r}, {names[both[1]]!r}) are both "
            f"{_said(twice[:1], space)}. {mend}"
        )
    for number, classes in unclear.items():
        raise CheckpointError(
            f"{where}: the name of output {number}, {names[number]!r}, may be {_said(classes, space)}. {mend}"
        )
    order = tuple(number for number, _ in sorted(places.items(), key=lambda pair: pair[1]))
    return Outputs(space, None if order == tuple(range(len(names))) else order)


def outputs_in_order(space: str, count: int, where: str) -> Outputs:
    """The outputs of a classifier that has the classes of a label space in their order, as its user states.

    Raises:
        CheckpointError: It has another number of outputs.
    """
    if LABEL_SPACES[space] != count:
        raise CheckpointError(f"{where} has {count} outputs, and {space} has {LABEL_SPACES[space]} classes.")
    return Outputs(space)


def read_names(path: Path, count: int, where: str) -> list[str]:
    """Read the names of outputs from a file, one per line.

    Raises:
        CheckpointError: It cannot be read, or has another number of lines than there are outputs.
    """
    try:
        text = read_text(path)
    except (OSError, NotTextError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(
            f"The names of outputs {str(path)!r} cannot be read: {reason}. Valid: a file with one name per output, or "
            f"{', '.join(LABEL_SPACES)} for outputs in the order of its classes."
        ) from None
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(names) != count:
        raise CheckpointError(f"{path} has {len(names)} names, and {where} has {count} outputs. Write one per output.")
    return names


def _assigned(
    candidates: dict[int, tuple[int, ...]], own: Sequence[int]
) -> tuple[dict[int, int], dict[int, tuple[int, ...]]]:
    """A class for each output, of which two may have the same, and the outputs whose class is not certain."""
    if all(place in candidates[number] for place, number in enumerate(own)):
        # Every name agrees with the usual order. Hundreds of names have one class only, so no other order is meant.
        return {number: place for place, number in enumerate(own)}, {}
    left = dict(candidates)
    places: dict[int, int] = {}
    while left:
        certain = {number: classes[0] for number, classes in left.items() if len(classes) == 1}
        if not certain:
            break
        places |= certain
        taken = set(certain.values())
        left = {
            number: tuple(label for label in classes if label not in taken) or classes[:1]
            for number, classes in left.items()
            if number not in certain
        }
    return places, left


def _classes_of(name: str, space: str) -> tuple[int, ...]:
    ids, whole, single = _index(space)
    if found := _WNID.match(name.strip()):
        return ids.get(found[0], ())
    text = _plain(name)
    parts = {part.strip() for part in text.split(",")}
    # A class with a single name is not meant more than others that have this name, too: "cardigan" is also a dog.
    if len(parts) > 1 and (exact := whole.get(", ".join(sorted(parts)))):
        return exact
    shared = [set(single.get(part, ())) for part in (text, *parts)]
    known = [classes for classes in shared if classes]
    both = set.intersection(*known) if known else set()
    return tuple(sorted(both or set().union(*known)))


@cache
def _index(space: str) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """Classes by WordNet id, by all of their names together, and by each of them."""
    synonyms: Sequence[Sequence[str]]
    if space == "imagenet-1k":
        wnids, synonyms = imagenet_wnids(), imagenet_synonyms()
    else:
        wnids = ()
        synonyms = [(name,) for name in (CLASSES if space == "microworld-16" else cifar_names(LABEL_SPACES[space]))]
    whole: dict[str, list[int]] = defaultdict(list)
    single: dict[str, list[int]] = defaultdict(list)
    for label, names in enumerate(synonyms):
        plain = sorted({_plain(name) for name in names})
        whole[", ".join(plain)].append(label)
        for name in plain:
            single[name].append(label)
    ids: dict[str, tuple[int, ...]] = {wnid: (label,) for label, wnid in enumerate(wnids)}
    return ids, {k: tuple(v) for k, v in whole.items()}, {k: tuple(v) for k, v in single.items()}


def _said(labels: Sequence[int], space: str) -> str:
    if space == "imagenet-1k":
        return " or ".join(f"{imagenet_wnids()[label]} ({imagenet_synonyms()[label][0]})" for label in labels)
    return " or ".join(f"class {label}" for label in labels)


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())
