"""The order of a classifier's outputs: which of them belongs to which class of ImageNet-1k.

Models are scored in the order of WordNet ids. A classifier in another order, or with more classes, is read by a list
of names: of the user's own, or one of those that are published.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..errors import CheckpointError
from ..files import home_path
from ..tasks.images.classes import class_list, imagenet_names, imagenet_synonyms, imagenet_wnids
from ..text_files import NotTextError, read_text
from .zoo_card import LABEL_SPACES

SPACE = "imagenet-1k"
"""The label space that outputs are read in."""

LISTS: dict[str, tuple[int, str]] = {
    "imagenet-21k-miil": (11221, "imagenet21k_miil_synsets.txt"),
    "imagenet-12k": (11821, "imagenet12k_synsets.txt"),
    "imagenet-22k": (21841, "imagenet22k_synsets.txt"),
    "imagenet-22k-ms": (21842, "imagenet22k_ms_synsets.txt"),
    "imagenet-21k-goog": (21843, "imagenet21k_goog_synsets.txt"),
}
"""Published label spaces that contain ImageNet-1k's: number of classes, and timm's list of them."""

BACKGROUND = "background-first"
BY_NAME = "by-name"
RULES = {
    BACKGROUND: "ImageNet-1k's classes after one for background, as in TensorFlow",
    BY_NAME: "sorted by the first name of each class",
}
"""Orders without a file."""

_MOST_LACKING = 10  # of the published lists each lacks at most 9 of the 1000 classes
_WNID = re.compile(r"n\d{8}")
_NUMBERED = re.compile(r"^\d+[\s:,]+(?=\S)")
_SHOWN = 5
_LARGEST = 16 << 20


@dataclass(frozen=True)
class ClassOrder:
    """Where the classes of ImageNet-1k are among a classifier's outputs.

    Attributes:
        name: The list's name, or that of its file.
        count: Outputs of the classifier.
        outputs: For each class the number of its output, or -1 if the classifier does not have it.
    """

    name: str
    count: int
    outputs: tuple[int, ...]

    @property
    def plain(self) -> bool:
        """Whether the outputs are read as they are."""
        return self.outputs == tuple(range(self.count))

    @property
    def lacking(self) -> tuple[int, ...]:
        """Classes without an output."""
        return tuple(label for label, output in enumerate(self.outputs) if output < 0)

    @property
    def note(self) -> str:
        """A sentence about what was read; empty if the order is WordNet's."""
        if self.plain:
            return ""
        said = f"Its {self.count} outputs are read as the {len(self.outputs)} classes of {SPACE} by {self.name}"
        if self.lacking:
            names = [f"{imagenet_wnids()[label]} ({imagenet_names()[label]})" for label in self.lacking[:_SHOWN]]
            more = ", ..." if len(self.lacking) > _SHOWN else ""
            said += f"; {len(self.lacking)} of these are missing and never predicted: {', '.join(names)}{more}"
        return f"{said}."


def order_of(count: int, asked: str | None, where: str) -> ClassOrder | None:
    """The order of a classifier's outputs.

    Args:
        count: Outputs of the classifier.
        asked: What the user wrote: a file, a name of `LISTS` or `RULES`, or None for the order that the number of
            outputs says.
        where: The classifier's file, for error messages.

    Returns:
        The order; None if nothing was asked for and the number of outputs is not that of a list.

    Raises:
        CheckpointError: The list is for another number of outputs, does not exist, is ambiguous, or lacks classes.
    """
    if asked is None:
        name = next((name for name, (number, _) in LISTS.items() if number == count), None)
        return None if name is None else _by_ids(name, class_list(LISTS[name][1]))
    if asked in RULES:
        order = _by_rule(asked)
    elif asked in LISTS:
        order = _by_ids(asked, class_list(LISTS[asked][1]))
    else:
        order = _by_lines(asked, read_names(home_path(asked)))
    if order.count != count:
        raise CheckpointError(f"{where} has {count} outputs, but the list of classes {asked} names {order.count}.")
    return order


