"""Tasks that carry the masks of objects along a clip by an encoder's features (DAVIS)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...results.metrics import Metric
from ...results.schema import KindFacts
from ..understanding.video_objects import CEILINGS, MEASURES, OBSERVERS
from .kind import Kind, Line, Means, Measure, Units

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task

J_AND_F, OBJECTS = "j_and_f", "objects"
_OF_OBJECTS = ("j", "f", "j_recall", "f_recall", "j_decay", "f_decay")
_FIFTHS = tuple(f"fifth {number}" for number in range(1, 6))
"""Conditions: parts of a clip in time."""


class VideoObjects(Kind):
    """J&F of DAVIS, its two parts, their recall and decay, and J&F in each fifth of the clips.

    The mean is over objects, so that a clip of three counts thrice. The bootstrap draws clips, because the objects of
    one share its frames.
    """

    name = "video-objects"
    metrics = (
        Metric(J_AND_F, "J&F"),
        Metric("j", "J (region)"),
        Metric("f", "F (boundary)"),
        Metric("j_recall", "J recall"),
        Metric("f_recall", "F recall"),
        Metric("j_decay", "J decay", -1),
        Metric("f_decay", "F decay", -1),
    )
    numbers = MEASURES
    observers = OBSERVERS
    ceilings = tuple(CEILINGS)

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: sums over the objects of a clip, and how many they are.

        An object's id is that of its clip, ``/`` and its number.
        """
        import numpy as np

        j, f = (_by_frame(answers, measure) for measure in MEASURES)
        clips: dict[str, list[int]] = {}
        for row, image_id in enumerate(answers.image_ids):
            clips.setdefault(str(image_id).rpartition("/")[0], []).append(row)
        names = sorted(clips)
        rows = [np.sum([_of_object(j[row], f[row]) for row in clips[name]], axis=0) for name in names]
        values = np.array(rows, dtype=np.float64).reshape(len(names), len(_COLUMNS))
        labels = np.full(len(names), -1, dtype=np.int64)
        return Units(np.array(names, dtype=np.str_), _COLUMNS, values, labels)

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """All of the whole task but J&F of the fifths."""
        whole = [_over_objects("overall", name, name) for name in (J_AND_F, *_OF_OBJECTS)]
        why = "clips have fewer than five frames between the first and the last"
        return whole + [_over_objects(fifth, J_AND_F, fifth, why) for fifth in _FIFTHS]

    def lines(self, task: Task) -> list[Line]:
        """J&F, J and F."""
        return [Line("overall", name) for name in (J_AND_F, "j", "f")]

    def facts(self, task: Task) -> KindFacts:
        """The fifths of the clips."""
        return {"over_time": list(_FIFTHS)}


_COLUMNS = (J_AND_F, *_OF_OBJECTS, *_FIFTHS, OBJECTS)


def _over_objects(condition: str, metric: str, column: str, why: str = "") -> Measure:
    compute: Callable[[Means], np.ndarray] = lambda means: means[column] / means[OBJECTS]  # noqa: E731
    return Measure(condition, metric, compute, (column, OBJECTS), counts=(OBJECTS,), undefined=why)


def _by_frame(answers: Answers, measure: str) -> np.ndarray:
    """float64 (objects, frames), in the order of frames; NaN beyond an object's last."""
    import numpy as np

    names = [name for name in answers.numbers if name.rpartition(" ")[2] == measure]
    names.sort(key=lambda name: (len(name), name))  # frame 1000 comes after 101
    if not names:
        return np.empty((len(answers), 0))
    return np.column_stack([answers.numbers[name][:, 0] for name in names]).astype(np.float64)


def _of_object(j: np.ndarray, f: np.ndarray) -> np.ndarray:
    """The row of `_COLUMNS` of one object, from its values in each frame."""
    import numpy as np

    from ..understanding.davis import summary

    there = np.isfinite(j) & np.isfinite(f)
    if not there.any():
        return np.append(np.full(len(_COLUMNS) - 1, np.nan), 1.0)
    regions, boundaries = summary(j[there]), summary(f[there])
    both = (j[there] + f[there]) / 2
    fifths = [part.mean() if len(part) else np.nan for part in np.array_split(both, len(_FIFTHS))]
    parts = [value for pair in zip(regions, boundaries, strict=True) for value in pair]
    return np.array([(regions[0] + boundaries[0]) / 2, *parts, *fifths, 1.0])


KIND = VideoObjects()
