"""Classes of clips, which users write as numbers, numbers as text, or names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ....errors import DataError
from ....text_files import same_name
from ..files import first

UNKNOWN = -1
"""Label of a clip whose class is not given."""

_WHOLE = re.compile(r"[+-]?\d+(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_LARGEST = 2**31 - 1


def read_category(value: Any) -> int | str | None:
    """Parse a class.

    Args:
        value: From JSON or CSV: a whole number (``3``, ``3.0``, also as text), a name, or nothing (null, an empty text,
            -1).

    Returns:
        A number from 0, a name in Unicode's composed form without surrounding spaces, or None if no class is given.

    Raises:
        ValueError: The value is anything else; the message shows it.
    """
    category: Any = value.strip() if isinstance(value, str) else value
    if category is None or category == "":
        return None
    if isinstance(category, str):
        if not _NUMBER.fullmatch(category):
            return same_name(category)
        if _WHOLE.fullmatch(category) and len(category) <= 20:
            category = int(category.partition(".")[0])
    if isinstance(category, float) and math.isfinite(category) and category.is_integer():
        category = int(category)
    if isinstance(category, bool) or not isinstance(category, int) or not UNKNOWN <= category <= _LARGEST:
        raise ValueError(f"{value!r}, neither a whole number from 0 nor a name")
    return None if category == UNKNOWN else category


def agreed(stated: Mapping[str, Any]) -> int | str | None:
    """The class of a clip that is given in several places; a number is preferred to its name.

    Args:
        stated: Values by place, such as ``{".cls": "3", "label of .json": 3}``.

    Raises:
        ValueError: Two numbers or two names differ, or a value is not a class; the message names the places.
    """
    by_type: dict[type, tuple[str, int | str]] = {}
    for place, value in stated.items():
        try:
            category = read_category(value)
        except ValueError as error:
            raise ValueError(f"{place} is {error}") from None
        if category is None:
            continue
        earlier, first_stated = by_type.setdefault(type(category), (place, category))
        if first_stated != category:
            raise ValueError(f"{earlier} says {first_stated}, {place} says {category}")
    return next((by_type[kind][1] for kind in (int, str) if kind in by_type), None)


def number_categories(
    categories: Sequence[int | str | None], names: Iterable[str], where: str
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Labels of clips from their classes. Numbers stay; names are numbered in alphabetical order.

    Args:
        categories: The class of each clip, from `read_category`.
        names: Names of the clips, for the error message.
        where: Where the clips are stored, for the error message.

    Returns:
        A label for each clip, -1 if the class is unknown; and the names in the order of their numbers.

    Raises:
        DataError: Some classes are numbers and others names, so that two classes could get the same number.
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
    """The error for clips whose classes are given but cannot be read.

    Args:
        problems: What is wrong, by the name of the clip.
        clips: Total number of clips.
    """
    examples = first([f"{clip}: {problem}" for clip, problem in problems.items()])
    return DataError(
        f"The classes of {len(problems)} of {clips} clips cannot be read ({examples}). Fix or remove these labels."
    )
