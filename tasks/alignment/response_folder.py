"""A folder of observers' files: one folder for each data set, one file for each observer in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ..data.walking import LeftOut, files_in
from .csv_form import PERSON, read_trials
from .datasets import AlignmentSet, family_of
from .trials import Trials, joined

_CSV = (".csv",)


@dataclass(frozen=True)
class Problem:
    """A file that could not be used.

    Attributes:
        data_set: Name.
        observer: Name if it is known, else the file's.
        reason: With file, line and what was expected.
    """

    data_set: str
    observer: str
    reason: str


def read_people(folder: Path, data_sets: Sequence[AlignmentSet], prefix: str = PERSON) -> dict[str, dict[str, Trials]]:
    """Trials of people by data set and name, those of models in the same folder left aside.

    Args:
        folder: Holds a folder for each data set.
        data_sets: Which to read.
        prefix: How the names of people begin, or of those who stand in their place.

    Returns:
        Only data sets that are there, in the order asked.

    Raises:
        DataError: No data set is there, or a file is not of the expected form.
    """
    found: dict[str, dict[str, Trials]] = {}
    for data_set in data_sets:
        parts: dict[str, list[Trials]] = defaultdict(list)
        for path in _files(folder, data_set):
            if f"_{prefix}" in path.name:
                trials = read_trials(path, data_set)
                if trials.observer.startswith(prefix):
                    parts[trials.observer].append(trials)
        if parts:
            found[data_set.name] = {name: joined(sessions) for name, sessions in sorted(parts.items())}
    if not found:
        raise DataError(
            f"{folder} holds no trials of {'people' if prefix == PERSON else f'observers called {prefix}…'}; expected "
            f"files such as {_example(data_sets[0], prefix)} below it."
        )
    return found


def read_models(
    folder: Path, data_sets: Sequence[AlignmentSet], prefix: str = PERSON
) -> tuple[dict[str, dict[str, Trials]], tuple[Problem, ...]]:
    """Trials of models by data set and name, and the files that cannot be used: one never stops the others.

    Args:
        folder: Holds a folder for each data set.
        data_sets: Which to read.
        prefix: As for `read_people`: whom to leave aside.

    Raises:
        DataError: The folder holds no file of any data set asked for.
    """
    found: dict[str, dict[str, Trials]] = {}
    problems: list[Problem] = []
    files = 0
    for data_set in data_sets:
        parts: dict[str, list[Trials]] = defaultdict(list)
        for path in _files(folder, data_set):
            if f"_{prefix}" in path.name:
                continue
            files += 1
            try:
                trials = read_trials(path, data_set)
            except DataError as error:
                problems.append(Problem(data_set.name, path.name, str(error)))
                continue
            if not trials.observer.startswith(prefix):
                parts[trials.observer].append(trials)
        found[data_set.name] = {name: joined(sessions) for name, sessions in sorted(parts.items())}
    if not files:
        raise DataError(
            f"{folder} has no predictions of models; expected files such as "
            f"{Path(data_sets[0].name) / f'{data_sets[0].name}_my-model_session-1.csv'} below it. Data sets: "
            f"{', '.join(family_of(data_sets[0].name) or [one.name for one in data_sets])}."
        )
    return found, tuple(problems)


def _example(data_set: AlignmentSet, prefix: str) -> Path:
    # The file names of people and of models are spelt differently; see `write_trials`.
    end = "01_session_1" if prefix == PERSON else "1_session-1"
    return Path(data_set.name) / f"{data_set.name}_{prefix}{end}.csv"


def left_out_of_folder(folder: Path, data_sets: Sequence[AlignmentSet]) -> LeftOut:
    """What lies in the folders of data sets and is not read.

    Args:
        folder: Holds a folder for each data set.
        data_sets: Which.
    """
    found = LeftOut()
    for data_set in data_sets:
        if (folder / data_set.name).is_dir():
            found += files_in(folder / data_set.name, _CSV).left_out.below(data_set.name)
    return found


def _files(folder: Path, data_set: AlignmentSet) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; expected one that holds a folder for each data set.")
    place = folder / data_set.name
    return [place / name for name in files_in(place, _CSV).files] if place.is_dir() else []
