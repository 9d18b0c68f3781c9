"""Records of models, tasks and facts about images next to predictions, so that a store can be scored on its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from ..errors import DataError, StoreError, VitobenchError
from ..models.registry import file_of
from ..models.spec import ModelSpec, Preprocessing
from ..results import records
from ..results.layout import PARTIAL, PREDICTIONS, safe_name
from ..results.predictions import Asked
from ..results.store import Store
from ..tasks.labels import Truth, class_count, labels_for
from ..tasks.microworld.vocabulary import CLASSES
from ..tasks.opening import annotations_of, how_to_bring, open_source
from ..tasks.plugin_tasks import origin_of
from ..tasks.registry import find_task
from ..tasks.task import Task, answered_by, task_identity, with_samples
from ..text import escaped
from .planning.plan import Plan, PlannedTask, Reusable
from .scoring.alignment import keep_people, set_of
from .settings import DECISIONS

# Find the training step of a checkpoint.


_IN_NAME = re.compile(r"step[-_=]?(\d+)", re.IGNORECASE)


def training_step(spec: ModelSpec) -> int | None:
    """The step in a checkpoint's card (``training_step``, else ``step``), or else in the name of its file.

    Returns:
        Steps of the optimiser, or None if neither gives it. A name may contain ``step-000500``, ``step_500`` or
        ``step500``; of several, the last one counts.
    """
    for key in ("training_step", "step"):
        if (text := spec.extra.get(key, "")).isdecimal():
            return int(text)
    file = file_of(spec.name)
    return None if file is None else step_in_name(file.name)


def step_in_name(file: str) -> int | None:
    """The step in a file's name, or None."""
    numbers = _IN_NAME.findall(file)
    return int(numbers[-1]) if numbers else None


# Facts about images beyond their labels, stored next to the predictions so that these can be scored alone.


def keep_truths(planned: PlannedTask, store: Store) -> None:
    """Keep anchors with their neighbours and accepted classes, where a task needs them and they come from a folder.

    Raises:
        StoreError: The store cannot be written.
    """
    if planned.task.kind.needs and planned.task.world != "microworld":
        facts = _read(planned)
        if isinstance(facts, dict):
            records.keep_packed(store, records.TRUTHS, planned.task.dataset, planned.data_digest, facts)


def _read(planned: PlannedTask) -> dict[str, Any] | str | None:
    """Facts about the images from their folder or from annotations; None without either, or why they are unusable."""
    if planned.annotations is not None:
        try:
            return annotations_of(planned.task.dataset, planned.annotations)
        except DataError as error:
            return str(error)
    return None if planned.task.made_of or planned.source is None else _facts(planned.source)


def truth_of(planned: PlannedTask, store: Store) -> Truth | str:
    """The truth of a task: generated for the micro-world; for other tasks read from the images, or else from the store.

    Returns:
        A line that says why there is none, where the store has lost it, it is damaged, or annotations cannot be used:
        what needs it cannot be scored.
    """
    task = planned.task
    needs = task.kind.needs
    if not needs:
        return Truth()
    if task.world == "microworld":
        source: Any = open_source(task.dataset, {}, planned.images, planned.seed)
        if "textures" in needs:
            textures = dict(zip(source.image_ids, source.textures().tolist(), strict=True))
            return Truth(textures=textures, categories=CLASSES)
        if "votes" in needs:
            return Truth(votes=dict(zip(source.image_ids, source.votes.tolist(), strict=True)))
        return Truth(anchors=source.anchors)
    facts = _read(planned)
    if facts is None:
        facts = records.packed(store, records.TRUTHS, task.dataset, planned.data_digest)
    if facts is None and task.made_of:
        return f"{task.title} needs {how_to_bring(task.dataset)}"
    if facts is None:
        return f"the truths of {task.dataset} are missing from the store or damaged: run again with --data"
    if isinstance(facts, str):
        return facts
    known: Mapping[str, list[int]] = facts.get("images", {})
    accepted: Mapping[str, list[int]] = facts.get("accepted", {})
    frames: Mapping[str, int] = facts.get("frames", {})
    sequences = {video: [f"{video}/{n:03d}" for n in range(count)] for video, count in frames.items()}
    return Truth(
        anchors=facts.get("anchors", {}),
        accepted={i: frozenset(c) for i, c in accepted.items()},
        sequences={condition.name: sequences for condition in task.conditions} if sequences else {},
        factors={image: (label, tuple(places)) for image, (label, *places) in known.items()},
        votes=facts.get("votes", {}),
    )


