"""Tasks that find objects of very many classes and judge boxes as LVIS does: an image for some of the classes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...results.metrics import Metric
from ..understanding.federated import Federated
from .detection import AP, METRICS, PRECISIONS, Detection, measures_by_name, whole
from .kind import Line, Measure

if TYPE_CHECKING:
    import numpy as np

    from ..task import Task
    from ..understanding.average_precision import Matches

_WHOLE = (*PRECISIONS, Metric("ar300", "AR, 300 detections"))
_RECALL = 8
"""Place of the recall with all detections that count among COCO's twelve numbers."""


class FederatedDetection(Detection):
    """LVIS's numbers over all images together, among them AP by how common classes are.

    They are COCO's of the detections that count; which these are is decided before anything is stored, by
    `understanding.federated`. With more than a thousand classes, groups of them are the conditions.
    """

    name = "federated-detection"
    metrics = _WHOLE

    def lines(self, task: Task) -> list[Line]:
        """AP, that of each group, AP50 and AP75."""
        first, *others = super().lines(task)
        return [first, *(Line(name, AP, part=True) for name, _ in _groups(task)), *others]

    def _measured(self, task: Task) -> Mapping[str, Measure]:
        why = "no object of these classes"
        return measures_by_name(whole(_WHOLE) | {f"ap of {name}": (name, AP, why) for name, _ in _groups(task)})

    def _numbers(self, task: Task, matches: Matches, image: np.ndarray, counts: np.ndarray) -> np.ndarray:
        import numpy as np

        every = super()._numbers(task, matches, image, counts)
        columns = [every[:, : len(PRECISIONS)], every[:, [_RECALL]]]
        first = len(METRICS)
        for _, classes in _groups(task):
            of_classes = every[:, first : first + classes]
            there = np.isfinite(of_classes)
            with np.errstate(invalid="ignore"):  # NaN where no class of the group has an object
                columns.append(np.where(there, of_classes, 0).sum(axis=1, keepdims=True) / there.sum(1, keepdims=True))
            first += classes
        return np.hstack(columns)


def _groups(task: Task) -> tuple[tuple[str, int], ...]:
    if not isinstance(task.protocol, Federated):
        raise ValueError(f"{task.name} does not say which groups of classes there are")
    return task.protocol.groups


KIND = FederatedDetection()
