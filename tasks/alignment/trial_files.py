"""Trials in the CSV form of model-vs-human, read and written, and folders of observers' files."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...files import write_file
from ...text import utf8
from ...text_files import NotTextError, read_text
from ..images.walking import LeftOut, files_in
from .experiments import AlignmentSet, family_of, image_id
from .trials import NO_RESPONSE, Trials, joined

# Trials in the CSV form of model-vs-human, read and written, so that files go both ways.


COLUMNS = ("subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename")

PERSON = "subject-"
"""Prefix of the names of people; all other observers are models."""

_NO_TIME = ("", "na", "nan", "none")


def read_trials(path: Path, data_set: AlignmentSet) -> Trials:
    """Read a file of one observer.

    Every field is taken as text and normalised, since a guess of types makes ``0.90`` and ``0.9``, or ``true`` and
    ``True``, different conditions. Case and order of the columns do not matter; others than `COLUMNS` are ignored.

    Args:
        path: The CSV file.
        data_set: What the trials are of; the file itself does not say.

    Raises:
        DataError: With file, line and what was expected.
    """
    rows, lines = _rows(path)
    header = [name.strip().lower() for name in rows[0]] if rows else []
    absent = [name for name in COLUMNS if name not in header]
    if absent:
        raise DataError(
            f"{path}, line 1: no column {' or '.join(map(repr, absent))}; expected the header {','.join(COLUMNS)}."
        )
    body, lines = rows[1:], lines[1:]
    for line, row in zip(lines, body, strict=True):
        if len(row) != len(header):
            raise DataError(f"{path}, line {line}: {len(row)} fields; expected {len(header)}, as in the header.")
    column = dict(zip(header, zip(*body, strict=True), strict=True)) if body else dict.fromkeys(header, ())

    def each(name: str, read: Callable[[str], Any], expected: str) -> list[Any]:
        known: dict[str, Any] = {}
        for line, text in zip(lines, column[name], strict=True):
            if text not in known:
                try:
                    known[text] = read(text.strip())
                except (KeyError, ValueError):
                    raise DataError(f"{path}, line {line}: {name} is {text!r}; expected {expected}.") from None
                except DataError as error:
                    raise DataError(f"{path}, line {line}: {error}.") from None
        return [known[text] for text in column[name]]

    observers = each("subj", _observer, "the observer's name")
    other = next((row for row, name in enumerate(observers) if name != observers[0]), None)
    if other is not None:
        raise DataError(
            f"{path}, line {lines[other]}: subj is {observers[other]!r} after {observers[0]!r}; "
            "expected one observer in a file."
        )
    names = f"one of {', '.join(data_set.categories)}"
    positions = {name: position for position, name in enumerate(data_set.categories)}
    image_names = tuple(each("imagename", _file_name, "the stimulus's file name"))
    return Trials(
        data_set=data_set,
        observer=observers[0] if observers else path.stem,
        image_names=image_names,
        image_ids=np.array([image_id(name) for name in image_names], dtype=np.str_),
        conditions=np.array(each("condition", data_set.condition, ""), dtype=np.int16),
        categories=np.array(each("category", positions.__getitem__, names), dtype=np.int16),
        responses=np.array(
            each("object_response", lambda text: _response(text, positions), f"{names}, or na"), dtype=np.int16
        ),
        reaction_times=np.array(each("rt", _seconds, "seconds, or NaN"), dtype=np.float64),
        sessions=np.array(each("session", _whole, "a whole number"), dtype=np.int64),
        numbers=np.array(each("trial", _whole, "a whole number"), dtype=np.int64),
        files=(path,),
        lines=np.column_stack([np.zeros(len(lines), np.int64), np.array(lines, np.int64)]),
    )


def write_trials(trials: Trials, folder: Path) -> Path:
    """Write a file that model-vs-human reads where it keeps its raw data.

    Args:
        trials: One observer on one data set.
        folder: Holds a folder for each data set, made where it is absent.

    Returns:
        The file: ``contrast/contrast_my-model_session-1.csv``, or ``contrast/contrast_subject-01_session_1.csv`` for a
        person.

    Raises:
        StoreError: It cannot be written.
    """
    name, names = trials.data_set.name, trials.data_set.categories
    session = int(trials.sessions[0]) if len(trials) else 1
    end = f"{trials.observer}_session_{session}" if is_person(trials.observer) else _hyphens(trials.observer, session)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in range(len(trials)):
        seconds, response = float(trials.reaction_times[row]), int(trials.responses[row])
        writer.writerow(
            [
                trials.observer,
                int(trials.sessions[row]),
                int(trials.numbers[row]),
                "NaN" if math.isnan(seconds) else repr(seconds),
                "na" if response == NO_RESPONSE else names[response],
                names[trials.categories[row]],
                trials.data_set.conditions[trials.conditions[row]],
                trials.image_names[row],
            ]
        )
    path = folder / name / f"{name}_{end}.csv"
    write_file(path, utf8(text.getvalue()))
    return path


def model_trials(
    data_set: AlignmentSet, model: str, image_names: Sequence[str], conditions: Sequence[str],
    categories: np.ndarray, responses: np.ndarray,
) -> Trials:  # fmt: skip
    """A model's answers as trials, in the order in which the images were shown.

    Args:
        data_set: What was shown.
        model: Name.
        image_names: n names of files.
        conditions: n conditions in any spelling.
        categories: int (n,), right answers.
        responses: int (n,), answers.

    Raises:
        DataError: A condition that the data set does not have.
    """
    n = len(image_names)
    return Trials(
        data_set=data_set,
        observer=model,
        image_names=tuple(image_names),
        image_ids=np.array([image_id(name) for name in image_names], dtype=np.str_),
        conditions=np.array([data_set.condition(text) for text in conditions], dtype=np.int16),
        categories=np.asarray(categories, dtype=np.int16),
        responses=np.asarray(responses, dtype=np.int16),
        reaction_times=np.full(n, np.nan),
        sessions=np.ones(n, np.int64),
        numbers=np.arange(1, n + 1),
    )


def is_person(observer: str) -> bool:
    """Whether a name is a person's."""
    return observer.startswith(PERSON)


