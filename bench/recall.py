"""A plan of what a store holds: nothing but the store is needed to score it, neither models nor images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import StoreError, VitobenchError, unknown_name
from ..models.sources.files import NOTE
from ..models.spec import ModelSpec
from ..results import records
from ..results.schema import Failure
from ..results.store import Store
from ..tasks.registry import all_tasks, find_task
from .catalogue import planned_of, spec_of
from .companions import companions
from .plan import Plan, PlannedTask
from .planning import wanted_tasks
from .settings import Settings


def recall(settings: Settings, store: Store, seed: int | None = None) -> Plan:
    """Decide what is scored.

    A name stands for what the newest run meant by it; an identity (``vito@0123abcd``, or its beginning) for just that.

    Args:
        settings: Models (empty: all that the store holds), baselines, suite and tasks (neither: all), limit.
        store: Where the records lie.
        seed: Take the tasks of this seed; None takes those of the newest run.

    Raises:
        VitobenchError: There is no store, it holds nothing that was asked, two models of one name were asked, or the
            limit leaves no image.
    """
    if not store.exists():
        raise StoreError(f"There is no store at {store.location}; run first, or name its folder with --store.")
    if settings.limit is not None and settings.limit < 1:
        raise VitobenchError(f"--limit {settings.limit} leaves no image; give 1 or more.")
    runs = records.runs(store)
    known = _Models(store, runs)
    failures: list[Failure] = []
    asked: list[ModelSpec] = []
    for name in dict.fromkeys(settings.models or known.names):
        try:
            spec = known.resolve(name)
            if spec not in asked:
                asked.append(spec)
        except StoreError as error:
            if len(settings.models) == 1:
                raise
            failures.append(Failure(name, "*", "*", "*", str(error)))
    if not asked:
        reasons = "".join(f"\n{failure.reason}" for failure in failures)
        raise StoreError(
            f"The store {store.location} holds no model that was asked; `bench results list` shows it.{reasons}"
        )

    spaces = {spec.label_space for spec in asked}
    wanted = wanted_tasks(settings)
    names = [task.name for task in wanted or all_tasks().values() if task.label_space in spaces]
    planned, passed, damaged = _tasks(names, settings, store, runs, seed)
    failures += damaged
    if wanted:
        # What was named and is not there is missing; what an earlier protocol left is not, unless it was named.
        told = {p.task.name for p in planned} | {failure.task for failure in damaged}
        absent = "the store holds no predictions of it" + (f" with seed {seed}" if seed is not None else "")
        failures += [Failure("*", n, "*", "*", passed.pop(n, absent)) for n in names if n not in told]
    if not planned:
        which = ", ".join(task.name for task in wanted) or ", ".join(names)
        reasons = "".join(f"\n{line}" for line in [*passed.values(), *(failure.reason for failure in damaged)])
        raise StoreError(
            f"The store {store.location} holds none of the tasks {which} for "
            f"{', '.join(spec.name for spec in asked)}; `bench results list` shows what it has.{reasons}"
        )
    baselines = settings.baselines
    if baselines is not None:  # identities, too; companions go by name
        baselines = tuple(known.resolve(name).name for name in baselines)
    company = companions(asked, [p.task for p in planned], baselines, known.companion)
    if not settings.models:
        # Whatever is there was asked for: a baseline that was never run is no gap in that, a reference is.
        needed = {p.task.reference for p in planned}
        company = replace(company, failures=tuple(f for f in company.failures if f.model in needed))
    notes = (*passed.values(), *(f"{spec.name}: {spec.extra[NOTE]}" for spec in company.models if NOTE in spec.extra))
    return Plan(settings, company.models, company.pairs, tuple(planned), (*failures, *company.failures), notes)


def model_names(store: Store) -> list[str]:
    """Names of the models that a store holds."""
    return _Models(store, records.runs(store)).names


class _Models:
    """The models of a store by name and by identity."""

    def __init__(self, store: Store, runs: Sequence[Mapping[str, Any]]) -> None:
        self._records = records.kept(store, records.MODELS)
        self._newest: dict[str, str] = {}
        self._taken: dict[str, ModelSpec] = {}
        for run in runs:
            for name, identity in run.get("models", {}).items():
                if identity in self._records:
                    self._newest.setdefault(name, identity)
        for identity, record in self._records.items():
            self._newest.setdefault(str(record.get("name")), identity)

    @property
    def names(self) -> list[str]:
        return list(self._newest)

    def resolve(self, name: str) -> ModelSpec:
        """The model of a name or identity.

        Raises:
            VitobenchError: Another model of the same name was resolved before.
            StoreError: There is none, or its record is damaged.
        """
        identity = self._newest.get(name)
        if identity is None and "@" in name:
            identity = records.resolve_one(self._records, name, "model")
        if identity is None:
            raise StoreError(str(unknown_name("model in the store", name, self._newest)))
        spec = spec_of(self._records[identity])
        taken = self._taken.setdefault(spec.name, spec)
        if taken != spec:
            raise VitobenchError(
                f"{taken.identity} and {identity} have the same name, by which scores go; score one after the other."
            )
        return spec

    def companion(self, name: str) -> ModelSpec:
        """What was asked under this name already, or what the newest run meant by it."""
        return self._taken.get(name) or self.resolve(name)


def _left_out(runs: Sequence[Mapping[str, Any]], planned: PlannedTask) -> dict[str, Any]:
    """What the newest run on just these images left out of their folder."""
    for run in runs:
        facts = run.get("data", {}).get(planned.task.dataset) or {}
        if facts.get("digest") == planned.data_digest:
            found = facts.get("left_out")
            return found if isinstance(found, dict) else {}
    return {}


def _tasks(
    names: Sequence[str], settings: Settings, store: Store, runs: Sequence[Mapping[str, Any]], seed: int | None
) -> tuple[list[PlannedTask], dict[str, str], list[Failure]]:
    """Those that can be scored, a line for each that is passed over, and those whose record is damaged."""
    kept = records.kept(store, records.TASKS)
    newest: dict[str, str] = {}
    largest: dict[str, int] = {}
    available: dict[str, int] = {}
    for run in runs:
        for name, asked in run.get("tasks", {}).items():
            identity = asked.get("identity")
            if identity in kept and (seed is None or kept[identity].get("seed") == seed):
                newest.setdefault(name, identity)
                largest[identity] = max(largest.get(identity, 0), int(asked["images"]))
                task = find_task(name)
                there = task.images if task is not None and task.images is not None else asked.get("available", 0)
                available[identity] = max(available.get(identity, 0), int(there))
    planned: list[PlannedTask] = []
    passed: dict[str, str] = {}
    damaged: list[Failure] = []
    for name in names:
        if name not in newest:
            continue
        identity = newest[name]
        images = largest[identity]  # a quick look at a few images after a long run does not hide the many
        if settings.limit is not None:
            images = min(settings.limit, max(available[identity], images))
        try:
            found = planned_of(kept[identity], images)
        except StoreError as error:
            damaged.append(Failure("*", name, "*", "*", str(error)))
            continue
        if isinstance(found, str):
            passed[name] = found
        else:
            planned.append(replace(found, left_out=_left_out(runs, found)))
    return planned, passed, damaged
