"""How alike two maps are, image by image."""

from __future__ import annotations

import numpy as np

from ....errors import VitobenchError

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
    found = np.zeros(maps.shape, bool)
    for own, map_, part in zip(found, maps, np.broadcast_to(share, len(maps)), strict=True):
        own[:] = map_ > np.quantile(map_, 1 - part)
    return found


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
