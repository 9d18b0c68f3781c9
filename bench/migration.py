"""Convert a store of an older schema to the current one."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..identity import digest
from ..models.spec import ModelSpec
from ..results import records
from ..results.folder import Folder, open_folder
from ..results.layout import (
    DIGEST_KEY,
    IMAGES,
    MARK,
    PARTIAL,
    PREDICTIONS,
    SALIENCY,
    UnitName,
    first_line,
    open_json,
    open_parquet,
    parse_unit,
    plain_json,
    safe_name,
    seal_json,
    unit_file,
)
from ..results.predictions import ANY_CONDITION
from ..results.schema import SCHEMA_VERSION
from ..results.store import read_version
from ..results.unit_file import schema, table_of
from ..tasks.images.folders import shuffling_key
from ..tasks.labels import class_count
from ..tasks.registry import find_task
from ..tasks.saliency.protocol import MEASURES, OBSERVERS
from ..tasks.task import Condition, Task, with_samples
from .catalogue import declared, model_record, sound_task, spec_of, task_record
from .planning.plan import PlannedTask, observer

if TYPE_CHECKING:
    import pyarrow as pa

_NAMED = 10  # damaged files that are named one by one
_OLDEST = 1


def migrate(location: str, progress: Callable[[int, int], None] | None = None) -> int:
    """Rewrite a store of schema 1 or 2 as schema 3, and numbers of saliency tasks as ordinary units.

    Schema 2 keeps the five best classes of every answer, is ordered by image, and has records of models and tasks;
    schema 3 has a digest in every file, and a list of each task's images. An answer of schema 1 keeps the one class
    that it has. Every file is checked as far as its schema allows and replaced atomically, and the store is marked
    last: a migration that was interrupted continues when it is started again.

    Earlier versions kept numbers of saliency tasks in a folder of their own, also under schema 3. Their units are
    written like all others, and the folder is removed last.

    Args:
        location: Folder or URL of the store.
        progress: Called with the number of files done and their total.

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
    if not _OLDEST <= version <= SCHEMA_VERSION:
        raise StoreError(f"The store {location} has schema {version}; use the version of vitobench that wrote it.")
    damaged: list[str] = []
    rewritten = 0
    if version < SCHEMA_VERSION:
        files = [entry.name for tree in (PREDICTIONS, PARTIAL) for entry in folder.files(tree)]
        names = sorted(name for name in files if parse_unit(name) is not None)
        for done, name in enumerate(names, 1):
            try:
                content = _unit(folder, name)
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
    if not damaged:
        moved, damaged = _move_saliency(folder, progress if version == SCHEMA_VERSION else None)
        rewritten += moved
    if damaged:
        more = f"\nand {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else ""
        lines = "\n".join(f"{line}; delete it and migrate again" for line in damaged[:_NAMED])
        raise StoreError(f"{lines}{more}\nThe next run computes deleted predictions again.")
    if version < SCHEMA_VERSION:
        folder.write(MARK, json.dumps({"schema": SCHEMA_VERSION}).encode())
    for entry in folder.files(SALIENCY):
        folder.remove(entry.name)
    return rewritten


class _DamageError(Exception):
    """A file that cannot be migrated, and why."""


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
    from ..results.predictions import contradictions
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


def _from_first(table: pa.Table) -> pa.Table:
    """Rows of schema 1 in the columns and the order of later schemas.

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
    for name in names:
        if not name.endswith((".json", ".json.gz")) or "/." in name:
            continue
        try:
            document = plain_json(name, _read(folder, name))
            if DIGEST_KEY in document:
                open_json(name, folder.read(name))
                continue
            if name.startswith(records.RUNS):
                document = _run(folder, document)
            elif name.endswith(".gz"):
                document = {"facts": document}
            elif name.startswith((records.MODELS, records.TASKS)):
                _check_record(name, document)
            folder.write(name, seal_json(name, document))
        except (_DamageError, StoreError) as error:
            damaged.append(f"{folder.path(name)} cannot be read ({error})")
    return damaged


def _check_record(name: str, record: dict[str, Any]) -> None:
    """Check that a record of a model or a task matches its identity and its name.

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
    """Build the lists of images from the units; returns a line for every two that contradict each other."""
    from ..results.predictions import joined
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
        return None  # of an earlier protocol: its predictions stay but are not scored
    covered = task.identity_facts(facts["data"], seed)
    return covered | {"identity": facts["identity"], "dataset": task.dataset, "seed": seed}


