"""What the predictions of a store are of: records of models, tasks, data manifests and runs, as JSON beside them."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..caches import user_cache
from ..errors import StoreError
from .store import Store, safe_name

MODELS = "models"
TASKS = "tasks"
RUNS = "runs"
MANIFESTS = "manifests"
TRUTHS = "truths"
CACHE = "cache"


def _json(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()


def _load(store: Store, name: str) -> dict[str, Any] | None:
    """A record, or None where it is absent or damaged: records can be written again, predictions cannot."""
    try:
        found = json.loads(store.folder.read(name))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def keep(store: Store, kind: str, identity: str, record: Mapping[str, Any]) -> None:
    """Keep the record of a model or task under its identity; what is there already stays.

    Args:
        store: Where.
        kind: `MODELS` or `TASKS`.
        identity: ``name@digest``.
        record: Plain data that the identity can be computed from again.

    Raises:
        StoreError: It cannot be written.
    """
    name = f"{kind}/{safe_name(identity)}.json"
    if _load(store, name) is None:
        store.folder.write(name, _json(record))


def kept(store: Store, kind: str) -> dict[str, dict[str, Any]]:
    """Records of one kind by identity."""
    found = {}
    for name in store.folder.names(kind):
        record = _load(store, f"{kind}/{name}") if name.endswith(".json") and not name.startswith(".") else None
        if record is not None and isinstance(record.get("identity"), str):
            found[record["identity"]] = record
    return found


def write_run(store: Store, name: str, record: Mapping[str, Any]) -> str:
    """Keep the record of a run as ``runs/NAME.json``, in place of an earlier one of that name; returns its path.

    Raises:
        StoreError: It cannot be written.
    """
    store.folder.write(f"{RUNS}/{name}.json", _json(record))
    return store.folder.path(f"{RUNS}/{name}.json")


def runs(store: Store) -> list[dict[str, Any]]:
    """Records of runs, the newest first; each with its ``name``."""
    found = []
    for name in sorted(store.folder.names(RUNS), reverse=True):
        record = _load(store, f"{RUNS}/{name}") if name.endswith(".json") and not name.startswith(".") else None
        if record is not None:
            found.append({**record, **_run_facts(record), "name": name.removesuffix(".json")})
    return found


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


def keep_packed(
    store: Store, kind: str, dataset: str, data_digest: str, facts: Mapping[str, Any], fresh: bool = False
) -> None:
    """Keep facts about the images of a data set, one for each image; what is there already stays.

    Args:
        store: Where.
        kind: `MANIFESTS` for what a data digest was made of, so that a later change can be told image by image;
            `TRUTHS` for what is known of the images beyond their labels.
        dataset: Name of the data set.
        data_digest: Its digest.
        facts: Plain data.
        fresh: Replace what is there: facts that do not follow from the data digest.

    Raises:
        StoreError: It cannot be written.
    """
    name = _packed_name(kind, dataset, data_digest)
    if fresh or not store.folder.exists(name):
        content = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
        store.folder.write(name, gzip.compress(content, mtime=0))  # without a time the same content is the same file


def packed(store: Store, kind: str, dataset: str, data_digest: str) -> dict[str, Any] | None:
    """What `keep_packed` kept; None where there is nothing or it is damaged."""
    try:
        found = json.loads(gzip.decompress(store.folder.read(_packed_name(kind, dataset, data_digest))))
    except (OSError, EOFError, ValueError, zlib.error):
        return None
    return found if isinstance(found, dict) else None


def _packed_name(kind: str, dataset: str, data_digest: str) -> str:
    return f"{kind}/{safe_name(dataset)}@{data_digest[:16]}.json.gz"


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
        raise StoreError(f"The store holds no {kind} {wanted!r}. It holds: {known}.")
    raise StoreError(f"Several {kind}s are called {wanted!r}; name one by its identity: {', '.join(sorted(fits))}.")