def unknown_count(count: int, where: str) -> str:
    """What to say of a classifier whose number of outputs is not that of any label space."""
    spaces = ", ".join(f"{number} ({name})" for name, number in LABEL_SPACES.items())
    lists = ", ".join(f"{number} ({name})" for name, (number, _) in LISTS.items())
    rules = " or ".join(f"classes={rule} ({meaning})" for rule, meaning in RULES.items())
    return (
        f"{where} has {count} outputs; a classifier of {spaces} classes is needed, and ImageNet-1k's are also read "
        f"from those of {lists}. For any other write classes=FILE with the class of each output, one per line, {rules}."
    )


def read_names(path: Path) -> list[str]:
    """Read a list of classes, in the order of the outputs.

    Args:
        path: A text with one class per line, optionally numbered, or a JSON list or object of them (``{"0": name}``, or
            ``{"0": [WordNet id, name]}`` as Keras has it).

    Returns:
        One text per output.

    Raises:
        CheckpointError: It does not exist, is no text, or has another form.
    """
    valid = f"one class per line, JSON, or one of {', '.join([*LISTS, *RULES])}"
    try:
        if path.stat().st_size > _LARGEST:
            raise CheckpointError(f"The list of classes {path} has over {_LARGEST >> 20} MiB. Valid: {valid}.")
        text = read_text(path)
    except (OSError, NotTextError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"The list of classes {str(path)!r} cannot be read ({reason}). Valid: {valid}.") from None
    if path.suffix.lower() == ".json":
        return _of_json(text, path)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise CheckpointError(f"The list of classes {path} is empty. Valid: {valid}.")
    numbers = [int(line.split()[0].rstrip(":,")) for line in lines if _NUMBERED.match(line)]
    if numbers == list(range(len(lines))):
        return [_NUMBERED.sub("", line) for line in lines]
    return lines


def _of_json(text: str, path: Path) -> list[str]:
    try:
        data = json.loads(text)
        if isinstance(data, dict):
            data = [data[str(number)] for number in range(len(data))]
        names = [" ".join(map(str, entry)) if isinstance(entry, list) else entry for entry in data]
        if not names or not all(isinstance(name, str) for name in names):
            raise ValueError("its entries are not names")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"The list of classes {path} is not understood ({error!r:.100}). Valid: a JSON list of names, or an object "
            'with the keys "0", "1" and so on.'
        ) from None
    return names


def _by_rule(rule: str) -> ClassOrder:
    total = len(imagenet_wnids())
    if rule == BACKGROUND:
        return ClassOrder(rule, total + 1, tuple(range(1, total + 1)))
    ranked = sorted(range(total), key=lambda label: (_plain(imagenet_names()[label]), label))
    places = {label: place for place, label in enumerate(ranked)}
    return ClassOrder(rule, total, tuple(places[label] for label in range(total)))


def _by_ids(name: str, wnids: Sequence[str]) -> ClassOrder:
    places = {wnid: place for place, wnid in enumerate(wnids)}
    return ClassOrder(name, len(wnids), tuple(places.get(wnid, -1) for wnid in imagenet_wnids()))


def _by_lines(name: str, lines: Sequence[str]) -> ClassOrder:
    """Match lines to classes, by WordNet id or by name.

    Raises:
        CheckpointError: Two lines are one class, a name is that of several, or many classes have no line.
    """
    candidates = [_classes_of(line) for line in lines]
    places: dict[int, int] = {}
    for place, labels in enumerate(candidates):
        for label in labels if len(labels) == 1 else ():
            if label in places:
                both = f"{places[label] + 1} ({lines[places[label]]!r}) and {place + 1} ({lines[place]!r})"
                raise CheckpointError(
                    f"The list of classes {name} names {imagenet_wnids()[label]} twice: lines {both}. Write the "
                    "WordNet ids of both classes instead."
                )
            places[label] = place
    _resolve(name, lines, places, {place: labels for place, labels in enumerate(candidates) if len(labels) > 1})
    unknown = [place for place, labels in enumerate(candidates) if not labels]
    total = len(imagenet_wnids())
    lacking = [label for label in range(total) if label not in places]
    # A few names of their own ("crane bird") are clear in a list of as many lines that is otherwise in WordNet's order.
    if len(unknown) == len(lacking) <= _MOST_LACKING and _is_sorted(
        guessed := places | dict(zip(lacking, unknown, strict=True))
    ):
        places, lacking = guessed, []
    if len(lacking) > _MOST_LACKING:
        examples = ", ".join(repr(lines[place]) for place in unknown[:_SHOWN])
        said = f" Lines that name none: {examples}." if unknown else ""
        raise CheckpointError(
            f"The list of classes {name} names {total - len(lacking)} of the {total} classes of {SPACE}.{said} Write a "
            "WordNet id (n01440764) or one of WordNet's names (tench) in each line."
        )
    return ClassOrder(name, len(lines), tuple(places.get(label, -1) for label in range(total)))