def truth_facts(planned: PlannedTask, store: Store) -> Any:
    """What `truth_of` is made from, as plain data; None where the code and the task alone decide it, or it is lost."""
    if not planned.task.kind.needs or planned.task.world == "microworld":
        return None
    facts = _read(planned)
    if facts is not None:
        return facts
    return records.packed(store, records.TRUTHS, planned.task.dataset, planned.data_digest)


def _facts(source: Any) -> dict[str, Any]:
    ids = [escaped(str(image_id)) for image_id in source.image_ids]  # as the predictions spell them
    facts: dict[str, Any] = {}
    if hasattr(source, "frames") and isinstance(source.frames, dict):
        facts["frames"] = {escaped(video): count for video, count in source.frames.items()}
    if hasattr(source, "accepted"):
        facts["accepted"] = {
            i: sorted(int(c) for c in classes) for i, classes in zip(ids, source.accepted, strict=True)
        }
    if hasattr(source, "votes"):
        facts["votes"] = dict(zip(ids, source.votes.tolist(), strict=True))
    if hasattr(source, "neighbours"):
        facts["anchors"] = {
            ids[int(anchor)]: [ids[int(n)] for n in others]
            for anchor, others in zip(source.anchors, source.neighbours, strict=True)
        }
    return facts


# Records of models and tasks next to their predictions, so that a store can be scored on its own.


def model_record(spec: ModelSpec) -> dict[str, Any]:
    """A model as plain data; `spec_of` is the inverse. ``training_step`` is included if it is known."""
    step = training_step(spec)
    known = {} if step is None else {"training_step": step}
    return asdict(spec) | {"identity": spec.identity} | known


def spec_of(record: Mapping[str, Any]) -> ModelSpec:
    """The model of a record.

    Raises:
        StoreError: The record is damaged: its facts no longer give the identity that it has.
    """
    try:
        values = {f.name: record[f.name] for f in fields(ModelSpec) if f.name in record}
        preprocessing = dict(values["preprocessing"])
        preprocessing |= {name: tuple(preprocessing[name]) for name in ("mean", "std")}
        spec = ModelSpec(**(values | {"preprocessing": Preprocessing(**preprocessing)}))
        identity = spec.identity
    except (KeyError, TypeError, ValueError, VitobenchError) as error:
        raise StoreError(_damaged(records.MODELS, record, f"{type(error).__name__}: {error}")) from None
    if identity != record.get("identity"):
        raise StoreError(_damaged(records.MODELS, record, f"its content belongs to {identity}"))
    return spec


def _damaged(kind: str, record: Mapping[str, Any], reason: str) -> str:
    identity = str(record.get("identity"))
    return f"The record {kind}/{safe_name(identity)}.json is damaged ({reason}); the next run of it writes it again."


def task_record(planned: PlannedTask) -> dict[str, Any]:
    """A task as plain data: what its identity covers, where its images come from and their seed."""
    facts = planned.task.identity_facts(planned.data_digest, planned.seed)
    origin = origin_of(planned.task)
    known = {"plugin": origin} if origin else {}
    labels_alone = getattr(planned.source, "origin", "")
    known |= {"images": labels_alone} if labels_alone else {}
    return facts | {"identity": planned.identity, "dataset": planned.task.dataset, "seed": planned.seed} | known


def planned_of(record: Mapping[str, Any], images: int) -> PlannedTask | str:
    """The task of a record, without its images; or a line that says why it cannot be scored by this version.

    Args:
        record: From `task_record`.
        images: Number of images taken.

    Raises:
        StoreError: The record is damaged: its facts no longer give the identity that it has.
    """
    name, identity = str(record.get("name")), str(record.get("identity"))
    task = declared(record)
    if task is None:
        where = f"; it came from {record['plugin']}" if record.get("plugin") else ""
        return f"{identity} was skipped: this version of vitobench has no task {name!r}{where}."
    if not sound_task(record):
        raise StoreError(_damaged(records.TASKS, record, "its content does not match its identity"))
    if outdated(record):
        same = task.unchanged_since(record, record["data_digest"], record["seed"])
        changed = ", ".join(dict.fromkeys(condition.name for condition in task.conditions if condition not in same))
        if same:
            return (
                f"{identity} was skipped: {changed} changed since it was run. Run it again: only that is computed. "
                "After that, `bench results prune --superseded --yes` removes the old predictions."
            )
        return (
            f"{identity} was skipped: it was run under an earlier version of its protocol. Run it again; `bench "
            "results prune --superseded --yes` removes the old predictions."
        )
    labels_alone = str(record.get("images", ""))
    return PlannedTask(task, record["data_digest"], record["seed"], identity, images, labels_alone=labels_alone)


