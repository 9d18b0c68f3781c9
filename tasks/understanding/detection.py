"""Detection: a light detector is trained on an encoder's frozen features, and its boxes are held to the true ones.

Features are read once. Every encoder has the same detector, images, budget and learning rate. Results are boxes, from
which COCO's numbers over any set of images follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ...errors import DataError
from ...identity import digest
from .protocol import FeatureProtocol, Numbers, read_each
from .training import Training

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..images.source import ImageSource
    from .average_precision import Boxes
    from .detector import Detector, Scaling
    from .protocol import Encoder

_FAR = 2.0**20
"""Pixels; no box begins or ends farther from its image's corner."""

MEASURES = {
    "left": (-_FAR, _FAR),
    "top": (-_FAR, _FAR),
    "width": (0.0, 2 * _FAR),
    "height": (0.0, 2 * _FAR),
    "area": (0.0, 2.0**42),
    "class": (0.0, 100_000.0),
    "score": (0.0, 1.0),
}
"""What is stored of each box, under names such as ``"found 017 left"`` and ``"true 002 class"``; see `Boxes`."""

SIDES = ("true", "found")

MEDIAN = "median box"
COLOURS = "colours of cells"
OBSERVERS = {MEDIAN: "median-box@1", COLOURS: "colours-of-cells@1"}
"""Baselines without an encoder, and their versions: the median of all boxes everywhere, scored by how common classes
are; and a detector on the mean colours of cells in place of features."""

_VERSION = 1
"""Raised when numbers of the same settings change."""

_BATCH = 8
"""Images that are read and encoded at once."""

_SCALED_ON = 64
"""Images by whose features channels are scaled."""

_KEPT = 32
"""Detectors that are kept: a run asks all its models for each part of a set, and one that is lost is trained again."""


class BoxedImages(Protocol):
    """A source of images with boxes of objects, and of others that detectors are trained on.

    Attributes:
        image_ids: Images to be judged.
        learning_ids: Images to be learned from, in an order of which any beginning can be learned from.
        trained: Detectors that were trained on these images, by encoder and settings; kept for the next images of a
            run.
        digest: Names images and boxes.
    """

    image_ids: Sequence[str]
    learning_ids: Sequence[str]
    trained: dict[tuple[str, str], Any]
    digest: str

    def picture(self, image_id: str) -> np.ndarray:
        """uint8 (H, W, 3), RGB, of one of ``image_ids`` or ``learning_ids``.

        Raises:
            DataError: It cannot be read.
        """
        ...

    def boxes_of(self, image_id: str) -> Boxes:
        """The true boxes of an image.

        Raises:
            DataError: They cannot be those of the image.
        """
        ...

    def size_of(self, image_id: str) -> tuple[int, int]:
        """Height and width of an image in pixels, without reading it."""
        ...


