"""Tasks that find points of one picture again in another by an encoder's features (PCK)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...results.metrics import Metric
from ..understanding.correspondence import CEILINGS, MEASURES, OBSERVERS, POINTS, RIGHT, Matching
from .kind import Kind, Line, Means, Measure, Units

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task

PCK = "pck_points"
_IMAGES = "pck_images"
_AT = {RIGHT[0]: "pck_points_05", RIGHT[1]: PCK, RIGHT[2]: "pck_points_20"}
_SHARE, _PAIRS = "share", "pairs"
_COLUMNS = (POINTS, *RIGHT, _SHARE, _PAIRS)
_WHY = "no point of such a pair is asked"


class Correspondence(Kind):
    """PCK per point, where a pair counts by its points, and per image, where pairs count alike.

    A pair without points asks nothing and counts in neither. The bootstrap draws what the id of a pair names before
    ``/``: all pairs of a scene, or a pair of photographs.
    """

    name = "correspondence"
    metrics = (
        Metric(PCK, "PCK@0.1, per point"),
        Metric(_IMAGES, "PCK@0.1, per image"),
        Metric("pck_points_05", "PCK@0.05, per point"),
        Metric("pck_points_20", "PCK@0.2, per point"),
    )
    numbers = MEASURES
    observers = OBSERVERS
    ceilings = tuple(CEILINGS)

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: for each kind of pair, sums over those that are drawn together."""
        import numpy as np

        parts = _parts(task)
        names, places = np.unique([str(i).rpartition("/")[0] for i in answers.image_ids], return_inverse=True)
        shape = (len(names), len(parts), len(_COLUMNS))
        if f"{POINTS} count" in answers.numbers:
            counts = np.column_stack([answers.numbers[f"{name} count"][:, 0] for name in (POINTS, *RIGHT)])
            asked = counts[:, 0] != 0  # a missing number is no zero
            share = np.where(asked, _ratio(counts[:, 2], counts[:, 0]), 0.0)
            known = {part: place for place, part in enumerate(parts)}
            own = [known[str(i).rpartition("/")[2]] for i in answers.image_ids]
            values = np.zeros(shape)
            np.add.at(values, (places, own), np.column_stack([counts, share, asked]))
        else:
            values = np.full(shape, np.nan)
        columns = tuple(f"{part} {column}" for part in parts for column in _COLUMNS)
        return Units(
            names.astype(np.str_), columns, values.reshape(len(names), -1), np.full(len(names), -1, dtype=np.int64)
        )

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """All numbers of all pairs, then of each kind of them."""
        parts = _parts(task)
        return [
            _share(condition, metric, own, right, of)
            for condition, own in (("overall", parts), *((part, (part,)) for part in parts))
            for metric, right, of in (*((name, at, POINTS) for at, name in _AT.items()), (_IMAGES, _SHARE, _PAIRS))
        ]

    def lines(self, task: Task) -> list[Line]:
        """PCK per point and per image, and the former of each kind of pair where there are few."""
        assert isinstance(task.protocol, Matching)
        own = [Line(part, PCK, part=True) for part in _parts(task) if task.protocol.listed]
        return [Line("overall", PCK), Line("overall", _IMAGES), *own]


def _parts(task: Task) -> tuple[str, ...]:
    if not isinstance(task.protocol, Matching):
        raise ValueError(f"{task.name} does not say which pairs there are")
    return task.protocol.parts


def _share(condition: str, metric: str, parts: tuple[str, ...], right: str, of: str) -> Measure:
    above, below = ([f"{part} {column}" for part in parts] for column in (right, of))
    compute: Callable[[Means], np.ndarray] = lambda m: _ratio(m.of(above).sum(axis=1), m.of(below).sum(axis=1))  # noqa: E731
    return Measure(condition, metric, compute, (*above, *below), counts=tuple(below), undefined=_WHY)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below != 0, above / below, np.nan)


KIND = Correspondence()