def reusable(
    task: Task,
    data_digest: str,
    seed: int,
    store: Store,
    known: Mapping[str, Mapping[str, Any]],
    models: Sequence[str],
) -> tuple[Reusable, ...]:
    """What earlier versions of a task left in a store that holds for this one: see `Task.unchanged_since`.

    Args:
        task: As declared now.
        data_digest: Digest of its images.
        seed: Seed of its corruptions.
        store: The store to search.
        known: The store's records of tasks, by identity.
        models: Identities; versions without predictions of any of them are left out.
    """
    current = task.identity(data_digest, seed)
    versions = []
    for identity, record in sorted(known.items()):
        same = task.unchanged_since(record, data_digest, seed) if identity != current and sound_task(record) else ()
        if same and any(_has_predictions(store, identity, model) for model in models):
            versions.append(Reusable(identity, same))
    return tuple(sorted(versions, key=lambda version: -len(version.conditions)))


def _has_predictions(store: Store, task: str, model: str) -> bool:
    return any(store.coverage(task, model, tree).stops for tree in (PREDICTIONS, PARTIAL))


def outdated(record: Mapping[str, Any]) -> bool:
    """Whether a task's record is sound, but of another version of its protocol than this one's."""
    task = declared(record)
    if task is None or not sound_task(record):
        return False
    return task.identity(record["data_digest"], record["seed"]) != record["identity"]


def declared(record: Mapping[str, Any]) -> Task | None:
    """The task of a record as this version declares it, with the decisions that it was run with."""
    task = find_task(str(record.get("name")))
    if task is None:
        return None
    maps = record.get("maps")
    if isinstance(maps, dict) and isinstance(maps.get("samples"), int) and maps["samples"] > 0:
        task = with_samples(task, maps["samples"])
    variants = [answered_by(task, decisions) for decisions in DECISIONS]
    return next((variant for variant in variants if variant.answers == record.get("answers", "")), task)


def sound_task(record: Mapping[str, Any]) -> bool:
    """Whether the facts of a task's record give its identity."""
    try:
        return isinstance(record["seed"], int) and task_identity(record) == record["identity"]
    except (KeyError, TypeError, ValueError):
        return False


def _gives_its_identity(record: Mapping[str, Any]) -> bool:
    try:
        spec_of(record)
    except StoreError:
        return False
    return True


def asked_of(planned: PlannedTask) -> Asked:
    """What a task asks, as its images tell it.

    Raises:
        ValueError: The plan is one of stored answers.
    """
    task, source = planned.task, planned.source
    if source is None:
        raise ValueError("a plan of stored answers has no images")
    labels = np.asarray(labels_for(task, source, source.labels), dtype=np.int64)
    conditions = tuple(condition.key for condition in task.conditions)
    ids = tuple(escaped(str(i)) for i in source.image_ids)
    return Asked(ids, labels, class_count(task), conditions, task.kind.numbers)


def keep(plan: Plan, store: Store) -> None:
    """Keep the records of a plan's models, tasks and data before anything is run.

    Raises:
        StoreError: The store cannot be written.
    """
    for spec in plan.models:
        record = model_record(spec)

        def sound(known: Mapping[str, Any], record: Mapping[str, Any] = record) -> bool:
            # Facts that earlier versions did not note are worth writing anew.
            complete = known.keys() >= record.keys() and (known.get("extra") or {}).keys() >= record["extra"].keys()
            return complete and _gives_its_identity(known)

        records.keep(store, records.MODELS, spec.identity, record, sound)
    for planned in plan.tasks:
        if planned.task.made_of:
            keep_truths(planned, store)
            continue
        records.keep(store, records.TASKS, planned.identity, task_record(planned), sound_task)
        if planned.source is not None:
            store.keep_asked(planned.identity, asked_of(planned))
            manifest = planned.source.manifest()
            records.keep_packed(store, records.MANIFESTS, planned.task.dataset, planned.data_digest, manifest)
            keep_truths(planned, store)
            if planned.task.kind.together and planned.task.world != "microworld":
                keep_people(plan.settings.data, planned, set_of(planned), store)