@dataclass(frozen=True)
class Detecting(FeatureProtocol):
    """How boxes are found and judged.

    Attributes:
        classes: Names, in the order of their numbers.
        within: Networks with stages are read at the last one whose own stride is at most this ...
        stride: ... computed at this stride.
        limits: Objects are small up to the square of the first, large from that of the second, in pixels of the image
            as it is.
        training: Of the detector.
        most: Detections of a class in an image that count.
    """

    most: ClassVar[int] = 100

    classes: tuple[str, ...]
    within: int = 32
    stride: int = 16
    limits: tuple[float, float] = (32.0, 96.0)
    training: Training = field(default_factory=Training)

    @property
    def count(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    def facts(self) -> dict[str, Any]:
        """See `FeatureProtocol.facts`."""
        plain = asdict(self) | {"classes": list(self.classes), "limits": list(self.limits)}
        return {"detecting": _VERSION, "scaled_on": _SCALED_ON, **plain}

    def learns(self, source: ImageSource) -> int:
        """See `FeatureProtocol.learns`."""
        return len(source.learning_ids[: self.training.images])  # type: ignore[attr-defined]

    def brief(self) -> Detecting:
        """See `FeatureProtocol.brief`."""
        return replace(self, training=replace(self.training, images=_BATCH, steps=1))

    def together(self, source: ImageSource, positions: Sequence[int]) -> list[list[int]]:
        """Batches of images."""
        return [list(positions[start : start + _BATCH]) for start in range(0, len(positions), _BATCH)]

    def examiner(self, encoder: Encoder | str, source: ImageSource) -> BoxExaminer:
        """See `FeatureProtocol.examiner`."""
        if not hasattr(source, "learning_ids"):
            raise ValueError(f"the images of {source.name} have no boxes of objects")
        return BoxExaminer(self, encoder, source)  # type: ignore[arg-type]


class BoxExaminer:
    """One encoder or baseline on images; see `protocol.Examiner`. Its detector is trained before any is judged."""

    def __init__(self, how: Detecting, encoder: Encoder | str, images: BoxedImages) -> None:
        self._how, self._encoder, self._images = how, encoder, images
        side = how.training.side
        patch = 0 if isinstance(encoder, str) else encoder.patch(side, side)
        self._stride = patch or how.stride
        # Whole cells on every level: a level that ends in half a cell would have its boxes shifted.
        cells = max(1, 2 ** (how.training.levels - 1) // how.training.enlarged(self._stride))
        self._side = side // (cells * self._stride) * cells * self._stride
        if not self._side:
            raise DataError(f"images of {side} x {side} pixels have no room for {cells} patches of {patch}")

    def numbers(self, positions: Sequence[int]) -> Numbers:
        """The true boxes of some images, and those that are found.

        Raises:
            DataError: An image that the detector learns from cannot be used; it would be another one without.
        """
        import numpy as np

        from ..images.source import LoadFailure

        read, failed = read_each(positions, lambda position: self._read(self._images.image_ids[position]))
        pictures, truths = [picture for picture, _ in read.values()], [truth for _, truth in read.values()]
        boxes = {}
        for position, found, truth in zip(read, self.detected(pictures), truths, strict=True):
            if found is None:
                reason = f"features of {self._images.image_ids[position]} are not all finite"
                failed[position] = LoadFailure(reason, transient=False)
                continue
            boxes[position] = (truth, self._judged(self._images.image_ids[position], truth, found))
        if not boxes:
            return Numbers(np.empty(0, np.int64), {}, failed)
        return Numbers(np.array(list(boxes), dtype=np.int64), columns(*zip(*boxes.values(), strict=True)), failed)

    def detected(self, pictures: Sequence[np.ndarray]) -> list[Boxes | None]:
        """Boxes in some images, in their own pixels, the most confident first; None where features are not all finite.

        Args:
            pictures: uint8 (H, W, 3).
        """
        import numpy as np

        from .average_precision import Boxes

        if not pictures:
            return []
        said: Sequence[Mapping[str, np.ndarray] | None]
        if self._encoder == MEDIAN:
            said = [self._median()] * len(pictures)
        else:
            scale, detector = self._detector()
            maps = self._maps(pictures)
            usable = maps.isfinite().flatten(1).all(dim=1)
            judged = iter(detector.found(scale(maps[usable])) if usable.any() else ())
            said = [next(judged) if good else None for good in usable.tolist()]
        found: list[Boxes | None] = []
        for picture, own in zip(pictures, said, strict=True):
            if own is None:
                found.append(None)
                continue
            height, width = picture.shape[:2]
            corners = own["boxes"].astype(np.float64) * np.tile((width, height), 2) / self._side
            places = np.hstack([corners[:, :2], np.maximum(corners[:, 2:] - corners[:, :2], 0.0)])
            classes, scores = own["labels"].astype(np.int64), own["scores"].astype(np.float64)
            found.append(Boxes(places, classes, scores, places[:, 2] * places[:, 3]))
        return found

    def _judged(self, image_id: str, truth: Boxes, found: Boxes) -> Boxes:
        """Those of the detections that can be held to the true boxes: all, unless a subclass knows better."""
        return found

    def _read(self, image_id: str) -> tuple[np.ndarray, Boxes]:
        picture, boxes = self._images.picture(image_id), self._images.boxes_of(image_id)
        if len(boxes) and not 0 <= boxes.classes.min() <= boxes.classes.max() < self._how.count:
            raise DataError(
                f"{image_id} has a box of class {boxes.classes.max()}; there are {self._how.count} classes, from 0"
            )
        return picture, boxes

    def _maps(self, pictures: Sequence[np.ndarray]) -> Tensor:
        """float32 (n, C, h, h)."""
        import numpy as np
        import torch
        from PIL import Image

        size = (self._side, self._side)
        squares = np.stack(
            [np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BICUBIC)) for one in pictures]
        )
        if not isinstance(self._encoder, str):
            return self._encoder.maps(squares, self._how.within, self._stride)
        pixels = torch.from_numpy(squares).permute(0, 3, 1, 2).float()
        return torch.nn.functional.avg_pool2d(pixels, self._how.stride)

    # What is learned from the other images, once for each encoder.

    def _learning(self) -> Sequence[str]:
        ids = self._images.learning_ids[: self._how.training.images]
        if not ids:
            raise DataError("there are no images to learn from")
        return ids

    def _kept(self, who: str, make: Any) -> Any:
        known, key = self._images.trained, (who, digest([self._images.digest, self._how.facts()]))
        if key not in known:
            made = make()
            while len(known) >= _KEPT:
                known.pop(next(iter(known)))
            known[key] = made
        return known[key]

    def _detector(self) -> tuple[Scaling, Detector]:
        who = f"baseline {self._encoder}" if isinstance(self._encoder, str) else self._encoder.identity
        kept: tuple[Scaling, Detector] = self._kept(who, self._trained)
        return kept

    def _trained(self) -> tuple[Scaling, Detector]:
        import torch

        from .detector import scaling, train

        ids = self._learning()
        raw: list[Tensor] = []
        maps: list[Tensor] = []
        targets: list[dict[str, Tensor]] = []
        scale = None
        for start in range(0, len(ids), _BATCH):
            pictures, boxes = zip(*map(self._read, ids[start : start + _BATCH]), strict=True)
            targets += [_target(own, one.shape[:2], self._side) for own, one in zip(boxes, pictures, strict=True)]
            raw.append(self._maps(pictures).float().cpu())
            last = start + _BATCH >= len(ids)
            if scale is None and (last or start + _BATCH >= _SCALED_ON):
                scale = scaling(torch.cat(raw), self._how.training.channels)
            if scale is not None:
                maps += [scale(one) for one in raw]
                raw = []
        assert scale is not None
        return scale, train(torch.cat(maps), targets, self._side, self._how.count, self._how.training)

    def _median(self) -> Mapping[str, np.ndarray]:
        """The same for every image, in pixels of the square."""
        kept: Mapping[str, np.ndarray] = self._kept(f"baseline {MEDIAN}", self._median_of_all)
        return kept

    def _median_of_all(self) -> Mapping[str, np.ndarray]:
        import numpy as np

        how = self._how
        boxes, labels = [], []
        for name in self._learning():
            target = _target(self._images.boxes_of(name), self._images.size_of(name), self._side)
            boxes.append(target["boxes"].numpy())
            labels.append(target["labels"].numpy())
        corners, kinds = np.concatenate(boxes), np.concatenate(labels)
        if not len(corners):
            raise DataError("the images to learn from have no boxes")
        shares = np.bincount(kinds, minlength=how.count) / len(kinds)
        order = np.argsort(-shares, kind="stable")[: how.training.detections]
        order = order[shares[order] > 0]
        centre, size = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
        middle, half = np.median(centre, axis=0), np.median(size, axis=0) / 2
        box = np.concatenate([middle - half, middle + half])
        return {"boxes": np.tile(box, (len(order), 1)), "labels": order, "scores": shares[order]}


