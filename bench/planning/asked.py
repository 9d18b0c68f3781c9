"""From settings to a plan: the requested models, their baselines and references, and the units that are missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from ...errors import DataError, UnknownNameError, VitobenchError
from ...models import registry
from ...models.spec import IMPORTED, ModelSpec
from ...plugins import PluginError
from ...results import records
from ...results.layout import safe_name
from ...results.published.tables import published_reference
from ...results.schema import Failure
from ...results.store import Store
from ...tasks.datasets.registry import PUBLICATIONS
from ...tasks.images.hashing import difference
from ...tasks.images.source import ImageSource
from ...tasks.images.walking import left_out_of
from ...tasks.kinds import OBSERVERS
from ...tasks.opening import available, check_data_names, folders_of, how_to_bring, open_source, paths_of
from ...tasks.registry import get_suite, get_task
from ...tasks.task import Task, answered_by, with_samples
from ..catalogue import reusable, spec_of
from ..settings import Settings
from .plan import BASELINE, NO_CLASSES, Plan, PlannedTask, observer, predicts, takes

# Models that run along with the requested ones: baselines to compare with, and references that normalise errors.


Resolve = Callable[[str], ModelSpec]


@dataclass(frozen=True)
class Company:
    """Requested models plus their baselines and references.

    Attributes:
        models: The requested models first.
        pairs: (model, baseline) to compare.
        failures: Baselines and references that could not be loaded, or not compared.
    """

    models: tuple[ModelSpec, ...]
    pairs: tuple[tuple[str, str], ...]
    failures: tuple[Failure, ...]


def companions(
    asked: Sequence[ModelSpec], tasks: Sequence[Task], baselines: Sequence[str] | None, resolve: Resolve
) -> Company:
    """Add the baselines and reference models that the requested models and tasks need.

    Args:
        asked: Models that the user named.
        tasks: What they are asked.
        baselines: Names that the user gave; None takes what each model declares.
        resolve: From a name to a model.

    Raises:
        VitobenchError: A baseline that the user typed does not exist.
    """
    models = {spec.name: spec for spec in asked}
    failures: list[Failure] = []

    def add(name: str) -> None:
        if name not in models:
            try:
                models[name] = resolve(name)
            except VitobenchError as error:
                # A name that the user typed is better refused now than reported after hours.
                if name in (baselines or ()):
                    raise
                failures.append(Failure(name, "*", "*", "*", str(error)))

    observers = {name for task in tasks for name in task.kind.baselines(task)}
    pairs: list[tuple[str, str]] = []
    for spec in asked:
        names = baselines if baselines is not None else (spec.baseline,) if spec.baseline else ()
        for name in dict.fromkeys(names):
            if name != spec.name:
                add(name)
                pairs.append((spec.name, name))
    spaces = {spec.label_space for spec in asked}
    for name in dict.fromkeys(name for task in tasks for name in task.kind.baselines(task)):
        add(name)
        if baselines is None and name in models:
            takers = (spec for spec in asked if any(name in t.kind.baselines(t) and takes(spec, t) for t in tasks))
            pairs += [(spec.name, name) for spec in takers if spec.name not in observers]
    for task in tasks:
        if task.reference is not None and published_reference(task.reference) is None and task.label_space in spaces:
            add(task.reference)
    if baselines is None:
        # A baseline that came along is compared with its own baseline if that is here anyway.
        for spec in list(models.values()):
            if spec.baseline in models and (spec.name, spec.baseline) not in pairs:
                pairs.append((spec.name, str(spec.baseline)))
    here = [(a, b) for a, b in pairs if b in models]

    def comparable(a: str, b: str) -> bool:
        one, other = models[a], models[b]
        same = one.label_space == other.label_space or b in observers
        return same or any(takes(one, task) and takes(other, task) for task in tasks)

    for a, b in here:
        if not comparable(a, b):
            reason = (
                f"predicts {models[b].label_space} classes and {a} predicts {models[a].label_space}: they cannot be "
                "compared"
            )
            failures.append(Failure(b, "*", "*", "*", reason))
    # A baseline whose classes no requested model or task has is left out.
    company = [
        spec
        for spec in models.values()
        if spec.label_space in spaces or spec.name in observers or any(takes(spec, task) for task in tasks)
    ]
    return Company(tuple(company), tuple((a, b) for a, b in here if comparable(a, b)), tuple(failures))


# From settings to a plan, without loading a model or decoding an image.


Hashing = Callable[[int, int], None]

_TOLD_IN_FULL = 2  # data sets that are absent


def make_plan(settings: Settings, store: Store, hashing: Hashing | None = None) -> Plan:
    """Decide what a run consists of.

    Args:
        settings: What was asked.
        store: Keeps content hashes of data folders between runs.
        hashing: Told how many files of a data folder are hashed, and of how many.

    Raises:
        VitobenchError: Unknown names, no data for any model, data that changed, or nothing that could be run.
    """
    check_data_names(settings.given)
    if settings.limit is not None and settings.limit < 1:
        raise VitobenchError(f"--limit {settings.limit} leaves no images; give 1 or more.")
    if not settings.models:
        raise VitobenchError("Nothing to run: name a --model (see `bench models`).")
    wanted = wanted_tasks(settings)
    if not wanted:
        raise VitobenchError("Nothing to run: name a --suite (see `bench suites`) or a --task (see `bench tasks`).")
    resolve = _Resolver(settings, store)
    asked, failures = _resolve(settings, resolve)
    spaces = {spec.label_space for spec in asked}
    _check_configured([task for task in wanted if _fits(task, spaces)], settings)
    absent = dict.fromkeys(task.dataset for task in wanted if not available(task.dataset, settings.data))
    asked, more = _with_tasks(asked, wanted, list(absent))
    failures += more
    spaces = {spec.label_space for spec in asked}  # of those that are left
    fitting = [task for task in wanted if _fits(task, spaces)]
    runnable = [task for task in fitting if task.dataset not in absent]
    here = {task.name for task in runnable}
    derived = [task for task in runnable if task.made_of in here]
    runnable = [task for task in runnable if not task.made_of]
    missing = dict.fromkeys(task.dataset for task in fitting if task.dataset in absent)
    notes = _absent_notes([task for task in fitting if task.dataset in absent])
    used = {name for task in (*runnable, *derived) for name in folders_of(task.dataset)}
    used |= {other for name in used if name in PUBLICATIONS for other in PUBLICATIONS[name].along}
    unused = [name for name in settings.given if name not in used]
    for name in unused:
        wants = [task for task in wanted if name in folders_of(task.dataset)]
        unfit = not any(task in fitting for task in wants)
        why = "no model here predicts its classes" if unfit else "another folder that it needs is missing"
        notes.append(f"--data {name} was not used: {why if wants else 'none of these tasks uses it'}.")

    company = companions(asked, runnable, settings.baselines, resolve)
    # Only corruptions have versions of their own; other tasks do not read the records of earlier ones.
    known = records.kept(store, records.TASKS) if any(task.corrupts for task in runnable) else {}
    planned: list[PlannedTask] = []
    sources: dict[str, ImageSource] = {}
    for task in runnable:
        asked_images = task.images if settings.limit is None else min(settings.limit, task.images or settings.limit)
        source = sources.get(task.dataset)
        if source is None or not _photographs(task):
            cache = records.cache_file(store, f"{safe_name(task.dataset)}.json")
            keys = [condition.key for condition in task.conditions] if task.on_disk else None
            try:
                source = open_source(task.dataset, settings.data, asked_images, settings.seed, cache, hashing, keys)
            except PluginError as error:
                failures.append(Failure("*", task.name, "*", "*", str(error)))
                continue
            sources[task.dataset] = source
            if _photographs(task) and not settings.new_data:
                notes += _check_unchanged(task.dataset, source, settings, store)
        count = len(source.image_ids) if asked_images is None else min(asked_images, len(source.image_ids))
        identity = task.identity(source.digest, settings.seed)
        if task.maps is not None:
            notes += [line for line in getattr(source, "notes", ()) if line not in notes]
        left_out = left_out_of(source).record(task.dataset)
        takers = [spec.identity for spec in company.models if predicts(spec.label_space, task)]
        earlier = reusable(task, source.digest, settings.seed, store, known, takers)
        planned.append(PlannedTask(task, source.digest, settings.seed, identity, count, source, left_out, earlier))
    for task in derived:
        paths = paths_of(task.dataset, settings.data)
        planned += [p.for_task(task, paths[0] if paths else None) for p in planned if p.task.name == task.made_of]
    notes += dict.fromkeys(line for p in planned if (line := p.left_out.get("line")))
    everything = (*failures, *company.failures)
    notes += [f"{spec.name}: {spec.note}" for spec in company.models if spec.note]
    notes += [f"{s.name} was imported: its stored predictions are used." for s in company.models if s.imported]
    return Plan(settings, company.models, company.pairs, tuple(planned), everything, tuple(notes), tuple(missing))


def _fits(task: Task, spaces: Iterable[str]) -> bool:
    return any(predicts(space, task) for space in spaces)


def _check_configured(tasks: Sequence[Task], settings: Settings) -> None:
    """Refuse a configured folder that is gone. One that these tasks do not read may be, such as on another disk.

    Raises:
        DataError: Such a folder, who named it and what to do.
    """
    for name in dict.fromkeys(name for task in tasks for name in folders_of(task.dataset)):
        origin = settings.origins.get(name)
        folder = str(settings.data.get(name))
        if origin is not None and not os.path.isdir(folder):  # noqa: PTH112 (one that may not be entered counts, too)
            reason = "is a file, not a folder" if os.path.exists(folder) else "does not exist"  # noqa: PTH110
            raise DataError(
                f"{origin}: the folder {folder!r} {reason}. Mount it, correct or remove that "
                f"setting, or name another with --data {name}=DIR."
            )


def wanted_tasks(settings: Settings) -> list[Task]:
    """The tasks of the suite, then those named one by one, then those that these are made of.

    Empty if neither a suite nor a task was named.
    """
    suite = get_suite(settings.suite) if settings.suite else None
    tasks = {name: suite.declared(name) for name in suite.tasks} if suite else {}
    tasks |= {name: get_task(name) for name in settings.tasks if name not in tasks}
    made = [task.made_of for task in tasks.values() if task.made_of]
    tasks |= {name: get_task(name) for name in made if name not in tasks}
    return [with_samples(answered_by(task, settings.decisions), settings.samples) for task in tasks.values()]


class _Resolver:
    """From a name to a model in the precision that was asked; what the store describes is not described again."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._precision = settings.precision
        self._store = store

    def __call__(self, name: str) -> ModelSpec:
        if name in OBSERVERS:
            return observer(name)
        try:
            spec = self._described(name) if registry.can_reuse(name) else None
            return replace(spec or registry.resolve(name), precision=self._precision)
        except UnknownNameError:
            imported = imported_as(name, self._store)
            if imported is None:
                raise
            return imported

    def _described(self, name: str) -> ModelSpec | None:
        for record in records.kept(self._store.own, records.MODELS).values():
            if record.get("name") == name:
                with suppress(VitobenchError):
                    spec = spec_of(record)
                    if registry.still_describes(spec):
                        return spec
        return None


