"""The order of a classifier's outputs: which of them belongs to which class of a label space.

Models are scored in the order of the label space, for ImageNet-1k that of WordNet ids. A classifier in another order,
or with more classes, is read by the names of its outputs: its own, a list of the user, or one of those that are
published.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError
from ..files import home_path
from ..tasks.images.classes import class_list, imagenet_names, imagenet_wnids
from ..text_files import NotTextError, read_text
from .class_names import IMAGENET, SHOWN, Listed, classes_of, named_class, places_of, plain
from .zoo_card import LABEL_SPACES

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

NEVER = -1e4
"""Logit of a class without an output, so that it is never predicted."""

_UNNAMED = re.compile(r"(label[ _]?)?\d+", re.IGNORECASE)  # as transformers writes where nobody gave names
_DIFFERING = 0.02  # of the names in a published order, as each library spells a few in its own way
_NUMBERED = re.compile(r"^\d+[\s:,]+(?=\S)")
_LARGEST = 16 << 20


@dataclass(frozen=True)
class ClassOrder:
    """Where the classes of a label space are among a classifier's outputs.

    Attributes:
        name: The list's name, or that of its file.
        count: Outputs of the classifier.
        outputs: For each class the number of its output, or -1 if the classifier does not have it.
        space: The label space, a key of `vitobench.models.zoo_card.LABEL_SPACES`.
    """

    name: str
    count: int
    outputs: tuple[int, ...]
    space: str = IMAGENET

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
        said = f"Its {self.count} outputs are read as the {len(self.outputs)} classes of {self.space} by {self.name}"
        if self.lacking:
            names = [named_class(label, self.space) for label in self.lacking[:SHOWN]]
            more = ", ..." if len(self.lacking) > SHOWN else ""
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
        return None if name is None else _published(name)
    if asked in RULES:
        order = _by_rule(asked)
    elif asked in LISTS:
        order = _published(asked)
    else:
        order = _by_names(asked, read_names(home_path(asked)))
    if order.count != count:
        raise CheckpointError(f"{where} has {count} outputs, but the list of classes {asked} names {order.count}.")
    return order


def order_of_named(names: Sequence[str], asked: str | None, where: str, mend: str) -> ClassOrder:
    """The order of a classifier whose outputs have names.

    A name is a WordNet id, or one or all of the names that WordNet has for a class (``"tench, Tinca tinca"``); for
    other label spaces, their own names. See `vitobench.models.class_names` for names of several classes.

    Args:
        names: One per output.
        asked: As for `order_of`, or a key of `LABEL_SPACES` for outputs that are in the order of its classes. It counts
            before the names.
        where: Of what, for error messages.
        mend: What to write where the names do not say enough, as a sentence.

    Raises:
        CheckpointError: The outputs have no names, their number is that of no label space and no published list, or a
            name is that of no class, of several, or occurs twice.
    """
    count = len(names)
    if asked in LABEL_SPACES:
        if LABEL_SPACES[asked] != count:
            raise CheckpointError(f"{where} has {count} outputs, and {asked} has {LABEL_SPACES[asked]} classes.")
        return ClassOrder(asked, count, tuple(range(count)), asked)
    if asked is not None and (asked in LISTS or asked in RULES):
        order = order_of(count, asked, where)
        assert order is not None
        return order
    listed = Listed(names, where, "output", 0, mend)
    if asked is not None:
        own = read_names(home_path(asked), tuple(LABEL_SPACES))
        if len(own) != count:
            raise CheckpointError(
                f"{asked} has {len(own)} names, and {where} has {count} outputs. Write one per output."
            )
        listed = Listed(own, where, "output", 0, mend)
    elif all(_UNNAMED.fullmatch(name) for name in names):
        raise CheckpointError(f"{where}: its {count} outputs have no names ({', '.join(names[:3])}, ...). {mend}")
    if listed.space is not None:
        return ClassOrder("name", count, places_of(listed, listed.space, every=True), listed.space)
    if asked is not None:
        return ClassOrder(asked, count, places_of(listed, IMAGENET, every=False))
    order = order_of(count, None, where)
    if order is None:
        spaces = " or ".join(f"{number} ({space})" for space, number in LABEL_SPACES.items())
        lists = ", ".join(f"{number} ({name})" for name, (number, _) in LISTS.items())
        raise CheckpointError(
            f"{where}: its outputs have the names of {len(listed.own)} classes "
            f"({', '.join(map(repr, names[:3]))}, ...); a classifier of {spaces} classes is needed, and ImageNet-1k's "
            f"are also read from those of {lists}. {mend}"
        )
    _check_agreement(order, names, where, mend)
    return order


def _check_agreement(order: ClassOrder, names: Sequence[str], where: str, mend: str) -> None:
    """Check that names are those of a published order that has as many.

    Raises:
        CheckpointError: They are not, up to a few that are spelled in another way.
    """
    has = [(label, output) for label, output in enumerate(order.outputs) if output >= 0]
    other = [(label, output) for label, output in has if label not in classes_of(names[output], order.space)]
    if len(other) > _DIFFERING * len(has):
        label, output = other[0]
        raise CheckpointError(
            f"{where}: it has as many outputs as {order.name}, {order.count}, and other names: output {output}, "
            f"{named_class(label, order.space)} there, is {names[output]!r}. {mend}"
        )


def unknown_count(count: int, where: str) -> str:
    """What to say of a classifier whose number of outputs is not that of any label space."""
    spaces = ", ".join(f"{number} ({name})" for name, number in LABEL_SPACES.items())
    lists = ", ".join(f"{number} ({name})" for name, (number, _) in LISTS.items())
    rules = " or ".join(f"classes={rule} ({meaning})" for rule, meaning in RULES.items())
    return (
        f"{where} has {count} outputs; a classifier of {spaces} classes is needed, and ImageNet-1k's are also read "
        f"from those of {lists}. For any other write classes=FILE with the class of each output, one per line, {rules}."
    )


def read_names(path: Path, also: Sequence[str] = ()) -> list[str]:
    """Read a list of classes, in the order of the outputs.

    Args:
        path: A text with one class per line, optionally numbered, or a JSON list or object of them (``{"0": name}``, or
            ``{"0": [WordNet id, name]}`` as Keras has it).
        also: What could be written in place of a file besides `LISTS` and `RULES`, for messages.

    Returns:
        One text per output.

    Raises:
        CheckpointError: It does not exist, is no text, or has another form.
    """
    valid = f"one class per line, JSON, or one of {', '.join([*also, *LISTS, *RULES])}"
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
    ranked = sorted(range(total), key=lambda label: (plain(imagenet_names()[label]), label))
    places = {label: place for place, label in enumerate(ranked)}
    return ClassOrder(rule, total, tuple(places[label] for label in range(total)))


def _published(name: str) -> ClassOrder:
    wnids = class_list(LISTS[name][1])
    places = {wnid: place for place, wnid in enumerate(wnids)}
    return ClassOrder(name, len(wnids), tuple(places.get(wnid, -1) for wnid in imagenet_wnids()))


def _by_names(name: str, lines: Sequence[str]) -> ClassOrder:
    mend = (
        "Write a WordNet id (n01440764) or one of WordNet's names (tench) in each line, an id where a name has several."
    )
    listed = Listed(lines, f"The list of classes {name}", "line", 1, mend)
    space = listed.space or IMAGENET
    if space != IMAGENET:
        listed = Listed(lines, listed.where, "line", 1, f"Write one of the names of {space} in each line.")
    return ClassOrder(name, len(lines), places_of(listed, space, every=space != IMAGENET), space)
