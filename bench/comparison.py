"""Compare models in a store. Only the store is needed, neither models nor images."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from ..errors import StoreError, VitobenchError, unknown_name
from ..files import plain
from ..reports.comparison import Compared
from ..results import records
from ..results.layout import PARTIAL, PREDICTIONS
from ..results.metrics import metric
from ..results.ranking import ranked
from ..results.significance import ALPHA, POWER, TESTS
from ..results.store import Store
from .fail_if import check, parse
from .judgement import CORRECTIONS, FAMILIES
from .methods import members, methods_from
from .outcome import gather
from .plan import NO_CLASSES, Plan
from .recall import model_names, recall
from .run import facts
from .settings import Settings


@dataclass(frozen=True)
class Request:
    """What is compared, and how.

    Attributes:
        settings: Store, suite, tasks and limit; ``models`` are the sides, in order.
        seeds: Runs of methods, as `methods.methods_from` reads them.
        correction: A name of `judgement.CORRECTIONS`.
        fail_if: Conditions, as `fail_if.parse` reads them.
        seed: Take tasks of this seed; None takes those of the newest run.
    """

    settings: Settings
    seeds: Sequence[str] = ()
    correction: str = "holm"
    fail_if: Sequence[str] = field(default=())
    seed: int | None = None


def compare_stored(request: Request, command: str = "") -> Compared:
    """Compare every two models.

    Args:
        request: What to compare.
        command: The command line, for the provenance.

    Raises:
        VitobenchError: Fewer than two sides, names that the store does not hold, models that answered other data or in
            other classes, a condition that cannot be read.
    """
    started = time.monotonic()
    sides = list(request.settings.models)
    if len(set(sides)) < 2 or len(set(sides)) < len(sides):
        raise VitobenchError(f"Name two models or more, each only once; got {', '.join(sides) or 'none'}.")
    if request.correction not in CORRECTIONS:
        raise unknown_name("correction", request.correction, CORRECTIONS)
    conditions = [parse(text) for text in request.fail_if]
    store = Store(request.settings.store)
    methods = methods_from(request.seeds, sides, model_names(store) if store.exists() else ())
    asked = members(sides, methods)
    plan = recall(replace(request.settings, models=tuple(asked), baselines=()), store, request.seed)
    named = _named(plan, asked)
    sides = [side if side in methods else named[side] for side in sides]
    methods = {name: tuple(named[run] for run in runs) for name, runs in methods.items()}
    _check_same_questions(plan, store, set(named.values()))
    plan = replace(plan, pairs=tuple(combinations(sides, 2)))
    contest = sides if len(sides) > 2 else ()
    data = gather(plan, store, [], facts(plan.settings, command), request.correction, methods, contest)
    places = tuple(row for found in data.contests for row in ranked(found, metric(found.metric).better))
    checked = tuple(check(condition, data, sides, methods) for condition in conditions)
    seconds = time.monotonic() - started
    return Compared(tuple(sides), data, methods, places, request.correction, checked, plan.notes, seconds)


def _named(plan: Plan, asked: Sequence[str]) -> dict[str, str]:
    """From what the user typed, a name or an identity, to the name that scores go by.

    Raises:
        StoreError: The store does not hold it.
        VitobenchError: Two of them answer in other classes.
    """
    absent = [failure.reason for failure in plan.failures if failure.task == "*" and failure.model in asked]
    if absent:
        raise StoreError("\n".join(absent))
    found = {}
    for text in asked:
        spec = next((s for s in plan.models if s.name == text), None)
        found[text] = spec or next(s for s in plan.models if s.identity.startswith(text))
    if len({spec.identity for spec in found.values()}) < len(found):
        raise VitobenchError(f"Some of these names are the same model: {', '.join(asked)}. Name each model only once.")
    spaces = {spec.label_space for spec in found.values()} - {NO_CLASSES}
    if len(spaces) > 1:
        which = "; ".join(f"{spec.name} predicts {spec.label_space}" for spec in found.values())
        raise VitobenchError(f"These models predict different sets of classes and cannot be compared: {which}.")
    return {text: spec.name for text, spec in found.items()}


def _check_same_questions(plan: Plan, store: Store, names: set[str]) -> None:
    """Refuse a model that answered other images, or another version or seed of a task.

    Raises:
        VitobenchError: With both identities.
    """
    tasks = records.kept(store, records.TASKS)
    for planned in plan.tasks:
        for spec in plan.models:
            if spec.name not in names or _has(store, planned.identity, spec.identity):
                continue
            for identity, record in tasks.items():
                if record.get("name") != planned.task.name or not _has(store, identity, spec.identity):
                    continue
                seed, data = record.get("seed"), record.get("data_digest")
                why = "other images" if data != planned.data_digest else "another version or seed"
                way = f"compare with --seed {seed}, or run" if seed != planned.seed else "run"
                raise VitobenchError(
                    f"{spec.name} was run on {why} of {planned.task.name}: {identity}, but {planned.identity} is "
                    f"being compared. To pair them, {way} {spec.name} on the same data, or use --task to leave this "
                    "task out."
                )


def _has(store: Store, task: str, model: str) -> bool:
    return any(store.coverage(task, model, tree).stops for tree in (PREDICTIONS, PARTIAL))


def as_json(compared: Compared) -> dict[str, Any]:
    """A comparison as plain data: ``comparisons``, ``ranks``, what was corrected together, and provenance."""
    data = compared.data
    sizes: Mapping[str, int] = compared.families
    return plain(
        {
            "comparisons": data.comparisons,
            "ranks": compared.ranks,
            "correction": compared.correction,
            "families": {name: {"holds": FAMILIES[name], "comparisons": size} for name, size in sizes.items()},
            "tests": TESTS,
            "alpha": ALPHA,
            "power": POWER,
            "methods": {name: list(runs) for name, runs in compared.methods.items()},
            "fail_if": compared.checked,
            "failures": data.failures,
            "models": data.models,
            "tasks": data.tasks,
            "run": data.run,
        }
    )
