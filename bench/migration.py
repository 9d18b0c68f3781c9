"""Convert a store of an older schema to the current one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence, Set
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..results import records
from ..results.asked import ANY_CONDITION
from ..results.folder import Folder, open_folder
from ..results.layout import IMAGES, MARK, PARTIAL, PREDICTIONS, parse_unit, safe_name
from ..results.saliency import TREE, is_shard
from ..results.schema import SCHEMA_VERSION
from ..results.sealing import DIGEST_KEY, first_line, open_json, open_parquet, plain_json, seal_json, seal_parquet
from ..results.store import read_version
from ..results.unit_file import schema, table_of
from ..tasks.data.image_folder import shuffling_key
from ..tasks.labels import class_count
from ..tasks.registry import find_task
from ..tasks.task import Task
from .catalogue import declared, sound_task, spec_of

if TYPE_CHECKING:
    import pyarrow as pa

_NAMED = 10  # damaged files that are named one by one
_OLDEST = 1


def migrate(location: str, progress: Callable[[int, int], None] | None = None) -> int:
    """Rewrite a store of schema 1 or 2 as schema 3.

    Schema 2 keeps the five best classes of every answer, lies image by image, and has records of models and tasks;
    schema 3 has a digest in every file, and a list of each task's images. An answer of schema 1 keeps the one class
    that it has. Every file is checked as far as its schema allows, written aside and renamed, and the store is marked
    last: a migration that is interrupted goes on when it is started again.

    Args:
        location: Folder or URL of the store.
        progress: Told how many files are done, and of how many.

    Returns:
        Number of prediction files that were rewritten; 0 if the store is up to date.

    Raises:
        StoreError: There is no store, it is of a version that this one does not know, or files of it are damaged; all
            others are rewritten then, and the mark stays what it was.
    """
    version = read_version(location)
    folder = open_folder(location)
    if version is None:
        raise StoreError(f"There is no store at {location}; name its folder with --store.")
    if version == SCHEMA_VERSION:
        return 0
    if not _OLDEST <= version < SCHEMA_VERSION:
        raise StoreError(f"The store {location} has schema {version}; use the version of vitobench that wrote it.")
    files = [entry.name for entry in folder.files() if entry.name.split("/", 1)[0] in (PREDICTIONS, PARTIAL, TREE)]
    names = [name for name in files if parse_unit(name) is not None or is_shard(name)]
    names.sort(key=lambda name: (name.startswith(TREE), name))
    damaged: list[str] = []
    rewritten = 0
    for done, name in enumerate(names, 1):
        try:
            content = (_unit if parse_unit(name) is not None else _shard)(folder, name)
            if content is not None:
                folder.write(name, content)
                rewritten += 1
        except _DamageError as error:
            damaged.append(f"{folder.path(name)} cannot be read ({error})")
        if progress is not None:
            progress(done, len(names))
    damaged += _documents(folder)
    if not damaged:
        damaged += _keep_asked(folder)
    if damaged:
        more = f"\nand {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else ""
        lines = "\n".join(f"{line}; delete it and migrate again" for line in damaged[:_NAMED])
        raise StoreError(f"{lines}{more}\nThe next run computes deleted predictions again.")
    folder.write(MARK, json.dumps({"schema": SCHEMA_VERSION}).encode())
    return rewritten


class _DamageError(Exception):
    """Why a file cannot be taken over."""


def _read(folder: Folder, name: str) -> bytes:
    try:
        return folder.read(name)
    except OSError as error:
        raise _DamageError(error.strerror or str(error)) from None


def _table(content: bytes) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(pa.BufferReader(content), use_threads=False, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _DamageError(first_line(error)) from None


def _unit(folder: Folder, name: str) -> bytes | None:
    """A unit's file in the new form; None if it has that already."""
    from ..results.asked import contradictions
    from ..results.unit_file import conforming, decode, encode

    unit = parse_unit(name)
    assert unit is not None
    content = _read(folder, name)
    table = _table(content)
    version = (table.schema.metadata or {}).get(b"vitobench.schema")
    try:
        if version == str(SCHEMA_VERSION).encode():
            decode(content, name)
            return None
        if version == b"1":
            table = _from_first(table)
        table = conforming(table, 3 if version == b"1" else 2).replace_schema_metadata(schema().metadata)
    except StoreError as error:
        raise _DamageError(str(error)) from None
    place = (unit.task, unit.model, unit.start, unit.stop)
    for reason in contradictions(table, *place, None, name.startswith(PREDICTIONS)):
        raise _DamageError(reason)
    return encode(table, name)


def _shard(folder: Folder, name: str) -> bytes | None:
    """A file of saliency in the new form; None if it has that already."""
    content = _read(folder, name)
    if DIGEST_KEY.encode() in content:
        try:
            open_parquet(name, content)
        except StoreError as error:
            raise _DamageError(str(error)) from None
        return None
    return seal_parquet(name, _table(content), compression="zstd")


