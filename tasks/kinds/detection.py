"""Tasks that find objects by a detector on an encoder's features, and judge its boxes as COCO does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from ...results.metrics import Metric
from ..understanding.detection import MEASURES, OBSERVERS, SIDES, Detecting, boxes_in
from .kind import Kind, Line, Means, Measure, Ordered, Units

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task
    from ..understanding.average_precision import Matches

AP = "ap"

PRECISIONS = (
    Metric(AP, "AP"),
    Metric("ap50", "AP50"),
    Metric("ap75", "AP75"),
    Metric("ap_small", "AP, small objects"),
    Metric("ap_medium", "AP, medium objects"),
    Metric("ap_large", "AP, large objects"),
)
METRICS = (
    *PRECISIONS,
    Metric("ar1", "AR, 1 detection"),
    Metric("ar10", "AR, 10 detections"),
    Metric("ar100", "AR, 100 detections"),
    Metric("ar_small", "AR, small objects"),
    Metric("ar_medium", "AR, medium objects"),
    Metric("ar_large", "AR, large objects"),
)
_OF_CLASS = Metric("class_ap", "AP of a class")

_IMAGE = "image"
"""The one column: which image of the model's own a unit is."""


class Detection(Kind):
    """COCO's twelve numbers over all images together, and the average precision of each class.

    AP is no mean over images: the bootstrap draws images, and precision is accumulated anew for each draw.
    """

    name = "detection"
    metrics: tuple[Metric, ...] = (*METRICS, _OF_CLASS)
    numbers = MEASURES
    observers = OBSERVERS

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Boxes are matched here; the rest is a function of which images are drawn."""
        import numpy as np

        from ..understanding.average_precision import match

        how = _protocol(task)
        numbers = {name: values[:, 0] for name, values in answers.numbers.items()}
        true, found = (boxes_in(numbers, side, len(answers)) for side in SIDES)
        matches = match(true, found, how.count, how.limits, how.most)
        ordered = Ordered((_IMAGE,), tuple(self._measured(task)), partial(self._numbers, task, matches))
        values = np.arange(len(answers), dtype=np.float64)[:, None]
        return Units(answers.image_ids, (_IMAGE,), values, answers.labels, ordered=(ordered,))

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """The numbers of the whole set, then those of its classes."""
        return list(self._measured(task).values())

    def lines(self, task: Task) -> list[Line]:
        """AP, AP50 and AP75."""
        return [Line("overall", name) for name in (AP, "ap50", "ap75")]

    def _measured(self, task: Task) -> Mapping[str, Measure]:
        """What is measured, by names in the order of `_numbers`."""
        why = "no object of this class"
        classes = {f"ap of {name}": (name, _OF_CLASS.name, why) for name in _protocol(task).classes}
        return measures_by_name(whole(METRICS) | classes)

    def _numbers(self, task: Task, matches: Matches, image: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """float64 (B, numbers) for draws of images; see `Matches.numbers`."""
        import numpy as np

        return matches.numbers(image.astype(np.int64), counts)


def whole(metrics: tuple[Metric, ...]) -> dict[str, tuple[str, str, str]]:
    """What `measures_by_name` takes for numbers of the whole set that have the names of their metrics."""
    return {metric.name: ("overall", metric.name, "no object of this size") for metric in metrics}


def measures_by_name(told: Mapping[str, tuple[str, str, str]]) -> Mapping[str, Measure]:
    """Measures by the names of their numbers.

    Args:
        told: Condition, metric and what makes it undefined, by name.
    """
    return {
        name: Measure(condition, metric, partial(_read, name), (_IMAGE,), undefined=f"there is {why}", beyond=True)
        for name, (condition, metric, why) in told.items()
    }


def _read(name: str, means: Means) -> np.ndarray:
    return means[name]


def _protocol(task: Task) -> Detecting:
    if not isinstance(task.protocol, Detecting):
        raise ValueError(f"{task.name} does not say which objects there are")
    return task.protocol


KIND = Detection()
