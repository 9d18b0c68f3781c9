"""How well maps of an image agree: measures, the numbers that are stored, and baselines that do not use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import VitobenchError
from ..images.clickme import MapSource
from ..images.source import LoadFailure
from .preparation import Preparation, resize
from .protocol import CENTRE, MapProtocol

# How similar two maps are, image by image.


TOP_SHARE = 0.1
"""Share of a map's pixels that Dice and IoU take as its highest, as in the reference."""

EPSILON = 1e-9
"""Added to denominators of Dice and IoU, as in the reference."""


def standard_ranks(maps: np.ndarray) -> np.ndarray:
    """Ranks of the pixels of each map, ties averaged, with mean 0 and length 1.

    Args:
        maps: (N, H, W).

    Returns:
        float64 (N, H * W); the dot product of two rows is their Spearman correlation. NaN where a map is constant or
        not finite.
    """
    from scipy.stats import rankdata

    flat = np.asarray(maps, np.float32).reshape(len(maps), -1)
    finite = np.asarray(np.isfinite(flat).all(axis=1))
    ranks = rankdata(np.where(finite[:, None], flat, 0), axis=1)
    ranks -= (flat.shape[1] + 1) / 2
    length = np.sqrt(np.einsum("np,np->n", ranks, ranks))
    length[~finite | (length == 0)] = np.nan
    return ranks / length[:, None]


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation over all pixels.

    Args:
        a: (N, H, W).
        b: (N, H, W).

    Returns:
        float64 (N,), -1..1; NaN where a map is constant or not finite.

    Raises:
        VitobenchError: Maps of different shapes.
    """
    _check(a, b)
    return np.einsum("np,np->n", standard_ranks(a), standard_ranks(b))


def top_pixels(maps: np.ndarray, share: np.ndarray | float = TOP_SHARE) -> np.ndarray:
    """The highest pixels of each map: those above its own (1 - share)-th quantile.

    Args:
        maps: (N, H, W).
        share: Of the pixels, 0..1; one for all maps or (N,).

    Returns:
        bool (N, H, W). All false where no pixel is above: of a constant map, or one whose largest value fills more
        than that share.
    """
    maps = np.asarray(maps, np.float32)
    masks = np.zeros(maps.shape, bool)
    for own, map_, part in zip(masks, maps, np.broadcast_to(share, len(maps)), strict=True):
        own[:] = map_ > np.quantile(map_, 1 - part)
    return masks


def overlap(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Dice coefficient and intersection over union of two sets of pixels.

    Args:
        a: bool (N, H, W), from `top_pixels`.
        b: bool (N, H, W).

    Returns:
        Both as float64 (N,), 0..1; NaN where either set is empty.
    """
    _check(a, b)
    both, sizes = (a & b).sum(axis=(1, 2)), np.stack([a.sum(axis=(1, 2)), b.sum(axis=(1, 2))])
    total = sizes.sum(axis=0)
    defined = np.where(sizes.min(axis=0) > 0, 1.0, np.nan)
    return 2 * both / (total + EPSILON) * defined, both / (total - both + EPSILON) * defined


def split_half_ceiling(first: np.ndarray, second: np.ndarray) -> float:
    """How well the maps of all people could be predicted, from two halves of the people.

    The mean over images of the Spearman correlation r of the halves' maps, stepped up to the whole group by the formula
    of Spearman (1910) and Brown (1910), 2r / (1 + r).

    Args:
        first: (N, H, W), maps of one half of the people, prepared as for scoring.
        second: (N, H, W), those of the other half.

    Returns:
        The ceiling; NaN where no image has two maps that vary.
    """
    values = spearman(first, second)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan")
    r = float(values.mean())
    return 2 * r / (1 + r) if r > -1 else float("nan")


def centred_gaussian(side: int) -> np.ndarray:
    """A map that always looks at the centre, float32 (side, side), sigma a quarter of the side.

    Sigma decides neither of the measures, which know the order of the pixels only.
    """
    along = (np.arange(side) + 0.5) / side - 0.5
    squared = along[:, None] ** 2 + along[None, :] ** 2
    return np.exp(-squared / (2 * 0.25**2)).astype(np.float32)


