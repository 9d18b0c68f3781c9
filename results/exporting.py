"""Predictions of a store as one file, for other tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import StoreError
from ..files import output_file
from .store import Store
from .unit_file import schema

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
    if path.suffix not in FORMATS:
        raise StoreError(f"{path} should end in {' or '.join(FORMATS)}; the extension selects the format.")
    rows = 0
    # Opened here, for pyarrow takes no path that is not UTF-8.
    with output_file(path) as aside, aside.open("wb") as handle, _writer(path.suffix, handle) as writer:
        for done, name in enumerate(names, 1):
            table = store.read_file(name)
            if isinstance(table, str):
                raise StoreError(table)
            # A writer of CSV knows no dictionaries.
            writer.write_table(table if path.suffix == ".parquet" else table.cast(_flat()))
            rows += len(table)
            if progress is not None:
                progress(done, len(names))
    return rows


def _flat() -> Any:
    import pyarrow as pa

    return pa.schema([(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in schema()])


def _writer(suffix: str, handle: BinaryIO) -> Any:
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.ParquetWriter(handle, schema(), compression="zstd")
    import pyarrow.csv as pc

    return pc.CSVWriter(handle, _flat())
