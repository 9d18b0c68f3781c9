"""Data sets: which were downloaded completely or in part, and whether those of earlier runs are still there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .check import OK, WARN, Check

GROUP = "data sets"


@dataclass(frozen=True)
class DataSets:
    """What `measure_data` found.

    Attributes:
        root: Folder in which `bench data get` puts data sets.
        known: Names of all published sets.
        fetched: Of these, the ones that lie in it.
        chosen: How many files are there of those that were got in part, as with ``--only``.
        begun: Those that are not completely downloaded or unpacked.
    """

    root: Path
    known: tuple[str, ...]
    fetched: tuple[str, ...]
    chosen: Mapping[str, str]
    begun: tuple[str, ...]


def measure_data(root: Path) -> DataSets:
    """Look for the published data sets; what is in them is not read.

    Args:
        root: As ``--to`` of `bench data get`.
    """
    from ...tasks.data.downloads.get import is_here
    from ...tasks.data.downloads.place import data_place, file_place
    from ...tasks.datasets.registry import PUBLICATIONS

    fetched, begun, chosen = [], [], {}
    for name, publication in PUBLICATIONS.items():
        here = [file for file in publication.files if is_here(publication, file, root)]
        places = [file_place(publication, file, root) for file in publication.files if file not in here]
        if any(place.exists() or place.with_name(f"{place.name}.part").exists() for place in places):
            begun.append(name)
        elif here and places:
            chosen[name] = f"{len(here)} of {len(publication.files)} files"
        elif here or _holds_something(data_place(publication, root)):  # by `bench data get`, or by hand
            fetched.append(name)
    return DataSets(root, tuple(PUBLICATIONS), tuple(fetched), chosen, tuple(begun))


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def check_data(found: DataSets) -> list[Check]:
    """Rows for the published data sets."""
    there = [*found.fetched, *(f"{name} ({words})" for name, words in found.chosen.items())]
    names = f": {', '.join(there)}" if there else "; the micro-world needs none"
    advice = (
        f"check one with bench data verify NAME {found.root}"
        if there
        else "see bench data list and bench data get NAME, or name another folder with --data-root"
    )
    words = f"{len(there)} of {len(found.known)} in {found.root}{names}"
    rows = [Check(GROUP, "published sets", OK, words, advice)]
    for name in found.begun:
        advice = f"bench data get {name} --to {found.root}"
        rows.append(Check(GROUP, name, WARN, "not completely downloaded or unpacked", advice))
    return rows


def named_in_runs(runs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Folders by data set, as the newest run named each with ``--data``.

    Args:
        runs: Records, the newest first.
    """
    found: dict[str, list[str]] = {}
    for run in runs:
        for name, facts in (run.get("data") or {}).items():
            text = facts.get("folder") if isinstance(facts, dict) else None
            if isinstance(text, str):
                # A set that is made of two folders names both; a single name may have a comma in it.
                found.setdefault(str(name), [text] if Path(text).is_dir() else text.split(", "))
    return found


def check_named(folders: Mapping[str, Sequence[str]]) -> list[Check]:
    """A row for each data set that a run used: whether its folders are still there.

    Args:
        folders: From `named_in_runs`.
    """
    rows = []
    for name, places in folders.items():
        gone = [place for place in places if not Path(place).is_dir()]
        if gone:
            words = f"used by a run, but now missing: {', '.join(gone)}"
            advice = f"scores are kept; further runs need --data {name}=DIR"
            rows.append(Check(GROUP, name, WARN, words, advice))
        else:
            rows.append(Check(GROUP, name, OK, f"used by a run: {', '.join(places)}"))
    return rows
