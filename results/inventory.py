"""The contents of a store, read from the names of its files alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from . import records
from .layout import PARTIAL, PREDICTIONS, UnitName, safe_name
from .store import Store


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
    found = []
    for (task, model), members in sorted(groups.items()):
        whole: dict[int, int] = {}
        for unit, partial, _, _ in members:
            if not partial:
                whole[unit.start] = max(whole.get(unit.start, 0), unit.stop)
        found.append(
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
    return found
