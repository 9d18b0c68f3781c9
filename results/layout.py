"""The layout of a store: what its folders and files are called, and its JSON documents, each with its digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import StoreError
from ..text import printable
from .folder import Folder
from .stored_files import open_json, seal_json

MARK = "vitobench-store.json"
PREDICTIONS = "predictions"
PARTIAL = "partial"
IMAGES = "images"
SALIENCY = "saliency"
"""Folder in which earlier versions kept the numbers of saliency tasks; they are ordinary units now."""

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
