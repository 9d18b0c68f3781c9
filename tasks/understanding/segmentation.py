"""Classes of pixels from an encoder's features: what labelled images teach, and the pixels that are right.

A protocol learns from the cells of labelled images, whose features are read once for all protocols that ask alike, and
then gives each cell of another image a score for each class. Scores are enlarged to the size of the true map, and the
largest wins. Results are counts of pixels, from which IoU over any set of images follows.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self
from weakref import WeakKeyDictionary

from ...errors import DataError
from .cells import cells_of_pixels, resized
from .protocol import FeatureProtocol, Numbers, Seen, read_each

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..images.source import ImageSource
    from .protocol import Encoder, Mapper

VOID = 255
"""In a map of classes: a pixel that nothing is asked of."""

_MOST_PIXELS = 2**24
"""Of an image: counts are stored as float32, which holds whole numbers up to this."""

MEASURES = {"intersection": (0.0, _MOST_PIXELS), "union": (0.0, _MOST_PIXELS), "area": (0.0, _MOST_PIXELS)}
"""What is stored of each image and class, under names such as ``"017 area"``: pixels that have the class in truth and
prediction, in either, and in truth."""

MEAN_MASK = "mean classes of the memory"
CEILINGS = {"true classes at stride 8": 8, "true classes at stride 16": 16}
OBSERVERS = {MEAN_MASK: "mean-classes@1"} | {name: f"class-cells-{stride}@1" for name, stride in CEILINGS.items()}
"""Baselines without an encoder, and their versions: the commonest class of each place, and what cells can show."""

_BATCH = 8
"""Images that are read and encoded at once."""

_FEWEST = 5
"""Labelled images while a few others are timed."""

_ENLARGED = 32
"""Classes whose scores are enlarged at once: 150 of them in float32 would be 600 bytes a pixel."""

Reader = Callable[["Tensor"], "Tensor"]
"""Gives float32 (classes, h, w), the score of each class in each cell, for features, float32 (C, h, w)."""


class LabelledImages(Protocol):
    """A source of images with a class for each pixel, and of others that protocols learn from."""

    image_ids: Sequence[str]
    memory_ids: Sequence[str]
    digest: str

    def picture(self, image_id: str) -> np.ndarray:
        """uint8 (H, W, 3), RGB, of one of ``image_ids`` or ``memory_ids``.

        Raises:
            DataError: It cannot be read.
        """
        ...

    def classes_of(self, image_id: str) -> np.ndarray:
        """uint8 (H, W): classes, from 0, and `VOID`.

        Raises:
            DataError: It cannot be read, or is no map of classes of the image.
        """
        ...


class Learner(ABC):
    """What a protocol makes of the labelled images; it sees each of them once."""

    @abstractmethod
    def see(self, name: str, features: Tensor, counts: np.ndarray, area: float) -> None:
        """Take from an image what is needed.

        Args:
            name: Of the image; any randomness comes from it alone.
            features: float32 (C, h, w).
            counts: int64 (h w, classes), as `cell_counts`.
            area: Pixels of a cell, with a class or without.
        """

    @abstractmethod
    def reader(self) -> Reader:
        """What was learned; asked once, after the last image.

        Raises:
            DataError: The images teach nothing.
        """


@dataclass(frozen=True)
class ClassesOfPixels(FeatureProtocol):
    """How images are encoded and cells learned from; subclasses say how.

    Attributes:
        classes: Names, in the order of their numbers.
        side: Images are encoded as squares of this side in pixels, or of the multiple of a patch below it.
        within: Networks with stages are read at the last one whose own stride is at most this ...
        stride: ... computed at this stride.
        labelled: Most labelled images that are learned from: the first by a hash of their names. 0 takes all.
    """

    kind: ClassVar[str]
    version: ClassVar[int]
    """Raised when numbers of the same settings change."""

    stand_ins: ClassVar[Mapping[str, Mapper]] = MappingProxyType({})
    """Baselines that take the place of an encoder, by name."""

    classes: tuple[str, ...]
    side: int = 512
    within: int = 32
    stride: int = 16
    labelled: int = 0

    def facts(self) -> dict[str, Any]:
        """See `FeatureProtocol.facts`."""
        facts = {self.kind: self.version, **asdict(self), "classes": list(self.classes)}
        return {name: value for name, value in facts.items() if name != "labelled" or value}

    @property
    def reading(self) -> tuple[Any, ...]:
        """Protocols for which this is equal ask for the same features of the same labelled images."""
        return self.classes, self.side, self.within, self.stride, self.labelled

    @abstractmethod
    def learner(self, images: int) -> Learner:
        """Begin to learn from this many labelled images.

        Raises:
            DataError: They are too few.
        """

    def learns(self, source: ImageSource) -> int:
        """See `FeatureProtocol.learns`."""
        return len(self.labelled_ids(source))  # type: ignore[arg-type]

    def brief(self) -> Self:
        """See `FeatureProtocol.brief`."""
        return replace(self, labelled=_FEWEST)

    def labelled_ids(self, images: LabelledImages) -> Sequence[str]:
        """The images that are learned from, in the order of the source."""
        ids, most = images.memory_ids, self.labelled
        if not most or len(ids) <= most:
            return ids
        chosen = {*sorted(ids, key=lambda name: hashlib.sha256(name.encode()).digest())[:most]}
        return [name for name in ids if name in chosen]

    def together(self, source: ImageSource, positions: Sequence[int]) -> list[list[int]]:
        """Batches of images."""
        return [list(positions[start : start + _BATCH]) for start in range(0, len(positions), _BATCH)]

    def examiner(self, encoder: Encoder | str, source: ImageSource) -> ImageExaminer:
        """See `FeatureProtocol.examiner`."""
        if not hasattr(source, "memory_ids"):
            raise ValueError(f"the images of {source.name} have no classes of pixels")
        return ImageExaminer(self, encoder, source)  # type: ignore[arg-type]


@dataclass
class _Learned:
    """What one encoder has learned from the labelled images of one set.

    Attributes:
        digest: Of the set.
        asked: Protocols that examiners were made for: one pass over the images serves all that read alike.
        learners: Those that have seen the images and were not asked yet.
        readers: What the others became.
    """

    digest: str
    asked: dict[ClassesOfPixels, None] = field(default_factory=dict)
    learners: dict[ClassesOfPixels, Learner] = field(default_factory=dict)
    readers: dict[ClassesOfPixels, Reader] = field(default_factory=dict)


_learned: WeakKeyDictionary[Any, _Learned] = WeakKeyDictionary()
"""Of each encoder that is alive, for the last set: a large set is examined part by part."""


class ImageExaminer:
    """One encoder or baseline on images; see `protocol.Examiner`."""

    def __init__(self, how: ClassesOfPixels, encoder: Mapper | str, images: LabelledImages) -> None:
        if isinstance(encoder, str):
            encoder = how.stand_ins.get(encoder, encoder)
        self._how, self._encoder, self._images = how, encoder, images
        self._mean: Tensor | None = None
        patch = 0 if isinstance(encoder, str) else encoder.patch(how.side, how.side)
        self._side = how.side // patch * patch if patch else how.side
        self._stride = patch or how.stride
        if not self._side:
            raise DataError(f"images of {how.side} x {how.side} pixels have no room for patches of {patch}")
        if not isinstance(encoder, str):
            self._state(encoder)

    def numbers(self, positions: Sequence[int]) -> Numbers:
        """Counts of pixels for each class of some images.

        Raises:
            DataError: A labelled image cannot be used, so that nothing can be said of the encoder.
        """
        import numpy as np

        from ..images.source import LoadFailure

        read, failed = read_each(positions, lambda position: self._read(self._images.image_ids[position]))
        pictures, truths = [picture for picture, _ in read.values()], [truth for _, truth in read.values()]
        counts = {}
        for position, said, truth in zip(read, self.segmented(pictures, truths), truths, strict=True):
            if said is None:
                reason = f"features of {self._images.image_ids[position]} are not all finite"
                failed[position] = LoadFailure(reason, transient=False)
                continue
            counts[position] = pixel_counts(said, truth, len(self._how.classes))
        if not counts:
            return Numbers(np.empty(0, np.int64), {}, failed)
        table = np.array(list(counts.values()))
        values = {
            f"{number:03d} {measure}": table[:, column, number]
            for number in range(len(self._how.classes))
            for column, measure in enumerate(MEASURES)
        }
        return Numbers(np.array(list(counts), dtype=np.int64), values, failed)

    def seen(self, position: int) -> list[Seen]:
        """One image.

        Raises:
            DataError: It or a labelled image cannot be used, or its features are not all finite.
        """
        picture, truth = self._read(self._images.image_ids[position])
        (found,) = self.segmented([picture], [truth])
        if found is None:
            raise DataError(f"features of {self._images.image_ids[position]} are not all finite")
        there = truth != VOID
        share = float((found == truth)[there].mean()) if there.any() else 0.0
        return [Seen("", picture, truth, found, f"{100 * share:.0f} % of pixels right")]

    def segmented(self, pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        """Maps of classes, uint8 (H, W), of the size of the true ones; None where features are not all finite.

        Args:
            pictures: uint8 (H, W, 3).
            truths: uint8 (H, W), which baselines read and encoders do not.
        """
        import torch

        if not pictures:
            return []
        if isinstance(self._encoder, str):
            return [_enlarged(self._without(self._encoder, truth), truth.shape) for truth in truths]
        reader = self._reader(self._encoder)
        with torch.inference_mode():
            maps = self._maps(self._encoder, pictures)
            return [
                _enlarged(reader(one), truth.shape) if one.isfinite().all() else None
                for one, truth in zip(maps, truths, strict=True)
            ]

    def _read(self, image_id: str) -> tuple[np.ndarray, np.ndarray]:
        picture, classes = self._images.picture(image_id), self._images.classes_of(image_id)
        if classes.size > _MOST_PIXELS:
            raise DataError(f"{image_id} has {classes.size:,} pixels; counts are exact up to {_MOST_PIXELS:,}")
        if picture.shape[:2] != classes.shape:
            rows, columns = classes.shape
            height, width = picture.shape[:2]
            raise DataError(f"the classes of {image_id} have {columns} x {rows} pixels, its image {width} x {height}")
        known = len(self._how.classes)
        if ((classes >= known) & (classes != VOID)).any():
            wrong = int(classes[(classes >= known) & (classes != VOID)].max())
            raise DataError(f"{image_id} has pixels of class {wrong}; there are {known} classes, from 0")
        return picture, classes

    def _maps(self, encoder: Mapper, pictures: Sequence[np.ndarray]) -> Tensor:
        import numpy as np

        squares = np.stack([resized(one, (self._side, self._side)) for one in pictures])
        return encoder.maps(squares, self._how.within, self._stride)

    def _without(self, baseline: str, truth: np.ndarray) -> Tensor:
        """float32 (classes, h, w), what a baseline says."""
        classes = len(self._how.classes)
        if baseline == MEAN_MASK:
            if self._mean is None:
                cells = -(-self._side // self._stride)
                self._mean = sum(  # type: ignore[assignment]
                    _as_map(shares_of(cell_counts(self._read(name)[1], classes, cells, cells)), cells)
                    for name in self._how.labelled_ids(self._images)
                )
            assert self._mean is not None
            return self._mean
        cells = -(-self._side // CEILINGS[baseline])
        return _as_map(shares_of(cell_counts(truth, classes, cells, cells)), cells)

    # Learning from the labelled images.

    def _state(self, encoder: Mapper) -> _Learned:
        state = _learned.get(encoder)
        if state is None or state.digest != self._images.digest:
            _learned.pop(encoder, None)  # before the next one takes its place in memory
            state = _learned[encoder] = _Learned(self._images.digest)
        state.asked[self._how] = None
        return state

    def _reader(self, encoder: Mapper) -> Reader:
        state = self._state(encoder)
        if self._how not in state.readers:
            if self._how not in state.learners:
                alike = [how for how in state.asked if how.reading == self._how.reading and how not in state.readers]
                state.learners |= self._taught(encoder, alike)
            state.readers[self._how] = state.learners.pop(self._how).reader()
        return state.readers[self._how]

    def _taught(self, encoder: Mapper, protocols: Sequence[ClassesOfPixels]) -> dict[ClassesOfPixels, Learner]:
        """Learners that have seen the labelled images, whose features are read once for all of them."""
        import torch

        ids = self._how.labelled_ids(self._images)
        learners = {how: how.learner(len(ids)) for how in protocols}
        for start in range(0, len(ids), _BATCH):
            names = ids[start : start + _BATCH]
            pictures, truths = zip(*map(self._read, names), strict=True)
            with torch.inference_mode():
                for name, truth, features in zip(names, truths, self._maps(encoder, pictures), strict=True):
                    if not features.isfinite().all():
                        raise DataError(f"features of the labelled image {name} are not all finite")
                    counts = cell_counts(truth, len(self._how.classes), features.shape[1], features.shape[2])
                    for learner in learners.values():
                        learner.see(name, features, counts, truth.size / len(counts))
        return learners


def pixel_counts(classes: np.ndarray, truth: np.ndarray, known: int) -> np.ndarray:
    """int64 (3, known): of each class the pixels in the intersection, in the union, and in the truth.

    Args:
        classes: uint8 (H, W), the prediction.
        truth: uint8 (H, W); pixels of `VOID` count nowhere.
        known: Number of classes.
    """
    import numpy as np

    there = truth != VOID
    said, true = classes[there].astype(np.int64), truth[there].astype(np.int64)
    both = np.bincount(true[said == true], minlength=known)
    area = np.bincount(true, minlength=known)
    return np.stack([both, area + np.bincount(said, minlength=known) - both, area])


def cell_counts(truth: np.ndarray, known: int, rows: int, columns: int) -> np.ndarray:
    """int64 (rows x columns, known): the pixels of each class in each cell.

    Pixels of `VOID` count nowhere.

    Args:
        truth: uint8 (H, W).
        known: Number of classes.
        rows: Cells along the height.
        columns: Likewise.
    """
    import numpy as np

    there = truth != VOID
    height, width = truth.shape
    cells = cells_of_pixels(height, width, rows, columns)[there]
    return np.bincount(cells * known + truth[there], minlength=rows * columns * known).reshape(-1, known)


def shares_of(counts: np.ndarray) -> np.ndarray:
    """float32 (cells, classes): the share of each class among the pixels of a cell that have one; all 0 without any.

    Args:
        counts: int64 (cells, classes), as `cell_counts`.
    """
    import numpy as np

    shares: np.ndarray = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(np.float32)
    return shares


def seeded_by(text: str) -> np.random.Generator:
    """A source of random numbers that depend on a text alone."""
    import numpy as np

    return np.random.default_rng(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def _as_map(shares: np.ndarray, rows: int) -> Tensor:
    import torch

    return torch.from_numpy(shares.T.reshape(shares.shape[1], rows, -1).copy())


def _enlarged(scores: Tensor, size: tuple[int, ...]) -> np.ndarray:
    """uint8 (H, W): the class with the largest score, the first of equal ones, from scores (classes, h, w)."""
    import numpy as np
    import torch

    largest = found = None
    for start in range(0, len(scores), _ENLARGED):
        part = scores[None, start : start + _ENLARGED]
        best, own = torch.nn.functional.interpolate(part, size, mode="bilinear", align_corners=False)[0].max(dim=0)
        if largest is None or found is None:
            largest, found = best, own
        else:
            better = best > largest
            largest, found = torch.where(better, best, largest), torch.where(better, own + start, found)
    assert found is not None
    return found.cpu().numpy().astype(np.uint8)
