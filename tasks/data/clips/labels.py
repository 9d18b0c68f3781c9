"""Classes of clips as people write them: numbers, numbers as text, or names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ....errors import DataError
from ....text_files import same_name
from ..files import first

UNKNOWN = -1
"""Label of a clip whose class nobody has stated."""

_WHOLE = re.compile(r"[+-]?\d+(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_LARGEST = 2**31 - 1


def read_category(value: Any) -> int | str | None:
    """The class that a value states.

    Args:
        value: From JSON or CSV: a whole number (``3``, ``3.0``, also as text), a name, or nothing (null, an empty text,
            -1).

    Returns:
        A number from 0, a name in Unicode's composed form without spaces around it, or None where it states nothing.

    Raises:
        ValueError: Anything else; the message shows the value.
    """
    found: Any = value.strip() if isinstance(value, str) else value
    if found is None or found == "":
        return None
    if isinstance(found, str):
        if not _NUMBER.fullmatch(found):
            return same_name(found)
        if _WHOLE.fullmatch(found) and len(found) <= 20:
            found = int(found.partition(".")[0])
    if isinstance(found, float) and math.isfinite(found) and found.is_integer():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int) or not UNKNOWN <= found <= _LARGEST:
        raise ValueError(f"{value!r}, neither a whole number from 0 nor a name")
    return None if found == UNKNOWN else found


def agreed(stated: Mapping[str, Any]) -> int | str | None:
    """The one class that several places state; a number wins over the name that stands for it.

    Args:
        stated: Values by the place that states them, such as ``{".cls": "3", "label of .json": 3}``.

    Raises:
        ValueError: Two numbers or two names that differ, or a value that is no class; the message names the places.
    """
    seen: dict[type, tuple[str, int | str]] = {}
    for place, value in stated.items():
        try:
            category = read_category(value)
        except ValueError as error:
            raise ValueError(f"{place} is {error}") from None
        if category is None:
            continue
        earlier, other = seen.setdefault(type(category), (place, category))
        if other != category:
            raise ValueError(f"{earlier} says {other}, {place} says {category}")
    return next((seen[kind][1] for kind in (int, str) if kind in seen), None)


def number_categories(
    categories: Sequence[int | str | None], names: Iterable[str], where: str
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Labels of clips from their classes. Numbers stay; names are numbered in the order of the alphabet.

    Args:
        categories: Of each clip, as `read_category` gives them.
        names: Of the clips, for the message.
        where: What holds the clips, for the message.

    Returns:
        A label for each clip, -1 where the class is unknown; and the names in the order of their numbers.

    Raises:
        DataError: Some classes are numbers and others names, so that two classes could get one number.
    """
    classes = tuple(sorted({category for category in categories if isinstance(category, str)}))
    if classes and any(isinstance(category, int) for category in categories):
        clips = list(zip(names, categories, strict=True))
        number = next(f"{clip} has {category}" for clip, category in clips if isinstance(category, int))
        name = next(f"{clip} has {category!r}" for clip, category in clips if isinstance(category, str))
        raise DataError(
            f"{where} gives some classes as numbers and others as names ({number}, {name}), so a name could get the "
            "number of another class. Write all as numbers, or all as names."
        )
    numbers = {name: number for number, name in enumerate(classes)}
    labels = (
        UNKNOWN if category is None else numbers[category] if isinstance(category, str) else category
        for category in categories
    )
    return tuple(labels), classes


def unreadable(problems: Mapping[str, str], clips: int) -> DataError:
    """The error for clips whose classes are stated and cannot be read.

    Args:
        problems: What is wrong, by the name of the clip.
        clips: How many clips there are in all.
    """
    shown = first([f"{clip}: {problem}" for clip, problem in problems.items()])
    return DataError(
        f"The classes of {len(problems)} of {clips} clips cannot be read ({shown}). Fix or remove these labels."
    )
