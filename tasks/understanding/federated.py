"""Detection where each image is annotated for some of the classes alone, as LVIS has it (a federated data set).

Of every image it is known which classes are there and which are not; of the others nothing is known. Some of those that
are there have further objects without a box. Gupta et al., LVIS: A dataset for large vocabulary instance segmentation,
CVPR 2019 (arXiv 1908.03195).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from .detection import MEASURES, BoxedImages, BoxExaminer, Detecting
from .training import Training

if TYPE_CHECKING:
    import numpy as np

    from ..images.source import ImageSource
    from .average_precision import Boxes
    from .protocol import Encoder

_VERSION = 1
"""Raised when numbers of the same settings change."""

_LEARNED_FROM = 2000
"""Images: twice those of COCO, so that each of many classes is in some of them."""

_MOST = 300
"""Detections in an image, of all classes together, that count in LVIS."""


class FederatedImages(BoxedImages, Protocol):
    """Images with boxes of some of the classes.

    ``boxes_of`` has the result of `open_ended` among the true boxes.
    """

    def absent_in(self, image_id: str) -> np.ndarray:
        """int64 (n,), the classes that were looked for in an image and are not there."""
        ...


@dataclass(frozen=True)
class Federated(Detecting):
    """How boxes are found and judged; classes have numbers alone, and their names are the data set's.

    Attributes:
        groups: Classes in groups, each with its name and how many they are. Classes are numbered in this order.
    """

    most: ClassVar[int] = _MOST

    classes: tuple[str, ...] = ()
    training: Training = field(default_factory=lambda: Training(images=_LEARNED_FROM, detections=_MOST))
    groups: tuple[tuple[str, int], ...] = (("rare", 337), ("common", 461), ("frequent", 405))

    @property
    def count(self) -> int:
        """See `Detecting.count`."""
        return sum(classes for _, classes in self.groups)

    def facts(self) -> dict[str, Any]:
        """See `FeatureProtocol.facts`."""
        return super().facts() | {"federated": _VERSION, "most": _MOST, "groups": [list(one) for one in self.groups]}

    def examiner(self, encoder: Encoder | str, source: ImageSource) -> FederatedExaminer:
        """See `FeatureProtocol.examiner`."""
        if not hasattr(source, "absent_in"):
            raise ValueError(f"the images of {source.name} do not say which classes were looked for")
        return FederatedExaminer(self, encoder, source)  # type: ignore[arg-type]


class FederatedExaminer(BoxExaminer):
    """See `BoxExaminer`; detections of classes of which nothing is known in an image are not stored."""

    _images: FederatedImages

    def _judged(self, image_id: str, truth: Boxes, found: Boxes) -> Boxes:
        return counted(found, truth, self._images.absent_in(image_id), self._how.most)


def counted(found: Boxes, truth: Boxes, absent: np.ndarray, most: int) -> Boxes:
    """The detections in an image that count, in the order in which they come.

    Args:
        found: All detections.
        truth: Its true boxes, with those of `open_ended`.
        absent: int64 (n,), classes that are known not to be there.
        most: So many detections count, of all classes together and by their scores; of equal ones the first. Those of
            classes of which nothing is known are among them.
    """
    import numpy as np

    from .average_precision import Boxes

    best = np.sort(np.argsort(-found.scores, kind="stable")[:most])
    kinds = found.classes[best]
    known = np.isin(kinds, np.concatenate([truth.classes, absent]))
    # What has no inside finds no object, and overlaps no region either.
    empty = found.places[best, 2:].min(axis=1, initial=np.inf) <= 0
    known &= ~(empty & np.isin(kinds, truth.classes[truth.scores == 0]))
    chosen = best[known]
    return Boxes(found.places[chosen], found.classes[chosen], found.scores[chosen], found.areas[chosen])


def open_ended(boxes: Boxes, classes: Sequence[int]) -> Boxes:
    """True boxes of an image with a region of each of some classes that is everywhere, and of which nothing is asked.

    Objects of these classes may be there without a box. So a detection that finds none of those with a box counts
    neither way, as it does in LVIS's own evaluation.

    Args:
        boxes: Objects of all classes.
        classes: Those that are not annotated exhaustively.
    """
    import numpy as np

    from .average_precision import Boxes

    everywhere = [MEASURES["left"][0], MEASURES["top"][0], MEASURES["width"][1], MEASURES["height"][1]]
    areas = np.full(len(classes), everywhere[2] * everywhere[3])
    return Boxes(
        np.vstack([boxes.places, np.tile(everywhere, (len(classes), 1))]),
        np.concatenate([boxes.classes, np.array(classes, dtype=np.int64)]),
        np.concatenate([boxes.scores, np.zeros(len(classes))]),
        np.concatenate([boxes.areas, areas]),
    )
