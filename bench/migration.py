"""Bringing a store of an older schema up to date."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence, Set
from typing import Any

from ..errors import StoreError
from ..results import records
from ..results.folder import Folder, open_folder
from ..results.schema import SCHEMA_VERSION
from ..results.store import MARK, PREDICTIONS, parse_unit, read_version, safe_name
from ..tasks.data.image_folder import shuffling_key
from ..tasks.registry import find_task
from .unit_rows import ANY_CONDITION

_OLDEST = 1


def migrate(location: str, progress: Callable[[int, int], None] | None = None) -> int:
    """Rewrite a store of schema 1 as schema 2.

    Schema 2 keeps the five best classes of every answer, lies image by image, and has records of models and tasks. An
    answer of schema 1 keeps the one class that it has. Every file is written aside and renamed, and the store is
    marked last: a migration that is interrupted goes on when it is begun again.

    Args:
        location: Folder or URL of the store.
        progress: Told how many files are done, and of how many.

    Returns:
        Number of prediction files that were rewritten; 0 if the store is up to date.

    Raises:
        StoreError: There is no store, it is of a version that this one does not know, or a file of it is damaged.
    """
    version = read_version(location)
    folder = open_folder(location)
    if version is None:
        raise StoreError(f"There is no store at {location}; name its folder with --store.")
    if version == SCHEMA_VERSION:
        return 0
    if not _OLDEST <= version < SCHEMA_VERSION:
        raise StoreError(f"The store {location} has schema {version}; use the version of vitobench that wrote it.")
    names = [entry.name for entry in folder.files(PREDICTIONS) if parse_unit(entry.name) is not None]
    rewritten = 0
    for done, name in enumerate(names, 1):
        content = _rewritten(folder, name)
        if content is not None:
            folder.write(name, content)
            rewritten += 1
        if progress is not None:
            progress(done, len(names))
    _keep_records(folder)
    folder.write(MARK, json.dumps({"schema": SCHEMA_VERSION}).encode())
    return rewritten


def _rewritten(folder: Folder, name: str) -> bytes | None:
    """The file in the new form; None if it has that already."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ..results.unit_file import encode, table_of

    try:
        table = pq.read_table(pa.BufferReader(folder.read(name)))
        if (table.schema.metadata or {}).get(b"vitobench.schema") == str(SCHEMA_VERSION).encode():
            return None
        if not len(table):
            raise StoreError("it has no rows")
        columns: dict[str, Any] = {
            column: table.column(column).to_pylist()
            for column in ("condition", "severity", "image_id", "label", "top1", "confidence", "error")
        }
        task, model = (str(table.column(column)[0].as_py()) for column in ("task", "model"))
    except (pa.ArrowException, OSError, KeyError, StoreError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(
            f"{folder.path(name)} cannot be read ({reason}); delete it and migrate again; the next run makes it anew."
        ) from None
    failed = {i for i, cell in zip(columns["image_id"], columns["condition"], strict=True) if cell == ANY_CONDITION}
    first = {image_id: number for number, image_id in enumerate(_in_order(columns["image_id"], failed))}
    order = sorted(range(len(table)), key=lambda row: first[columns["image_id"][row]])
    sorted_columns: dict[str, Any] = {column: [values[row] for row in order] for column, values in columns.items()}
    sorted_columns["top"] = np.array(sorted_columns.pop("top1"), dtype=np.int16)[:, None]
    sorted_columns["confidence"] = np.array(
        [np.nan if p is None else p for p in sorted_columns["confidence"]], dtype=np.float32
    )
    return encode(table_of(task, model, sorted_columns))


def _in_order(image_ids: Sequence[str], failed: Set[str]) -> list[str]:
    """Distinct images in the task's order; schema 1 put those that could not be read at the end of their unit."""
    images = list(dict.fromkeys(image_ids))
    answered = [image_id for image_id in images if image_id not in failed]
    for key in (str, shuffling_key):  # the micro-world's order, and that of photographs
        if answered == sorted(answered, key=key):
            return sorted(images, key=key)
    return images


def _keep_records(folder: Folder) -> None:
    """Make records of models and tasks out of those of runs, which held them in schema 1."""
    for name in folder.names(records.RUNS):
        try:
            run = json.loads(folder.read(f"{records.RUNS}/{name}"))
        except (OSError, ValueError):
            continue
        if "status" in run or not isinstance(run.get("models"), dict):
            continue  # of the new form already
        names: dict[str, str] = {}
        for model, record in run["models"].items():
            names[model] = record["identity"]
            _write(folder, f"{records.MODELS}/{safe_name(record['identity'])}.json", record)
        for task, facts in run.get("tasks", {}).items():
            record = _task_record(task, facts, int(run.get("seed", 0)))
            if record is not None:
                _write(folder, f"{records.TASKS}/{safe_name(facts['identity'])}.json", record)
        _write(folder, f"{records.RUNS}/{name}", run | {"models": names, "status": "finished"})


def _task_record(name: str, facts: dict[str, Any], seed: int) -> dict[str, Any] | None:
    task = find_task(name)
    if task is None or task.identity(facts["data"], seed) != facts["identity"]:
        return None  # of an earlier protocol: its predictions stay, and nobody scores them
    covered = task.identity_facts(facts["data"], seed)
    return covered | {"identity": facts["identity"], "dataset": task.dataset, "seed": seed}


def _write(folder: Folder, name: str, record: dict[str, Any]) -> None:
    folder.write(name, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
