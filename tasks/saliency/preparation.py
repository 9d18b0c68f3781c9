"""From raw clicks or a mask to the map that saliency is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Preparation:
    """Shrink to a coarse grid, blur, enlarge; each step linear, so that two matrices do all of it.

    The reference (Fel et al. 2022, ``harmonization/common``) resizes to 64 x 64 without antialiasing, blurs with a
    kernel of 10 x 10 cells and sigma 10, zero-padded, and resizes to 224 x 224. Its kernel is even, so it cannot be
    centred: it covers four cells to the left of (above) a cell and five to the right (below); across, its peak is one
    cell to the right as well. `centred` takes the odd kernel of one more cell instead. Zeros outside make whatever
    touches the border less important there; `renormalised` takes the mean of the cells that exist instead.

    Attributes:
        side: Side of the result, in pixels.
        grid: Side of the coarse grid, in cells.
        kernel: Width of the kernel in cells.
        sigma: Standard deviation of the Gaussian in cells.
        centred: Take a kernel of ``kernel + 1`` cells where ``kernel`` is even.
        renormalised: Let weights of cells inside sum to 1 at the border, too.
    """

    side: int = 224
    grid: int = 64
    kernel: int = 10
    sigma: float = 10.0
    centred: bool = False
    renormalised: bool = False

    def apply(self, map_: np.ndarray) -> np.ndarray:
        """Prepare one map.

        Args:
            map_: (H, W), any real type.

        Returns:
            float32 (side, side), rounded to a millionth of its largest value so that flat parts stay flat.
        """
        import numpy as np

        down, across = _matrices(self, *map_.shape)
        return _tied(down @ map_.astype(np.float64) @ across.T).astype(np.float32)


def _tied(map_: np.ndarray) -> np.ndarray:
    """Round to 2**-20 of the largest value: values that differ only by the order of a sum share a rank."""
    import numpy as np

    quantum = float(np.abs(map_).max()) * 2.0**-20
    return np.round(map_ / quantum) * quantum if 0 < quantum < np.inf else map_


@lru_cache(maxsize=64)
def _matrices(preparation: Preparation, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """What rows and what columns are multiplied by."""
    enlarge = bilinear(preparation.grid, preparation.side)
    down, across = (_blur(preparation, vertical) for vertical in (True, False))
    return (
        enlarge @ down @ bilinear(height, preparation.grid),
        enlarge @ across @ bilinear(width, preparation.grid),
    )


@lru_cache(maxsize=64)
def bilinear(size: int, resized: int) -> np.ndarray:
    """Bilinear interpolation along one axis, with pixel centres at halves and without antialiasing.

    That of TensorFlow 2 and of torch with ``align_corners=False``.

    Args:
        size: Pixels before.
        resized: Pixels after.

    Returns:
        float64 (resized, size); every row sums to 1.
    """
    import numpy as np

    at = np.clip((np.arange(resized) + 0.5) * size / resized - 0.5, 0, size - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, size - 1)
    matrix = np.zeros((resized, size))
    matrix[np.arange(resized), low] += 1 - (at - low)
    matrix[np.arange(resized), high] += at - low
    matrix.flags.writeable = False
    return matrix


def resize(map_: np.ndarray, side: int) -> np.ndarray:
    """Resize maps (..., H, W) to float32 (..., side, side), bilinearly."""
    import numpy as np

    if map_.shape[-2:] == (side, side):
        return np.asarray(map_, np.float32)
    down, across = bilinear(map_.shape[-2], side), bilinear(map_.shape[-1], side)
    return (down @ map_ @ across.T).astype(np.float32)


def _blur(preparation: Preparation, vertical: bool) -> np.ndarray:
    """The kernel along one axis, float64 (grid, grid)."""
    import numpy as np

    kernel = preparation.kernel + (preparation.centred and preparation.kernel % 2 == 0)
    before = (kernel - 1) // 2
    offsets = np.arange(kernel) - before
    # The reference lists the columns of an even kernel from -5 to 4, its rows from 4 to -5, and lays both over -4 to 5.
    from_peak = offsets if vertical or kernel % 2 else offsets - 1
    weights = np.exp(-(from_peak**2) / (2 * preparation.sigma**2))
    weights /= weights.sum()
    matrix = np.zeros((preparation.grid, preparation.grid))
    for offset, weight in zip(offsets, weights, strict=True):
        matrix += weight * np.eye(preparation.grid, k=int(offset))
    if preparation.renormalised:
        matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix
