"""Checks of folders and data sets: configuration, store, downloads, free disk space, data of earlier runs."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import StoreError, VitobenchError
from ...results.records import RunRecord
from ...tasks.download.publication import readable_size
from .. import configuration
from .check import FAIL, OK, WARN, Check

if TYPE_CHECKING:
    from ...results.store import Store


# Check folders: the store, the download caches and free disk space. No file is left behind in any of them.


PLACES = "folders"
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
            else Check(PLACES, "store", OK, f"{location}: not there yet; the first run creates it")
        ]
    except StoreError as error:
        return [Check(PLACES, "store", FAIL, str(error), another)]
    local = store.folder.local
    if local is not None:
        problem = unwritable(local)
    elif exists:
        problem = _unwritable_remotely(store)
    else:  # trying to write would create the folder
        return [
            *rows,
            Check(PLACES, "store, writing", WARN, "not tried", "the first run shows whether writing is allowed"),
        ]
    writing = f"not possible: {problem}" if problem else "possible"
    rows.append(Check(PLACES, "store, writing", FAIL if problem else OK, writing, another if problem else ""))
    if local is None:
        hashes = cache_file(store, "hashes").parent
        return [*rows, check_cache("content hashes", hashes, "XDG_CACHE_HOME")]
    return [*rows, check_room("store, room", free_at(local))]


def _reading(store: Store) -> Check:
    """Whether the newest unit can be read; reading all is for `bench results verify`."""
    units = store.unit_entries()
    if not units:
        return Check(PLACES, "store", OK, f"{store.location}: empty")
    newest = max((entry for _, entry in units), key=lambda entry: entry.modified)
    problem = store.read_file(newest.name)
    if isinstance(problem, str):
        return Check(PLACES, "store", FAIL, problem, f"bench results verify --store {store.location}")
    models, tasks = ({getattr(unit, kind) for unit, _ in units} for kind in ("model", "task"))
    contents = f"{len(units):,} units of {len(models)} models and {len(tasks)} tasks"
    size = sum(entry.size for _, entry in units)
    return Check(PLACES, "store", OK, f"{store.location}: {contents}, {readable_size(size)}")


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
    return Check(PLACES, name, status, f"{readable_size(free)} free", advice)


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
        return Check(PLACES, name, WARN, f"{path}: {problem}", advice)
    room = check_room(name, free_at(path), needed=False)
    advice = f"free some space, or set {variable} to a folder on another disk" if room.advice else ""
    return Check(PLACES, name, room.status, f"{path}, {room.found}", advice)


def caches() -> list[tuple[str, Path, str]]:
    """Where weights are downloaded to: (name, folder, environment variable that sets another folder)."""
    from ...models.registry import SOURCES

    folders = [folder for source in SOURCES if (folder := source.downloads_to()) is not None]
    return [(folder.what, folder.path, folder.variable) for folder in folders]


# Check the configuration: which files are read, whether they are valid, and whether the folders in them exist.


CONFIGURATION = "configuration"


def check_configuration() -> list[Check]:
    """A row for each file or variable that is read, and one for each folder of data that is gone."""
    try:
        files, layers = configuration.files(), configuration.layers()
    except VitobenchError as error:
        return [
            Check(
                CONFIGURATION,
                "file",
                FAIL,
                str(error),
                f"correct it, or name another file with {configuration.FILE_VARIABLE}",
            )
        ]
    rows = []
    for layer in layers:
        contents = [f"{key} {value}" for key, value in asdict(layer.configuration).items() if value and key != "data"]
        if layer.configuration.data:
            contents.insert(0, f"data {', '.join(layer.configuration.data)}")
        words = f"{layer.origin}: {'; '.join(contents) or 'nothing'}"
        rows.append(Check(CONFIGURATION, "variable" if layer.file is None else "file", OK, words))
        named = {f"data.{name}": text for name, text in layer.configuration.data.items()}
        for key, text in {**named, "data_root": layer.configuration.data_root}.items():
            if text and not layer.path(text).is_dir():
                words = f"{layer.key(key)} = {str(layer.path(text))!r} is no folder"
                rows.append(Check(CONFIGURATION, key, WARN, words, "mount it, or correct or remove that line"))
    if not files:
        words = (
            f"no file; {configuration.FILE} here or {configuration.user_file() or 'in your home folder'} would be read"
        )
        rows.append(Check(CONFIGURATION, "file", OK, words, "bench data add NAME DIR writes it"))
    return rows


# Check data sets: which are downloaded, completely or in part, and whether those of earlier runs still exist.


DATA_SETS = "data sets"


@dataclass(frozen=True)
class DataSets:
    """What `measure_data` found.

    Attributes:
        root: Folder in which `bench data get` puts data sets.
        published: Names of all published sets.
        fetched: The sets that are completely in `root`.
        partial: Sets of which only some files were downloaded, as with ``--only``, each with a count such as
            ``"2 of 5 files"``.
        incomplete: Sets whose download or unpacking was interrupted.
    """

    root: Path
    published: tuple[str, ...]
    fetched: tuple[str, ...]
    partial: Mapping[str, str]
    incomplete: tuple[str, ...]


def measure_data(root: Path) -> DataSets:
    """Look for the published data sets below `root` (``--to`` of `bench data get`), without reading their contents."""
    from ...tasks.datasets.registry import PUBLICATIONS
    from ...tasks.download.get import is_here
    from ...tasks.download.publication import data_place, file_place

    fetched, incomplete, partial = [], [], {}
    for name, publication in PUBLICATIONS.items():
        complete = [file for file in publication.files if is_here(publication, file, root)]
        places = [file_place(publication, file, root) for file in publication.files if file not in complete]
        if any(place.exists() or place.with_name(f"{place.name}.part").exists() for place in places):
            incomplete.append(name)
        elif complete and places:
            partial[name] = f"{len(complete)} of {len(publication.files)} files"
        elif complete or _holds_something(data_place(publication, root)):  # downloaded by `bench data get` or by hand
            fetched.append(name)
    return DataSets(root, tuple(PUBLICATIONS), tuple(fetched), partial, tuple(incomplete))


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def check_data(data_sets: DataSets) -> list[Check]:
    """Rows for the published data sets."""
    present = [*data_sets.fetched, *(f"{name} ({words})" for name, words in data_sets.partial.items())]
    names = f": {', '.join(present)}" if present else "; the micro-world needs none"
    advice = (
        f"check one with bench data verify NAME {data_sets.root}"
        if present
        else "see bench data list and bench data get NAME, or name another folder with --data-root"
    )
    words = f"{len(present)} of {len(data_sets.published)} in {data_sets.root}{names}"
    rows = [Check(DATA_SETS, "published sets", OK, words, advice)]
    for name in data_sets.incomplete:
        advice = f"bench data get {name} --to {data_sets.root}"
        rows.append(Check(DATA_SETS, name, WARN, "not completely downloaded or unpacked", advice))
    return rows


def named_in_runs(runs: Sequence[RunRecord]) -> dict[str, list[str]]:
    """Folders by data set, as given with ``--data`` to the newest run that used it.

    Args:
        runs: Records of runs, newest first.
    """
    folders: dict[str, list[str]] = {}
    for run in runs:
        for name, facts in (run.get("data") or {}).items():
            text = facts.get("folder") if isinstance(facts, dict) else None
            if isinstance(text, str):
                # A set made of two folders records both, joined by a comma; a single folder's name may contain one.
                folders.setdefault(str(name), [text] if Path(text).is_dir() else text.split(", "))
    return folders


def check_named(folders: Mapping[str, Sequence[str]]) -> list[Check]:
    """A row for each data set that a run used (from `named_in_runs`): whether its folders still exist."""
    rows = []
    for name, places in folders.items():
        missing = [place for place in places if not Path(place).is_dir()]
        if missing:
            words = f"used by a run, but now missing: {', '.join(missing)}"
            advice = f"scores are kept; further runs need --data {name}=DIR"
            rows.append(Check(DATA_SETS, name, WARN, words, advice))
        else:
            rows.append(Check(DATA_SETS, name, OK, f"used by a run: {', '.join(places)}"))
    return rows