def _check(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape or a.ndim != 3:
        raise VitobenchError(f"maps of shapes {a.shape} and {b.shape} cannot be compared; both must be (N, H, W).")


# From the maps of some images to the numbers that are stored.


@dataclass(frozen=True)
class Reference:
    """Reference maps of some images, which all observers' maps are compared with.

    Attributes:
        maps: float32 (n, side, side), prepared.
        ranks: From `standard_ranks`.
        top: Where the reference is highest, bool (n, side, side); an exact mask itself.
        share: How much of an observer's map is held against ``top``, (n,).
        failed: Why an image has none, by position.
    """

    maps: np.ndarray
    ranks: np.ndarray
    top: np.ndarray
    share: np.ndarray
    failed: Mapping[int, LoadFailure]

    def on(self, positions: np.ndarray) -> Reference:
        """Those of some of the images, all of which have one."""
        return Reference(self.maps[positions], self.ranks[positions], self.top[positions], self.share[positions], {})


def reference_of(source: MapSource, indices: Sequence[int], protocol: MapProtocol) -> Reference:
    """Read and prepare the maps of some images.

    Masks are ``exact``, and their extent means something: overlap is then that of the mask and as many pixels of an
    observer's map, not of the upper tenths. A blurred mask is flat in the middle of a large object and has no upper
    tenth.

    Args:
        source: The set.
        indices: Positions in its image ids.
        protocol: How they are made ready.
    """
    preparation = protocol.preparation
    raw, failed = source.maps(indices)
    maps = np.stack([preparation.apply(map_) for map_ in raw])
    if protocol.exact:
        top = np.stack([resize(map_, preparation.side) for map_ in raw]) > 0.5
        share = top.mean(axis=(1, 2))
    else:
        top, share = top_pixels(maps), np.full(len(maps), TOP_SHARE)
    return Reference(maps, standard_ranks(maps), top, share, failed)


def agreement(reference: Reference, maps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Compare an observer's maps with the reference.

    Args:
        reference: Of n images.
        maps: (n, H, W) by name; of another size than the reference they are resized to it, bilinearly. The name ``""``
            is that of a map that an observer has whatever is asked.

    Returns:
        float64 (n,) for each map and each of `protocol.MEASURES`, as ``"gradient spearman"``; NaN where a map is
        constant or not finite.
    """
    numbers: dict[str, np.ndarray] = {}
    for name, own in maps.items():
        own = resize(own, reference.maps.shape[-1])
        correlation = np.einsum("np,np->n", standard_ranks(own), reference.ranks)
        dice, iou = overlap(top_pixels(own, reference.share), reference.top)
        prefix = f"{name} " if name else ""
        numbers |= {f"{prefix}spearman": correlation, f"{prefix}dice": dice, f"{prefix}iou": iou}
    return numbers


# Maps that do not use the image: the middle of the picture, and the mean of the other images' reference maps.


_AT_ONCE = 100


def total_map(source: MapSource, preparation: Preparation, images: int) -> tuple[np.ndarray, int]:
    """Sum of the prepared maps of a set, each scaled to its own largest value.

    Args:
        source: The set.
        preparation: How its maps are made ready.
        images: How many of its images are in the sum, from the front.

    Returns:
        float64 (side, side), and the number of maps in it.
    """
    total, count = np.zeros((preparation.side, preparation.side)), 0
    for start in range(0, images, _AT_ONCE):
        indices = range(start, min(start + _AT_ONCE, images))
        raw, failed = source.maps(indices)
        for position, map_ in enumerate(raw):
            if position not in failed:
                total += scaled(preparation.apply(map_))
                count += 1
    return total, count


def scaled(map_: np.ndarray) -> np.ndarray:
    """A map (..., side, side) over its own largest value, float64; one without a positive value becomes zero."""
    largest = map_.max(axis=(-2, -1), keepdims=True).astype(np.float64)
    return np.where(largest > 0, map_ / np.where(largest > 0, largest, 1), 0.0)


def blind_maps(name: str, reference: Reference, total: tuple[np.ndarray, int]) -> np.ndarray:
    """The maps of a baseline, float32 (n, side, side).

    Args:
        name: One of `protocol.OBSERVERS`: the centred Gaussian for each image, or the mean map of all other images.
        reference: Of images that are part of the total.
        total: From `total_map`.
    """
    if name == CENTRE:
        return np.broadcast_to(centred_gaussian(reference.maps.shape[-1]), reference.maps.shape)
    others = (total[0] - scaled(reference.maps)) / max(total[1] - 1, 1)
    return others.astype(np.float32)
