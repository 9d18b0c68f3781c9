"""Find and remove files that a store does not need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..results import records
from ..results.inventory import DAMAGED, FOREIGN, LEFTOVER, fits, identities, kept_files, verify
from ..results.layout import parse_unit
from ..results.store import Store
from .catalogue import outdated


@dataclass(frozen=True)
class Wish:
    """What to remove.

    Attributes:
        damaged: Files that cannot be trusted.
        leftovers: Files that are not needed.
        superseded: Predictions that no newer run means.
        models: Names or identities; with none of the three above, everything of them.
        tasks: As ``models``, for tasks.
        cache: Kept scores and figures, which are of no one model or task.
    """

    damaged: bool = False
    leftovers: bool = False
    superseded: bool = False
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    cache: bool = False

    @property
    def kinds(self) -> bool:
        """Whether a kind of file was named."""
        return self.damaged or self.leftovers or self.superseded or self.cache

    @property
    def empty(self) -> bool:
        """Whether nothing was named at all."""
        return not (self.kinds or self.models or self.tasks)


def choose(store: Store, wish: Wish, progress: Callable[[int, int], None] | None = None) -> dict[str, str]:
    """The files that fit a wish, each with the reason; nothing is removed.

    Where all predictions of a model or a task go, so does its record, as the last.

    Args:
        store: The store to search.
        wish: What to remove.
        progress: Called with the number of files read and their total.
    """
    models, tasks = identities(store, records.MODELS), identities(store, records.TASKS)
    chosen: dict[str, str] = {}
    if wish.damaged or wish.leftovers:
        for problem in verify(store, progress):
            if (wish.damaged and problem.kind in (DAMAGED, FOREIGN)) or (wish.leftovers and problem.kind == LEFTOVER):
                chosen[problem.file] = problem.reason
    if wish.models or wish.tasks:  # files that belong to no model or task do not match
        chosen = {name: reason for name, reason in chosen.items() if parse_unit(name) is not None}
    old = _superseded(store) if wish.superseded else {}
    for unit, entry in store.unit_entries():
        model, task = models.get(unit.model, unit.model), tasks.get(unit.task, unit.task)
        wanted = fits(model, wish.models) and fits(task, wish.tasks)
        reason = old.get(model) or old.get(task)
        if not wanted:
            chosen.pop(entry.name, None)
        elif reason is not None:
            chosen[entry.name] = reason
        elif not wish.kinds:
            chosen[entry.name] = "requested"
    chosen |= dict.fromkeys(kept_files(store), "kept scores and figures") if wish.cache else {}
    return dict(sorted(chosen.items())) | _records(wish, old, models, tasks)


def _records(wish: Wish, old: dict[str, str], models: dict[str, str], tasks: dict[str, str]) -> dict[str, str]:
    """Records of models and tasks without any predictions left."""
    chosen = {}
    for kind, known, named, others in (
        (records.MODELS, models, wish.models, wish.tasks),
        (records.TASKS, tasks, wish.tasks, wish.models),
    ):
        for folder, identity in sorted(known.items()):
            wanted = identity in old if wish.kinds else bool(named)
            if wanted and fits(identity, named) and not others:
                chosen[f"{kind}/{folder}.json"] = old.get(identity, "requested")
    return chosen


def _superseded(store: Store) -> dict[str, str]:
    """Identities that a newer run of the same name replaces, or of an earlier protocol, with the reason."""
    old: dict[str, str] = {}
    newest: dict[tuple[str, str, int | None], str] = {}
    known = {kind: records.kept(store, kind) for kind in (records.MODELS, records.TASKS)}
    for run in records.runs(store):
        meant = [(records.MODELS, name, identity) for name, identity in run.get("models", {}).items()]
        meant += [(records.TASKS, name, asked["identity"]) for name, asked in run.get("tasks", {}).items()]
        for kind, name, identity in meant:
            seed = known[kind].get(identity, {}).get("seed")  # another seed is another draw, not an older one
            newest.setdefault((kind, name, seed), identity)
    for kind, stored in known.items():
        for identity, record in stored.items():
            current = newest.get((kind, str(record.get("name")), record.get("seed")), identity)
            if current != identity:
                old[identity] = f"{current} is newer"
    for identity, record in known[records.TASKS].items():
        if outdated(record):
            old[identity] = "of an earlier version of its protocol"
    return old
