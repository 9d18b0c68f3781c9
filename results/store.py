"""The result store: per-image predictions in Parquet, one file per unit and model, and a record beside each run."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from .schema import PREDICTION_COLUMNS, SCHEMA_VERSION

if TYPE_CHECKING:
    import pandas as pd

_MARK = "vitobench-store.json"


def write_aside(path: Path, content: bytes) -> None:
    """Write a file so that readers see all of it or nothing.

    Raises:
        StoreError: The folder cannot be written or the disk is full; nothing is left behind.
    """
    aside: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as handle:
            aside = handle.name
            handle.write(content)
        Path(aside).replace(path)
    except OSError as error:
        if aside is not None:
            Path(aside).unlink(missing_ok=True)
        raise StoreError(f"{path} cannot be written: {error.strerror or error}. Free some space, or name another folder.") from None


def safe_name(identity: str) -> str:
    """An identity as a folder name: characters that file systems or globs treat specially become underscores."""
    return "".join(c if c.isalnum() or c in "@.-_" else "_" for c in identity)


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
        text = pa.dictionary(pa.int32(), pa.string())
        table = pa.table(
            {
                "model": pa.array([model] * n, pa.string()).cast(text),
                "task": pa.array([task] * n, pa.string()).cast(text),
                "condition": pa.array(columns["condition"], pa.string()).cast(text),
                "severity": pa.array(columns["severity"], pa.int8()),
                "image_id": pa.array(columns["image_id"], pa.string()).cast(text),
                "label": pa.array(columns["label"], pa.int16()),
                "top1": pa.array(columns["top1"], pa.int16()),
                "confidence": pa.array(columns["confidence"], pa.float32()),
                "error": pa.array(columns["error"], pa.string()),
            },
            metadata={"vitobench.schema": str(SCHEMA_VERSION)},
        )
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
            Their rows, and a line for each unit that is missing or cannot be read. A truncated or foreign file is
            reported with its name and never stops the others.
        """
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables, problems = [], []
        for start, stop in ranges:
            path = self.unit_path(task, model, start, stop)
            if not path.exists():
                problems.append(f"images {start} to {stop - 1} were not run")
                continue
            try:
                table = pq.read_table(path)
                tables.append(table.select(list(PREDICTION_COLUMNS)))
            except (pa.ArrowException, OSError, KeyError) as error:
                first = str(error).splitlines()[0] if str(error) else type(error).__name__
                problems.append(f"{path} cannot be read ({first}); delete it and run again")
        if not tables:
            return pd.DataFrame({name: [] for name in PREDICTION_COLUMNS}), problems
        frame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
        return frame, problems

    def write_run(self, name: str, record: Mapping[str, Any]) -> Path:
        """Keep the record of a run as ``runs/NAME.json``; returns its path."""
        path = self.root / "runs" / f"{name}.json"
        write_aside(path, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
        return path
