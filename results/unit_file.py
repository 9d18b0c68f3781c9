"""One unit as a Parquet file: how its rows are arranged, compressed and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StoreError
from ..text import printable
from .schema import PREDICTION_COLUMNS, SCHEMA_VERSION, TOP_COLUMNS, TOP_K
from .sealing import first_line, open_parquet, seal_parquet

if TYPE_CHECKING:
    import pyarrow as pa

_VERSION_KEY = b"vitobench.schema"
_MANTISSA_BITS = 12
_DICTIONARIES = ("model", "task", "condition", "severity", "image_id", "label")
_FULL = (*_DICTIONARIES, "top1", "confidence")


def schema() -> pa.Schema:
    """The Arrow schema of a unit's file."""
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    types: dict[str, pa.DataType] = dict.fromkeys(PREDICTION_COLUMNS, pa.int16())
    types |= dict.fromkeys(("model", "task", "condition", "image_id"), text)
    types |= {"severity": pa.int8(), "confidence": pa.float32(), "error": pa.string()}
    return pa.schema(types, metadata={_VERSION_KEY: str(SCHEMA_VERSION).encode()})


def round_confidence(confidence: np.ndarray) -> np.ndarray:
    """Keep 12 bits of the mantissa: the other 11 are noise of the arithmetic, cannot be packed, and double the file.

    Args:
        confidence: float (n,), NaN allowed.

    Returns:
        float32 (n,), within a relative 2**-13 of what was given.
    """
    drop = 23 - _MANTISSA_BITS
    values = np.ascontiguousarray(confidence, dtype=np.float32)
    bits = (values.view(np.uint32) + np.uint32(1 << (drop - 1))) >> np.uint32(drop) << np.uint32(drop)
    return np.where(np.isfinite(values), bits.view(np.float32), values)


def _dictionary(values: Any) -> pa.Array:
    import pyarrow as pa

    # Text becomes a dictionary by a cast: pyarrow makes none from Python strings.
    return _texts(values).cast(pa.dictionary(pa.int32(), pa.string()))


def _texts(values: Any) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:  # one text that is no UTF-8 must not cost the unit
        return pa.array([None if value is None else printable(value) for value in values], pa.string())


def _constant(value: str, rows: int) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), _texts([value]))


def table_of(task: str, model: str, columns: Mapping[str, Any]) -> pa.Table:
    """The rows of a unit as an Arrow table.

    Args:
        task: Task identity.
        model: Model identity.
        columns: ``condition``, ``severity``, ``image_id``, ``label``, ``confidence`` and ``error``, equally long, and
            ``top``, integers (n, k) with k <= 5.
    """
    import pyarrow as pa

    rows = len(columns["image_id"])
    top = np.asarray(columns["top"], dtype=np.int16).reshape(rows, -1 if rows else TOP_K)
    made: dict[str, pa.Array] = {
        "model": _constant(model, rows),
        "task": _constant(task, rows),
        "condition": _dictionary(columns["condition"]),
        "severity": pa.array(columns["severity"], pa.int8()),
        "image_id": _dictionary(columns["image_id"]),
        "label": pa.array(columns["label"], pa.int16()),
        "confidence": pa.array(round_confidence(np.asarray(columns["confidence"]))),
        "error": _texts(columns["error"]),
    }
    for rank, name in enumerate(TOP_COLUMNS):
        kept = pa.array(top[:, rank]) if rank < top.shape[1] else pa.nulls(rows, pa.int16())
        made[name] = kept
    return pa.table([made[name] for name in PREDICTION_COLUMNS], schema=schema())


def encode(table: pa.Table, name: str) -> bytes:
    """Pack a table of `table_of`.

    Brotli at its highest level costs about 20 microseconds a row and makes the file a sixth smaller than zstd does;
    image ids and labels run in sequences, so they cost next to nothing.

    Args:
        table: The rows.
        name: Path of the file below the store.
    """
    return seal_parquet(
        name,
        table,
        compression="brotli",
        compression_level=11,
        use_dictionary=list(_DICTIONARIES),
        column_encoding={"confidence": "BYTE_STREAM_SPLIT"},
        write_statistics=False,
        write_page_checksum=True,  # for other tools, which do not know the digest
    )


def decode(content: bytes, name: str) -> pa.Table:
    """Read a unit's file.

    Args:
        content: Its bytes.
        name: Path of the file below the store.

    Returns:
        A table of `schema`, in one chunk.

    Raises:
        StoreError: Truncated, changed, not Parquet, from another place, of other columns or another version, or with
            holes; the message says which.
    """
    return conforming(open_parquet(name, content))


def conforming(table: pa.Table, version: int = SCHEMA_VERSION) -> pa.Table:
    """A table as `schema` wants it, in one chunk.

    Args:
        table: Rows of a unit's file.
        version: Schema version that it has to have.

    Raises:
        StoreError: Other columns or another version, or holes; the message says which.
    """
    import pyarrow as pa

    found = (table.schema.metadata or {}).get(_VERSION_KEY)
    if found is None:
        raise StoreError("it was not written by vitobench")
    if found != str(version).encode():
        raise StoreError(f"it has schema {found.decode(errors='replace')}, not {version}")
    columns = set(table.column_names)
    absent = [name for name in PREDICTION_COLUMNS if name not in columns]
    if absent:
        raise StoreError(f"it lacks the columns {', '.join(absent)}")
    try:
        table = table.select(list(PREDICTION_COLUMNS)).cast(schema()).combine_chunks()
        table.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        raise StoreError(first_line(error)) from None
    holes = [name for name in _FULL if table.column(name).null_count]
    if holes:
        raise StoreError(f"it has rows without {', '.join(holes)}")
    return table


def top_of(table: pa.Table) -> np.ndarray:
    """int16 (rows, 5): classes best first, -1 where there is none."""
    columns = [table.column(name).fill_null(-1).to_numpy() for name in TOP_COLUMNS]
    return np.column_stack(columns) if len(table) else np.empty((0, TOP_K), np.int16)
