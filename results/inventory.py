"""What a store holds: listed from file names, verified byte by byte, exported as one file."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import StoreError
from ..files import output_file
from . import kept, layers, records
from .folder import Entry
from .layout import IMAGES, PARTIAL, PREDICTIONS, UnitName, parse_unit, safe_name
from .predictions import asked_from
from .store import Store
from .unit_file import numbers_of, schema

# The contents of a store, read from the names of its files alone.


@dataclass(frozen=True)
class Holding:
    """The predictions of one model for one task.

    Attributes:
        task: Task identity.
        model: Model identity.
        units: Finished units.
        partial: Units in which something has to be tried again.
        images: Images in the finished units.
        bytes: Size of all of them.
        modified: When the newest was written, seconds since 1970.
    """

    task: str
    model: str
    units: int
    partial: int
    images: int
    bytes: int
    modified: float


def identities(store: Store, kind: str) -> dict[str, str]:
    """From the folder of an identity to the identity, for `records.MODELS` or `records.TASKS`."""
    return {safe_name(identity): identity for identity in records.kept(store, kind)}


def in_use(store: Store) -> Callable[[Store, str, str], bool]:
    """Which predictions in a store and its layers are listed and exported as the store's.

    Returns:
        A function of a layer and the identities of a task and a model. All count, except that of the package's own
        layer only those count that were asked for in this store.
    """
    tasks, models = (records.kept(store.own, kind) for kind in (records.TASKS, records.MODELS))

    def used(layer: Store, task: str, model: str) -> bool:
        return layer.location != str(layers.SHIPPED) or (task in tasks and model in models)

    return used


def lost(store: Store, kind: str) -> dict[str, str]:
    """Models or tasks with predictions, but without a sound record of what they are.

    Args:
        store: Where.
        kind: `records.MODELS` or `records.TASKS`.

    Returns:
        By the folder of the identity, a line that says what is wrong and what to do.
    """
    folders: dict[str, set[str]] = {records.TASKS: set(), records.MODELS: set()}
    for tree in (PREDICTIONS, PARTIAL):
        for task in store.folder.names(tree):
            models = store.folder.names(f"{tree}/{task}")
            folders[records.TASKS] |= {task} if models else set()
            folders[records.MODELS] |= set(models)
    nameless = sorted(folders[kind] - identities(store, kind).keys())
    damaged = records.damaged(store, kind) if nameless else {}
    lines = {}
    for folder in nameless:
        name = f"{kind}/{folder}.json"
        state = f"damaged ({damaged[name]})" if name in damaged else "missing"
        lines[folder] = (
            f"The predictions of {folder} are left out: their record {name} is {state}; the next run of this "
            f"{kind.removesuffix('s')} writes it again"
        )
    return lines


def fits(identity: str, wanted: Sequence[str]) -> bool:
    """Whether an identity is among names and identities that a person gave; no names at all mean every one.

    Of an identity, the beginning of its digest is enough.
    """
    name, _, digest = identity.rpartition("@")

    def meant(text: str) -> bool:
        own, _, beginning = text.rpartition("@")
        return text in (identity, name) or (own == name and beginning != "" and digest.startswith(beginning))

    return not wanted or any(map(meant, wanted))


def holdings(store: Store) -> list[Holding]:
    """Every model and task with predictions, sorted by task and model."""
    models, tasks = identities(store, records.MODELS), identities(store, records.TASKS)
    groups: dict[tuple[str, str], list[tuple[UnitName, bool, int, float]]] = defaultdict(list)
    for unit, entry in store.unit_entries():
        groups[(unit.task, unit.model)].append((unit, entry.name.startswith(PARTIAL), entry.size, entry.modified))
    rows = []
    for (task, model), members in sorted(groups.items()):
        whole: dict[int, int] = {}
        for unit, partial, _, _ in members:
            if not partial:
                whole[unit.start] = max(whole.get(unit.start, 0), unit.stop)
        rows.append(
            Holding(
                tasks.get(task, task),
                models.get(model, model),
                len(whole),
                sum(partial for _, partial, _, _ in members),
                sum(stop - start for start, stop in whole.items()),
                sum(size for _, _, size, _ in members),
                max(modified for _, _, _, modified in members),
            )
        )
    return rows


def kept_files(store: Store) -> dict[str, int]:
    """Sizes of the files with kept scores and figures, by their names below the store; none of a store behind a URL."""
    local, below = store.folder.local, f"{records.CACHE}/{kept.FOLDER}"
    if local is None or not (local / below).is_dir():
        return {}
    paths = sorted((local / below).glob(f"*{kept.ENDING}"))
    return {f"{below}/{path.name}": path.lstat().st_size for path in paths}


def kept_values(store: Store) -> tuple[int, int]:
    """How many files of kept scores and figures there are, and their size."""
    sizes = kept_files(store).values()
    return len(sizes), sum(sizes)


# Verify a store: every file is read and checked against its name and the other files.


DAMAGED = "damaged"
LEFTOVER = "leftover"
FOREIGN = "foreign"
NAMELESS = "without record"

_ASIDE = re.compile(r"(^|/)\.[^/]*\.[0-9a-f]{32}$")
_YOUNG = 3600.0  # seconds; a file written aside may belong to a run that is at work


@dataclass(frozen=True)
class Problem:
    """Something in a store that is not as it should be.

    Attributes:
        file: Path below the store.
        kind: `DAMAGED` (what it holds cannot be trusted), `LEFTOVER` (not needed), `FOREIGN` (not ours), `NAMELESS`
            (predictions of which no record says what they are of).
        reason: One line for a person.
    """

    file: str
    kind: str
    reason: str


def verify(store: Store, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
    """Read every file of a store.

    Args:
        store: What is checked; nothing is changed.
        progress: Told how many files are done, and of how many.

    Returns:
        What is wrong; empty if all is well.
    """
    entries = store.folder.files()
    units = [(unit, entry) for entry in entries if (unit := parse_unit(entry.name)) is not None]
    documents = [entry.name for entry in entries if _is_document(entry.name)]
    problems = list(_strangers(entries)) + _leftovers(units) + _nameless(store, units)
    for task in {unit.task for unit, _ in units}:
        store.asked(task)  # once, before several threads want it
    jobs: list[tuple[Callable[[Store, str], object], str]] = [
        *((Store.checked, entry.name) for _, entry in units),
        *((_check_document, name) for name in documents),
    ]
    with ThreadPoolExecutor(4) as pool:
        for done, faults in enumerate(pool.map(lambda job: _problem(store, *job), jobs), 1):
            problems += faults
            if progress is not None:
                progress(done, len(jobs))
    return sorted(problems, key=lambda problem: (problem.kind, problem.file))


def _is_document(name: str) -> bool:
    folder, _, rest = name.partition("/")
    return folder in records.DOCUMENTS and "/" not in rest and name.endswith((".json", ".json.gz")) and rest[0] != "."


def _strangers(entries: list[Entry]) -> Iterator[Problem]:
    for entry in entries:
        inside = entry.name.split("/", 1)[0] in (PREDICTIONS, PARTIAL)
        if _ASIDE.search(entry.name):
            if entry.modified and time.time() - entry.modified > _YOUNG:  # of unknown age, it may be young
                yield Problem(entry.name, LEFTOVER, "an unfinished file of an interrupted run")
        elif entry.name in (PREDICTIONS, PARTIAL, *records.DOCUMENTS):
            yield Problem(entry.name, FOREIGN, "a file where a folder should be")
        elif inside and parse_unit(entry.name) is None:
            yield Problem(entry.name, FOREIGN, "not a unit's name, but pandas and DuckDB would still read it")


def _leftovers(units: list[tuple[UnitName, Entry]]) -> list[Problem]:
    stops: dict[tuple[str, str, int], int] = defaultdict(int)
    for unit, entry in units:
        if entry.name.startswith(PREDICTIONS):
            key = (unit.task, unit.model, unit.start)
            stops[key] = max(stops[key], unit.stop)
    problems = []
    for unit, entry in units:
        longest = stops[(unit.task, unit.model, unit.start)]
        partial = entry.name.startswith(PARTIAL)
        if unit.stop < longest or (partial and unit.stop == longest):
            problems.append(
                Problem(entry.name, LEFTOVER, f"there is a finished unit of images {unit.start} to {longest - 1}")
            )
    return problems


def _nameless(store: Store, units: list[tuple[UnitName, Entry]]) -> list[Problem]:
    # A record that is there and damaged is a problem of its own.
    models, tasks, lists = (
        {name.removesuffix(".gz").removesuffix(".json") for name in store.folder.names(kind)}
        for kind in (records.MODELS, records.TASKS, IMAGES)
    )
    seen: dict[str, Problem] = {}
    for unit, entry in units:
        for kind, name, known in (
            ("record of the model", unit.model, models),
            ("record of the task", unit.task, tasks),
            ("list of the images of", unit.task, lists),
        ):
            if name not in known:
                reason = f"no {kind} {name}; a run of it writes it again"
                seen.setdefault(f"{kind} {name}", Problem(entry.name.rpartition("/")[0], NAMELESS, reason))
    return list(seen.values())


def _problem(store: Store, check: Callable[[Store, str], object], name: str) -> list[Problem]:
    try:
        check(store, name)
    except FileNotFoundError as error:
        # Unless it is a link that leads nowhere, a larger unit has taken its place meanwhile.
        gone = store.folder.exists(name) or not store.folder.is_there(name)
        return [] if gone else [Problem(name, DAMAGED, str(error.strerror))]
    except StoreError as error:
        return [Problem(name, DAMAGED, str(error))]
    except OSError as error:
        return [Problem(name, DAMAGED, error.strerror or str(error))]
    return []


def _check_document(store: Store, name: str) -> None:
    """Hold a document to its digest, and to what its name says of it.

    Raises:
        StoreError: It is damaged.
    """
    document = records.read(store, name)
    if document is None:
        return
    folder, _, own = name.partition("/")
    if folder in (records.MODELS, records.TASKS):
        identity = str(document.get("identity"))
        if f"{safe_name(identity)}.json" != own:
            raise StoreError(f"it is the record of {identity}")
    if folder == IMAGES:
        asked = asked_from(document)
        task = records.kept(store, records.TASKS)
        record = next((r for i, r in task.items() if f"{safe_name(i)}.json.gz" == own), {})
        if "conditions" in record and list(asked.conditions) != list(record["conditions"]):
            raise StoreError("its conditions differ from the record of its task")


# Predictions of a store as one file, for other tools.


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