def imported_as(name: str, store: Store) -> ModelSpec | None:
    """The imported model of a name, as the newest record of a run or import means it; None where there is none."""
    newest = {run["models"][name]: None for run in records.runs(store) if name in run.get("models", {})}
    known = records.kept(store, records.MODELS)
    for identity in (*newest, *known):
        record = known.get(identity, {})
        if record.get("name") == name and record.get("source") == IMPORTED:
            return spec_of(record)
    return None


def _resolve(settings: Settings, resolve: _Resolver) -> tuple[list[ModelSpec], list[Failure]]:
    specs, failures = [], []
    names = list(dict.fromkeys(settings.models))
    for name in names:
        try:
            specs.append(resolve(name))
        except VitobenchError as error:
            # With one model asked, a wrong name is wrong usage; among several it must not stop the rest.
            if len(names) == 1:
                raise
            failures.append(Failure(name, "*", "*", "*", str(error)))
    if not specs:
        raise VitobenchError("None of the models could be loaded:\n" + "\n".join(f.reason for f in failures))
    if all(spec.imported for spec in specs):
        name = specs[0].name
        raise VitobenchError(
            f"{', '.join(spec.name for spec in specs)}: imported, so there is nothing to run. `bench score --model "
            f"{name}` and `bench compare {name} OTHER` read the stored predictions; in `bench run` name a model that "
            f"can be run, and {name} as its --baseline."
        )
    return specs, failures


