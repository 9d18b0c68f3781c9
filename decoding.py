"""Plain data from TOML and JSON as frozen dataclasses, with one style of error.

A class says by the types of its fields what they may hold, bounds and choices included: ``steps: Count``,
``schedule: Literal["cosine", "constant"]``. msgspec compares a value with its type. An error names where the value is
from, the field as the user wrote it, the value, and everything that would be valid::

    recipe mine.toml: dino.momentum = 1.5 must be a number from 0 to 1.

At the root, like errors, because models and tasks both read such files.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from .errors import VitobenchError, suggestion

Record = TypeVar("Record")

_LARGEST = sys.float_info.max  # a bound that refuses infinity; every bound refuses NaN

Count = Annotated[int, Meta(ge=1)]
CountOrZero = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0, le=_LARGEST)]
NotNegative = Annotated[float, Meta(ge=0, le=_LARGEST)]
Filled = Annotated[str, Meta(pattern=r"\S")]
"""Text that is not empty. A field with other bounds is `Annotated` likewise; `_bounds` has the words for them."""

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "null"}
_LONGEST = 80


def decode(
    record: type[Record],
    table: Any,
    where: str,
    at: str = "",
    error: type[VitobenchError] = VitobenchError,
) -> Record:
    """Make a record of a table that a file holds.

    Numbers stay as they were written: 1 and 1.0 have different digests. Lists become tuples.

    Args:
        record: A dataclass. A field whose type is a dataclass is a table in the table, or a finished record of it; one
            of type ``dict[str, X]`` is a table whose keys are the user's.
        table: From ``tomllib`` or ``json``.
        where: The file, for messages.
        at: Name of the table in the file; empty for the whole file.
        error: What is raised.

    Raises:
        VitobenchError: As ``error``: an unknown or missing key, or a value that does not fit.
    """
    kind: Any = record
    forms = _forms(kind)
    if not isinstance(table, Mapping):
        place = f"{at} = " if at else ""
        raise error(f"{where}: {place}{short(table)} must be {in_words(record)}.")
    for key, value in table.items():
        if key not in forms:
            place = short(_place(at, key), str if key.isprintable() else repr)
            raise error(f"{where}: {place} = {short(value)} is not a known key.{suggestion(key, forms)}")
    for key in forms:
        if key not in table and key in _required(kind):
            raise error(f"{where} is incomplete: {_place(at, key)} is missing; it must be {in_words(forms[key])}.")
    values: dict[str, Any] = {}
    for key, value in table.items():
        form, place = forms[key], _place(at, key)
        if _is_record(form):
            values[key] = value if isinstance(value, form) else decode(form, value, where, place, error)
        elif get_origin(form) is dict:
            values[key] = _decode_table(value, form, where, place, error)
        else:
            _check(value, form, f"{where}: {place}", error)
            values[key] = tuple(value) if isinstance(value, list) else value
    return record(**values)


def check(record: Any, at: str = "") -> None:
    """Compare the values of a record with the types of its fields, whatever made it; for ``__post_init__``.

    Args:
        record: A dataclass's instance. Records within it have been checked on their own.
        at: What the record is called in a file.

    Raises:
        VitobenchError: A value that does not fit.
    """
    kind: Any = type(record)
    for key, form in _forms(kind).items():
        if not _is_record(form):
            _check(getattr(record, key), form, _place(at, key), VitobenchError)


def in_words(form: Any) -> str:
    """What a value of a type is, for messages: ``"a whole number of 1 or more"``.

    Args:
        form: The type of a field. A ``description`` in its `Meta` goes before any other words.
    """
    arguments = get_args(form)
    if get_origin(form) is Annotated:
        metas = [meta for meta in arguments[1:] if isinstance(meta, Meta)]
        described = next((meta.description for meta in metas if meta.description), None)
        base = "a finite number" if any(meta.le == _LARGEST for meta in metas) else in_words(arguments[0])
        return described or base + "".join(map(_bounds, metas))
    if get_origin(form) is Literal:
        return _or([repr(choice) for choice in arguments])
    if get_origin(form) in (Union, UnionType):
        return _or([in_words(part) for part in arguments])
    if get_origin(form) is tuple:
        length = "" if arguments[-1] is Ellipsis else f" of {len(arguments)}"
        return f"a list{length}, each {in_words(arguments[0])}"
    if get_origin(form) is dict:
        return f"a table, each value {in_words(arguments[1])}"
    return f"an object with {', '.join(_forms(form))}" if _is_record(form) else _WORDS.get(form, str(form))


def short(value: Any, written: Any = repr) -> str:
    """A value as a message shows it: on one line, and not the whole of a long one."""
    text = str(written(value))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _is_record(form: Any) -> bool:
    return is_dataclass(form)


@cache
def _forms(record: Any) -> dict[str, Any]:
    hints = get_type_hints(record, include_extras=True)
    return {entry.name: hints[entry.name] for entry in fields(record)}


@cache
def _required(record: Any) -> frozenset[str]:
    return frozenset(f.name for f in fields(record) if f.default is MISSING and f.default_factory is MISSING)


def _place(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _decode_table(value: Any, form: Any, where: str, at: str, error: type[VitobenchError]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise error(f"{where}: {at} = {short(value)} must be {in_words(form)}.")
    for key, entry in value.items():
        _check(entry, get_args(form)[1], f"{where}: {_place(at, key)}", error)
    return dict(value)


def _check(value: Any, form: Any, place: str, error: type[VitobenchError]) -> None:
    try:
        msgspec.convert(value, form)
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter for half of a character
        choices = get_args(form) if get_origin(form) is Literal else ()
        named = all(isinstance(name, str) for name in (value, *choices))
        near = suggestion(value, choices, also_all=False) if named else ""
        raise error(f"{place} = {short(value)} must be {in_words(form)}.{near}") from None


def _bounds(meta: Meta) -> str:
    most = None if meta.le == _LARGEST else meta.le
    if meta.ge is not None:
        return f" of {meta.ge} or more" if most is None else f" from {meta.ge} to {most}"
    if meta.gt is not None:
        return f" above {meta.gt}" + ("" if most is None else f" and up to {most}")
    return ", not empty" if meta.pattern is not None else ""


def _or(parts: list[str]) -> str:
    return " or ".join([", ".join(parts[:-1]), parts[-1]] if parts[:-1] else parts)
