"""Records of models, tasks, data manifests and runs, stored as JSON next to the predictions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, Required, TypedDict, cast

from ..caches import user_cache
from ..errors import StoreError
from . import layers
from .layout import IMAGES, PARTIAL, PREDICTIONS, read_document, safe_name, write_document
from .schema import LeftOutRecord, Origin, RunFacts
from .store import Store

MODELS = "models"
TASKS = "tasks"
RUNS = "runs"
MANIFESTS = "manifests"
TRUTHS = "truths"
CACHE = "cache"
DOCUMENTS = (MODELS, TASKS, RUNS, MANIFESTS, TRUTHS, IMAGES)
"""Folders of JSON documents, each of which holds its digest."""

_FACTS = "facts"


class TaskOfRun(TypedDict):
    """What a run asked of a task."""

    identity: str
    images: int
    available: NotRequired[int]
    """Images that there would have been, where the data set has no fixed number."""
    reused: NotRequired[dict[str, list[str]]]
    """Conditions whose predictions were taken from earlier versions of the task, by their identities."""


class DataOfRun(TypedDict, total=False):
    """Where a run read a data set."""

    folder: str
    digest: str
    left_out: LeftOutRecord


class RunRecord(RunFacts, total=False):
    """A run, as its record tells it."""

    name: Required[str]
    status: str
    models: dict[str, str]
    """Identities by name."""
    tasks: dict[str, TaskOfRun]
    data: dict[str, DataOfRun]
    units: dict[str, int]
    host: str


def read(store: Store, name: str) -> dict[str, Any] | None:
    """A JSON document of a store; see `layout.read_document`."""
    return read_document(store.folder, name)


def write(store: Store, name: str, document: Mapping[str, Any]) -> None:
    """Write plain data as a JSON document of a store; see `layout.write_document`."""
    write_document(store.folder, name, document)


def _sound(store: Store, name: str) -> dict[str, Any] | None:
    """A document, or None where it is absent or damaged: records can be written again, predictions cannot."""
    try:
        return read(store, name)
    except StoreError:
        return None


def _documents(store: Store, kind: str) -> list[str]:
    names = store.folder.names(kind)
    return [f"{kind}/{name}" for name in names if name.endswith((".json", ".json.gz")) and not name.startswith(".")]


def damaged(store: Store, kind: str) -> dict[str, str]:
    """Why documents of one kind cannot be trusted, by their names below the store."""
    reasons = {}
    for name in _documents(store, kind):
        try:
            read(store, name)
        except StoreError as error:
            reasons[name] = str(error)
    return reasons


def keep(
    store: Store,
    kind: str,
    identity: str,
    record: Mapping[str, Any],
    sound: Callable[[Mapping[str, Any]], bool] = bool,
) -> None:
    """Keep the record of a model or task under its identity; what is there already and is sound stays.

    Args:
        store: Where.
        kind: `MODELS` or `TASKS`.
        identity: ``name@digest``.
        record: Plain data that the identity can be computed from again.
        sound: Whether the facts of a record give its identity.

    Raises:
        StoreError: It cannot be written.
    """
    name = f"{kind}/{safe_name(identity)}.json"
    known = _sound(store, name)
    if known is None or not sound(known):
        write(store, name, record)


def kept(store: Store, kind: str) -> dict[str, dict[str, Any]]:
    """Records of one kind by identity."""
    by_identity = {}
    for name in _documents(store, kind):
        record = _sound(store, name)
        if record is not None and isinstance(record.get("identity"), str):
            by_identity[record["identity"]] = record
    return by_identity


def write_run(store: Store, name: str, record: Mapping[str, Any]) -> str:
    """Keep the record of a run as ``runs/NAME.json``, in place of an earlier one of that name; returns its path.

    Raises:
        StoreError: It cannot be written.
    """
    write(store, f"{RUNS}/{name}.json", record)
    return store.folder.path(f"{RUNS}/{name}.json")


def runs(store: Store) -> list[RunRecord]:
    """Records of runs, the newest first; each with its ``name``."""
    records = []
    for name in sorted(_documents(store, RUNS), reverse=True):
        record = _sound(store, name)
        if record is not None:
            own = {"name": name.removeprefix(f"{RUNS}/").removesuffix(".json")}
            records.append(cast(RunRecord, record | _run_facts(record) | own))
    return records


def _run_facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields of a run that are looked things up in, without entries of another form than a run writes."""

    def task(facts: Any) -> bool:
        if not isinstance(facts, dict) or not isinstance(facts.get("identity"), str):
            return False
        return type(facts.get("images")) is int and type(facts.get("available", 0)) is int

    fits: dict[str, Callable[[Any], bool]] = {
        "models": lambda identity: isinstance(identity, str),
        "tasks": task,
        "data": lambda place: True,
    }
    return {
        key: {name: entry for name, entry in record[key].items() if sound(entry)}
        if isinstance(record[key], dict)
        else {}
        for key, sound in fits.items()
        if key in record
    }