def _with_tasks(
    asked: Sequence[ModelSpec], wanted: Sequence[Task], absent: Sequence[str]
) -> tuple[list[ModelSpec], list[Failure]]:
    """Models that have something to do. One that has not is a failure among several, and wrong usage alone."""
    fitting, failures = [], []
    for spec in asked:
        own = [task for task in wanted if spec.source != BASELINE and predicts(spec.label_space, task)]
        if any(task.dataset not in absent for task in own if not task.made_of):
            fitting.append(spec)
        elif own:
            hints = "; or ".join(how_to_bring(name) for name in dict.fromkeys(task.dataset for task in own))
            failures.append(
                Failure(
                    spec.name,
                    "*",
                    "*",
                    "*",
                    f"{spec.name} predicts {spec.label_space} classes; its tasks need {hints}.",
                )
            )
        else:
            names = ", ".join(task.name for task in wanted)
            reason = f"{spec.name} predicts {spec.label_space} classes, and none of these tasks uses them: {names}."
            if spec.label_space == NO_CLASSES:
                reason = f"{spec.name} has no classifier. Fit one: bench probe --model {spec.name}."
            elif not spec.imported and (other := registry.with_classes(spec.name, wanted[0].label_space)):
                reason += f" Write {other!r} for the classes of {wanted[0].name}."
            failures.append(Failure(spec.name, "*", "*", "*", reason))
    if not fitting:
        raise VitobenchError("\n".join(failure.reason for failure in failures))
    return fitting, failures


