"""Store predictions that were made elsewhere: every row matched with an image of the task, or said why not."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError, StoreError, UnknownNameError, VitobenchError
from ...identity import digest
from ...models import registry
from ...models.spec import ModelSpec, imported_files, imported_model
from ...results import records
from ...results.layout import PREDICTIONS, safe_name
from ...results.schema import TOP_K, condition_key
from ...results.store import Store
from ...results.unit_file import numbers_of, top_of
from ...tasks.answer_spaces import answer_space
from ...tasks.images.source import ImageSource
from ...tasks.kinds import OBSERVERS
from ...tasks.labels import ClassNames, class_count
from ...tasks.opening import check_data_names
from ...tasks.registry import get_task
from ...tasks.task import Task
from .. import catalogue
from ..planning.asked import folders_named
from ..planning.plan import Plan, PlannedTask
from ..run import facts
from ..settings import Settings
from .features import GivenFeatures, write_numbers
from .labels import LabelList, images_of
from .matching import Given, Grid, Problem, match
from .tables import NAME, PREDICTED, PROBABILITY, Content, read_array, read_content, read_table

Stage = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""

_WRITERS = 4


@dataclass(frozen=True)
class Request:
    """What is imported.

    Attributes:
        file: Predictions: CSV or Parquet, or an array of logits.
        model: What the model is called from now on.
        task: Name of the task that they answer.
        names: Names of the rows of an array of logits, where the array has none.
        labels: Names and labels of the task's images, where these are not there.
        partial: Whether what is wrong is left out, instead of refusing everything.
        settings: The store, folders of data sets and the seed.
        command: The command line, for the record.
    """

    file: Path
    model: str
    task: str
    names: Path | None = None
    labels: Path | None = None
    partial: bool = False
    settings: Settings = field(default_factory=lambda: Settings(models=()))
    command: str = ""


@dataclass(frozen=True)
class Imported:
    """What an import stored.

    Attributes:
        model: Identity.
        task: Identity.
        predictions: Number of predictions that were stored.
        images: Images of the task.
        passed_over: Rows about images that the task does not ask about.
        problems: What was left out.
        replaced: The identity that the model had before this file was added; empty where it is the same.
    """

    model: str
    task: str
    predictions: int
    images: int
    passed_over: int
    problems: tuple[Problem, ...]
    replaced: str = ""


def import_file(request: Request, stage: Stage | None = None) -> Imported:
    """Match the predictions of a file with a task's images and store them.

    Args:
        request: What is imported.
        stage: Told how far hashing the images and writing the units are.

    Raises:
        DataError: The file or its content does not fit, with counts and examples; nothing was written.
        VitobenchError: A name that is taken or unknown, other predictions under the same name, a store that cannot be
            written.
    """
    task = get_task(request.task)
    settings = replace(request.settings, models=(request.model,), tasks=(request.task,))
    check_data_names(settings.data)
    _check_name(request.model)
    if task.made_of:
        raise VitobenchError(
            f"{task.name} is made of the predictions for {task.made_of} and has none of its own. Import the file with "
            f"--task {task.made_of}; `bench score` then has both."
        )
    if task.kind.numbers and not task.kind.by_features:
        raise VitobenchError(f"{task.name} stores numbers in place of classes; predictions cannot be imported for it.")
    store = Store(settings.store)
    content = read_content(request.file)
    names = None if request.names is None else read_content(request.names)
    if names is not None and not content.is_array:
        raise DataError(f"--names goes with an array of logits; {request.file} has names of its own.")
    cache = records.cache_file(store, f"{safe_name(task.dataset)}.json")
    hashing = partial(stage, "Hashing images") if stage is not None else None
    source = images_of(task, request.labels, settings.data, settings.seed, cache, hashing)
    writes, stored, problems, passed_over = _matched(task, source, content, names)
    if problems and not request.partial:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise DataError(
            f"{request.file} does not fit {task.name} ({len(source):,} images), and nothing was written:{lines}\n"
            "Correct the file, or add --partial to import the rest and count these as missing."
        )
    if not stored:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise DataError(f"{request.file} has no prediction for {task.name}, and nothing was written:{lines}")
    identity = task.identity(source.digest, settings.seed)
    sha256 = content.sha256 if names is None else digest([content.sha256, names.sha256])
    spec, earlier = _described(request, task, identity, sha256, store)
    images = len(source) if task.images is None else min(task.images, len(source))
    planned = PlannedTask(task, source.digest, settings.seed, identity, images, source)
    plan = Plan(settings, (spec,), (), (planned,), (), ())
    store.prepare()
    catalogue.keep(plan, store)
    # The record of an identity that was there already does not know of this task yet.
    records.write(store, f"{records.MODELS}/{safe_name(spec.identity)}.json", catalogue.model_record(spec))
    _carry_over(store, earlier, spec)
    writes(store, planned, spec, stage)
    _record(store, plan, request, source, sha256, problems)
    replaced = next((old.identity for old in earlier if old.identity != spec.identity), "")
    return Imported(spec.identity, identity, stored, images, passed_over, tuple(problems), replaced)


Writes = Callable[[Store, PlannedTask, ModelSpec, Stage | None], None]


def _matched(
    task: Task, source: ImageSource, content: Content, names: Content | None
) -> tuple[Writes, int, Sequence[Problem], int]:
    """What writes the units, how many predictions they have, what does not fit, and rows about other images."""
    if task.kind.by_features:
        if not content.is_array:
            raise DataError(f"{task.name} compares features; {content.path} is a table. Give an .npz or .npy file.")
        features = GivenFeatures(task, source, content, names)
        stored = int((~features.missing).sum())
        return partial(write_numbers, features), stored, features.problems, features.passed_over
    given = _from_logits(task, content, names) if content.is_array else _from_table(task, content)
    grid, problems, passed_over = match(task, source, given)
    return partial(_write, grid), int((grid.error == "").sum()), problems, passed_over


# The model: its name, and its identity, which is a function of the files.


def _check_name(name: str) -> None:
    if not name or name != name.strip() or any(c in name for c in "@*?[]=,/\\") or not name.isprintable():
        raise VitobenchError(
            f"{name!r} cannot be the name of an imported model; use letters, digits, spaces, '-', '.', '_' or '+', "
            "such as resnet50-jax."
        )
    try:
        source = registry.source_of(name).name
    except UnknownNameError:
        if name not in OBSERVERS:
            return
        source = "baseline"
    raise VitobenchError(f"{name} is the name of a model that can be run ({source}); import it under another --model.")


def _described(
    request: Request, task: Task, identity: str, sha256: str, store: Store
) -> tuple[ModelSpec, list[ModelSpec]]:
    """The model with this file, and what it was with the files that were imported before."""
    name = request.model
    earlier: list[ModelSpec] = []
    files: dict[str, tuple[str, str]] = {}
    for record in records.kept(store, records.MODELS).values():
        if record.get("name") != name:
            continue
        spec = catalogue.spec_of(record)
        if not spec.imported:
            raise VitobenchError(f"{store.location} has a model {name} that was run; import under another --model.")
        held = {t: file for t, file in imported_files(spec).items() if store.coverage(t, spec.identity).stops}
        if held and spec.label_space != task.label_space:
            raise VitobenchError(
                f"{name} was imported as a model of {spec.label_space} classes, and {task.name} needs "
                f"{task.label_space}; import under another --model."
            )
        if held:
            earlier.append(spec)
            files |= held
    before = files.get(identity)
    if before is not None and before[1] != sha256:
        raise StoreError(
            f"{store.location} has other predictions of {name} for {identity}, imported from {before[0]} (sha256 "
            f"{before[1][:16]}…). Import this file under another --model, or remove those first: `bench results prune "
            f"--model {name} --task {task.name} --yes --store {store.location}`."
        )
    spec = imported_model(name, task.label_space, files | {identity: (request.file.name, sha256)})
    return spec, earlier


def _carry_over(store: Store, earlier: Sequence[ModelSpec], spec: ModelSpec) -> None:
    """Write what was imported before under the identity that the model has with one more file."""
    for old in earlier:
        if old.identity == spec.identity:
            continue
        for unit, entry in store.unit_entries():
            if unit.model != safe_name(old.identity) or not entry.name.startswith(f"{PREDICTIONS}/"):
                continue
            table = store.checked(entry.name)
            columns = {name: table.column(name).to_pylist() for name in table.column_names}
            columns["top"] = top_of(table)
            columns["numbers"] = {name: columns[name] for name in numbers_of(table.schema)}
            (task,) = set(columns["task"])
            if not store.has(task, spec.identity, unit.start, unit.stop):
                store.write_unit(task, spec.identity, unit.start, unit.stop, columns)


# What a file says, as positions in the task's classes.


def _from_table(task: Task, content: Content) -> Given:
    table = read_table(content)
    names = table.need("names of images", NAME)
    ranks = [table.need("predicted classes", PREDICTED)]
    more = [table.find((f"top{rank}",)) for rank in range(2, TOP_K + 1)]
    ranks += [column for column in more if column is not None and any(column)] if table.find(("top1",)) else []
    trust = table.need("probabilities of the predicted classes", PROBABILITY)
    known = ClassNames(task)
    index = {text: known(text) for column in ranks for text in set(column)}
    top = np.array([[index[text] for text in column] for column in ranks], dtype=np.int16).T
    confidence = np.array([_probability(text) for text in trust])
    names_of, grades = table.find(("condition",)), table.find(("severity",))
    conditions: list[str] = []
    if names_of is not None:
        conditions = [
            condition_key(name, int(grade)) if grade.isdigit() else name
            for name, grade in zip(names_of, grades or [""] * len(table), strict=True)
        ]
    return Given(names, conditions, top, confidence, list(zip(ranks[0], trust, strict=True)))


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return np.nan
    return value if 0 <= value <= 1 else np.nan


def _from_logits(task: Task, content: Content, names: Content | None) -> Given:
    image_names, logits = read_array(content, names)
    space = answer_space(task.answers) if task.answers else None
    own = class_count(task)
    wanted = {own} if space is None else {own, class_count(replace(task, answers=""))}
    if logits.shape[1] not in wanted:
        raise DataError(
            f"{content.path} has logits of {logits.shape[1]} classes; {task.name} needs "
            f"{' or '.join(map(str, sorted(wanted)))}."
        )
    finite = np.isfinite(logits).all(axis=1)
    defined = np.where(finite[:, None], logits, 0.0)
    beside = {}
    if space is not None and logits.shape[1] != own:
        if space.merge:
            from ...tasks.alignment.decisions import ranking

            top, confidence = ranking(defined, space.groups, space.merge, TOP_K)
        else:
            defined = space.scores(defined)
            top, confidence = _ranked(defined)
    else:
        top, confidence = _ranked(defined)
    if task.kind.keeps_beside and (space is None or not space.merge):
        best = defined.max(axis=1)
        beside = {"energy": best + np.log(np.exp(defined - best[:, None]).sum(axis=1)), "max_logit": best}
    top = np.where(finite[:, None], top, -1).astype(np.int16)
    trust = np.where(finite, confidence, np.nan).astype(np.float64)
    written = [("", "") if good else ("logits that are not finite", "") for good in finite.tolist()]
    return Given(image_names, (), top, trust, written, beside)


def _ranked(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best classes in order, and the softmax probability of the best."""
    order = np.argsort(-logits, axis=1, kind="stable")[:, :TOP_K]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    best = np.take_along_axis(powers, order[:, :1], axis=1)[:, 0]
    return order, best / powers.sum(axis=1)


