"""One unit as a Parquet file: how its rows are arranged, compressed and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StoreError
from ..text import printable
from .layout import first_line, open_parquet, seal_parquet
from .schema import BESIDE, PREDICTION_COLUMNS, SCHEMA_VERSION, TOP_COLUMNS, TOP_K

if TYPE_CHECKING:
    import pyarrow as pa

_VERSION_KEY = b"vitobench.schema"
_NUMBERS_KEY = b"vitobench.numbers"
"""Holds the names of a unit's columns of numbers, as JSON. Other units lack it."""

_MANTISSA_BITS = 12
_DICTIONARIES = ("model", "task", "condition", "severity", "image_id", "label")
_FULL = (*_DICTIONARIES, "top1", "confidence")


def schema(numbers: Sequence[str] = ()) -> pa.Schema:
    """The Arrow schema of a unit's file.

    Args:
        numbers: Names of float columns between the confidence and the error: in a unit that holds numbers in place of
            classes, and of those of `BESIDE` beside them. The other columns are always there, so that one reader takes
            units of every form.
    """
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    types: dict[str, pa.DataType] = dict.fromkeys(PREDICTION_COLUMNS, pa.int16())
    types |= dict.fromkeys(("model", "task", "condition", "image_id"), text)
    types |= {"severity": pa.int8(), "confidence": pa.float32(), "error": pa.string()}
    metadata = {_VERSION_KEY: str(SCHEMA_VERSION).encode()}
    if numbers:
        types |= dict.fromkeys(numbers, pa.float32())
        types["error"] = types.pop("error")  # stays the last
        metadata[_NUMBERS_KEY] = json.dumps(list(numbers)).encode()
    return pa.schema(types, metadata=metadata)


def numbers_of(schema: pa.Schema) -> tuple[str, ...]:
    """Names of the columns of numbers in a unit's file; empty for a unit of classes.

    Raises:
        StoreError: The file says so in a way that cannot be read.
    """
    told = (schema.metadata or {}).get(_NUMBERS_KEY)
    if told is None:
        return ()
    try:
        names = json.loads(told)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise StoreError("its list of numbers is damaged")
    if len({*names, *PREDICTION_COLUMNS}) < len(names) + len(PREDICTION_COLUMNS):
        raise StoreError("its list of numbers has a name twice")
    return tuple(names)


def in_place(schema: pa.Schema) -> bool:
    """Whether a unit holds numbers in place of classes, and not only beside them.

    Raises:
        StoreError: As `numbers_of`.
    """
    return bool({*numbers_of(schema)} - {*BESIDE})


def round_confidence(confidence: np.ndarray) -> np.ndarray:
    """Keep 12 bits of what is doubted: the other 11 are noise of the arithmetic, cannot be packed, and double the file.

    Above one half these are the bits of the distance to 1: strong models give thousands of images a confidence near 1,
    whose order decides calibration error and AURRA.

    Args:
        confidence: float (n,), NaN allowed.

    Returns:
        float32 (n,), within a relative 2**-13 of what was given; above one half the distance to 1 is, too, as far as a
        float32 can tell it. What was rounded once stays.
    """
    values = np.ascontiguousarray(confidence, dtype=np.float32)
    likely = (values > 0.5) & (values < 1)
    rounded = _round_mantissa(np.where(likely, 1 - values, values))  # 1 - p is exact for p of one half to 1
    return np.where(likely, 1 - rounded, rounded)


def _round_mantissa(values: np.ndarray) -> np.ndarray:
    drop = 23 - _MANTISSA_BITS
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
            ``top``, integers (n, k) with k <= 5; also ``numbers``, columns of floats by name, where there are any.
    """
    import pyarrow as pa

    rows = len(columns["image_id"])
    top = np.asarray(columns["top"], dtype=np.int16).reshape(rows, -1 if rows else TOP_K)
    arrays: dict[str, pa.Array] = {
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
        ranked = pa.array(top[:, rank]) if rank < top.shape[1] else pa.nulls(rows, pa.int16())
        arrays[name] = ranked
    numbers: Mapping[str, Any] = columns.get("numbers", {})
    arrays |= {name: pa.array(np.asarray(values, dtype=np.float32)) for name, values in numbers.items()}
    own = schema(tuple(numbers))
    return pa.table([arrays[name] for name in own.names], schema=own)


LEVEL = 11
"""How hard the packing of a file tries: brotli's highest level."""


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
        compression_level=LEVEL,
        use_dictionary=list(_DICTIONARIES),
        column_encoding=dict.fromkeys(("confidence", *numbers_of(table.schema)), "BYTE_STREAM_SPLIT"),
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

    stated = (table.schema.metadata or {}).get(_VERSION_KEY)
    if stated is None:
        raise StoreError("it was not written by vitobench")
    if stated != str(version).encode():
        raise StoreError(f"it has schema {stated.decode(errors='replace')}, not {version}")
    columns = set(table.column_names)
    wanted = schema(numbers_of(table.schema))
    absent = [name for name in wanted.names if name not in columns]
    if absent:
        raise StoreError(f"it lacks the columns {', '.join(absent)}")
    try:
        table = table.select(wanted.names).cast(wanted).combine_chunks()
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
