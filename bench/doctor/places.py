"""Check folders: the store, the download caches and free disk space. No file is left behind in any of them."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import StoreError
from ...tasks.data.downloads.publication import readable_size
from .check import FAIL, OK, WARN, Check

if TYPE_CHECKING:
    from ...results.store import Store

GROUP = "folders"
TIGHT = 2_000_000_000
"""Bytes of free disk space below which the doctor warns: about the weights of one large model, or a few runs."""
FULL = 50_000_000
"""Bytes of free disk space below which nothing useful can be stored."""


def nearest(path: Path) -> Path:
    """The folder itself, or its nearest parent that exists."""
    folder = path.absolute()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def unwritable(path: Path) -> str:
    """Why a folder cannot be written to, or created; empty if it can. Leaves nothing behind."""
    if path.exists() and not path.is_dir():
        return "it is a file"
    try:
        with tempfile.TemporaryFile(dir=nearest(path)) as probe:
            probe.write(b"\0")
            probe.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def check_store(location: str) -> list[Check]:
    """Whether the store at `location` (``--store``) can be read and written, and what it contains."""
    from ...results.records import cache_file
    from ...results.store import Store

    another = "name another with --store"
    try:
        store = Store(location)
        exists = store.exists()
        rows = [
            _reading(store)
            if exists
            else Check(GROUP, "store", OK, f"{location}: not there yet; the first run creates it")
        ]
    except StoreError as error:
        return [Check(GROUP, "store", FAIL, str(error), another)]
    local = store.folder.local
    if local is not None:
        problem = unwritable(local)
    elif exists:
        problem = _unwritable_remotely(store)
    else:  # trying to write would create the folder
        return [
            *rows,
            Check(GROUP, "store, writing", WARN, "not tried", "the first run shows whether writing is allowed"),
        ]
    writing = f"not possible: {problem}" if problem else "possible"
    rows.append(Check(GROUP, "store, writing", FAIL if problem else OK, writing, another if problem else ""))
    if local is None:
        hashes = cache_file(store, "hashes").parent
        return [*rows, check_cache("content hashes", hashes, "XDG_CACHE_HOME")]
    return [*rows, check_room("store, room", free_at(local))]


def _reading(store: Store) -> Check:
    """Whether the newest unit can be read; reading all is for `bench results verify`."""
    units = store.unit_entries()
    if not units:
        return Check(GROUP, "store", OK, f"{store.location}: empty")
    newest = max((entry for _, entry in units), key=lambda entry: entry.modified)
    problem = store.read_file(newest.name)
    if isinstance(problem, str):
        return Check(GROUP, "store", FAIL, problem, f"bench results verify --store {store.location}")
    models, tasks = ({getattr(unit, kind) for unit, _ in units} for kind in ("model", "task"))
    contents = f"{len(units):,} units of {len(models)} models and {len(tasks)} tasks"
    size = sum(entry.size for _, entry in units)
    return Check(GROUP, "store", OK, f"{store.location}: {contents}, {readable_size(size)}")


def _unwritable_remotely(store: Store) -> str:
    name = f".doctor-{uuid.uuid4().hex}"
    try:
        store.folder.write(name, b"")
        store.folder.remove(name)
    except StoreError as error:
        return str(error)
    return ""


def free_at(path: Path) -> int:
    """Free bytes on the disk of a folder, which need not exist."""
    return shutil.disk_usage(nearest(path)).free


def check_room(name: str, free: int, needed: bool = True) -> Check:
    """Whether a disk has enough free space.

    Args:
        name: Name of the row.
        free: Free bytes.
        needed: Whether a full disk is a failure, rather than a warning.
    """
    status = OK if free >= TIGHT else FAIL if needed and free < FULL else WARN
    advice = "" if status == OK else "free some space, or name a folder on another disk"
    return Check(GROUP, name, status, f"{readable_size(free)} free", advice)


def check_cache(name: str, path: Path, variable: str) -> Check:
    """Whether a cache folder can be written to.

    Args:
        name: Name of the row.
        path: The folder, which need not exist.
        variable: Environment variable that sets another folder.
    """
    problem = unwritable(path)
    if problem:
        advice = f"set {variable} to a writable folder"
        return Check(GROUP, name, WARN, f"{path}: {problem}", advice)
    room = check_room(name, free_at(path), needed=False)
    advice = f"free some space, or set {variable} to a folder on another disk" if room.advice else ""
    return Check(GROUP, name, room.status, f"{path}, {room.found}", advice)


def caches() -> list[tuple[str, Path, str]]:
    """Where weights are downloaded to: (name, folder, environment variable that sets another folder)."""
    from ...models.registry import SOURCES

    folders = [folder for source in SOURCES if (folder := source.downloads_to()) is not None]
    return [(folder.what, folder.path, folder.variable) for folder in folders]
