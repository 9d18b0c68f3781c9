"""The result store: per-image predictions in Parquet, one file per unit and model, and a record beside each run."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from .schema import PREDICTION_COLUMNS, SCHEMA_VERSION

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MARK = "vitobench-store.json"
_LONGEST_NAME = 160


def write_aside(path: Path, content: bytes) -> None:
    """Write a file so that readers see all of it or nothing.

    Raises:
        StoreError: The folder cannot be written or the disk is full; nothing is left behind.
    """
    # Not by `tempfile`, whose files are private: a store is shared as any new file is.
    aside = path.parent / f".{path.name}.{uuid.uuid4().hex}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.replace(path)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        reason = error.strerror or error
        raise StoreError(f"{path} cannot be written: {reason}. Free some space, or name another folder.") from None


def safe_name(identity: str) -> str:
    """An identity as a folder name.

    Characters that file systems or globs treat specially become underscores; of a long name, such as that of a file
    deep down, the end is kept. The digest tells apart what looks the same then.
    """
    return "".join(c if (c.isascii() and c.isalnum()) or c in "@.-_" else "_" for c in identity)[-_LONGEST_NAME:]


def _schema() -> pa.Schema:
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    types = (text, text, text, pa.int8(), text, pa.int16(), pa.int16(), pa.float32(), pa.string())
    return pa.schema(dict(zip(PREDICTION_COLUMNS, types, strict=True)))


def _value_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


class Store:
    """A folder of results.

    Layout: ``predictions/TASK@DIGEST/MODEL@DIGEST/START-STOP.parquet`` and ``runs/TIME.json``. Any Parquet reader can
    read the first folder; `docs/store.md` describes the columns.

    Args:
        root: The folder; made when first written to.

    Raises:
        StoreError: The folder is something else, or of a schema that this version does not know.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        mark = self.root / _MARK
        if self.root.exists() and not self.root.is_dir():
            raise StoreError(f"The store {self.root} is a file; name a folder with --store.")
        if mark.exists():
            try:
                version = json.loads(mark.read_text(encoding="utf-8"))["schema"]
            except (OSError, ValueError, KeyError, TypeError):
                raise StoreError(f"{mark} is damaged; move the folder away, or name another with --store.") from None
            if version != SCHEMA_VERSION:
                raise StoreError(
                    f"The store {self.root} has schema {version}; this version reads {SCHEMA_VERSION}. "
                    "Use the version that wrote it, or name another folder with --store."
                )

    def prepare(self) -> None:
        """Make the folder and mark it, before the first write.

        Raises:
            StoreError: It cannot be written.
        """
        if not (self.root / _MARK).exists():
            write_aside(self.root / _MARK, json.dumps({"schema": SCHEMA_VERSION}).encode())
        elif not os.access(self.root, os.W_OK):
            raise StoreError(f"The store {self.root} cannot be written; name another folder with --store.")

    def unit_path(self, task: str, model: str, start: int, stop: int) -> Path:
        """Where the predictions of one model for images start..stop-1 of a task lie.

        Args:
            task: Task identity.
            model: Model identity.
            start: First position in the task's order of images.
            stop: One past the last.
        """
        return self.root / "predictions" / safe_name(task) / safe_name(model) / f"{start:07d}-{stop:07d}.parquet"

    def has(self, task: str, model: str, start: int, stop: int) -> bool:
        """Whether that unit is done."""
        return self.unit_path(task, model, start, stop).exists()

    def write_unit(self, task: str, model: str, start: int, stop: int, columns: Mapping[str, Any]) -> None:
        """Store a unit.

        Args:
            task: Task identity.
            model: Model identity.
            start: First position.
            stop: One past the last.
            columns: The columns of `PREDICTION_COLUMNS` other than model and task, equally long.

        Raises:
            StoreError: It cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        n = len(columns["image_id"])
        whole = {**columns, "model": [model] * n, "task": [task] * n}
        schema = _schema().with_metadata({"vitobench.schema": str(SCHEMA_VERSION)})
        # Text becomes a dictionary by a cast: pyarrow makes none from Python strings.
        arrays = [pa.array(whole[f.name], _value_type(f.type)).cast(f.type) for f in schema]
        table = pa.table(arrays, schema=schema)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        write_aside(self.unit_path(task, model, start, stop), sink.getvalue().to_pybytes())

    def read_units(self, task: str, model: str, ranges: Sequence[tuple[int, int]]) -> tuple[pd.DataFrame, list[str]]:
        """Read some units of one model and task.

        Args:
            task: Task identity.
            model: Model identity.
            ranges: (start, stop) of each unit.

        Returns:
            Their rows, and a line for whatever is missing or cannot be read. A truncated or foreign file is
            reported with its name and never stops the others.
        """
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables, problems = [], []
        absent: list[tuple[int, int]] = []  # neighbours are told as one
        for start, stop in ranges:
            path = self.unit_path(task, model, start, stop)
            if not path.exists():
                if absent and absent[-1][1] == start:
                    start = absent.pop()[0]
                absent.append((start, stop))
                continue
            try:
                table = pq.read_table(path).select(list(PREDICTION_COLUMNS))
                tables.append(table.cast(_schema()))
            except (pa.ArrowException, OSError, KeyError) as error:
                first = str(error).splitlines()[0] if str(error) else type(error).__name__
                problems.append(f"{path} cannot be read ({first}); delete it and run again")
        problems += [f"images {start} to {stop - 1} were not run" for start, stop in absent]
        if not tables:
            return pd.DataFrame({name: [] for name in PREDICTION_COLUMNS}), problems
        frame = pa.concat_tables(tables).to_pandas()
        return frame, problems

    def write_run(self, name: str, record: Mapping[str, Any]) -> Path:
        """Keep the record of a run as ``runs/NAME.json``; returns its path."""
        path = self.root / "runs" / f"{name}.json"
        write_aside(path, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
        return path
