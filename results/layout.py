"""The files of a store: their names, and the seal that holds each one's name and SHA-256."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..text import printable
from .folder import Folder
from .schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow as pa


# Files that can be verified alone: each contains its own name in the store and the SHA-256 of its other content.
#
# A file that was changed, cut or copied to another place is found by reading it alone. Parquet files have both in the
# key-value metadata of their footer, JSON documents among their keys; other tools read them as before.


FILE_KEY = "vitobench.file"
DIGEST_KEY = "vitobench.sha256"

_DIGITS = 64
_BLANK = b"0" * _DIGITS
# As Thrift's compact protocol writes a key and the length of its value.
_PLACE = DIGEST_KEY.encode() + bytes((0x18, _DIGITS))
_CHANGED = "its content has changed since it was written: the digest differs"


def seal_parquet(name: str, table: pa.Table, **options: Any) -> bytes:
    """Write a table as a Parquet file.

    Args:
        name: Path of the file below the store.
        table: What it holds.
        options: Of ``pyarrow.parquet.ParquetWriter``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, **options) as writer:
        writer.write_table(table)
        # Not in the metadata of the schema, which Arrow writes a second time in base64.
        writer.add_key_value_metadata({FILE_KEY: name, DIGEST_KEY: _BLANK.decode()})
    content: bytes = sink.getvalue().to_pybytes()
    place = content.rfind(_PLACE + _BLANK) + len(_PLACE)
    if place < len(_PLACE):
        raise RuntimeError("this version of pyarrow lays out metadata in another way")
    return b"".join((content[:place], _sha256(content, place), content[place + _DIGITS :]))


def open_parquet(name: str, content: bytes) -> pa.Table:
    """Read a Parquet file of the store.

    Args:
        name: Path below the store.
        content: Its bytes; nothing is decoded unless the digest is right.

    Raises:
        StoreError: Truncated, changed, from another place, or not written by this version; the message says which.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = content.rfind(_PLACE) + len(_PLACE)
    sealed = place >= len(_PLACE)
    if sealed and content[place : place + _DIGITS] != _sha256(content, place):
        raise StoreError(_CHANGED)
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        table = file.read(use_threads=False)
        metadata = file.metadata.metadata or {}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreError(first_line(error)) from None
    if not sealed:
        version = metadata.get(b"vitobench.schema", b"").decode(errors="replace")
        own = any(key.startswith(b"vitobench.") for key in metadata)
        older = f"it has schema {version}, not {SCHEMA_VERSION}" if version != str(SCHEMA_VERSION) else ""
        raise StoreError(((version and older) or "it has no digest") if own else "it was not written by vitobench")
    _check_name(name, metadata.get(FILE_KEY.encode(), b"").decode(errors="replace"))
    return table


def _sha256(content: bytes, place: int) -> bytes:
    """The digest of a file whose own digest, at ``place``, counts as zeros."""
    view = memoryview(content)
    digest = hashlib.sha256(view[:place])
    digest.update(_BLANK)
    digest.update(view[place + _DIGITS :])
    return digest.hexdigest().encode()


def seal_json(name: str, document: Mapping[str, Any]) -> bytes:
    """Write plain data as JSON; packed where the name ends in ``.gz``.

    Args:
        name: Path of the file below the store.
        document: Plain data.
    """
    plain = json.loads(json.dumps(document)) | {FILE_KEY: name}
    sealed = plain | {DIGEST_KEY: _json_digest(plain)}
    if not name.endswith(".gz"):
        return (json.dumps(sealed, indent=1, sort_keys=True) + "\n").encode()
    text = json.dumps(sealed, sort_keys=True, separators=(",", ":")).encode()
    return gzip.compress(text, mtime=0)  # without a time the same content is the same file


def open_json(name: str, content: bytes) -> dict[str, Any]:
    """Read a JSON document of the store, however it is laid out.

    Args:
        name: Path below the store.
        content: Its bytes.

    Raises:
        StoreError: Truncated, changed, from another place, or without a digest; the message says which.
    """
    document = plain_json(name, content)
    if DIGEST_KEY not in document:
        raise StoreError("it has no digest")
    if document.pop(DIGEST_KEY) != _json_digest(document):
        raise StoreError(_CHANGED)
    _check_name(name, str(document.pop(FILE_KEY, "")))
    return document


def plain_json(name: str, content: bytes) -> dict[str, Any]:
    """A JSON document, unpacked where the name ends in ``.gz``; its digest is not looked at.

    Raises:
        StoreError: It is no such document; the message says why.
    """
    try:
        document = json.loads(gzip.decompress(content) if name.endswith(".gz") else content)
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise StoreError(first_line(error)) from None
    if not isinstance(document, dict):
        raise StoreError("it is not a JSON object")
    return document


def _json_digest(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _check_name(name: str, told: str) -> None:
    if told != name:
        raise StoreError(f"it was written as {told or 'another file'} and then copied or moved here")


def first_line(error: Exception) -> str:
    """The first line of what an error says, or the name of its kind."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