def _absent_notes(tasks: Sequence[Task]) -> list[str]:
    """A line each where little is left out, and one line for all where much is."""
    if len(tasks) <= _TOLD_IN_FULL:
        return [f"No data for {task.name}: it needs {how_to_bring(task.dataset)}." for task in tasks]
    names = ", ".join(task.name for task in tasks)
    return [f"No data for {names}; `bench plan` with the same arguments shows how to get them."]


def _photographs(task: Task) -> bool:
    return bool(folders_of(task.dataset))


def folders_named(dataset: str, settings: Settings) -> str:
    """The folders of a data set as they stand in the record of a run."""
    return ", ".join(str(settings.data[name].absolute()) for name in folders_of(dataset))


def _check_unchanged(dataset: str, source: ImageSource, settings: Settings, store: Store) -> list[str]:
    """Refuse a folder whose images are no longer those of the last run on it: hours would be spent by surprise.

    Returns:
        A note where all that changed is that files can be read that could not be read then.
    """
    folder = folders_named(dataset, settings)
    for run in records.runs(store.own):
        last = run.get("data", {}).get(dataset)
        if not last or last.get("folder") != folder:
            continue
        if last.get("digest") == source.digest:
            return []
        before = records.packed(store.own, records.MANIFESTS, dataset, str(last.get("digest")))
        change = difference(before, source.manifest()) if before is not None else None
        if change is not None and change.mended:
            note = f"{folder} has changed since the last run ({run['name']}) and is run again: {change.summary}."
            return [note]
        what = change.summary if change is not None else "its files differ"
        raise DataError(
            f"The images in {folder} have changed since the last run ({run['name']}): {what}. Stored predictions "
            "stay valid for the old images. Restore the images, or add --new-data to run on the new ones."
        )
    return []
