"""Coloured plasma: coordinates that are repeatedly distorted by sines of themselves."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..pixels import Pixels
from .arithmetic import cosine, sine, to_byte

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