# The layout of a store: what its folders and files are called, and its JSON documents, each with its digest.


MARK = "vitobench-store.json"
PREDICTIONS = "predictions"
PARTIAL = "partial"
IMAGES = "images"
SALIENCY = "saliency"
"""Folder in which earlier versions kept the numbers of saliency tasks; they are ordinary units now."""

_LONGEST_NAME = 160


def safe_name(identity: str) -> str:
    """An identity as a folder name.

    Characters that file systems or globs treat specially become underscores; of a long name, such as that of a file
    deep down, the end is kept. The digest tells apart what looks the same then. Nor does a name begin with a dot or an
    underscore: pandas and DuckDB would pass over the folder.
    """
    # As it stands in the rows, where surrogates are escaped: `verify` compares the two.
    safe = "".join(c if (c.isascii() and c.isalnum()) or c in "@.-_" else "_" for c in printable(identity))
    return safe[-_LONGEST_NAME:].lstrip("._")


@dataclass(frozen=True)
class UnitName:
    """What the name of a unit's file says.

    Attributes:
        task: Folder of the task's identity.
        model: Folder of the model's identity.
        start: First position in the task's order of images.
        stop: One past the last.
    """

    task: str
    model: str
    start: int
    stop: int


def unit_file(start: int, stop: int) -> str:
    """``"0000000-0000100.parquet"``."""
    return f"{start:07d}-{stop:07d}.parquet"


def parse_unit(name: str) -> UnitName | None:
    """Read the name of a unit below `PREDICTIONS` or `PARTIAL`; None for any other file."""
    parts = name.split("/")
    if len(parts) != 4 or parts[0] not in (PREDICTIONS, PARTIAL) or not parts[3].endswith(".parquet"):
        return None
    start, dash, stop = parts[3].removesuffix(".parquet").partition("-")
    if not (dash and start.isdigit() and stop.isdigit()):
        return None
    return UnitName(parts[1], parts[2], int(start), int(stop))


def marked_version(folder: Folder) -> int | None:
    """The schema version in the mark of a store; None where there is no mark.

    Raises:
        StoreError: The mark is damaged.
        OSError: It cannot be read.
    """
    try:
        return int(json.loads(folder.read(MARK))["schema"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{folder.path(MARK)} is damaged") from None


def read_document(folder: Folder, name: str) -> dict[str, Any] | None:
    """Read a JSON document of a store.

    Args:
        folder: The store's.
        name: Path below it.

    Returns:
        What was given to `write_document`; None where there is no such file.

    Raises:
        StoreError: It is damaged or cannot be read; the message says how.
    """
    try:
        return open_json(name, folder.read(name))
    except (FileNotFoundError, NotADirectoryError) as error:
        if folder.is_there(name):
            raise StoreError(error.strerror or str(error)) from None
        return None
    except OSError as error:
        raise StoreError(error.strerror or str(error)) from None


def write_document(folder: Folder, name: str, document: Mapping[str, Any]) -> None:
    """Write plain data as a JSON document with its digest.

    Raises:
        StoreError: It cannot be written.
    """
    folder.write(name, seal_json(name, document))