def _rows(path: Path) -> tuple[list[list[str]], list[int]]:
    rows, lines = [], []
    try:
        reader = csv.reader(io.StringIO(read_text(path), newline=""))
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except NotTextError as error:
        raise DataError(f"{path} is not a CSV file: {error}.") from error
    except csv.Error as error:
        raise DataError(f"{path} is not a CSV file (after line {len(rows)}): {error}.") from error
    return rows, lines


def _hyphens(model: str, session: int) -> str:
    return f"{model.replace('_', '-').replace('/', '-')}_session-{session}"


def _observer(text: str) -> str:
    if not text:
        raise ValueError
    return text


_file_name = _observer


def _response(text: str, positions: Mapping[str, int]) -> int:
    return NO_RESPONSE if text.casefold() == "na" else positions[text]


def _seconds(text: str) -> float:
    return math.nan if text.casefold() in _NO_TIME else float(text)


def _whole(text: str) -> int:
    value = float(text)
    if not value.is_integer():
        raise ValueError
    return int(value)


# A folder of observers' files: one folder for each data set, one file for each observer in it.


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
    """Trials of people by data set and name; those of models in the same folder are skipped.

    Args:
        folder: Holds a folder for each data set.
        data_sets: Which to read.
        prefix: How the names of people, or of simulated observers, begin.

    Returns:
        Only data sets that are there, in the order asked.

    Raises:
        DataError: No data set is there, or a file is not of the expected form.
    """
    by_set: dict[str, dict[str, Trials]] = {}
    for data_set in data_sets:
        parts: dict[str, list[Trials]] = defaultdict(list)
        for path in _files(folder, data_set):
            if f"_{prefix}" in path.name:
                trials = read_trials(path, data_set)
                if trials.observer.startswith(prefix):
                    parts[trials.observer].append(trials)
        if parts:
            by_set[data_set.name] = {name: joined(sessions) for name, sessions in sorted(parts.items())}
    if not by_set:
        raise DataError(
            f"{folder} holds no trials of {'people' if prefix == PERSON else f'observers called {prefix}…'}; expected "
            f"files such as {_example(data_sets[0], prefix)} below it."
        )
    return by_set


def read_models(
    folder: Path, data_sets: Sequence[AlignmentSet], prefix: str = PERSON
) -> tuple[dict[str, dict[str, Trials]], tuple[Problem, ...]]:
    """Trials of models by data set and name, and the files that cannot be used; these do not stop the others.

    Args:
        folder: Holds a folder for each data set.
        data_sets: Which to read.
        prefix: As for `read_people`; observers with these names are skipped.

    Raises:
        DataError: The folder holds no file of any data set asked for.
    """
    by_set: dict[str, dict[str, Trials]] = {}
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
        by_set[data_set.name] = {name: joined(sessions) for name, sessions in sorted(parts.items())}
    if not files:
        raise DataError(
            f"{folder} has no predictions of models; expected files such as "
            f"{Path(data_sets[0].name) / f'{data_sets[0].name}_my-model_session-1.csv'} below it. Data sets: "
            f"{', '.join(family_of(data_sets[0].name) or [one.name for one in data_sets])}."
        )
    return by_set, tuple(problems)


def _example(data_set: AlignmentSet, prefix: str) -> Path:
    # The file names of people and of models are spelt differently; see `write_trials`.
    end = "01_session_1" if prefix == PERSON else "1_session-1"
    return Path(data_set.name) / f"{data_set.name}_{prefix}{end}.csv"


def left_out_of_folder(folder: Path, data_sets: Sequence[AlignmentSet]) -> LeftOut:
    """Files in the folders of data sets that are not read.

    Args:
        folder: Holds a folder for each data set.
        data_sets: Which.
    """
    left_out = LeftOut()
    for data_set in data_sets:
        if (folder / data_set.name).is_dir():
            left_out += files_in(folder / data_set.name, _CSV).left_out.below(data_set.name)
    return left_out


def _files(folder: Path, data_set: AlignmentSet) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; expected one that holds a folder for each data set.")
    place = folder / data_set.name
    return [place / name for name in files_in(place, _CSV).files] if place.is_dir() else []
