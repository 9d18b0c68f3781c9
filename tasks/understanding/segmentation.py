"""Segmentation by retrieval: the cells of an image take the classes of the most similar cells of labelled images.

Nothing is trained: a memory of cells with their classes is made from labelled images, and each cell of another image
takes the classes of its nearest neighbours in it (Balazevic et al., NeurIPS 2023). Results are counts of pixels, from
which IoU over any set of images follows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from ...errors import DataError
from .protocol import FeatureProtocol, Numbers

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..images.source import ImageSource
    from .protocol import Encoder

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

_VERSION = 1
"""Raised when numbers of the same settings change."""

_BATCH = 8
"""Images that are read and encoded at once."""

_QUERIES, _KEYS = 1024, 16384
"""Cells of an image, and of the memory, that are compared at once: 64 MB of similarities."""


class LabelledImages(Protocol):
    """A source of images with a class for each pixel, and of others that make the memory."""

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


@dataclass(frozen=True)
class Retrieval(FeatureProtocol):
    """How classes are retrieved. The defaults are those of the published evaluation, of its smaller memories.

    Attributes:
        classes: Names, in the order of their numbers.
        side: Images are encoded as squares of this side in pixels, or of the multiple of a patch below it.
        within: Networks with stages are read at the last one whose own stride is at most this ...
        stride: ... computed at this stride.
        neighbours: Cells of the memory that decide.
        temperature: Of the softmax over their similarities (cosines).
        memory: Most cells in the memory, shared equally by its images.
    """

    classes: tuple[str, ...]
    side: int = 512
    within: int = 32
    stride: int = 16
    neighbours: int = 30
    temperature: float = 0.02
    memory: int = 102_400

    def facts(self) -> dict[str, Any]:
        """See `FeatureProtocol.facts`."""
        return {"retrieval": _VERSION, **asdict(self), "classes": list(self.classes)}

    def together(self, source: ImageSource, positions: Sequence[int]) -> list[list[int]]:
        """Batches of images."""
        return [list(positions[start : start + _BATCH]) for start in range(0, len(positions), _BATCH)]

    def examiner(self, encoder: Encoder | str, source: ImageSource) -> ImageExaminer:
        """See `FeatureProtocol.examiner`."""
        if not hasattr(source, "memory_ids"):
            raise ValueError(f"the images of {source.name} have no classes of pixels")
        return ImageExaminer(self, encoder, source)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Memory:
    """Cells of labelled images.

    Attributes:
        keys: float32 (m, C), of length 1.
        shares: float32 (m, classes): how much of each cell has each class; a row sums to 1.
    """

    keys: Tensor
    shares: Tensor

    def retrieve(self, features: Tensor, neighbours: int, temperature: float) -> Tensor:
        """Classes of each cell of a map, from its exact nearest neighbours.

        Args:
            features: float32 (C, h, w).
            neighbours: Cells of the memory that decide; all of a smaller memory.
            temperature: Of the softmax over cosines.

        Returns:
            float32 (classes, h, w), shares that sum to 1.
        """
        import torch

        height, width = features.shape[1:]
        count = min(neighbours, len(self.keys))
        parts = []
        for queries in _unit(features).split(_QUERIES):
            values = queries.new_empty((len(queries), 0))
            places = torch.empty((len(queries), 0), dtype=torch.int64, device=queries.device)
            for start in range(0, len(self.keys), _KEYS):
                similar = queries @ self.keys[start : start + _KEYS].T
                best, where = similar.topk(min(count, similar.shape[1]), dim=1)
                values, places = torch.cat([values, best], 1), torch.cat([places, where + start], 1)
                values, kept = values.topk(min(count, values.shape[1]), dim=1)
                places = places.gather(1, kept)
            weights = (values / temperature).softmax(dim=1)
            parts.append((self.shares[places] * weights.unsqueeze(2)).sum(dim=1))
        return torch.cat(parts).T.reshape(-1, height, width)


_known: WeakKeyDictionary[Any, tuple[tuple[str, Retrieval], Memory]] = WeakKeyDictionary()
"""The last memory of each encoder that is alive: a large set is examined part by part."""


class ImageExaminer:
    """One encoder or baseline on images; see `protocol.Examiner`."""

    def __init__(self, how: Retrieval, encoder: Encoder | str, images: LabelledImages) -> None:
        self._how, self._encoder, self._images = how, encoder, images
        self._mean: Tensor | None = None
        patch = 0 if isinstance(encoder, str) else encoder.patch(how.side, how.side)
        self._side = how.side // patch * patch if patch else how.side
        self._stride = patch or how.stride
        if not self._side:
            raise DataError(f"images of {how.side} x {how.side} pixels have no room for patches of {patch}")

    def numbers(self, positions: Sequence[int]) -> Numbers:
        """Counts of pixels for each class of some images.

        Raises:
            DataError: An image of the memory cannot be used, so that nothing can be said of the encoder.
        """
        import numpy as np

        from ..images.source import LoadFailure

        failed: dict[int, LoadFailure] = {}
        good, pictures, truths = [], [], []
        for position in positions:
            try:
                picture, truth = self._read(self._images.image_ids[position])
            except DataError as error:
                failed[position] = LoadFailure(str(error), transient=False)
                continue
            good.append(position)
            pictures.append(picture)
            truths.append(truth)
        if not good:
            return Numbers(np.empty(0, np.int64), {}, failed)
        found = self.segmented(pictures, truths)
        counts = np.array(
            [pixel_counts(own, truth, len(self._how.classes)) for own, truth in zip(found, truths, strict=True)]
        )
        values = {
            f"{number:03d} {measure}": counts[:, column, number]
            for number in range(len(self._how.classes))
            for column, measure in enumerate(MEASURES)
        }
        return Numbers(np.array(good, dtype=np.int64), values, failed)

    def segmented(self, pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Maps of classes, uint8 (H, W), of the size of the true ones.

        Args:
            pictures: uint8 (H, W, 3).
            truths: uint8 (H, W), which baselines read and encoders do not.
        """
        import torch

        if isinstance(self._encoder, str):
            return [_enlarged(self._without(self._encoder, truth), truth.shape) for truth in truths]
        memory = self._memory(self._encoder)
        maps = self._maps(self._encoder, pictures)
        with torch.inference_mode():
            shares = [memory.retrieve(one, self._how.neighbours, self._how.temperature) for one in maps]
            return [_enlarged(one, truth.shape) for one, truth in zip(shares, truths, strict=True)]

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

    def _maps(self, encoder: Encoder, pictures: Sequence[np.ndarray]) -> Tensor:
        import numpy as np
        from PIL import Image

        size = (self._side, self._side)
        squares = [np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BICUBIC)) for one in pictures]
        return encoder.maps(np.stack(squares), self._how.within, self._stride)

    def _without(self, baseline: str, truth: np.ndarray) -> Tensor:
        """float32 (classes, h, w), what a baseline says."""
        classes = len(self._how.classes)
        if baseline == MEAN_MASK:
            if self._mean is None:
                cells = -(-self._side // self._stride)
                ids = self._images.memory_ids
                self._mean = sum(  # type: ignore[assignment]
                    _as_map(cell_shares(self._read(name)[1], classes, cells, cells), cells) for name in ids
                )
            assert self._mean is not None
            return self._mean
        cells = -(-self._side // CEILINGS[baseline])
        return _as_map(cell_shares(truth, classes, cells, cells), cells)

    def _memory(self, encoder: Encoder) -> Memory:
        key = (self._images.digest, self._how)
        if encoder not in _known or _known[encoder][0] != key:
            _known.pop(encoder, None)  # before the next one takes its place in memory
            _known[encoder] = (key, self._remembered(encoder))
        return _known[encoder][1]

    def _remembered(self, encoder: Encoder) -> Memory:
        """Cells of the labelled images, as many of each as there is room for; those without a class are left out."""
        import numpy as np
        import torch

        ids = self._images.memory_ids
        each = max(1, self._how.memory // len(ids))
        keys, labels = [], []
        for start in range(0, len(ids), _BATCH):
            names = ids[start : start + _BATCH]
            pictures, truths = zip(*map(self._read, names), strict=True)
            for name, truth, features in zip(names, truths, self._maps(encoder, pictures), strict=True):
                shares = cell_shares(truth, len(self._how.classes), features.shape[1], features.shape[2])
                seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
                kept = chosen_cells(shares, each, np.random.default_rng(seed))
                keys.append(_unit(features)[torch.from_numpy(kept).to(features.device)])
                labels.append(torch.from_numpy(shares[kept]).to(features.device))
        memory = Memory(torch.cat(keys), torch.cat(labels))
        if not len(memory.keys):
            raise DataError("no pixel of the labelled images has a class")
        return memory


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


def cell_shares(truth: np.ndarray, known: int, rows: int, columns: int) -> np.ndarray:
    """float32 (rows x columns, known): the share of each class among the pixels of a cell that have one.

    A pixel is in the cell that its middle is in. All 0 for a cell of nothing but `VOID`.

    Args:
        truth: uint8 (H, W).
        known: Number of classes.
        rows: Cells along the height.
        columns: Likewise.
    """
    import numpy as np

    height, width = truth.shape
    row, column = (((np.arange(of) + 0.5) * n / of).astype(np.int64) for n, of in ((rows, height), (columns, width)))
    there = truth != VOID
    cells = (row[:, None] * columns + column[None, :])[there]
    counts = np.bincount(cells * known + truth[there], minlength=rows * columns * known).reshape(-1, known)
    shares: np.ndarray = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(np.float32)
    return shares


def chosen_cells(shares: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Which cells of an image are remembered: int64, sorted; those of rare classes rather than of common ones.

    The score of a cell is the number of cells that hold one of its classes, summed over its classes, times a uniform
    number; the smallest are kept (Balazevic et al. 2023, as their evaluation is published).

    Args:
        shares: float (cells, classes); cells of zeros are never chosen.
        count: Most cells.
        rng: Source of the uniform numbers.
    """
    import numpy as np

    holds = shares > 0
    scores = (holds * holds.sum(axis=0)).sum(axis=1) * rng.random(len(shares))
    possible = np.flatnonzero(holds.any(axis=1))
    return np.sort(possible[np.argsort(scores[possible], kind="stable")[:count]])


def _as_map(shares: np.ndarray, rows: int) -> Tensor:
    import torch

    return torch.from_numpy(shares.T.reshape(shares.shape[1], rows, -1).copy())


def _unit(features: Tensor) -> Tensor:
    """(h w, C) of length 1, from (C, h, w)."""
    import torch

    return torch.nn.functional.normalize(features.flatten(1).T, dim=1)


def _enlarged(shares: Tensor, size: tuple[int, ...]) -> np.ndarray:
    """uint8 (H, W): the largest of the classes, from shares (classes, h, w)."""
    import numpy as np
    import torch

    whole = torch.nn.functional.interpolate(shares[None], size, mode="bilinear", align_corners=False)[0]
    return whole.argmax(dim=0).cpu().numpy().astype(np.uint8)