# Into the store: units as a run writes them, then the record.


def _write(grid: Grid, store: Store, planned: PlannedTask, spec: ModelSpec, stage: Stage | None) -> None:
    asked = catalogue.asked_of(planned)
    conditions = planned.task.conditions
    done = store.coverage(planned.identity, spec.identity)

    def write(limits: tuple[int, int]) -> None:
        start, stop = limits
        if done.has(start, stop):
            return
        images = stop - start
        columns = {
            "condition": [c.name for c in conditions] * images,
            "severity": [c.severity for c in conditions] * images,
            "image_id": [i for i in asked.image_ids[start:stop] for _ in conditions],
            "label": np.repeat(asked.labels[start:stop], len(conditions)).astype(np.int16),
            "top": grid.top[start:stop].reshape(images * len(conditions), -1),
            "confidence": grid.confidence[start:stop].ravel(),
            "error": [reason or None for reason in grid.error[start:stop].ravel().tolist()],
            "numbers": {name: values[start:stop].ravel() for name, values in grid.beside.items()},
        }
        store.write_unit(planned.identity, spec.identity, start, stop, columns)

    ranges = planned.ranges()
    with ThreadPoolExecutor(_WRITERS) as pool:  # the packing of a file takes most of the time, and holds no lock
        for number, _ in enumerate(pool.map(write, ranges), 1):
            if stage is not None:
                stage("Importing", number, len(ranges))


def _record(
    store: Store, plan: Plan, request: Request, source: ImageSource, sha256: str, problems: Sequence[Problem]
) -> None:
    """The record of the import, in the form of a run's, so that names mean the newest."""
    (spec,), (planned,) = plan.models, plan.tasks
    listed = isinstance(source, LabelList)
    place = str(request.labels.absolute()) if listed and request.labels else ""
    data: dict[str, Any] = {}
    if listed or planned.task.world != "microworld":
        place = place or folders_named(planned.task.dataset, plan.settings)
        data = {planned.task.dataset: {"folder": place, "digest": planned.data_digest}}
    record: Mapping[str, Any] = dict(facts(plan.settings, request.command)) | {
        "status": "finished",
        "models": {spec.name: spec.identity},
        "pairs": [],
        "tasks": {planned.task.name: {"identity": planned.identity, "images": planned.images}},
        "data": data,
        "imported": {
            "file": str(request.file.absolute()),
            "sha256": sha256,
            "labels": source.origin if isinstance(source, LabelList) else "",
            "left_out": [asdict(problem) for problem in problems],
        },
    }
    name = f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%S%fZ')}-{uuid.uuid4().hex[:8]}"
    records.write_run(store, name, record)
