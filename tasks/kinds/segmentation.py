"""Tasks that give each pixel of an image a class by an encoder's features, and count pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...results.metrics import Metric
from ..understanding.pixel_head import OBSERVERS
from ..understanding.segmentation import CEILINGS, MEASURES, ClassesOfPixels
from ..understanding.segmentation import OBSERVERS as OF_ALL
from .kind import Kind, Line, Means, Measure, Units

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task

MIOU = "miou"
_WHY = "no pixel has the class, in truth or prediction"


class Segmentation(Kind):
    """The mean IoU and pixel accuracy over the pixels of all images together, and IoU of each class.

    IoU of a class is the pixels in the intersection of truth and prediction over those in their union, each summed over
    all images; mIoU is the mean over classes whose union is not empty. The bootstrap draws images.
    """

    name = "segmentation"
    metrics = (Metric(MIOU, "mIoU"), Metric("pixel_accuracy", "Pixel accuracy"), Metric("class_iou", "IoU of a class"))
    numbers = MEASURES
    observers = OBSERVERS
    ceilings = tuple(CEILINGS)

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: the counts of each class, as stored."""
        import numpy as np

        columns = tuple(name for kept in _columns(task).values() for name in kept)
        values = np.full((len(answers), len(columns)), np.nan)
        for place, name in enumerate(columns):
            if name in answers.numbers:
                values[:, place] = answers.numbers[name][:, 0]
        return Units(answers.image_ids, columns, values, answers.labels)

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """The mean IoU, pixel accuracy and IoU of each class."""
        columns = _columns(task)
        both, union, area = (columns[measure] for measure in MEASURES)

        def miou(means: Means) -> np.ndarray:
            return mean_iou(means.of(both), means.of(union))

        def accuracy(means: Means) -> np.ndarray:
            right: np.ndarray = means.of(both).sum(axis=1) / means.of(area).sum(axis=1)
            return right

        def iou(name: str, own: str, of: str) -> Measure:
            return Measure(name, "class_iou", lambda m: _ratio(m[own], m[of]), (own, of), undefined=_WHY)

        return [
            Measure("overall", MIOU, miou, (*both, *union)),
            Measure("overall", "pixel_accuracy", accuracy, (*both, *area)),
            *(iou(*one) for one in zip(_classes(task), both, union, strict=True)),
        ]

    def lines(self, task: Task) -> list[Line]:
        """The mean IoU and pixel accuracy."""
        return [Line("overall", MIOU), Line("overall", "pixel_accuracy")]

    def baselines(self, task: Task) -> tuple[str, ...]:
        """Those of all protocols on pixels, and the stand-ins of the task's own."""
        own = _protocol(task).stand_ins
        return tuple(name for name in self.observers if name in OF_ALL or name in own)


def mean_iou(intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    """Mean IoU of sets of images: over the classes whose union is not empty; NaN where none is.

    Args:
        intersection: float (sets, classes): pixels of each class in truth and prediction, summed over the images.
        union: float (sets, classes): pixels in either.
    """
    import numpy as np

    there = (union > 0).sum(axis=1)
    total = np.where(union > 0, _ratio(intersection, union), 0.0).sum(axis=1)
    return np.where(np.isnan(union).any(axis=1), np.nan, _ratio(total, there))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)


def _protocol(task: Task) -> ClassesOfPixels:
    if not isinstance(task.protocol, ClassesOfPixels):
        raise ValueError(f"{task.name} does not say which classes pixels have")
    return task.protocol


def _classes(task: Task) -> tuple[str, ...]:
    return _protocol(task).classes


def _columns(task: Task) -> dict[str, list[str]]:
    return {measure: [f"{n:03d} {measure}" for n in range(len(_classes(task)))] for measure in MEASURES}


KIND = Segmentation()
