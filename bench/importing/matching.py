"""Rows of another program's file held against a task: which image each means, and what does not fit."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...errors import DataError
from ...tasks.images.source import ImageSource
from ...tasks.labels import class_count
from ...tasks.task import Task

_EXAMPLES = 3

# Which image of a task a name in another program's file means.


class Matcher:
    """Images by their id, or by a path or file name that only one of them has.

    Args:
        image_ids: Of the task.
        unasked: Of images that the task passes over.
    """

    UNKNOWN, PASSED_OVER, SEVERAL = -1, -2, -3

    def __init__(self, image_ids: Sequence[str], unasked: Sequence[str] = ()) -> None:
        self._places = {image_id: place for place, image_id in enumerate(image_ids)}
        self._places |= dict.fromkeys(unasked, self.PASSED_OVER)
        self._by_file: dict[str, list[str]] = {}
        for image_id in self._places:
            for short in {_file(image_id), os.path.splitext(_file(image_id))[0]}:  # noqa: PTH122
                self._by_file.setdefault(short, []).append(image_id)
        self._folders = {image_id.split("/")[-2] for image_id in self._places if "/" in image_id}

    def candidates(self, name: str) -> list[str]:
        """The images that a name fits."""
        name = name.replace("\\", "/")
        if name in self._places:
            return [name]
        folder = name.split("/")[-2] if "/" in name else ""
        same = self._by_file.get(_file(name), [])
        # A path into a class's folder means no image of another class.
        return [
            i for i in same if not folder or folder not in self._folders or f"/{i}".endswith(f"/{folder}/{_file(i)}")
        ]

    def __call__(self, name: str) -> int:
        """The image's position, `PASSED_OVER`, or `UNKNOWN` or `SEVERAL` where none or more than one fits."""
        fitting = self.candidates(name)
        if len(fitting) > 1:
            return self.SEVERAL
        return self._places[fitting[0]] if fitting else self.UNKNOWN


def _file(name: str) -> str:
    return name.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Given:
    """Rows of a file.

    Attributes:
        names: Of images.
        conditions: Keys such as ``"fog/3"``; empty where the file tells none.
        top: int16 (n, k), classes best first; -1 where the file has something else.
        confidence: float64 (n,), NaN where the file has something else than a number from 0 to 1.
        written: What it has, for messages: class and probability of each row.
        beside: Numbers of `results.schema.BESIDE`, float64 (n,) each, where they are known.
    """

    names: Sequence[str]
    conditions: Sequence[str]
    top: np.ndarray
    confidence: np.ndarray
    written: Sequence[tuple[str, str]]
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """Something in a file that does not fit the task.

    Attributes:
        what: What it is, after the count: ``"names that the task does not have"``.
        count: How often.
        examples: The first few.
    """

    what: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        more = ", …" if self.count > len(self.examples) else ""
        return f"{self.count:,} {self.what}: {', '.join(self.examples)}{more}"


# Every row held against the images and conditions of the task.


@dataclass(frozen=True)
class Grid:
    """Predictions by image and condition of the task.

    Attributes:
        top: int16 (images, conditions, k); -1 where there is none.
        confidence: float64 (images, conditions), NaN likewise.
        error: text (images, conditions), why there is none; empty where there is one.
        beside: float64 (images, conditions) by name, NaN where there is none.
    """

    top: np.ndarray
    confidence: np.ndarray
    error: np.ndarray
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)


_ABSENT = "not in the imported file"
_TWICE = "twice in the imported file"
_NO_CLASS = "the imported file has none of the task's classes for it"
_NO_PROBABILITY = "the imported file has no probability from 0 to 1 for it"