def _target(boxes: Boxes, size: tuple[int, ...], side: int) -> dict[str, Tensor]:
    """What a detector is taught of an image: boxes on the square, without regions and those without an inside."""
    import numpy as np
    import torch

    height, width = size
    corners = np.hstack([boxes.places[:, :2], boxes.places[:, :2] + boxes.places[:, 2:]])
    corners = np.clip(corners / np.tile((width, height), 2), 0, 1) * side
    taught = (boxes.scores > 0) & (corners[:, 2:] > corners[:, :2]).all(axis=1)
    return {
        "boxes": torch.from_numpy(corners[taught].astype(np.float32)),
        "labels": torch.from_numpy(boxes.classes[taught].astype(np.int64)),
    }


# Boxes as columns of numbers, one row an image.


def columns(truths: Sequence[Boxes], found: Sequence[Boxes]) -> dict[str, np.ndarray]:
    """Boxes of some images in columns of `MEASURES`, float64 (images,), NaN beyond the last box of an image."""
    import numpy as np

    values: dict[str, np.ndarray] = {}
    for side, boxes in zip(SIDES, (truths, found), strict=True):
        most = max(1, max(map(len, boxes)))  # one column at least says that there is nothing
        table = np.full((most, len(MEASURES), len(boxes)), np.nan)
        for image, own in enumerate(boxes):
            table[: len(own), :, image] = np.column_stack([own.places, own.areas, own.classes, own.scores])
        for number in range(most):
            values |= {f"{side} {number:03d} {name}": table[number, row] for row, name in enumerate(MEASURES)}
    return values


def boxes_in(numbers: Mapping[str, np.ndarray], side: str, images: int) -> list[Boxes]:
    """The way back from `columns`.

    Args:
        numbers: float (images,) by column.
        side: One of `SIDES`.
        images: How many.

    Returns:
        Of each image; empty for one without any box.
    """
    import numpy as np

    from .average_precision import Boxes

    first = [name.rpartition(" ")[0] for name in numbers if name.startswith(f"{side} ") and name.endswith(" left")]
    first.sort(key=lambda name: (len(name), name))  # box 1000 comes after 101
    table = np.array([[numbers[f"{name} {measure}"] for measure in MEASURES] for name in first], dtype=np.float64)
    boxes = []
    for image in range(images):
        own = table[:, :, image] if len(first) else np.empty((0, len(MEASURES)))
        own = own[np.isfinite(own).all(axis=1)]
        boxes.append(Boxes(own[:, :4], own[:, 5].astype(np.int64), own[:, 6], own[:, 4]))
    return boxes
