"""Correspondence: points of one picture are found again in another by features alone.

A point takes the feature of its place, and the most similar cell of the other picture's whole map, by cosine, is where
it is said to be. Nothing is trained. A point is right if it is off by at most a share of the longer side of the
object's box in the second picture (PCK).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import DataError
from .protocol import FeatureProtocol, Numbers, read_each

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..images.source import ImageSource
    from .protocol import Encoder

ALPHAS = (0.05, 0.1, 0.2)
"""Shares of the longer side of the box."""

POINTS = "points"
RIGHT = tuple(f"{alpha:.2f}" for alpha in ALPHAS)

MEASURES = {"count": (0.0, 2.0**24)}
"""What is stored of each pair: how many points are asked, ``"points count"``, and how many are right at each of
`ALPHAS`, such as ``"0.10 count"``."""

ANYWHERE, SAME = "any point of the object", "same position"
CEILINGS = {"true cells at stride 8": 8, "true cells at stride 16": 16}
OBSERVERS = {ANYWHERE: "anywhere@1", SAME: "same-position@1"} | {
    name: f"point-cells-{stride}@1" for name, stride in CEILINGS.items()
}
"""Baselines without an encoder, and their versions: what a random point of the object is expected to have right, the
same share of the second picture, and the middles of the cells that the points are in."""

_VERSION = 1
"""Raised when numbers of the same settings change."""

_PAIRS = 3
"""Pairs that are read and encoded at once."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two pictures of an object, or of objects of one class, and points that correspond.

    Coordinates are in pixels, across and down; the middle of the first pixel is (0.5, 0.5).

    Attributes:
        first: uint8 (H, W, 3), RGB.
        second: uint8 (H, W, 3), of any other size.
        points: float64 (n, 2) in the first picture.
        truth: float64 (n, 2) in the second one.
        box: float64 (4,), left, top, right and bottom of the object in the second picture.
        around: float64 (m, 2), m > 0: places in the second picture that the object covers, each as likely.
    """

    first: np.ndarray
    second: np.ndarray
    points: np.ndarray
    truth: np.ndarray
    box: np.ndarray
    around: np.ndarray


class PointPairs(Protocol):
    """A source of pairs of pictures; each of its positions is one.

    An id is that of what is drawn together by the bootstrap, ``/`` and the name of the kind of pair that it is of.
    """

    image_ids: Sequence[str]

    def pair(self, position: int) -> Pair:
        """A pair, of any number of points.

        Raises:
            DataError: It cannot be read, or its points are not in its pictures.
        """
        ...


@dataclass(frozen=True)
class Matching(FeatureProtocol):
    """How points are found again.

    Attributes:
        parts: Kinds of pairs, for which numbers are given separately.
        listed: Whether tables show each of them.
        longer: The longer side that pictures are brought to in proportion, in pixels; 0 keeps their own size. Sides
            become multiples of the patch or stride.
        within: Networks with stages are read at the last one whose own stride is at most this ...
        stride: ... computed at this stride.
    """

    parts: tuple[str, ...]
    listed: bool = False
    longer: int = 512
    within: int = 16
    stride: int = 8

    def facts(self) -> dict[str, Any]:
        """See `FeatureProtocol.facts`."""
        own = {name: value for name, value in asdict(self).items() if name != "listed"}
        return {"matching": _VERSION, **own, "parts": list(self.parts), "alphas": list(ALPHAS)}

    def together(self, source: ImageSource, positions: Sequence[int]) -> list[list[int]]:
        """A few pairs."""
        return [list(positions[start : start + _PAIRS]) for start in range(0, len(positions), _PAIRS)]

    def examiner(self, encoder: Encoder | str, source: ImageSource) -> PairExaminer:
        """See `FeatureProtocol.examiner`."""
        if not hasattr(source, "pair"):
            raise ValueError(f"the images of {source.name} are not pairs with points")
        return PairExaminer(self, encoder, source)  # type: ignore[arg-type]


class PairExaminer:
    """One encoder or baseline on pairs; see `protocol.Examiner`."""

    def __init__(self, how: Matching, encoder: Encoder | str, pairs: PointPairs) -> None:
        self._how, self._encoder, self._pairs = how, encoder, pairs

    def numbers(self, positions: Sequence[int]) -> Numbers:
        """How many points there are, and how many of them are right at each of `ALPHAS`."""
        import numpy as np

        from ..images.source import LoadFailure

        pairs, failed = read_each(positions, self._read)
        right = self._right(pairs)
        for position, own in right.items():
            if isinstance(own, DataError):
                reason = f"a picture of {self._pairs.image_ids[position]} cannot be encoded: {own}"
                failed[position] = LoadFailure(reason, transient=False)
        good = {position: own for position, own in right.items() if not isinstance(own, DataError)}
        if not good:
            return Numbers(np.empty(0, np.int64), {}, failed)
        counts = np.array([[len(pairs[position].points), *own] for position, own in good.items()])
        values = {f"{name} count": column for name, column in zip((POINTS, *RIGHT), counts.T, strict=True)}
        return Numbers(np.array(list(good), dtype=np.int64), values, failed)

    def _right(self, pairs: dict[int, Pair]) -> dict[int, list[float] | DataError]:
        if self._encoder == ANYWHERE:
            return {position: expected_right(pair) for position, pair in pairs.items()}
        found = zip(pairs.items(), self.found(list(pairs.values())), strict=True)
        return {p: said if isinstance(said, DataError) else right_points(said, pair) for (p, pair), said in found}

    def found(self, pairs: Sequence[Pair]) -> list[np.ndarray | DataError]:
        """Where the points of each pair are said to be in the second picture: float64 (n, 2), in pixels.

        Of a pair with a picture that cannot be encoded why.
        """
        import torch

        from .cells import maps_of

        shares = [(pair.points / _size(pair.first), pair.truth / _size(pair.second)) for pair in pairs]
        named: list[np.ndarray | DataError]
        if isinstance(self._encoder, str):
            named = [self._without(self._encoder, pair, *own) for pair, own in zip(pairs, shares, strict=True)]
        else:
            how = self._how
            pictures = [picture for pair in pairs for picture in (pair.first, pair.second)]
            maps = maps_of(self._encoder, pictures, how.longer, how.within, how.stride)
            with torch.inference_mode():
                named = [
                    _named(maps[id(pair.first)], places, maps[id(pair.second)])
                    for pair, (places, _) in zip(pairs, shares, strict=True)
                ]
        return [
            own if isinstance(own, DataError) else own * _size(pair.second)
            for own, pair in zip(named, pairs, strict=True)
        ]

    def _without(self, baseline: str, pair: Pair, places: np.ndarray, truth: np.ndarray) -> np.ndarray:
        from .cells import encoded_size, own_cells

        if baseline == SAME:
            return places
        stride = CEILINGS[baseline]
        height, width = encoded_size(len(pair.second), pair.second.shape[1], self._how.longer, stride)
        return own_cells(truth, height // stride, width // stride)

    def _read(self, position: int) -> Pair:
        import numpy as np

        pair, name = self._pairs.pair(position), self._pairs.image_ids[position]
        if not longer_side(pair.box) > 0:
            raise DataError(f"the object's box in the second image of {name} is empty: {pair.box.tolist()}")
        for what, points, picture in (("first", pair.points, pair.first), ("second", pair.truth, pair.second)):
            outside = ~((points >= 0) & (points <= _size(picture))).all(axis=1)
            if outside.any():
                x, y = points[np.flatnonzero(outside)[0]]
                height, width = picture.shape[:2]
                raise DataError(
                    f"{outside.sum()} points of {name} are outside its {what} image of {width} x {height} pixels, such "
                    f"as ({x:g}, {y:g})"
                )
        return pair


def _named(first: Tensor | DataError, places: np.ndarray, second: Tensor | DataError) -> np.ndarray | DataError:
    from .cells import nearest_cells, sampled

    if isinstance(first, DataError):
        return first
    return second if isinstance(second, DataError) else nearest_cells(sampled(first, places), second)


def right_points(found: np.ndarray, pair: Pair) -> list[float]:
    """How many points of a pair are right at each of `ALPHAS`, where they are said to be at float64 (n, 2)."""
    import numpy as np

    off, reach = np.linalg.norm(found - pair.truth, axis=1), longer_side(pair.box)
    return [float((off <= alpha * reach).sum()) for alpha in ALPHAS]


def longer_side(box: np.ndarray) -> float:
    """The longer side of a box of left, top, right and bottom."""
    return float(max(box[2] - box[0], box[3] - box[1]))


def expected_right(pair: Pair) -> list[float]:
    """How many points are right on average, at each of `ALPHAS`, if each is any place of the object by chance."""
    import numpy as np

    near = [alpha * longer_side(pair.box) for alpha in ALPHAS]
    total = np.zeros(len(ALPHAS))
    for point in pair.truth:
        off = np.linalg.norm(pair.around - point, axis=1)
        total += [(off <= reach).mean() for reach in near]
    return [float(one) for one in total]


def _size(picture: np.ndarray) -> np.ndarray:
    """float64 (2,): width and height."""
    import numpy as np

    return np.array([picture.shape[1], picture.shape[0]], dtype=np.float64)
