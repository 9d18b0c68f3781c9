"""Identity: a hash of everything that changes an output, and of nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
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
    raise TypeError(f"{type(value).__name__} has no canonical form; give plain values to an identity")


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
