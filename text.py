"""Text from outside that any writer can hold: file names that are not UTF-8, and halves of characters.

Python gives each byte of a name that is not UTF-8 as a lone surrogate (``b"caf\\xe9"`` is ``"caf\\udce9"``), and JSON
may hold the first half of an emoji. Neither has a form in UTF-8, so Parquet, HTML and CSV refuse the whole file over
one of them. Here they become an escape such as JSON has: a backslash, ``u`` and four hexadecimal digits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")
_LOOKS_ESCAPED = re.compile(r"\\(?=u(?:d[89a-f][0-9a-f]{2}|005c))")
_ESCAPED = re.compile(r"\\u(d[89a-f][0-9a-f]{2}|005c)")


def escaped(name: str) -> str:
    """A name as it is stored; two names never become one, and `restored` brings it back.

    Names that are text stay as they are, but for those that hold what looks like an escape: its backslash is escaped.

    Args:
        name: Of a file or image. Not to be escaped twice.
    """
    return printable(_LOOKS_ESCAPED.sub(lambda _: "\\u005c", name))


def restored(name: str) -> str:
    """The name that `escaped` was given."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name)


def printable(text: str) -> str:
    """A text for people; what is text already stays as it is, so that doing it twice is doing it once."""
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def printable_plain(value: Any) -> Any:
    """Plain data (mappings, lists, tuples, scalars) in which every text is `printable`."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable_plain(key): printable_plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        found = map(printable_plain, value)
        return list(found) if isinstance(value, list) else tuple(found)
    return value


def utf8(text: str) -> bytes:
    """A document as bytes, for HTML, CSV, JSON, LaTeX alike: in JSON the escapes stand for the same characters."""
    return printable(text).encode()
