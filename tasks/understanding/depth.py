"""Depth: how far away things are, read from an encoder's frozen features by a linear probe.

The probe names the logarithm of depth in each cell of a map, from the cell's feature and the mean of the map, as
DINOv2's heads have the class token beside each patch; the map of logarithms is enlarged bilinearly. It is fitted to
other pictures by ridge regression, which is solved exactly from sums over all their cells, so that memory does not grow
with their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import DataError
from ...identity import digest
from .protocol import FeatureProtocol, Numbers, read_each

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..images.source import ImageSource
    from .protocol import Encoder

WHOLE, OBJECT = "overall", "object"
"""Regions of a picture: all pixels with a depth, and those of them on the object."""

MEASURES = {
    "pixels": (0.0, 2.0**24),
    "squares": (0.0, 1e12),
    "within": (0.0, 1.0),
    "relative": (0.0, 1e9),
    "logsquares": (0.0, 1e4),
    "logmean": (-100.0, 100.0),
}
"""What is stored of each picture and region, such as ``"overall squares"``: the number of pixels, and means over them,
of the squared error, of whether depth is off by a factor below 1.25, of the error over the true depth, of the squared
difference of natural logarithms, and of this difference, predicted less true."""

CONSTANT, PLACES = "mean depth", "mean depth of each place"
CEILINGS = {"true depth at stride 8": 8, "true depth at stride 16": 16}
OBSERVERS = {CONSTANT: "mean-depth@1", PLACES: "mean-depth-places@1"} | {
    name: f"depth-cells-{stride}@1" for name, stride in CEILINGS.items()
}
"""Baselines without an encoder, and their versions: the mean logarithm of all pixels that probes are fitted to, that of
each place, and what cells can show."""

_FACTOR = 1.25

_PENALTIES = tuple(10.0**power for power in range(2, -9, -1))
"""Ridge penalties, over the number of cells, of which the first of the best is chosen."""

_HELD_OUT = 5
"""Every fifth picture is held out to choose a penalty."""

_BATCH = 8
"""Pictures that are read and encoded at once."""

_PLACES = 32
"""Cells along each side in which places are counted."""

_KEPT = 32
"""Fits that are kept: a run asks all its models for each part of a set, and one that is lost is fitted again."""

_VERSION = 1
"""Raised when numbers of the same settings change."""


class DepthImages(Protocol):
    """A source of pictures with a depth for each pixel, and of others that probes are fitted to.

    Attributes:
        fitted: What was fitted, by encoder and settings; kept for the next pictures of a run.
        digest: Names all pictures and their depths.
    """

    image_ids: Sequence[str]
    learning_ids: Sequence[str]
    fitted: dict[tuple[str, str], Any]
    digest: str

    def picture(self, image_id: str) -> np.ndarray:
        """uint8 (H, W, 3), RGB, of one of ``image_ids`` or ``learning_ids``.

        Raises:
            DataError: It cannot be read.
        """
        ...

    def depth_of(self, image_id: str) -> np.ndarray:
        """Depth, float (H, W), of the picture's size; NaN where nothing is asked, else above 0.

        Raises:
            DataError: It cannot be read, or is of another size.
        """
        ...

    def object_of(self, image_id: str) -> np.ndarray:
        """Where the object is, bool (H, W); asked only where a protocol has the region `OBJECT`.

        Raises:
            DataError: It cannot be read.
        """
        ...


@dataclass(frozen=True)
class Probing(FeatureProtocol):
    """How depth is read from features.

    Attributes:
        regions: For which numbers are given: `WHOLE`, and `OBJECT` where it is known.
        longer: The longer side that pictures are brought to in proportion, in pixels; 0 keeps their own size. Sides
            become multiples of the patch or stride.
        within: Networks with stages are read at the last one whose own stride is at most this ...
        stride: ... computed at this stride.
        most: Pictures that are fitted to, the first ones; 0 for all.
    """

    regions: tuple[str, ...] = (WHOLE,)
    longer: int = 0
    within: int = 32
    stride: int = 16
    most: int = 0

    def facts(self) -> dict[str, Any]:
        """See `FeatureProtocol.facts`."""
        settings = [list(_PENALTIES), _HELD_OUT, _PLACES]
        return {"depth": _VERSION, "settings": settings, **asdict(self), "regions": list(self.regions)}

    def learns(self, source: ImageSource) -> int:
        """See `FeatureProtocol.learns`."""
        return len(self.learning_ids(source))  # type: ignore[arg-type]

    def brief(self) -> Probing:
        """See `FeatureProtocol.brief`."""
        return replace(self, most=_HELD_OUT)

    def learning_ids(self, images: DepthImages) -> Sequence[str]:
        """The pictures that are fitted to."""
        return images.learning_ids[: self.most] if self.most else images.learning_ids

    def together(self, source: ImageSource, positions: Sequence[int]) -> list[list[int]]:
        """Batches of pictures."""
        return [list(positions[start : start + _BATCH]) for start in range(0, len(positions), _BATCH)]

    def examiner(self, encoder: Encoder | str, source: ImageSource) -> DepthExaminer:
        """See `FeatureProtocol.examiner`."""
        if not hasattr(source, "depth_of"):
            raise ValueError(f"the images of {source.name} have no depth")
        return DepthExaminer(self, encoder, source)  # type: ignore[arg-type]


class DepthExaminer:
    """One encoder or baseline on pictures; see `protocol.Examiner`. It is fitted before the first picture is judged."""

    def __init__(self, how: Probing, encoder: Encoder | str, images: DepthImages) -> None:
        self._how, self._encoder, self._images = how, encoder, images

    def numbers(self, positions: Sequence[int]) -> Numbers:
        """Errors in each region of each picture; undefined in a region that a picture does not have.

        Raises:
            DataError: A picture that is fitted to cannot be used; it would be another probe without it.
        """
        import numpy as np

        from ..images.source import LoadFailure

        read, failed = read_each(positions, self._judged)
        if not read:
            return Numbers(np.empty(0, np.int64), {}, failed)
        pictures, truths, _ = zip(*read.values(), strict=True)
        rows = {}
        for (position, (_, truth, objects)), found in zip(read.items(), self.depths(pictures, truths), strict=True):
            if isinstance(found, DataError):
                reason = f"{self._images.image_ids[position]} cannot be encoded: {found}"
                failed[position] = LoadFailure(reason, transient=False)
                continue
            masks = {OBJECT: np.where(objects, truth, np.nan)} if objects is not None else {}
            rows[position] = [errors(found, masks.get(region, truth)) for region in self._how.regions]
        values = {
            f"{region} {measure}": np.array([own[place][number] for own in rows.values()])
            for place, region in enumerate(self._how.regions)
            for number, measure in enumerate(MEASURES)
        }
        return Numbers(np.array(list(rows), dtype=np.int64), values if rows else {}, failed)

    def _judged(self, position: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """A picture, its depth, and where its object is if that is asked."""
        image_id = self._images.image_ids[position]
        objects = self._images.object_of(image_id) if OBJECT in self._how.regions else None
        return (*self._read(image_id), objects)

    def depths(self, pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> Iterator[np.ndarray | DataError]:
        """What is said of pictures: float64 (H, W), above 0; of one that cannot be encoded why.

        Args:
            pictures: uint8 (H, W, 3).
            truths: float (H, W), which the ceilings read, and of which others take the size.
        """
        import numpy as np

        from .cells import cell_means, encoded_size, enlarged, maps_of

        if isinstance(self._encoder, str) and self._encoder in CEILINGS:
            stride = CEILINGS[self._encoder]
            for truth in truths:
                height, width = encoded_size(len(truth), truth.shape[1], self._how.longer, stride)
                means, shares = cell_means(np.log(truth), height // stride, width // stride)
                yield np.exp(enlarged(_filled(means, shares), *truth.shape))
            return
        fit = self._fitted()
        if isinstance(self._encoder, str):
            for truth in truths:
                yield np.exp(enlarged(fit, *truth.shape))
            return
        maps = maps_of(self._encoder, pictures, self._how.longer, self._how.within, self._how.stride)
        for picture, truth in zip(pictures, truths, strict=True):
            own = maps[id(picture)]
            if isinstance(own, DataError):
                yield own
            else:
                yield np.exp(enlarged(fit.logarithms(with_mean(own)), *truth.shape))

    def _read(self, image_id: str) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        picture, depth = self._images.picture(image_id), self._images.depth_of(image_id)
        if picture.shape[:2] != depth.shape:
            (rows, columns), (height, width) = depth.shape, picture.shape[:2]
            raise DataError(f"the depth of {image_id} has {columns} x {rows} pixels, its image {width} x {height}")
        there = ~np.isnan(depth)
        if not there.any():
            raise DataError(f"no pixel of {image_id} has a depth")
        if not ((depth[there] > 0) & np.isfinite(depth[there])).all():
            raise DataError(f"{image_id} has depths that are not above 0 and finite")
        return picture, depth.astype(np.float64)

    def _fitted(self) -> Any:
        """The probe of this encoder, or the map of logarithms of a baseline, fitted once for pictures and settings."""
        images = self._images
        who = f"baseline {self._encoder}" if isinstance(self._encoder, str) else self._encoder.identity
        key = (who, digest([images.digest, self._how.facts()]))
        if key not in images.fitted:
            found = self._mean(self._encoder) if isinstance(self._encoder, str) else self._probe(self._encoder)
            while len(images.fitted) >= _KEPT:
                images.fitted.pop(next(iter(images.fitted)))
            images.fitted[key] = found
        return images.fitted[key]

    def _mean(self, baseline: str) -> np.ndarray:
        """Mean logarithms, float64 (1, 1) or of each place; of a place that never has a depth that of all pixels."""
        import numpy as np

        from .cells import cell_means

        cells = 1 if baseline == CONSTANT else _PLACES
        total, weight = np.zeros((cells, cells)), np.zeros((cells, cells))
        for image_id in self._how.learning_ids(self._images):
            means, shares = cell_means(np.log(self._read(image_id)[1]), cells, cells)
            total, weight = total + shares * means, weight + shares
        return _filled(total / np.maximum(weight, 1e-12), weight)

    def _probe(self, encoder: Encoder) -> Probe:
        import numpy as np

        from .cells import cell_means, maps_of

        how, ids = self._how, self._how.learning_ids(self._images)
        if len(ids) < _HELD_OUT:
            raise DataError(f"a probe needs {_HELD_OUT} images or more to choose a penalty; there are {len(ids)}")
        learning, held_out = Sums(), Sums()
        for start in range(0, len(ids), _BATCH):
            read = [self._read(image_id) for image_id in ids[start : start + _BATCH]]
            maps = maps_of(encoder, [picture for picture, _ in read], how.longer, how.within, how.stride)
            for number, (picture, depth) in enumerate(read, start):
                own = maps[id(picture)]
                if isinstance(own, DataError):
                    raise DataError(f"{ids[number]}, which the probe is fitted to, cannot be encoded: {own}")
                features = with_mean(own)
                means, shares = cell_means(np.log(depth), *features.shape[1:])
                (held_out if number % _HELD_OUT == _HELD_OUT - 1 else learning).add(features, means, shares)
        return fit_probe(learning, held_out)


def with_mean(features: Tensor) -> Tensor:
    """float32 (2 C, h, w), from (C, h, w): the features of each cell and their mean over all."""
    import torch

    return torch.cat([features, features.mean(dim=(1, 2), keepdim=True).expand_as(features)])


# Linear probes: ridge regression from sums over cells.


class Sums:
    """Sums over cells from which every ridge regression on them follows: (1, features, target) times itself."""

    def __init__(self) -> None:
        self.products: Tensor | None = None
        self.least, self.most = float("inf"), -float("inf")

    def add(self, features: Tensor, targets: np.ndarray, weights: np.ndarray) -> None:
        """Count the cells of a map.

        Args:
            features: float32 (C, h, w).
            targets: float64 (h, w).
            weights: float64 (h, w); cells of weight 0 count nothing.
        """
        import torch

        device = torch.device("cpu") if features.device.type == "mps" else features.device  # it has no float64
        known = torch.from_numpy(weights.ravel() > 0)
        cells = features.to(device).flatten(1).T[known.to(device)].double()
        target, weight = (torch.from_numpy(x.ravel())[known].to(device) for x in (targets, weights))
        rows = torch.cat([torch.ones_like(target)[:, None], cells, target[:, None]], dim=1)
        own = rows.T @ (rows * weight[:, None])
        self.products = own if self.products is None else self.products + own
        self.least = min(self.least, float(target.min()))
        self.most = max(self.most, float(target.max()))

    def together(self, other: Sums) -> Sums:
        """The sums over the cells of both."""
        both = Sums()
        assert self.products is not None
        assert other.products is not None
        both.products = self.products + other.products
        both.least, both.most = min(self.least, other.least), max(self.most, other.most)
        return both


@dataclass(frozen=True, eq=False)
class Probe:
    """A linear map from features to the logarithm of depth.

    Attributes:
        weights: float64 (C,).
        bias: What is added.
        least: Lowest logarithm that it says: the lowest of the cells that it was fitted to.
        most: Highest one.
        penalty: Ridge penalty over the number of cells.
    """

    weights: Tensor
    bias: float
    least: float
    most: float
    penalty: float

    def logarithms(self, features: Tensor) -> np.ndarray:
        """float64 (h, w) of features (C, h, w)."""
        import torch

        flat = features.to(self.weights.device).flatten(1).double()
        found = torch.clamp(self.weights @ flat + self.bias, self.least, self.most)
        values: np.ndarray = found.reshape(features.shape[1:]).cpu().numpy()
        return values


def fit_probe(learning: Sums, held_out: Sums) -> Probe:
    """Ridge regression with the penalty that has the least squared error on cells that are held out, fitted to all.

    Features have mean 0 and variance 1 over the cells, and are divided by the root of their number; the bias is not
    penalised.

    Args:
        learning: Cells of most pictures.
        held_out: Cells of the others.
    """
    assert learning.products is not None
    assert held_out.products is not None
    best, chosen = float("inf"), _PENALTIES[0]
    for penalty, (weights, bias) in zip(_PENALTIES, _solved(learning.products, _PENALTIES), strict=True):
        error = _squared_error(held_out.products, weights, bias)
        if error < best:
            best, chosen = error, penalty
    every = learning.together(held_out)
    assert every.products is not None
    ((weights, bias),) = _solved(every.products, (chosen,))
    return Probe(weights, bias, every.least, every.most, chosen)


def _solved(products: Tensor, penalties: Sequence[float]) -> list[tuple[Tensor, float]]:
    """Weights and bias for each penalty."""
    import torch

    count = products[0, 0]
    mean = products[0, 1:] / count
    spread = products[1:, 1:] / count - torch.outer(mean, mean)
    inner, along = spread[:-1, :-1], spread[:-1, -1]
    deviation = inner.diagonal().clamp(min=0).sqrt()
    varies = deviation > 1e-6 * torch.clamp(mean[:-1].abs(), min=1e-6)  # else it is rounding
    scale = torch.where(varies, 1.0 / torch.where(varies, deviation, 1.0) / len(along) ** 0.5, 0.0)
    sizes, axes = torch.linalg.eigh(scale[:, None] * inner * scale)
    turned = axes.T @ (scale * along)
    found = []
    for penalty in penalties:
        weights = scale * (axes @ (turned / (sizes.clamp(min=0) + penalty)))
        found.append((weights, float(mean[-1] - weights @ mean[:-1])))
    return found


def _squared_error(products: Tensor, weights: Tensor, bias: float) -> float:
    """Mean squared error over the cells of sums."""
    import torch

    line = torch.cat([weights.new_tensor([bias]), weights, weights.new_tensor([-1.0])])
    return float(line @ products @ line / products[0, 0])


# Errors of a picture.


def errors(found: np.ndarray, truth: np.ndarray) -> list[float]:
    """The numbers of `MEASURES`, NaN but for the pixels where there are none.

    Args:
        found: float (H, W), above 0.
        truth: float (H, W); NaN where nothing is asked.
    """
    import numpy as np

    there = ~np.isnan(truth)
    if not there.any():
        return [0.0, *[float("nan")] * (len(MEASURES) - 1)]
    said, true = found[there], truth[there]
    off, logs = said - true, np.log(said) - np.log(true)
    near = np.maximum(said / true, true / said) < _FACTOR
    means = [(off**2).mean(), near.mean(), (np.abs(off) / true).mean(), (logs**2).mean(), logs.mean()]
    return [float(there.sum()), *map(float, means)]


def _filled(means: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Cell means, with the mean of all in the place of cells that have none."""
    import numpy as np

    return np.where(shares > 0, means, (means * shares).sum() / shares.sum())