def _write(folder: Folder, name: str, record: dict[str, Any]) -> None:
    folder.write(name, seal_json(name, record))


def _move_saliency(folder: Folder, progress: Callable[[int, int], None] | None) -> tuple[int, list[str]]:
    """Write the numbers that earlier versions kept under `SALIENCY` as ordinary units; nothing is removed.

    They were files ``saliency/TASK/OBSERVER/EXPLAINER/START-STOP.parquet`` with a row for each image and map, next to
    ``facts.json`` for each task and each model.

    Returns:
        Number of files that were taken over, and a line for each that is damaged.
    """
    shards = [_Shard.of(entry.name) for entry in folder.files(SALIENCY)]
    known = sorted((shard for shard in shards if shard is not None), key=lambda shard: shard.name)
    damaged: list[str] = []
    taken: dict[str, list[_Shard]] = defaultdict(list)
    for shard in known:
        taken[shard.task].append(shard)
    done = 0
    for own, members in taken.items():
        try:
            facts = _facts(folder, f"{SALIENCY}/{own}/facts.json")
            tasks = _saliency_tasks(facts, {shard.explainer for shard in members})
        except _DamageError as error:
            damaged.append(f"{folder.path(f'{SALIENCY}/{own}/facts.json')} cannot be read ({error})")
            continue
        for task, explainers in tasks:
            planned = PlannedTask(task, facts["data"], facts["seed"], task.identity(facts["data"], facts["seed"]), 0)
            damaged += _write_saliency(folder, planned, [s for s in members if s.explainer in explainers])
        done += len(members)
        if progress is not None:
            progress(done, len(known))
    return len(known), damaged


@dataclass(frozen=True)
class _Shard:
    """The parts of such a file's name.

    Attributes:
        name: The name.
        task: Folder of the task.
        observer: Folder of the model or baseline.
        explainer: How the maps were made.
        start: First image.
        stop: One past the last.
    """

    name: str
    task: str
    observer: str
    explainer: str
    start: int
    stop: int

    @classmethod
    def of(cls, name: str) -> _Shard | None:
        """Read a name; None for any other file."""
        parts = name.split("/")
        unit = parse_unit("/".join([PREDICTIONS, *parts[1:3], parts[-1]])) if len(parts) == 5 else None
        return None if unit is None else cls(name, unit.task, unit.model, parts[3], unit.start, unit.stop)


def _facts(folder: Folder, name: str) -> dict[str, Any]:
    """A JSON document of the store, with or without its digest.

    Raises:
        _DamageError: It is absent or damaged.
    """
    content = _read(folder, name)
    try:
        document = plain_json(name, content)
        return open_json(name, content) if DIGEST_KEY in document else document
    except StoreError as error:
        raise _DamageError(str(error)) from None


def _saliency_tasks(facts: Mapping[str, Any], explainers: Set[str]) -> list[tuple[Task, set[str]]]:
    """The current tasks that replace an earlier one, each with its explainers.

    Raises:
        _DamageError: The facts contradict themselves, or are of a protocol that this version does not have.
    """
    names = ("name", "version", "data", "images", "preparation", "exact")
    try:
        covered = {name: facts[name] for name in names}
        sound = f"{facts['name']}@{digest(covered)[:16]}" == facts["identity"] and isinstance(facts["seed"], int)
    except (KeyError, TypeError, ValueError) as error:
        raise _DamageError(first_line(error)) from None
    if not sound:
        raise _DamageError("its content does not match its identity")
    task, smoothed = find_task(facts["name"]), find_task(f"{facts['name']}-smoothgrad")
    today = None if task is None or task.maps is None else task.maps.facts(task.images)
    same = today is not None and all(today[name] == facts[name] for name in ("images", "preparation", "exact"))
    if task is None or smoothed is None or not same or facts["version"] != 1:
        raise _DamageError("this version has no such task")
    tasks = [(task, {"maps-1", "baseline"})] if explainers & {"maps-1"} or explainers == {"baseline"} else []
    for explainer in sorted(explainers):
        kind, _, rest = explainer.partition("-")
        samples, _, version = rest.partition("-")
        if kind == "smoothgrad" and samples.isdigit() and version == "1":
            tasks.append((with_samples(smoothed, int(samples)), {explainer, "baseline"}))
    return tasks