def _from_first(table: pa.Table) -> pa.Table:
    """Rows of schema 1 in the columns and the order of those after it.

    Raises:
        StoreError: It has no rows, or lacks a column.
    """
    import numpy as np

    if not len(table):
        raise StoreError("it has no rows")
    try:
        columns: dict[str, Any] = {
            column: table.column(column).to_pylist()
            for column in ("condition", "severity", "image_id", "label", "top1", "confidence", "error")
        }
        task, model = (str(table.column(column)[0].as_py()) for column in ("task", "model"))
    except KeyError as error:
        raise StoreError(first_line(error)) from None
    failed = {i for i, cell in zip(columns["image_id"], columns["condition"], strict=True) if cell == ANY_CONDITION}
    first = {image_id: number for number, image_id in enumerate(_in_order(columns["image_id"], failed))}
    order = sorted(range(len(table)), key=lambda row: first[columns["image_id"][row]])
    sorted_columns: dict[str, Any] = {column: [values[row] for row in order] for column, values in columns.items()}
    sorted_columns["top"] = np.array(sorted_columns.pop("top1"), dtype=np.int16)[:, None]
    sorted_columns["confidence"] = np.array(
        [np.nan if p is None else p for p in sorted_columns["confidence"]], dtype=np.float32
    )
    return table_of(task, model, sorted_columns)


def _in_order(image_ids: Sequence[str], failed: Set[str]) -> list[str]:
    """Distinct images in the task's order; schema 1 put those that could not be read at the end of their unit."""
    images = list(dict.fromkeys(image_ids))
    answered = [image_id for image_id in images if image_id not in failed]
    for key in (str, shuffling_key):  # the micro-world's order, and that of photographs
        if answered == sorted(answered, key=key):
            return sorted(images, key=key)
    return images


def _documents(folder: Folder) -> list[str]:
    """Write every record and list with its digest; returns a line for each that is damaged."""
    damaged: list[str] = []
    names = [f"{kind}/{name}" for kind in records.DOCUMENTS for name in folder.names(kind)]
    names += [entry.name for entry in folder.files(TREE) if entry.name.endswith("/facts.json")]
    for name in names:
        if not name.endswith((".json", ".json.gz")) or "/." in name:
            continue
        try:
            found = plain_json(name, _read(folder, name))
            if DIGEST_KEY in found:
                open_json(name, folder.read(name))
                continue
            if name.startswith(records.RUNS):
                found = _run(folder, found)
            elif name.endswith(".gz"):
                found = {"facts": found}
            elif name.startswith((records.MODELS, records.TASKS)):
                _check_record(name, found)
            folder.write(name, seal_json(name, found))
        except (_DamageError, StoreError) as error:
            damaged.append(f"{folder.path(name)} cannot be read ({error})")
    return damaged


def _check_record(name: str, record: dict[str, Any]) -> None:
    """Hold a record of a model or a task to its identity and its name.

    Raises:
        _DamageError: It is of something else.
        StoreError: Its facts do not give its identity.
    """
    if f"{safe_name(str(record.get('identity')))}.json" != name.partition("/")[2]:
        raise _DamageError(f"it is the record of {record.get('identity')}")
    if name.startswith(records.MODELS):
        spec_of(record)
    elif not sound_task(record):
        raise _DamageError("its facts do not give its identity")


def _run(folder: Folder, run: dict[str, Any]) -> dict[str, Any]:
    """The record of a run; schema 1 held those of models and tasks in it."""
    if "status" in run or not isinstance(run.get("models"), dict):
        return run  # of the new form already
    names: dict[str, str] = {}
    try:
        for model, record in run["models"].items():
            names[model] = record["identity"]
            _write(folder, f"{records.MODELS}/{safe_name(record['identity'])}.json", record)
        for task, facts in run.get("tasks", {}).items():
            record = _task_record(task, facts, int(run.get("seed", 0)))
            if record is not None:
                _write(folder, f"{records.TASKS}/{safe_name(facts['identity'])}.json", record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _DamageError(f"{type(error).__name__}: {error}") from None
    return run | {"models": names, "status": "finished"}


def _keep_asked(folder: Folder) -> list[str]:
    """Make the lists of images out of the units; returns a line for every two that contradict one another."""
    from ..results.asked import joined
    from ..results.unit_file import decode

    conditions: dict[str, tuple[Task, list[str]]] = {}
    for name in folder.names(records.TASKS):
        record = plain_json(name, folder.read(f"{records.TASKS}/{name}"))
        task = declared(record)
        if task is not None:
            conditions[safe_name(str(record["identity"]))] = task, list(record["conditions"])
    damaged = []
    for own, (task, keys) in sorted(conditions.items()):
        entries = [entry.name for tree in (PREDICTIONS, PARTIAL) for entry in folder.files(f"{tree}/{own}")]
        there = [(unit, name) for name in entries if (unit := parse_unit(name)) is not None]
        if not there:
            continue
        units = [(unit.start, decode(folder.read(name), name), folder.path(name)) for unit, name in there]
        asked = joined(units, class_count(task), keys)
        if isinstance(asked, str):
            damaged.append(asked)
            continue
        name = f"{IMAGES}/{own}.json.gz"
        folder.write(name, seal_json(name, asked.document()))
    return damaged


def _task_record(name: str, facts: dict[str, Any], seed: int) -> dict[str, Any] | None:
    task = find_task(name)
    if task is None or task.identity(facts["data"], seed) != facts["identity"]:
        return None  # of an earlier protocol: its predictions stay, and nobody scores them
    covered = task.identity_facts(facts["data"], seed)
    return covered | {"identity": facts["identity"], "dataset": task.dataset, "seed": seed}


def _write(folder: Folder, name: str, record: dict[str, Any]) -> None:
    folder.write(name, seal_json(name, record))
