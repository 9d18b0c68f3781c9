"""Make a plan from a store alone, so that it can be scored without models or images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from ...errors import StoreError, VitobenchError, unknown_name
from ...models.spec import ModelSpec
from ...results import records
from ...results.inventory import lost
from ...results.layout import PARTIAL, PREDICTIONS, safe_name
from ...results.records import RunRecord
from ...results.schema import Failure, LeftOutRecord
from ...results.store import Store
from ...tasks.opening import check_data_names, paths_of
from ...tasks.registry import all_tasks, find_task
from ...tasks.task import Task
from ..catalogue import planned_of, spec_of
from ..settings import Settings
from .asked import companions, wanted_tasks
from .plan import BASELINE, Plan, PlannedTask, takes

NOT_THERE = "the store has no predictions for it"
"""Why a task that was named is missing."""


def recall(settings: Settings, store: Store, seed: int | None = None) -> Plan:
    """Decide what is scored.

    A name means the model of that name in the newest run; an identity (``vito@0123abcd``, or its start) that one only.

    Args:
        settings: Models (empty: all that the store holds), baselines, suite and tasks (neither: all), limit.
        store: Where the records lie.
        seed: Take the tasks of this seed; None takes those of the newest run.

    Raises:
        VitobenchError: There is no store, it holds nothing that was asked, two models of one name were asked, the
            limit leaves no image, or a folder was named that no task reads.
    """
    check_data_names(settings.given)
    if not store.exists():
        raise StoreError(
            f"There is no store at {store.location}; start with `bench run`, or name another folder with --store."
        )
    if settings.limit is not None and settings.limit < 1:
        raise VitobenchError(f"--limit {settings.limit} leaves no images; give 1 or more.")
    asking = store.asking
    runs = records.runs(asking)
    known = _Models(store, runs)
    failures = []
    for name, reason in records.damaged(asking, records.RUNS).items():
        line = f"The record {name} is damaged ({reason}), so the tasks of that run are unknown; {store.way_out}"
        failures.append(Failure("*", "*", "*", "*", line))
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
    if not settings.models:
        told = {failure.reason for failure in failures}
        failures += [Failure("*", "*", "*", "*", line) for line in known.lost.values() if line not in told]
    if not asked:
        reasons = "".join(f"\n{failure.reason}" for failure in failures)
        raise StoreError(
            f"The store {store.location} has none of the requested models; `bench results list` shows what it "
            f"has.{reasons}"
        )

    if not settings.models:  # baselines without a network come last, as in a run
        asked.sort(key=lambda spec: spec.source == BASELINE)
    wanted = wanted_tasks(settings)
    known_tasks = wanted or list(all_tasks().values())
    names = [task.name for task in known_tasks if any(takes(spec, task) for spec in asked)]
    # Only what was named is fetched from a layer.
    own = [task.name for task in known_tasks if task.name in names and not task.made_of]
    planned, passed, damaged = _tasks(own, settings, store if wanted else asking, runs, seed, asked)
    planned += _made_of(planned, [task for task in known_tasks if task.name in names], settings, store, bool(wanted))
    failures += damaged
    skipped = tuple(passed.values())
    if wanted:
        # What was named and is not there is missing; what an earlier protocol left is not, unless it was named.
        told = {p.task.name for p in planned} | {failure.task for failure in damaged}
        absent = NOT_THERE + (f" with seed {seed}" if seed is not None else "")
        failures += [Failure("*", n, "*", "*", passed.pop(n, absent)) for n in names if n not in told]
    if not planned:
        which = ", ".join(task.name for task in wanted) or ", ".join(names)
        reasons = "".join(f"\n{line}" for line in [*skipped, *(failure.reason for failure in damaged)])
        raise StoreError(
            f"The store {store.location} has none of the tasks {which} for {', '.join(spec.name for spec in asked)}; "
            f"`bench results list` shows what it has.{reasons}"
        )
    baselines = settings.baselines
    if baselines is not None:  # identities, too; companions go by name
        baselines = tuple(known.resolve(name).name for name in baselines)
    companion = known.companion if settings.models else known.own_companion
    company = companions(asked, [p.task for p in planned], baselines, companion)
    if not settings.models:
        # Whatever is there was asked for: a baseline that was never run is no gap in that, a reference is.
        needed = {p.task.reference for p in planned}
        company = replace(company, failures=tuple(f for f in company.failures if f.model in needed))
    notes = (*passed.values(), *(f"{spec.name}: {spec.note}" for spec in company.models if spec.note))
    notes += tuple(
        f"The last run also read {url}; add --also {url} to score what it has." for url in _unread(settings, runs)
    )
    return Plan(settings, company.models, company.pairs, tuple(planned), (*failures, *company.failures), notes)


def _made_of(
    planned: Sequence[PlannedTask], tasks: Sequence[Task], settings: Settings, store: Store, named: bool
) -> list[PlannedTask]:
    """The tasks that are made of the predictions of others; those that nobody named, where their annotations are."""
    found = []
    for task in tasks:
        paths = paths_of(task.dataset, settings.data) if task.made_of else None
        for other in (p for p in planned if p.task.name == task.made_of):
            if task.shifted:  # nothing has to be known of the images; the others have to be there
                kept = {p.task.name for p in planned} >= {task.clean, *task.shifted}
            else:
                kept = records.packed(store, records.TRUTHS, task.dataset, other.data_digest) is not None
            if named or kept or (paths and not task.shifted):
                found.append(other.for_task(task, paths[0] if paths else None))
    return found


def _unread(settings: Settings, runs: Sequence[RunRecord]) -> list[str]:
    """Layers of the newest run that are not read now."""
    asked = cast(Mapping[str, Any], runs[0]).get("settings") if runs else None
    layers = asked.get("also") if isinstance(asked, dict) else None
    return [url for url in layers if url not in map(str, settings.also)] if isinstance(layers, list) else []


def model_names(store: Store) -> list[str]:
    """Names of the models that a store holds."""
    return _Models(store, records.runs(store.asking)).names


class _Models:
    """The models of a store by name and by identity, and after them those of its layers.

    Attributes:
        names: Of the models that the store asks about itself.
    """

    def __init__(self, store: Store, runs: Sequence[RunRecord]) -> None:
        own = records.kept(store.asking, records.MODELS)
        self._records = records.kept(store, records.MODELS) if store.below else own
        self.lost = lost(store.asking, records.MODELS)
        """By the folder of an identity, why predictions are of no model that is known."""
        self._newest: dict[str, str] = {}
        self._taken: dict[str, ModelSpec] = {}
        for run in runs:
            for name, identity in run.get("models", {}).items():
                # An older model of the same name must not stand in for one whose record is lost.
                if identity in self._records or safe_name(identity) in self.lost:
                    self._newest.setdefault(name, identity)
        for identity, record in own.items():
            self._newest.setdefault(str(record.get("name")), identity)
        self.names = list(self._newest)
        for identity, record in self._records.items():
            self._newest.setdefault(str(record.get("name")), identity)

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
        if identity not in self._records:
            raise StoreError(self.lost[safe_name(identity)])
        spec = spec_of(self._records[identity])
        taken = self._taken.setdefault(spec.name, spec)
        if taken != spec:
            raise VitobenchError(f"{taken.identity} and {identity} have the same name; score them one at a time.")
        return spec

    def companion(self, name: str) -> ModelSpec:
        """What was asked under this name already, or what the newest run meant by it."""
        return self._taken.get(name) or self.resolve(name)

    def own_companion(self, name: str) -> ModelSpec:
        """Likewise, but of the models that the store asks about itself.

        Raises:
            StoreError: There is none, or its record is damaged.
        """
        if name not in self.names and name not in self._taken:
            raise StoreError(str(unknown_name("model in the store", name, self.names)))
        return self.companion(name)


def _left_out(runs: Sequence[RunRecord], planned: PlannedTask) -> LeftOutRecord:
    """What the newest run on just these images left out of their folder."""
    for run in runs:
        facts = run.get("data", {}).get(planned.task.dataset) or {}
        if facts.get("digest") == planned.data_digest:
            counts = facts.get("left_out")
            return counts if isinstance(counts, dict) else {}
    return {}


def _tasks(
    names: Sequence[str],
    settings: Settings,
    store: Store,
    runs: Sequence[RunRecord],
    seed: int | None,
    models: Sequence[ModelSpec],
) -> tuple[list[PlannedTask], dict[str, str], list[Failure]]:
    """Those that can be scored, a line for each that is skipped, and those whose record is damaged or lost."""
    stored_records = records.kept(store, records.TASKS)
    nameless = lost(store, records.TASKS)
    newest: dict[str, str] = {}
    largest: dict[str, int] = {}
    available: dict[str, int] = {}
    for run in runs:
        for name, asked in run.get("tasks", {}).items():
            identity = asked.get("identity")
            if safe_name(str(identity)) in nameless:
                newest.setdefault(name, identity)
            elif identity in stored_records and (seed is None or stored_records[identity].get("seed") == seed):
                newest.setdefault(name, identity)
                largest[identity] = max(largest.get(identity, 0), int(asked["images"]))
                task = find_task(name)
                there = task.images if task is not None and task.images is not None else asked.get("available", 0)
                available[identity] = max(available.get(identity, 0), int(there))
    planned: list[PlannedTask] = []
    own = {safe_name(name): name for name in names}
    damaged = [
        Failure("*", own[folder.rpartition("@")[0]], "*", "*", line)
        for folder, line in nameless.items()
        if folder.rpartition("@")[0] in own
    ]
    passed: dict[str, str] = {}
    # What no run speaks of any more is scored all the same.
    orphans: dict[str, list[str]] = defaultdict(list)
    for identity, record in stored_records.items():
        if seed in (None, record.get("seed")) and _stored(store, identity, models):
            orphans[str(record.get("name"))].append(identity)
    for name in names:
        if name not in newest and len(orphans[name]) == 1:
            newest[name] = orphans[name][0]
        elif name not in newest and orphans[name]:
            several = ", ".join(orphans[name])
            reason = f"the store has several versions ({several}); choose a seed with --seed, or run the task again"
            damaged.append(Failure("*", name, "*", "*", reason))
        if newest.get(name) not in stored_records:
            continue
        identity = newest[name]
        # A quick look at a few images after a long run does not hide the many.
        images = max(largest.get(identity, 0), _stored(store, identity, models))
        if settings.limit is not None:
            images = min(settings.limit, max(available.get(identity, 0), images))
        try:
            outcome = planned_of(stored_records[identity], images)
        except StoreError as error:
            damaged.append(Failure("*", name, "*", "*", str(error)))
            continue
        if isinstance(outcome, str):
            passed[name] = outcome
        else:
            planned.append(replace(outcome, left_out=_left_out(runs, outcome)))
    return planned, passed, damaged


def _stored(store: Store, task: str, models: Sequence[ModelSpec]) -> int:
    """One past the last image of a task that the store holds of any of some models."""
    coverages = (store.coverage(task, spec.identity, tree) for spec in models for tree in (PREDICTIONS, PARTIAL))
    return max((stop for coverage in coverages for stops in coverage.stops.values() for stop in stops), default=0)
