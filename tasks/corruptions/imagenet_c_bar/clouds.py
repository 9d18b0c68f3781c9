"""Perlin noise, plasma noise and a checkerboard of cut-outs, of ImageNet-C-bar."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..filters import Pixels
from .arithmetic import cosine, sine, to_byte

# Perlin's classic gradient noise, summed over octaves by absolute value: clouds with creases.


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


# Coloured plasma: coordinates that are repeatedly distorted by sines of themselves.


_SHEAR = 0.3


def plasma_noise(image: Pixels, rng: np.random.Generator, *, amplitude: float) -> Pixels:
    """Blend with a colourful turbulence.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: The moment, 4 to 6 bendings, the sharpness, and the scale, 0.075 to 0.2 of the shorter side.
        amplitude: Amplitude of the plasma in grey levels; the image has the weight ``1 - amplitude / 255``.
    """
    return render_plasma(
        image,
        moment=rng.uniform(0, 6 * np.pi),
        bendings=int(rng.integers(4, 7)),
        sharpness=rng.uniform(0.5, 1.0),
        scale_px=rng.uniform(0.075, 0.2) * min(image.shape[:2]),
        amplitude=amplitude,
    )


def render_plasma(
    image: Pixels, *, moment: float, bendings: int, sharpness: float, scale_px: float, amplitude: float
) -> Pixels:
    """Blend with the plasma of one moment.

    Each bending adds sines of the other coordinate to (x, y). From one bending to the next, the frequency grows by a
    factor of 1.93 and the amplitude falls by a factor of ``2.25 - sharpness``. Red, green and blue are sines of x, of
    the mean of x and y, and of y.
    """
    return _blend_plasma(image, moment, bendings, 2.25 - sharpness, scale_px, amplitude)


@njit(cache=True, nogil=True, error_model="numpy")
def _blend_plasma(image, moment, bendings, fall, scale_px, amplitude):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = image.shape
    out = np.empty_like(image)
    keep = 1 - amplitude / 255
    shift = math.sin(moment)
    xs, ys = np.empty(width), np.empty(width)
    red, green, blue = np.empty(width), np.empty(width), np.empty(width)
    for row in range(height):
        for column in range(width):
            xs[column] = column / scale_px
            ys[column] = row / scale_px
        frequency, slowing, depth = 1.0, 1.0, 1.0
        for _ in range(bendings):
            phase = moment / slowing
            for column in range(width):
                x, y = xs[column], ys[column]
                right = cosine(y * frequency + phase) / depth
                down = sine(x * frequency + phase) / depth
                xs[column] = x + (right - _SHEAR * down)
                ys[column] = y + (down + _SHEAR * right)
            frequency *= 1.93
            slowing *= 1.15
            depth *= fall
        for column in range(width):
            x, y = xs[column], ys[column]
            red[column] = amplitude * sine(x - moment)
            green[column] = amplitude * sine((x + y + shift) * 0.5)
            blue[column] = amplitude * sine(y + moment)
        for column in range(width):
            out[row, column, 0] = to_byte(keep * image[row, column, 0] + red[column])
            out[row, column, 1] = to_byte(keep * image[row, column, 1] + green[column])
            out[row, column, 2] = to_byte(keep * image[row, column, 2] + blue[column])
    return out


# Some dark fields of a rotated checkerboard cover the image.


_GREY = 128


def checkerboard_cutout(image: Pixels, rng: np.random.Generator, *, share: float) -> Pixels:
    """Cover a random part of a checkerboard's dark fields with grey.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: The angle of the board, the side of a field (0.1 to 0.25 of the image's shorter side), and a uniform for
            each field of the board.
        share: Share of the dark fields that are covered; half of all fields are dark.
    """
    height, width, _ = image.shape
    angle = rng.uniform(0, 2 * np.pi)
    field_px = rng.uniform(0.1, 0.25) * min(height, width)
    fields = fields_of_board(height, width, field_px)
    return render_checkerboard(image, angle=angle, field_px=field_px, covered=rng.random((fields, fields)) < share)


def fields_of_board(height: int, width: int, field_px: float) -> int:
    """Fields along each side of a board that contains the image at any angle."""
    return int(4 * max(height, width) // field_px)


def render_checkerboard(image: Pixels, *, angle: float, field_px: float, covered: NDArray[np.bool_]) -> Pixels:
    """Cover fields with grey.

    Args:
        image: uint8 ``(H, W, 3)``.
        angle: Rotation of the board around the first pixel, in radians.
        field_px: Side of a field.
        covered: bool ``(F, F)``, which fields to cover; light fields are never covered. Fields before the first pixel
            are counted from the end of the array.
    """
    return _cover(image, math.cos(angle), math.sin(angle), field_px, covered)


@njit(cache=True, nogil=True, error_model="numpy")
def _cover(image, cosine, sine, field_px, covered):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = image.shape
    fields = covered.shape[0]
    out = image.copy()
    for y in range(height):
        for x in range(width):
            a = (cosine * y + sine * x) / field_px
            b = (-sine * y + cosine * x) / field_px
            # Colours use floor, but array indices truncate towards zero, so the two fields next to an axis through the
            # first pixel share a draw. This is part of the published benchmark.
            if (int(np.floor(a)) ^ int(np.floor(b))) & 1:
                continue
            if covered[int(a) % fields, int(b) % fields]:
                for c in range(3):
                    out[y, x, c] = _GREY
    return out
