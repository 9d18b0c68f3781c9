"""Small synthetic pictures, in place of the photographs that the authors made tiles and stickers of.

They are *dead leaves*: opaque discs of random colours and sizes that cover each other, as objects do in photographs
(Lee, Mumford & Huang, Occlusion models for natural images, IJCV 2001). Colours and sizes are chosen so that colours
vary, and neighbours resemble each other, about as in photographs shrunk to `SIDE` pixels: neighbouring pixels correlate
by .82 here and by .86 there. They need no download and nobody's pictures, and are the same everywhere.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

PICTURES = 1024
SIDE = 32
_LEAVES = 40
_SMALLEST = 1.5  # radius of a leaf; the largest ones have the side of the picture
_KEY = 20250616  # of the random numbers; another one gives other pictures, hence other pixels of two distortions

# Mean colours of photographs of ImageNet, in [0, 1]: where they lie, and their standard deviations along grey, from
# blue to red and from magenta to green; and the deviations of single pixels from them. Measured on 250 photographs, and
# rounded.
_CENTRE = np.array([0.49, 0.48, 0.43])
_AXES = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 2.0, -1.0]]) / np.sqrt([[3.0], [2.0], [6.0]])
_BETWEEN = np.array([0.22, 0.083, 0.041])
_WITHIN = np.array([0.36, 0.089, 0.041])
_TAIL = 6.0  # degrees of freedom of the colours' distribution: some pictures are vivid


@cache
def pictures() -> NDArray[np.uint8]:
    """All pictures: uint8 (`PICTURES`, `SIDE`, `SIDE`, 3)."""
    rng = np.random.Generator(np.random.Philox(key=_KEY))
    leaves = (PICTURES, _LEAVES)
    means = _CENTRE + _colours(rng, _BETWEEN, (PICTURES, 1))
    colours = means + _colours(rng, _WITHIN, leaves)
    radii = 1 / rng.uniform(1 / SIDE, 1 / _SMALLEST, leaves)  # their density falls with their square
    places = rng.uniform(0, SIDE, (*leaves, 2))
    return _paint(np.clip(colours * 255, 0, 255).astype(np.uint8), radii, places, SIDE)


def _colours(rng: np.random.Generator, deviations: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Random colours around zero, (*shape, 3)."""
    unit = rng.standard_t(_TAIL, (*shape, 3)) / np.sqrt(_TAIL / (_TAIL - 2))
    return np.asarray(unit * deviations @ _AXES)


@njit(cache=True, nogil=True)
def _paint(colours, radii, places, side):  # type: ignore[no-untyped-def]  # pragma: no cover
    count, leaves = radii.shape
    out = np.empty((count, side, side, 3), np.uint8)
    for n in range(count):
        out[n] = colours[n, 0]
        for leaf in range(leaves):
            radius, at_y, at_x = radii[n, leaf], places[n, leaf, 0], places[n, leaf, 1]
            for y in range(max(int(at_y - radius), 0), min(int(at_y + radius) + 1, side)):
                for x in range(max(int(at_x - radius), 0), min(int(at_x + radius) + 1, side)):
                    if (y + 0.5 - at_y) ** 2 + (x + 0.5 - at_x) ** 2 <= radius * radius:
                        out[n, y, x] = colours[n, leaf]
    return out


@lru_cache(maxsize=32)
def resized(height: int, width: int) -> NDArray[np.uint8]:
    """All pictures at another size, by the mean of the area of each pixel: uint8 (`PICTURES`, height, width, 3)."""
    down, right = _shares(height), _shares(width)
    narrow = np.einsum("hs,nswc->nhwc", down, pictures().astype(np.float32), optimize=True)
    small = np.einsum("ws,nhsc->nhwc", right, narrow, optimize=True)
    return np.rint(small).astype(np.uint8)


@cache
def mean_colours() -> NDArray[np.float64]:
    """The mean colour of each picture: (`PICTURES`, 3)."""
    return np.asarray(pictures().mean(axis=(1, 2)))


def _shares(length: int) -> NDArray[np.float32]:
    """How much of each pixel of a picture counts for each of ``length`` new ones; rows sum to 1."""
    borders = np.arange(length + 1) * SIDE / length
    starts = np.arange(SIDE)
    overlaps = np.minimum(borders[1:, None], starts + 1) - np.maximum(borders[:-1, None], starts)
    return (np.maximum(overlaps, 0) * length / SIDE).astype(np.float32)
