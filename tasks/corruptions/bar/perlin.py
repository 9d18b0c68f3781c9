"""Perlin's classic gradient noise, summed over octaves by absolute value: clouds with creases."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..pixels import Pixels
from .arithmetic import to_byte

_PERIOD = 256
_CELL, _TUNED_AT = 32, 224
_OCTAVES = 5

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def perlin_noise(image: Pixels, rng: np.random.Generator, *, weight: float) -> Pixels:
    """Blend with a bright turbulence.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: 256 gradients and 256 exchanges of the permutation.
        weight: Weight of the noise, in [0, 1]; the image has the rest.
    """
    gradients = rng.integers(-_PERIOD, _PERIOD, (_PERIOD, 2)).astype(np.float64)
    # One gradient in 262,144 is zero; the published script divides zero by zero there, here it stays zero.
    gradients /= np.maximum(np.hypot(gradients[:, 0], gradients[:, 1]), 1)[:, None]
    order = permutation(rng.integers(0, _PERIOD, _PERIOD))
    return render_perlin(image, gradients=gradients, order=order, weight=weight)


def permutation(partners: Integers) -> Integers:
    """0 to 255 after swapping each place, from the last to the first, with any partner.

    The result is not quite uniform over permutations, but this is the shuffle of the published script.
    """
    order = list(range(len(partners)))
    for place in reversed(range(len(partners))):
        partner = int(partners[place])
        order[place], order[partner] = order[partner], order[place]
    return np.array(order)


def render_perlin(image: Pixels, *, gradients: Floats, order: Integers, weight: float) -> Pixels:
    """Blend with the noise of given tables.

    Args:
        image: uint8 ``(H, W, 3)``.
        gradients: ``(256, 2)``, unit vectors, down and right.
        order: ``(256,)``, a permutation of 0 to 255 that scatters them over the lattice.
        weight: Weight of the noise.
    """
    height, width, _ = image.shape
    cell_px = _CELL * min(height, width) / _TUNED_AT
    # The script weights the pixels in single precision.
    dimmed = (np.arange(256, dtype=np.float32) * np.float32(1 - weight)).astype(np.float64)
    return _blend_turbulence(image, gradients, order, cell_px, dimmed, 255 * weight)


@njit(cache=True, nogil=True, error_model="numpy")
def _places(count, cell_px, frequency):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Position of each pixel of an axis on the lattice: cell, position in the cell, and its smooth weight."""
    cells = np.empty(count, np.int64)
    inside, smooth = np.empty(count), np.empty(count)
    for i in range(count):
        # The script adds 4096 to keep positions positive, which costs 12 bits of precision.
        position = frequency * (i / cell_px) + 4096
        cell = np.floor(position)
        t = position - cell
        cells[i] = int(cell) - 4096
        inside[i] = t
        smooth[i] = t * t * (3.0 - 2.0 * t)
    return cells, inside, smooth


@njit(cache=True, nogil=True, error_model="numpy")
def _blend_turbulence(  # type: ignore[no-untyped-def]  # pragma: no cover
    image, gradients, order, cell_px, dimmed, amplitude
):
    height, width, _ = image.shape
    out = np.empty_like(image)
    total = np.zeros((height, width))
    for octave in range(_OCTAVES):
        frequency = 2.0**octave
        rows, down, down_smooth = _places(height, cell_px, frequency)
        columns, right, right_smooth = _places(width, cell_px, frequency)
        corners = columns[-1] + 2
        # Along a row of pixels, the contribution of a lattice column is linear in the distance from it.
        constant, slope = np.empty(corners), np.empty(corners)
        for y in range(height):
            upper, lower = order[rows[y] % 256], order[(rows[y] + 1) % 256]
            t, s = down[y], down_smooth[y]
            for k in range(corners):
                above = order[(upper + k) % 256]
                below = order[(lower + k) % 256]
                high, low = t * gradients[above, 0], (t - 1.0) * gradients[below, 0]
                constant[k] = high + s * (low - high)
                slope[k] = gradients[above, 1] + s * (gradients[below, 1] - gradients[above, 1])
            for x in range(width):
                k, r = columns[x], right[x]
                near = constant[k] + r * slope[k]
                far = constant[k + 1] + (r - 1.0) * slope[k + 1]
                total[y, x] += abs(1.5 * (near + right_smooth[x] * (far - near))) / frequency
    for y in range(height):
        for x in range(width):
            noise = amplitude * min(max(0.5 * total[y, x] + 0.5, 0.0), 1.0)
            for c in range(3):
                out[y, x, c] = to_byte(dimmed[image[y, x, c]] + noise)
    return out
