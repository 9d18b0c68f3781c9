"""Tasks that find objects by a detector on an encoder's features, and judge its boxes as COCO does."""

from __future__ import annotations

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

_METRICS = (
    Metric(AP, "AP"),
    Metric("ap50", "AP50"),
    Metric("ap75", "AP75"),
    Metric("ap_small", "AP, small objects"),
    Metric("ap_medium", "AP, medium objects"),
    Metric("ap_large", "AP, large objects"),
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
    metrics = (*_METRICS, _OF_CLASS)
    numbers = MEASURES
    observers = OBSERVERS

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Boxes are matched here; the rest is a function of which images are drawn."""
        import numpy as np

        from ..understanding.average_precision import match

        how = _protocol(task)
        numbers = {name: values[:, 0] for name, values in answers.numbers.items()}
        true, found = (boxes_in(numbers, side, len(answers)) for side in SIDES)
        matches = match(true, found, len(how.classes), how.limits)
        names = (*(metric.name for metric in _METRICS), *map(_of_class, how.classes))
        ordered = Ordered((_IMAGE,), names, partial(_numbers, matches))
        values = np.arange(len(answers), dtype=np.float64)[:, None]
        return Units(answers.image_ids, (_IMAGE,), values, answers.labels, ordered=(ordered,))

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """The twelve numbers, then the average precision of each class."""
        whole = [_measure("overall", metric.name, metric.name, "no object of this size") for metric in _METRICS]
        classes = _protocol(task).classes
        return whole + [_measure(name, _OF_CLASS.name, _of_class(name), "no object of this class") for name in classes]

    def lines(self, task: Task) -> list[Line]:
        """AP, AP50 and AP75."""
        return [Line("overall", name) for name in (AP, "ap50", "ap75")]


def _numbers(matches: Matches, image: np.ndarray, counts: np.ndarray) -> np.ndarray:
    import numpy as np

    return matches.numbers(image.astype(np.int64), counts)


def _read(name: str, means: Means) -> np.ndarray:
    return means[name]


def _measure(condition: str, metric: str, name: str, why: str) -> Measure:
    return Measure(condition, metric, partial(_read, name), (_IMAGE,), undefined=f"there is {why}", beyond=True)


def _of_class(name: str) -> str:
    return f"ap of {name}"


def _protocol(task: Task) -> Detecting:
    if not isinstance(task.protocol, Detecting):
        raise ValueError(f"{task.name} does not say which objects there are")
    return task.protocol


KIND = Detection()
