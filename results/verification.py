"""Verify a store: every file is read and checked against its name and the other files."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ..errors import StoreError
from . import records
from .asked import asked_from
from .folder import Entry
from .layout import IMAGES, PARTIAL, PREDICTIONS, UnitName, parse_unit, safe_name
from .store import Store

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
        for done, found in enumerate(pool.map(lambda job: _problem(store, *job), jobs), 1):
            problems += found
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
