"""Compare models, or methods of several training runs, in a store. Neither models nor images are needed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Any

from ...errors import StoreError, VitobenchError, unknown_name
from ...files import plain
from ...reports.comparison import Compared
from ...reports.focus import MANY
from ...reports.wording import layer_line
from ...results import records
from ...results.layout import PARTIAL, PREDICTIONS
from ...results.metrics import metric
from ...results.ranking import ranked
from ...results.statistics import ALPHA, POWER, TESTS
from ...results.store import Store
from ..planning.plan import NO_CLASSES, Plan, takes
from ..planning.stored import model_names, recall
from ..run import facts, with_layers
from ..settings import Settings
from .judgement import CORRECTIONS, FAMILIES, check, parse
from .memory import Memory
from .outcome import gather
from .ranks import ranked_request

# Methods: names for several training runs that differ in the seed.


_FORM = "--seeds takes NAME=RUN,RUN,… or NAME=PATTERN, such as vito=vito-s0,vito-s1 or vito='vito-s*'"


def methods_from(texts: Sequence[str], sides: Sequence[str], known: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The runs of each method.

    Args:
        texts: ``"vito=vito-s0,vito-s1"`` or ``"vito=vito-s*"``.
        sides: What is compared; a method must be one of them.
        known: Names of models that patterns are matched against.

    Raises:
        VitobenchError: A text of another form, a method that is not compared, a pattern that fits nothing, a run of two
            methods.
    """
    methods: dict[str, tuple[str, ...]] = {}
    owners: dict[str, str] = {}
    for text in texts:
        name, equals, listed = (part.strip() for part in text.partition("="))
        entries = [entry.strip() for entry in listed.split(",") if entry.strip()]
        if not (name and equals and entries):
            raise VitobenchError(f"Invalid --seeds {text!r}: it names no runs. {_FORM}.")
        if name not in sides:
            raise VitobenchError(
                f"--seeds {name!r} is not one of the compared models: {', '.join(sides)}. Add it to them."
            )
        if name in methods:
            raise VitobenchError(f"--seeds {name!r} is given twice; list all its runs in one --seeds.")
        runs = list(dict.fromkeys(run for entry in entries for run in _matching(entry, known)))
        for run in runs:
            if run in owners:
                raise VitobenchError(
                    f"--seeds lists {run} as a run of both {owners[run]!r} and {name!r}; list it only once."
                )
            owners[run] = name
        methods[name] = tuple(runs)
    for side in sides:
        if side in owners and side not in methods:
            raise VitobenchError(
                f"{side} is both a compared model and a run of {owners[side]!r}; drop it from one of them."
            )
    return methods


def _matching(entry: str, known: Sequence[str]) -> Sequence[str]:
    if not any(mark in entry for mark in "*?["):
        return [entry]
    matches = sorted(name for name in known if fnmatchcase(name, entry))
    if not matches:
        raise VitobenchError(
            f"No model in the store matches {entry!r}. The store has: {', '.join(sorted(known)) or 'none'}."
        )
    return matches


def members(sides: Sequence[str], methods: Mapping[str, Sequence[str]]) -> list[str]:
    """Every model behind what is compared, once."""
    return list(dict.fromkeys(run for side in sides for run in methods.get(side, (side,))))


# Compare models in a store. Only the store is needed, neither models nor images.


@dataclass(frozen=True)
class Request:
    """What is compared, and how.

    Attributes:
        settings: Store, suite, tasks and limit; ``models`` are the sides, in order.
        seeds: Runs of methods, as `methods_from` reads them.
        correction: A name of `judgement.CORRECTIONS`.
        fail_if: Conditions, as `judgement.parse` reads them.
        seed: Take tasks of this seed; None takes those of the newest run.
        parts: Compare more than `reports.focus.MANY` models by every number, and not by the main ones of tasks alone.
    """

    settings: Settings
    seeds: Sequence[str] = ()
    correction: str = "holm"
    fail_if: Sequence[str] = field(default=())
    seed: int | None = None
    parts: bool = True


_MAIN_ONLY = "{:,} pairs are compared by the main number of each task; --conditions adds all other numbers."


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
    store = Store(request.settings.store, request.settings.layers)
    methods = methods_from(request.seeds, sides, model_names(store) if store.exists() else ())
    asked = members(sides, methods)
    plan = recall(replace(request.settings, models=tuple(asked), baselines=()), store, request.seed)
    named = _named(plan, asked)
    sides = [side if side in methods else named[side] for side in sides]
    methods = {name: tuple(named[run] for run in runs) for name, runs in methods.items()}
    _check_same_questions(plan, store, set(named.values()))
    plan = replace(plan, pairs=tuple(combinations(sides, 2)))
    about = facts(plan.settings, command)
    main_only = len(sides) > MANY and not request.parts and not conditions
    beyond = replace(ranked_request(plan, sides, methods), main_only=main_only)
    memory = Memory(store, plan.settings.recompute_scores)
    data = gather(plan, store, [], about, request.correction, beyond, memory)
    data = with_layers(data, plan, store)
    several = data.contests if len(sides) > 2 else ()
    places = tuple(row for one in several for row in ranked(one, metric(one.metric).better))
    checked = tuple(check(condition, data, sides, methods) for condition in conditions)
    seconds = time.monotonic() - started
    few = (_MAIN_ONLY.format(len(plan.pairs)),) if main_only else ()
    notes = (*few, *plan.notes, *map(layer_line, data.run.get("layers", [])), *store.layer_problems)
    return Compared(tuple(sides), data, methods, places, request.correction, checked, notes, seconds)


def _named(plan: Plan, asked: Sequence[str]) -> dict[str, str]:
    """From what the user typed, a name or an identity, to the name that scores go by.

    Raises:
        StoreError: The store does not hold it.
        VitobenchError: Two of them answer in other classes.
    """
    absent = [failure.reason for failure in plan.failures if failure.task == "*" and failure.model in asked]
    if absent:
        raise StoreError("\n".join(absent))
    by_name = {}
    for text in asked:
        spec = next((s for s in plan.models if s.name == text), None)
        by_name[text] = spec or next(s for s in plan.models if s.identity.startswith(text))
    if len({spec.identity for spec in by_name.values()}) < len(by_name):
        raise VitobenchError(f"Some of these names are the same model: {', '.join(asked)}. Name each model only once.")
    spaces = {spec.label_space for spec in by_name.values()} - {NO_CLASSES}
    if len(spaces) > 1 and not any(all(takes(s, planned.task) for s in by_name.values()) for planned in plan.tasks):
        which = "; ".join(f"{spec.name} predicts {spec.label_space}" for spec in by_name.values())
        raise VitobenchError(f"These models predict different sets of classes and cannot be compared: {which}.")
    return {text: spec.name for text, spec in by_name.items()}


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
    """A comparison as plain data: ``comparisons``, ``ranks``, ``suite_ranks``, what was corrected, and provenance."""
    data = compared.data
    sizes: Mapping[str, int] = compared.families
    return plain(
        {
            "comparisons": data.comparisons,
            "ranks": compared.ranks,
            "suite_ranks": data.rankings,
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
