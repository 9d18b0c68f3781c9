"""What was computed from a store before, kept by a key that covers everything it depends on.

A value is kept in one file, which holds the digest of its name and content. Whatever is wrong with a file, the value
is computed again: a cache may be lost, cut or copied, but never changes a number.
"""

from __future__ import annotations

import hashlib
import math
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ..files import replace_file

T = TypeVar("T")

FOLDER = "scores"
"""Folder of kept values, in the folder `records.cache_file` names."""

ENDING = ".kept"

_HEAD = b"vitobench kept 1 "
_DIGITS = 64
_LARGEST = 256_000_000  # bytes of all files of a store; the ones that were not used for longest go first
_FAST = 1  # level of compression


class Keeper(Protocol):
    """Gives back what was computed before."""

    def remember(self, facts: Any, make: Callable[[], T]) -> T:
        """The value for some facts: the kept one, else a new one.

        Args:
            facts: Plain data that decide the value, besides the version of the code.
            make: Computes it; plain data, arrays, and dataclasses that the keeper knows.
        """


class Anew:
    """A `Keeper` that keeps nothing."""

    def remember(self, facts: Any, make: Callable[[], T]) -> T:
        """See `Keeper`."""
        return make()


# Values as bytes. Types are kept exactly, so that a kept value prints as the computed one does.


def packed(value: Any, classes: Sequence[type]) -> bytes:
    """A value as bytes, the same for equal values of equal types.

    Args:
        value: Plain data, arrays, tuples, and dataclasses of some classes.
        classes: Which dataclasses.

    Raises:
        TypeError: It holds something else.
    """
    import msgspec

    return msgspec.msgpack.encode(_flat(value, {kind: kind.__name__ for kind in classes}))


def unpacked(content: bytes, classes: Sequence[type]) -> Any:
    """Read `packed`.

    Raises:
        ValueError: It is none of its results, or holds a class that is not among these.
    """
    import msgspec

    try:
        return _full(msgspec.msgpack.decode(content), {kind.__name__: kind for kind in classes})
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(str(error)) from None


def digest_of(value: Any) -> str:
    """SHA-256 of plain data, arrays and any dataclasses; equal for equal values of equal types."""
    import msgspec

    return hashlib.sha256(msgspec.msgpack.encode(_flat(value, _AnyClass()))).hexdigest()


class _AnyClass(dict[type, str]):
    """Names of all dataclasses."""

    def __contains__(self, kind: object) -> bool:
        return isinstance(kind, type) and is_dataclass(kind)

    def __missing__(self, kind: type) -> str:
        return kind.__qualname__


def _flat(value: Any, names: Mapping[type, str]) -> Any:
    import numpy as np

    kind = type(value)
    if value is None or kind in (bool, int, float, str, bytes):
        return value
    if kind in names:
        return {"c": names[kind], "v": [_flat(getattr(value, field.name), names) for field in fields(value)]}
    if kind is tuple:
        return {"t": [_flat(part, names) for part in value]}
    if kind is list:
        return [_flat(part, names) for part in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufU":
        return {"a": [value.dtype.str, list(value.shape), value.tobytes()]}
    if isinstance(value, np.generic):
        return _flat(value.item(), names)
    if isinstance(value, Mapping) and not is_dataclass(value):
        return {"m": [[_flat(key, names), _flat(part, names)] for key, part in value.items()]}
    if isinstance(value, str):  # a text with a meaning of its own, such as a member of an enumeration
        return str(value)
    raise TypeError(f"{kind.__name__} cannot be kept")


def _full(value: Any, classes: Mapping[str, type]) -> Any:
    if isinstance(value, list):
        return [_full(part, classes) for part in value]
    if not isinstance(value, dict):
        # One object for every NaN: rows that hold it are equal then, as those that share `math.nan` are.
        return math.nan if value != value else value
    if "c" in value:
        return classes[value["c"]](*(_full(part, classes) for part in value["v"]))
    if "t" in value:
        return tuple(_full(part, classes) for part in value["t"])
    if "a" in value:
        import numpy as np

        dtype, shape, content = value["a"]
        return np.frombuffer(content, dtype=np.dtype(dtype)).reshape(shape).copy()
    return {_full(key, classes): _full(part, classes) for key, part in value["m"]}


# Files, each with the digest of its name and content.


class Kept:
    """Values in a folder of this machine.

    Args:
        folder: Made when first written to. Where it cannot be written, what is there is used all the same.
        code: Digest of everything besides the facts that decides a value.
        classes: Dataclasses that values hold.
    """

    def __init__(self, folder: Path, code: str, classes: Sequence[type]) -> None:
        self.folder = folder
        self.code = code
        self.classes = tuple(classes)

    def remember(self, facts: Any, make: Callable[[], T], still: Callable[[], bool] = lambda: True) -> T:
        """See `Keeper`.

        Args:
            facts: Plain data that decide the value.
            make: Computes it.
            still: Whether the facts are still true once it has been computed; if not, it is not kept.
        """
        try:
            name = hashlib.sha256(packed([self.code, facts], ())).hexdigest() + ENDING
        except (TypeError, ValueError, OverflowError):
            return make()
        path = self.folder / name
        content = _opened(path)
        if content is not None:
            with suppress(ValueError):
                value: T = unpacked(content, self.classes)
                with suppress(OSError):
                    os.utime(path)  # used just now
                return value
        fresh = make()
        try:
            content = packed(fresh, self.classes)
            value = unpacked(content, self.classes)
        except (TypeError, ValueError, OverflowError):
            return fresh
        if still():
            with suppress(OSError):
                replace_file(path, _sealed(name, content))
                _tidy(self.folder)
        # As it will be read the next time, to the last type.
        return value


def _sealed(name: str, content: bytes) -> bytes:
    body = zlib.compress(content, _FAST)
    return _HEAD + _digest(name, body) + b"\n" + body


def _digest(name: str, body: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + body).hexdigest().encode()


def _opened(path: Path) -> bytes | None:
    """What a file keeps; None where it is absent or damaged."""
    try:
        if not path.is_file():  # reading a pipe would wait for ever
            return None
        content = path.read_bytes()
        start = len(_HEAD) + _DIGITS + 1
        body = content[start:]
        if content[:start] != _HEAD + _digest(path.name, body) + b"\n":
            return None
        return zlib.decompress(body)
    except (OSError, zlib.error):
        return None


def _tidy(folder: Path) -> None:
    """Remove what was not used for longest where there is too much."""
    files = sorted((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(folder))
    left = sum(size for _, size, _ in files)
    for _, size, path in files:
        if left <= _LARGEST:
            return
        with suppress(OSError):
            Path(path).unlink()
        left -= size
