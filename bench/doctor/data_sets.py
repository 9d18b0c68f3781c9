"""Check data sets: which are downloaded, completely or in part, and whether those of earlier runs still exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...results.records import RunRecord
from .check import OK, WARN, Check

GROUP = "data sets"


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
    from ...tasks.data.downloads.get import is_here
    from ...tasks.data.downloads.place import data_place, file_place
    from ...tasks.datasets.registry import PUBLICATIONS

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
    rows = [Check(GROUP, "published sets", OK, words, advice)]
    for name in data_sets.incomplete:
        advice = f"bench data get {name} --to {data_sets.root}"
        rows.append(Check(GROUP, name, WARN, "not completely downloaded or unpacked", advice))
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
            rows.append(Check(GROUP, name, WARN, words, advice))
        else:
            rows.append(Check(GROUP, name, OK, f"used by a run: {', '.join(places)}"))
    return rows
