"""What observers answered: trials of one observer, and the answers of several to the same stimuli."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import DataError
from .experiments import AlignmentSet

NO_RESPONSE = -1
"""Response of a trial without a response in time. It counts as wrong and is never left out."""

_NAMED = 3


@dataclass(frozen=True)
class Trials:
    """All trials of one observer on one data set, in the order in which they were run.

    Attributes:
        data_set: What was shown.
        observer: ``"subject-01"`` for a person, else a model's name.
        image_names: n names of stimuli as the observer's file gives them.
        image_ids: str (n,), the same for every observer of a stimulus.
        conditions: int16 (n,), positions in ``data_set.conditions``.
        categories: int16 (n,), right answers, positions in ``data_set.categories``.
        responses: int16 (n,), answers given; `NO_RESPONSE` where none was.
        reaction_times: float64 (n,), seconds; NaN for models and where no response was given.
        sessions: int64 (n,).
        numbers: int64 (n,), of trials within their sessions.
        files: Where the trials were read; empty if nowhere.
        lines: int64 (n, 2), position in ``files`` and line; empty (0, 2) if nowhere.
    """

    data_set: AlignmentSet
    observer: str
    image_names: tuple[str, ...]
    image_ids: np.ndarray
    conditions: np.ndarray
    categories: np.ndarray
    responses: np.ndarray
    reaction_times: np.ndarray
    sessions: np.ndarray
    numbers: np.ndarray
    files: tuple[Path, ...] = ()
    lines: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int64))

    def __len__(self) -> int:
        return len(self.image_names)

    def place(self, row: int) -> str:
        """Where a trial was read, for people."""
        if not len(self.lines):
            return f"trial {self.numbers[row]} of {self.observer}"
        file, line = self.lines[row]
        return f"{self.files[file]}, line {line}"

    @property
    def origin(self) -> str:
        """Where the trials were read, for people."""
        return " and ".join(map(str, self.files)) or self.observer


def joined(parts: Sequence[Trials]) -> Trials:
    """Several sessions of one observer on one data set as one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    files = tuple(path for part in parts for path in part.files)
    lines = []
    offset = 0
    for part in parts:
        lines.append(part.lines + np.array([offset, 0]))
        offset += len(part.files)
    arrays = ("image_ids", "conditions", "categories", "responses", "reaction_times", "sessions", "numbers")
    return Trials(
        data_set=first.data_set,
        observer=first.observer,
        image_names=tuple(name for part in parts for name in part.image_names),
        files=files,
        lines=np.concatenate(lines),
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays},
    )


@dataclass(frozen=True)
class Stimuli:
    """Stimuli of a data set in the order that all computations use: by condition, then by id.

    Attributes:
        data_set: Which.
        image_ids: str (n,).
        conditions: int16 (n,), ascending.
        categories: int16 (n,).
        by_id: int64 (n,), positions in the order of ids.
    """

    data_set: AlignmentSet
    image_ids: np.ndarray
    conditions: np.ndarray
    categories: np.ndarray
    by_id: np.ndarray

    def __len__(self) -> int:
        return len(self.image_ids)


@dataclass(frozen=True)
class Panel:
    """Answers of several observers to the same stimuli, people or simulated observers first.

    Attributes:
        stimuli: n stimuli.
        observers: Names.
        people: How many of the observers, the first ones, are people.
        responses: int16 (observers, n); `NO_RESPONSE` where none was given.
    """

    stimuli: Stimuli
    observers: tuple[str, ...]
    people: int
    responses: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """Bool (observers, n)."""
        hits: np.ndarray = self.responses == self.stimuli.categories
        return hits


def stimuli_of(trials: Trials) -> Stimuli:
    """The stimuli that an observer saw.

    Raises:
        DataError: A stimulus was shown twice.
    """
    _refuse_repeats(trials)
    order = np.lexsort((trials.image_ids, trials.conditions))
    ids = trials.image_ids[order]
    return Stimuli(trials.data_set, ids, trials.conditions[order], trials.categories[order], np.argsort(ids))


def responses_to(stimuli: Stimuli, trials: Trials, group: str = "people") -> np.ndarray:
    """An observer's answers in the order of the stimuli.

    Args:
        stimuli: What was shown.
        trials: The observer's.
        group: Who gave the stimuli their order, for messages.

    Returns:
        int16 (n,).

    Raises:
        DataError: The observer saw other stimuli, one of them twice, or in another condition or category.
    """
    name = stimuli.data_set.name
    _refuse_repeats(trials)
    known = stimuli.image_ids[stimuli.by_id]
    places = np.minimum(np.searchsorted(known, trials.image_ids), len(known) - 1)
    strange = known[places] != trials.image_ids
    absent = np.setdiff1d(known, trials.image_ids)
    if strange.any() or len(absent):
        parts = []
        if len(absent):
            parts.append(f"{len(absent)} of {len(known)} stimuli are missing ({_some(absent)})")
        if strange.any():
            where = trials.place(int(np.flatnonzero(strange)[0]))
            parts.append(f"{strange.sum()} are not in the data set ({_some(trials.image_ids[strange])}; first {where})")
        raise DataError(
            f"{trials.origin} does not match the stimuli of {name} that the {group} saw: {' and '.join(parts)}. "
            f"Expected image names that end like {known[0]!r}."
        )
    position = stimuli.by_id[places]
    for theirs, ours, names, what in (
        (trials.categories, stimuli.categories, stimuli.data_set.categories, "category"),
        (trials.conditions, stimuli.conditions, stimuli.data_set.conditions, "condition"),
    ):
        differ = np.flatnonzero(theirs != ours[position])
        if len(differ):
            row = int(differ[0])
            raise DataError(
                f"{trials.place(row)}: {trials.image_ids[row]} of {name} has the {what} {names[theirs[row]]}; "
                f"expected {names[ours[position[row]]]}, as in the files of the {group}."
            )
    responses = np.empty(len(stimuli), np.int16)
    responses[position] = trials.responses
    return responses


def _refuse_repeats(trials: Trials) -> None:
    if not len(trials):
        raise DataError(f"{trials.origin} has no trials; expected one for every stimulus of {trials.data_set.name}.")
    order = np.argsort(trials.image_ids, kind="stable")
    ids = trials.image_ids[order]
    repeated = np.flatnonzero(ids[1:] == ids[:-1])
    if len(repeated):
        before, again = int(order[repeated[0]]), int(order[repeated[0] + 1])
        raise DataError(
            f"{trials.place(again)}: {trials.observer} was shown {ids[repeated[0]]} before, in {trials.place(before)}; "
            "expected one trial for every stimulus."
        )


def _some(ids: np.ndarray) -> str:
    names = ", ".join(map(str, ids[:_NAMED]))
    return names if len(ids) <= _NAMED else f"{names}, …"
