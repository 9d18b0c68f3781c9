"""Whether a store is sound: every file is read and held against its name and its neighbours."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import records
from .folder import Entry
from .inventory import identities
from .predictions import gather
from .store import PARTIAL, PREDICTIONS, Store, UnitName, parse_unit, safe_name

if TYPE_CHECKING:
    import pyarrow as pa

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
        kind: `DAMAGED` (its predictions cannot be trusted), `LEFTOVER` (not needed), `FOREIGN` (not ours), `NAMELESS`
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
    problems = list(_strangers(entries)) + _leftovers(units) + _nameless(store, units)
    with ThreadPoolExecutor(4) as pool:
        for done, found in enumerate(pool.map(lambda pair: _check(store, *pair), units), 1):
            problems += found
            if progress is not None:
                progress(done, len(units))
    return sorted(problems, key=lambda problem: (problem.kind, problem.file))


def _strangers(entries: list[Entry]) -> Iterator[Problem]:
    for entry in entries:
        inside = entry.name.split("/", 1)[0] in (PREDICTIONS, PARTIAL)
        if _ASIDE.search(entry.name):
            if entry.modified and time.time() - entry.modified > _YOUNG:  # of unknown age, it may be young
                yield Problem(entry.name, LEFTOVER, "a file that was never finished; its run was ended")
        elif inside and parse_unit(entry.name) is None:
            yield Problem(entry.name, FOREIGN, "no unit has such a name; pandas and DuckDB would read it all the same")


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
                Problem(entry.name, LEFTOVER, f"a finished unit of images {unit.start} to {longest - 1} is there")
            )
    return problems


def _nameless(store: Store, units: list[tuple[UnitName, Entry]]) -> list[Problem]:
    models, tasks = identities(store, records.MODELS), identities(store, records.TASKS)
    seen: dict[str, Problem] = {}
    for unit, entry in units:
        for kind, name, known in (("model", unit.model, models), ("task", unit.task, tasks)):
            if name not in known:
                reason = f"no record of the {kind} {name}; a run of it writes it again"
                seen.setdefault(f"{kind}/{name}", Problem(entry.name.rpartition("/")[0], NAMELESS, reason))
    return list(seen.values())


def _check(store: Store, unit: UnitName, entry: Entry) -> list[Problem]:
    from ..errors import StoreError
    from .unit_file import decode

    try:
        table = decode(store.folder.read(entry.name))
    except FileNotFoundError:
        return []  # a larger unit has taken its place meanwhile
    except StoreError as error:
        return [Problem(entry.name, DAMAGED, str(error))]
    except OSError as error:
        return [Problem(entry.name, DAMAGED, error.strerror or str(error))]
    return [Problem(entry.name, DAMAGED, reason) for reason in _contradictions(unit, table)]


def _contradictions(unit: UnitName, table: pa.Table) -> Iterator[str]:
    for kind, folder in (("task", unit.task), ("model", unit.model)):
        inside = {safe_name(str(name)) for name in table.column(kind).unique().to_pylist()}
        if inside - {folder}:
            yield f"it holds the {kind} {', '.join(sorted(inside))}"
    rows = gather([table])
    if len(rows.image_ids) != unit.stop - unit.start:
        yield f"it holds {len(rows.image_ids)} images instead of {unit.stop - unit.start}"
    cells = rows.image.astype(np.int64) * max(1, len(rows.conditions)) + rows.condition
    if len(np.unique(cells)) != len(cells):
        yield "it holds an image twice under one condition"
    altogether = np.isin(rows.image, rows.image[rows.condition == _position(rows.conditions, "*")])
    counts = np.bincount(rows.image[~altogether])
    lacking = int(((counts > 0) & (counts < len(set(rows.conditions) - {"*"}))).sum())
    if lacking:
        yield f"{lacking} of its images lack a condition that others have"
    answered = rows.error < 0
    if (rows.top[answered, 0] < 0).any() or not np.isfinite(rows.confidence[answered]).all():
        yield "it holds answers without a decision or a confidence"


def _position(texts: tuple[str, ...], text: str) -> int:
    return texts.index(text) if text in texts else -1
