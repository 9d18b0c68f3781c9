"""Predictions of a store as one file, for other tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import StoreError
from ..files import output_file
from .store import Store
from .unit_file import numbers_of, schema

FORMATS = (".parquet", ".csv")


def export(store: Store, names: Sequence[str], path: Path, progress: Callable[[int, int], None] | None = None) -> int:
    """Write the rows of some units into one file, a unit at a time, all of it or nothing.

    Args:
        store: Where they are.
        names: Files of the units below the store.
        path: Where to; ``.parquet`` or ``.csv`` decides the form.
        progress: Told how many units are done, and of how many.

    Returns:
        Number of rows.

    Raises:
        StoreError: Another suffix, a damaged unit, or a file that cannot be written.
    """
    import pyarrow as pa

    if path.suffix not in FORMATS:
        raise StoreError(f"{path} should end in {' or '.join(FORMATS)}; the extension selects the format.")
    rows = 0
    wanted = schema(_numbers(store, names))
    wanted = wanted if path.suffix == ".parquet" else _flat(wanted)  # a writer of CSV knows no dictionaries
    # Opened here, for pyarrow takes no path that is not UTF-8.
    with output_file(path) as aside, aside.open("wb") as handle, _writer(path.suffix, handle, wanted) as writer:
        for done, name in enumerate(names, 1):
            table = store.read_file(name)
            if isinstance(table, str):
                raise StoreError(table)
            for column in wanted.names:
                if column not in table.column_names:
                    table = table.append_column(column, pa.nulls(len(table), wanted.field(column).type))
            writer.write_table(table.select(wanted.names).cast(wanted))
            rows += len(table)
            if progress is not None:
                progress(done, len(names))
    return rows


def _numbers(store: Store, names: Sequence[str]) -> list[str]:
    """Columns of numbers that any of some units has: a file has one set of columns.

    The names alone are read here; a damaged file is named when its rows are read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers: dict[str, None] = {}
    for name in names:
        with suppress(OSError, pa.ArrowException, StoreError):
            numbers |= dict.fromkeys(numbers_of(pq.read_schema(pa.BufferReader(store.folder.read(name)))))
    return list(numbers)


def _flat(wanted: Any) -> Any:
    import pyarrow as pa

    return pa.schema([(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in wanted])


def _writer(suffix: str, handle: BinaryIO, wanted: Any) -> Any:
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.ParquetWriter(handle, wanted, compression="zstd")
    import pyarrow.csv as pc

    return pc.CSVWriter(handle, wanted)
