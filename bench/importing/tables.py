"""Files that other programs wrote, as columns of text: CSV and Parquet tables, arrays of logits with names."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...text_files import NotTextError, decode_text

_GZIP, _PARQUET, _ZIP, _NPY = b"\x1f\x8b", b"PAR1", b"PK\x03\x04", b"\x93NUMPY"
_SEPARATORS = ",\t;"

NAME = ("file_name", "filename", "file", "image", "image_id", "image_name", "imagename", "path", "name")
"""Headings under which a table may have the names of images, in the order of preference."""

PREDICTED = ("predicted_class", "prediction", "predicted", "top1", "class")
"""Likewise, the predicted class."""

PROBABILITY = ("predicted_probability", "probability", "confidence", "prob")
"""Likewise, its probability."""

LABEL = ("label", "true_class", "ground_truth", "target", "class", "wnid", "synset")
"""Likewise, the right class."""


@dataclass(frozen=True)
class Content:
    """The bytes of a file that another program wrote.

    Attributes:
        path: The file.
        raw: Its bytes, unpacked if it is a gzip file.
        sha256: SHA-256 of the file as it is.
    """

    path: Path
    raw: bytes
    sha256: str

    @property
    def is_array(self) -> bool:
        """Whether it is an ``.npy`` or ``.npz`` file."""
        return self.raw.startswith((_ZIP, _NPY))


def read_content(path: Path) -> Content:
    """Read a file.

    Raises:
        DataError: It cannot be read, or its gzip data are damaged.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    sha256 = hashlib.sha256(raw).hexdigest()
    if raw.startswith(_GZIP):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is a damaged gzip file: {error}.") from error
    return Content(path, raw, sha256)


@dataclass(frozen=True)
class Table:
    """The columns of a CSV or Parquet file.

    Attributes:
        path: The file.
        columns: Text of every row by heading; empty where a cell is empty.
        first: Number of the first row, as an editor counts lines; 1 in a Parquet file.
    """

    path: Path
    columns: Mapping[str, Sequence[str]]
    first: int

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def find(self, headings: Sequence[str]) -> Sequence[str] | None:
        """The column under the first of some headings that is there, whatever its case; None where none is."""
        own = {heading.strip().casefold(): values for heading, values in self.columns.items()}
        return next((own[heading] for heading in headings if heading in own), None)

    def need(self, what: str, headings: Sequence[str]) -> Sequence[str]:
        """As `find`.

        Args:
            what: What is in the column, for the error.
            headings: Of which one has to be there.

        Raises:
            DataError: None is; the message lists both.
        """
        column = self.find(headings)
        if column is None:
            raise DataError(
                f"{self.path} has no column with {what}. Its columns are {', '.join(self.columns)}; expected one named "
                f"{', '.join(headings[:-1])} or {headings[-1]}."
            )
        return column


def read_table(content: Content) -> Table:
    """Read a CSV file (separated by commas, tabs or semicolons) or a Parquet file.

    Raises:
        DataError: It is neither, has no rows, or has rows of different lengths or a heading twice.
    """
    table = _parquet(content) if content.raw.startswith(_PARQUET) else _csv(content)
    if not len(table):
        raise DataError(f"{content.path} has no rows.")
    return table


def _parquet(content: Content) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content.raw))
        columns = {
            name: ["" if value is None else str(value) for value in table.column(name).to_pylist()]
            for name in table.column_names
            if not pa.types.is_nested(table.schema.field(name).type)
        }
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{content.path} cannot be read as Parquet: {str(error).splitlines()[0]}.") from error
    return Table(content.path, columns, 1)


def _csv(content: Content) -> Table:
    try:
        text = decode_text(content.raw)
    except NotTextError as error:
        raise DataError(
            f"{content.path} is neither a Parquet file nor an array of numpy, and as CSV it cannot be read: {error}."
        ) from error
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    try:
        heads, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    except (csv.Error, ValueError) as error:
        reason = str(error) if isinstance(error, csv.Error) else "it is empty"
        raise DataError(f"{content.path} cannot be read as CSV: {reason}.") from error
    if len({head.strip().casefold() for head in heads}) < len(heads):
        raise DataError(f"{content.path} has a heading twice: {', '.join(heads)}.")
    rows = [row for row in rows if row]
    short = next((n for n, row in enumerate(rows, 2) if len(row) != len(heads)), None)
    if short is not None:
        raise DataError(
            f"{content.path}, row {short}: {len(rows[short - 2])} cells, where the heading has {len(heads)} "
            f"({', '.join(heads)})."
        )
    columns = dict(zip(heads, zip(*rows, strict=True), strict=True)) if rows else {head: () for head in heads}
    return Table(content.path, columns, 2)


# Arrays of logits, and the names of the images that their rows are about.


def _form(what: str) -> str:
    return f"an .npz file with the arrays `{what}` (images x …) and `names`, or an .npy file of {what} and --names FILE"


def read_array(content: Content, names: Content | None, what: str = "logits") -> tuple[list[str], np.ndarray]:
    """Read an array of logits or features.

    Args:
        content: An ``.npz`` or ``.npy`` file.
        names: Text with a name a line, or an ``.npy`` file of names; None where the ``.npz`` file has them.
        what: What the array is called in an ``.npz`` file.

    Returns:
        The name of each row, and float64 (n, classes) or (n, D).

    Raises:
        DataError: Another form, an array of objects, or another number of names than of rows.
    """
    arrays = _arrays(content)
    values = arrays.get(what, arrays.get(_ALONE))
    if values is None:
        raise DataError(f"{content.path} has the arrays {', '.join(arrays) or 'none'}; expected {_form(what)}.")
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise DataError(
            f"{content.path}: {what} of shape {values.shape} and type {values.dtype}; expected numbers with a row for "
            "each image."
        )
    if names is None and "names" not in arrays:
        raise DataError(f"{content.path} has no names of images; expected {_form(what)}.")
    image_names = _names(names) if names is not None else _texts(content.path, arrays["names"])
    if len(image_names) != len(values):
        raise DataError(
            f"{content.path} has {len(values)} rows of {what} and {len(image_names)} names; they must be as many."
        )
    return image_names, values.astype(np.float64)


_ALONE = ""  # the array of an .npy file, which has no name


def _arrays(content: Content) -> dict[str, np.ndarray]:
    try:
        loaded = np.load(io.BytesIO(content.raw), allow_pickle=False)
        return {_ALONE: loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        hint = " Save names as text: np.array(names, dtype=str)." if "pickle" in str(error) else ""
        raise DataError(f"{content.path} cannot be read as arrays: {str(error).splitlines()[0]}.{hint}") from error


def _names(content: Content) -> list[str]:
    if content.is_array:
        return _texts(content.path, next(iter(_arrays(content).values())))
    try:
        lines = decode_text(content.raw).splitlines()
    except NotTextError as error:
        raise DataError(f"{content.path} cannot be read as text, a name a line: {error}.") from error
    return [line.strip() for line in lines if line.strip()]


def _texts(path: Path, names: np.ndarray) -> list[str]:
    if names.ndim != 1 or names.dtype.kind not in "US":
        raise DataError(
            f"{path}: names of shape {names.shape} and type {names.dtype}; expected text, one for each row."
        )
    return [name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name) for name in names]