def origin(store: Store, runs: Sequence[RunRecord], task: str, model: str) -> Origin:
    """Where the predictions of a model and task that a store has itself were computed.

    Args:
        store: That has them.
        runs: Its runs, the newest first.
        task: Task identity.
        model: Model identity.
    """

    def asked(run: RunRecord) -> bool:
        tasks = (facts.get("identity") for facts in run.get("tasks", {}).values())
        return model in run.get("models", {}).values() and task in tasks

    known = [run for run in runs if asked(run)]
    # Whoever repeats a finished run on another machine has computed nothing.
    run = next((run for run in known if _computed(run)), known[0] if known else None)
    if run is None:
        return {"store": store.location, "version": "", "date": "", "machine": ""}
    version = str((run.get("versions") or {}).get("vitobench", ""))
    date, machine = str(run.get("date", "")), str(run.get("host", ""))
    return {"store": store.location, "version": version, "date": date, "machine": machine}


def _computed(run: RunRecord) -> bool:
    units = run.get("units")
    return isinstance(units, dict) and bool(units.get("computed", units.get("missing")))


def keep_packed(store: Store, kind: str, dataset: str, data_digest: str, facts: Mapping[str, Any]) -> None:
    """Keep facts about the images of a data set, one for each image, in place of what is not the same.

    Args:
        store: Where.
        kind: `MANIFESTS` for what a data digest was made of, so that a later change can be told image by image;
            `TRUTHS` for what is known of the images beyond their labels.
        dataset: Name of the data set.
        data_digest: Its digest.
        facts: Plain data.

    Raises:
        StoreError: It cannot be written.
    """
    name = _packed_name(kind, dataset, data_digest)
    plain = json.loads(json.dumps({_FACTS: facts}))
    if _sound(store, name) != plain:
        write(store, name, plain)


def packed(store: Store, kind: str, dataset: str, data_digest: str) -> dict[str, Any] | None:
    """What `keep_packed` kept; None where there is nothing or it is damaged."""
    facts = (_sound(store, _packed_name(kind, dataset, data_digest)) or {}).get(_FACTS)
    return facts if isinstance(facts, dict) else None


def joined(document: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
    """Two documents of `keep_packed` as one; None where they say other things about the same."""
    own, more = document.get(_FACTS), other.get(_FACTS)
    if not isinstance(own, dict) or not isinstance(more, dict):
        return None
    if any(more[key] != own[key] for key in own.keys() & more.keys()):
        return None
    return {_FACTS: own | more}


def _packed_name(kind: str, dataset: str, data_digest: str) -> str:
    return f"{kind}/{safe_name(dataset)}@{data_digest[:16]}.json.gz"


def write_index(store: Store) -> int:
    """Write the index by which a store can be read from a web server; returns the number of files in it.

    Raises:
        StoreError: It cannot be written.
    """
    return layers.write_index(store.own.folder, (PREDICTIONS, PARTIAL, *DOCUMENTS))


def renew_index(store: Store) -> None:
    """Bring the index of a store up to date, where it has one.

    Raises:
        StoreError: It cannot be written.
    """
    if store.own.folder.exists(layers.INDEX):
        write_index(store)


def cache_file(store: Store, name: str) -> Path:
    """A local file for what is dear to compute and cheap to lose, such as the content hashes of a folder.

    In the store where that is a local folder; else in the user's cache folder, since nothing is gained by sending it.
    """
    if store.folder.local is not None:
        return store.folder.local / CACHE / name
    return user_cache() / "vitobench" / name


def resolve_one(records: Mapping[str, Mapping[str, Any]], wanted: str, kind: str) -> str:
    """The identity that a person means by a name, an identity or the beginning of a digest.

    Args:
        records: Records by identity.
        wanted: ``"vito"``, ``"vito@0123abcd"``.
        kind: ``"model"`` or ``"task"``, for messages.

    Raises:
        StoreError: None or several fit; the message lists them.
    """
    fits = [i for i, r in records.items() if wanted in (i, r.get("name")) or ("@" in wanted and i.startswith(wanted))]
    if len(fits) == 1:
        return fits[0]
    if not fits:
        known = ", ".join(sorted(records)) or "none"
        raise StoreError(f"The store has no {kind} {wanted!r}. It has: {known}.")
    raise StoreError(f"{wanted!r} matches several {kind}s; give an identity: {', '.join(sorted(fits))}.")