def _is_sorted(places: Mapping[int, int]) -> bool:
    return [places[label] for label in sorted(places)] == sorted(places.values())


def _resolve(name: str, lines: Sequence[str], places: dict[int, int], unclear: dict[int, tuple[int, ...]]) -> None:
    """Decide on names that several classes have ("crane"): by what is left or, if all else is sorted, by the order."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, labels in unclear.items():
        groups[tuple(label for label in labels if label not in places)].append(place)
    clear = dict(places)
    is_sorted = _is_sorted(clear)
    for free, where in groups.items():
        if len(where) > len(free):
            last = where[-1]
            raise CheckpointError(f"The list of classes {name} names a class twice: line {last + 1} ({lines[last]!r}).")
        chosen = list(free)
        if is_sorted and len(where) < len(free):
            chosen = [label for label in free if _between(label, where[0], clear)]
        # Two classes of one name are in the list's order, if that is WordNet's; otherwise only an id can tell.
        if len(chosen) != len(where) or (len(where) > 1 and not is_sorted):
            ids = " or ".join(imagenet_wnids()[label] for label in free)
            raise CheckpointError(
                f"The list of classes {name} is ambiguous in line {where[0] + 1}: {lines[where[0]]!r} is {ids}. "
                "Write that id instead."
            )
        places.update(zip(sorted(chosen), where, strict=True))


def _between(label: int, place: int, places: dict[int, int]) -> bool:
    """Whether a class put at a place keeps the list sorted."""
    return all((other < label) == (where < place) for other, where in places.items())


def _classes_of(line: str) -> tuple[int, ...]:
    """Classes that a line may mean; empty for none.

    A WordNet id counts before names; all names of a class before its first one, and that before any other; names in the
    same case before names in another ("Cardigan" is a dog, "cardigan" is not).
    """
    if written := _WNID.findall(line):
        ids = {wnid: label for label, wnid in enumerate(imagenet_wnids())}
        return tuple(ids[wnid] for wnid in written[:1] if wnid in ids)
    first = line.split(",")[0]
    for text, index in zip((line, _plain(line), first, _plain(first), _plain(first)), _indices(), strict=True):
        if text in index:
            return index[text]
    return ()


@cache
def _indices() -> tuple[dict[str, tuple[int, ...]], ...]:
    """Classes by all their names, as they are and in plain form; by the first of them in both; and by each of them."""
    every = list(enumerate(imagenet_synonyms()))
    return (
        _grouped((", ".join(names), label) for label, names in every if len(names) > 1),
        _grouped((_plain(", ".join(names)), label) for label, names in every if len(names) > 1),
        _grouped((names[0], label) for label, names in every),
        _grouped((_plain(names[0]), label) for label, names in every),
        _grouped((name, label) for label, names in every for name in sorted(set(map(_plain, names)))),
    )


def _grouped(pairs: Iterable[tuple[str, int]]) -> dict[str, tuple[int, ...]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for name, label in pairs:
        groups[name].append(label)
    return {name: tuple(labels) for name, labels in groups.items()}


def _plain(name: str) -> str:
    return " ".join(re.sub("[_,-]", " ", name).casefold().split())
