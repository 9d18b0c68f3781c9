"""Identity: a hash of everything that changes an output, and of nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IDENTITY_VERSION = 1
"""Raised when the way identities are computed changes, so that old and new ones never collide."""

OMITTED_IF_DEFAULT: Mapping[str, Any] = {"identity": "omitted if default"}
"""``metadata`` of a dataclass field that enters an identity only where it differs from its default: for a fact that is
noted since a later version, so that the identities of all that was right before stay what they were."""


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        covered = (f for f in dataclasses.fields(value) if not _omitted(f, getattr(value, f.name)))
        return {f.name: _plain(getattr(value, f.name)) for f in covered}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"{type(value).__name__} has no canonical form; an identity takes only plain values")


def _omitted(field: dataclasses.Field[Any], value: Any) -> bool:
    return all(field.metadata.get(key) == mark for key, mark in OMITTED_IF_DEFAULT.items()) and value == field.default


def digest(value: Any) -> str:
    """Hash plain data (dataclasses, mappings, sequences, scalars) to 64 hexadecimal digits.

    Args:
        value: What is hashed. Mappings are sorted by key, so their order does not enter.

    Returns:
        The SHA-256 of the canonical JSON form, with `IDENTITY_VERSION` mixed in.

    Raises:
        TypeError: A value that has no canonical form, such as an array.
    """
    text = json.dumps([IDENTITY_VERSION, _plain(value)], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


_SEAL = b"\nvitobench sha256 "
SEAL_BYTES = len(_SEAL) + 64 + 1
_AT_ONCE = 1 << 20


def seal_file(path: Path) -> None:
    """Append the SHA-256 of a file to it, so that `broken_seal` finds every later change; the file is on disk then.

    Readers of torch's checkpoints and of numpy's arrays pass over what follows them.
    """
    with path.open("r+b") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
        handle.seek(0, os.SEEK_END)
        handle.write(_SEAL + found.encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


def broken_seal(path: Path) -> str:
    """Why a file is not as `seal_file` left it, in words that name no path; empty if it is.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as handle:
        left = handle.seek(0, os.SEEK_END) - SEAL_BYTES
        handle.seek(max(0, left))
        seal = handle.read()
        if left < 0 or not seal.startswith(_SEAL):
            return "it does not end with its digest: it was cut short, or an earlier version wrote it"
        handle.seek(0)
        found = hashlib.sha256()
        while left:
            part = handle.read(min(left, _AT_ONCE))
            if not part:
                return "it was cut short while it was read"
            found.update(part)
            left -= len(part)
    return (
        ""
        if seal == _SEAL + found.hexdigest().encode() + b"\n"
        else "its content does not have the digest it ends with"
    )