def match(task: Task, source: ImageSource, given: Given) -> tuple[Grid, list[Problem], int]:
    """Predictions by image and condition, what does not fit, and the number of rows that the task does not ask for."""
    ids = [str(image_id) for image_id in source.image_ids]
    keys = {condition.key: column for column, condition in enumerate(task.conditions)}
    if not given.conditions and len(keys) > 1:
        raise DataError(
            f"{task.name} has {len(keys)} conditions, such as {next(iter(keys))}; the file needs a column `condition` "
            "(and `severity`, where the condition has one)."
        )
    matcher = Matcher(ids, [str(image_id) for image_id in source.unasked])
    place_of = {name: matcher(name) for name in dict.fromkeys(given.names)}
    place = np.array([place_of[name] for name in given.names], dtype=np.int64)
    column = np.zeros(len(place), dtype=np.int64)
    if given.conditions and (len(keys) > 1 or set(given.conditions) & set(keys)):
        column = np.array([keys.get(key, -1) for key in given.conditions], dtype=np.int64)
    row = np.flatnonzero((place >= 0) & (column >= 0))
    cells = place[row] * len(keys) + column[row]
    often = np.bincount(cells, minlength=len(ids) * len(keys))

    grid = Grid(
        np.full((len(often), given.top.shape[1]), -1, dtype=np.int16),
        np.full(len(often), np.nan),
        np.where(often == 0, _ABSENT, np.where(often > 1, _TWICE, "")).astype(object),
        {name: np.full(len(often), np.nan) for name in given.beside},
    )
    single = often[cells] == 1
    row, cells = row[single], cells[single]
    no_class, no_trust = (given.top[row] < 0).any(axis=1), np.isnan(given.confidence[row])
    grid.error[cells[no_trust]] = _NO_PROBABILITY
    grid.error[cells[no_class]] = _NO_CLASS
    fits = ~(no_class | no_trust)
    grid.top[cells[fits]], grid.confidence[cells[fits]] = given.top[row[fits]], given.confidence[row[fits]]

    for name, values in given.beside.items():
        grid.beside[name][cells[fits]] = values[row[fits]]

    listed, twice = np.flatnonzero(often == 0), np.flatnonzero(often > 1)
    unknown = [name for name, where in place_of.items() if where == Matcher.UNKNOWN]
    several = [name for name, where in place_of.items() if where == Matcher.SEVERAL]
    strange = Counter(key for key, at in zip(given.conditions, column.tolist(), strict=False) if at < 0)

    def name_of(cell: int) -> str:
        image_id = ids[cell // len(keys)]
        return image_id if len(keys) == 1 else f"{image_id} ({list(keys)[cell % len(keys)]})"

    space = f"the {class_count(task)} of {task.answers or task.label_space}"
    bad = no_trust & ~no_class
    problems = [
        _problem(len(unknown), "name that {0} does not have", "names that {0} does not have", task.name, unknown),
        _problem(
            len(several),
            "name that matches more than one image",
            "names that match more than one image",
            "",
            [f"{name} ({' and '.join(matcher.candidates(name)[:2])})" for name in several[:_EXAMPLES]],
        ),
        _problem(
            len(strange), "condition that {0} does not have", "conditions that {0} does not have", task.name, [*strange]
        ),
        _problem(
            len(twice),
            "image with more than one row",
            "images with more than one row",
            "",
            [name_of(cell) for cell in twice[:_EXAMPLES].tolist()],
        ),
        _problem(
            int(no_class.sum()),
            "class that is none of {0}",
            "classes that are none of {0}",
            space,
            [_written(given, r, 0) for r in row[no_class][:_EXAMPLES].tolist()],
        ),
        _problem(
            int(bad.sum()),
            "probability that is no number from 0 to 1",
            "probabilities that are no number from 0 to 1",
            "",
            [_written(given, r, 1) for r in row[bad][:_EXAMPLES].tolist()],
        ),
        _problem(
            len(listed),
            "image without a prediction",
            "images without a prediction",
            "",
            [name_of(cell) for cell in listed[:_EXAMPLES].tolist()],
        ),
    ]
    shape = (len(ids), len(keys))
    beside = {name: values.reshape(shape) for name, values in grid.beside.items()}
    whole = Grid(grid.top.reshape(*shape, -1), grid.confidence.reshape(shape), grid.error.reshape(shape), beside)
    passed_over = int((place == Matcher.PASSED_OVER).sum())
    return whole, [problem for problem in problems if problem.count], passed_over


def _problem(count: int, one: str, many: str, whose: str, examples: Sequence[str]) -> Problem:
    return Problem((one if count == 1 else many).format(whose), count, tuple(examples[:_EXAMPLES]))


def _written(given: Given, row: int, which: int) -> str:
    text = given.written[row][which]
    return f"{text!r} of {given.names[row]}"