def _write_saliency(folder: Folder, planned: PlannedTask, shards: Sequence[_Shard]) -> list[str]:
    """Write the units of one task, its records and its list of images; returns a line for each damaged file."""
    from ..results.predictions import contradictions, joined
    from ..results.unit_file import encode

    task = planned.task
    units: list[tuple[UnitName, pa.Table, str]] = []
    damaged: list[str] = []
    specs: dict[str, ModelSpec] = {}
    blind = {safe_name(token): name for name, token in OBSERVERS.items()}
    for shard in shards:
        try:
            if shard.observer not in specs:
                place = f"{SALIENCY}/{shard.task}/{shard.observer}/facts.json"
                named = blind.get(shard.observer)
                specs[shard.observer] = observer(named) if named else spec_of(_facts(folder, place))
            identity = specs[shard.observer].identity
            content = _read(folder, shard.name)
            table = open_parquet(shard.name, content) if DIGEST_KEY.encode() in content else _table(content)
            columns = _wide(table, task.conditions[0], named=shard.observer not in blind)
            unit = UnitName(safe_name(planned.identity), safe_name(identity), shard.start, shard.stop)
            units.append((unit, table_of(planned.identity, identity, columns), folder.path(shard.name)))
        except (_DamageError, StoreError) as error:
            damaged.append(f"{folder.path(shard.name)} cannot be read ({error})")
    keys = [condition.key for condition in task.conditions]
    asked = joined([(unit.start, table, name) for unit, table, name in units], class_count(task), keys, MEASURES)
    if isinstance(asked, str):
        return [*damaged, asked]
    for unit, table, name in units:
        reason = next(contradictions(table, unit.task, unit.model, unit.start, unit.stop, asked, True), None)
        if reason is not None:
            damaged.append(f"{name} cannot be read ({reason})")
    if damaged:
        return damaged
    for unit, table, _ in units:
        own = f"{PREDICTIONS}/{unit.task}/{unit.model}/{unit_file(unit.start, unit.stop)}"
        folder.write(own, encode(table, own))
    for spec in specs.values():
        _write(folder, f"{records.MODELS}/{safe_name(spec.identity)}.json", model_record(spec))
    _write(folder, f"{records.TASKS}/{safe_name(planned.identity)}.json", task_record(planned))
    _write(folder, f"{IMAGES}/{safe_name(planned.identity)}.json.gz", asked.document())
    return []


def _wide(table: pa.Table, condition: Condition, named: bool) -> dict[str, Any]:
    """A row for each image, from a row for each image and map.

    Args:
        table: A file of an earlier version.
        condition: The condition of all rows.
        named: Whether the columns name the map; those of a baseline do not.

    Raises:
        _DamageError: It is of another form.
    """
    import numpy as np

    try:
        old = {name: table.column(name).to_pylist() for name in ("image_id", "label", "map", "error", *MEASURES)}
    except KeyError as error:
        raise _DamageError(first_line(error)) from None
    reasons = {i: why for i, why in zip(old["image_id"], old["error"], strict=True) if why is not None}
    labels = dict(zip(old["image_id"], old["label"], strict=True))
    ids = _in_order(old["image_id"], reasons.keys())
    place = {image_id: number for number, image_id in enumerate(ids)}
    numbers: dict[str, np.ndarray] = {}
    for row, image_id in enumerate(old["image_id"]):
        for measure in MEASURES if image_id not in reasons else ():
            name = f"{old['map'][row]} {measure}" if named else measure
            column = numbers.setdefault(name, np.full(len(ids), np.nan, np.float32))
            column[place[image_id]] = np.nan if old[measure][row] is None else old[measure][row]
    return {
        "condition": [ANY_CONDITION if image_id in reasons else condition.name for image_id in ids],
        "severity": [0] * len(ids),
        "image_id": ids,
        "label": [labels[image_id] for image_id in ids],
        "top": np.full((len(ids), 1), -1, np.int16),
        "confidence": np.full(len(ids), np.nan, np.float32),
        "error": [reasons.get(image_id) for image_id in ids],
        "numbers": numbers,
    }
