"""Store what features that were computed elsewhere say of a task of similarity: an array with the names of pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DataError
from ...results.store import Store
from ...tasks.images.folders import first
from ...tasks.images.source import ImageSource
from ...tasks.kinds.similarity import Similarity
from ...tasks.similarity.judgements import Transform, fit_transform, numbers_of
from ...tasks.similarity.triplets import TripletSource
from ...tasks.task import Task
from ..planning.plan import PlannedTask
from .matching import Matcher, Problem
from .tables import Content, read_array

if TYPE_CHECKING:
    from ...models.spec import ModelSpec

_WRITERS = 4
_CHUNK = 1000  # triplets whose features are copied at a time


def _triplet_names(source: TripletSource) -> list[str]:
    """Names of all pictures of the scored triplets and of those held out, each once."""
    names = [name for part in (source.names, source.held_out_names) for row in part for name in row]
    return list(dict.fromkeys([*names, *source.picture_names]))


class GivenFeatures:
    """Features by the names of pictures, held against the triplets of a task.

    Attributes:
        numbers: float32 (n,) by column, for the task's triplets in their order; NaN where a picture has no features.
        problems: What does not fit.
        passed_over: Rows about pictures that no triplet has.
        missing: bool (n,), triplets of which a picture has no features.
    """

    def __init__(self, task: Task, source: ImageSource, content: Content, names: Content | None) -> None:
        """Match rows with pictures.

        Args:
            task: What is asked.
            source: The triplets.
            content: The array.
            names: Names of its rows, where it has none.

        Raises:
            DataError: It is no array of numbers with as many names as rows, or no triplet has all three pictures.
        """
        kind = task.kind
        if not isinstance(source, TripletSource) or not isinstance(kind, Similarity):
            raise ValueError(f"{task.name} does not compare pictures of triplets")
        rows, values = read_array(content, names, "features")
        wanted = _triplet_names(source)
        match = Matcher(wanted)
        place = np.array([_place(match, name) for name in rows], dtype=np.int64)
        known = place >= 0
        counts = np.bincount(place[known], minlength=len(wanted))
        twice = [wanted[n] for n in np.flatnonzero(counts > 1)]
        if twice:
            raise DataError(f"{content.path} has several rows for {len(twice)} pictures: {first(twice)}.")
        self.passed_over = int((~known).sum())
        row_of = np.full(len(wanted), -1, dtype=np.int64)
        row_of[place[known]] = np.flatnonzero(known)
        at = {name: int(row_of[n]) for n, name in enumerate(wanted)}
        scored = _rows(source.names, at)
        self.missing = np.asarray((scored < 0).any(axis=1))
        if self.missing.all():
            raise DataError(
                f"{content.path} has features of no whole triplet. Its names are such as {first(rows, 3)}; the "
                f"pictures are called {first(wanted, 3)}."
            )
        self.problems: list[Problem] = []
        if self.missing.any():
            absent = sorted({name for row in source.names for name in row if at[name] < 0})
            self.problems.append(
                Problem("triplets lack features of a picture", int(self.missing.sum()), tuple(absent[:3]))
            )
        transform = self._transform(kind, source, at, values)
        self.numbers: dict[str, np.ndarray] = {}
        whole = np.flatnonzero(~self.missing)
        for start in range(0, len(whole), _CHUNK):
            part = whole[start : start + _CHUNK]
            for name, own in numbers_of(values[scored[part]], transform, len(source.held_out) > 0).items():
                self.numbers.setdefault(name, np.full(len(scored), np.nan, np.float32))[part] = own

    @staticmethod
    def _transform(kind: Similarity, source: TripletSource, at: dict[str, int], values: np.ndarray) -> Transform | None:
        held_out = _rows(source.held_out_names, at)
        whole = np.asarray((held_out >= 0).all(axis=1))
        whole[whole] = np.isfinite(values).all(axis=1)[held_out[whole]].all(axis=1)
        try:
            return fit_transform(values, held_out[whole], source.held_out.votes[whole], kind.offered)
        except ValueError:
            return None


def _place(match: Matcher, name: str) -> int:
    """Position of a picture by its name, or by the name of its file."""
    place = match(name)
    return place if place >= 0 else match(name.rpartition(".")[0])


def _rows(names: Sequence[tuple[str, str, str]], at: dict[str, int]) -> np.ndarray:
    return np.array([[at[name] for name in row] for row in names], dtype=np.int64).reshape(-1, 3)


def write_numbers(
    given: GivenFeatures,
    store: Store,
    planned: PlannedTask,
    spec: ModelSpec,
    stage: Callable[[str, int, int], None] | None,
) -> None:
    """Write the units of a task as a run would.

    Args:
        given: The numbers of a model.
        store: Where to.
        planned: The task with its triplets.
        spec: The model whose features they are.
        stage: Told how many units are written.
    """
    source = planned.source
    assert source is not None
    (condition,) = planned.task.conditions
    done = store.coverage(planned.identity, spec.identity)

    def write(limits: tuple[int, int]) -> None:
        start, stop = limits
        if done.has(start, stop):
            return
        count, missing = stop - start, given.missing[start:stop].tolist()
        columns = {
            "condition": [condition.name] * count,
            "severity": [condition.severity] * count,
            "image_id": list(source.image_ids[start:stop]),
            "label": source.labels[start:stop].astype(np.int16),
            "top": np.full((count, 1), -1, np.int16),
            "confidence": np.full(count, np.nan, np.float32),
            "error": ["the file has no features of one of its pictures" if lacks else None for lacks in missing],
            "numbers": {name: values[start:stop] for name, values in given.numbers.items()},
        }
        store.write_unit(planned.identity, spec.identity, start, stop, columns)

    with ThreadPoolExecutor(_WRITERS) as pool:  # the packing of a file takes most of the time, and holds no lock
        for number, _ in enumerate(pool.map(write, planned.ranges()), 1):
            if stage is not None:
                stage("Importing", number, len(planned.ranges()))
