"""Waves added to an image: a plane sine wave, and wavy rings around a point."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..pixels import Pixels
from .arithmetic import arctangent, sine, to_byte


def single_frequency_greyscale(image: Pixels, rng: np.random.Generator, *, amplitude: float) -> Pixels:
    """Add a grey sine wave with random direction, frequency and phase.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: A frequency up to Nyquist's along one axis, a lower one along the other, which axis is which, and a phase.
        amplitude: Amplitude of the wave in grey levels.
    """
    high = rng.uniform(-np.pi, np.pi)
    low = rng.uniform(-abs(high), abs(high))
    right, down = (high, low) if rng.integers(2) else (low, high)
    return render_single_frequency(image, right=right, down=down, phase=rng.uniform(0, 2 * np.pi), amplitude=amplitude)


def render_single_frequency(image: Pixels, *, right: float, down: float, phase: float, amplitude: float) -> Pixels:
    """Add ``amplitude * sin(right * x + down * y + phase)``; frequencies in radians per pixel."""
    height, width, _ = image.shape
    across = np.arange(width) * right
    along = np.arange(height) * down + phase
    # The sine of a sum is a sum of two products, so only H + W sines are needed.
    return _add_product(image, amplitude * np.sin(along), amplitude * np.cos(along), np.cos(across), np.sin(across))


@njit(cache=True, nogil=True, error_model="numpy")
def _add_product(image, sines, cosines, right_cosines, right_sines):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = image.shape
    out = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            wave = sines[y] * right_cosines[x] + cosines[y] * right_sines[x]
            for c in range(3):
                out[y, x, c] = to_byte(image[y, x, c] + wave)
    return out


def cocentric_sine_waves(image: Pixels, rng: np.random.Generator, *, amplitude: float) -> Pixels:
    """Add grey rings around a random point; the radius of a ring oscillates with the angle.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: The centre, the number of waves per turn (not an integer, so that rings break along one ray), their height
            and the width of a ring; the last two are up to a tenth of the shorter side.
        amplitude: Difference of grey levels across a ring, from ``-amplitude / 2`` inside to ``amplitude / 2``.
    """
    height, width, _ = image.shape
    side = min(height, width)
    return render_cocentric_waves(
        image,
        centre_x=rng.uniform(0, width),
        centre_y=rng.uniform(0, height),
        waves=rng.uniform(0, 10),
        wave_px=rng.uniform(0, side / 10),
        ring_px=rng.uniform(0, side / 10),
        amplitude=amplitude,
    )


def render_cocentric_waves(
    image: Pixels, *, centre_x: float, centre_y: float, waves: float, wave_px: float, ring_px: float, amplitude: float
) -> Pixels:
    """Add ``amplitude`` times the phase, in [-1/2, 1/2), of the ring that each pixel is on."""
    return _add_rings(image, centre_x, centre_y, waves, wave_px, ring_px, amplitude)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_rings(  # type: ignore[no-untyped-def]  # pragma: no cover
    image, centre_x, centre_y, waves, wave_px, ring_px, amplitude
):
    height, width, _ = image.shape
    out = np.empty_like(image)
    line = np.empty(width)
    for y in range(height):
        dy = y - centre_y
        for x in range(width):
            dx = x - centre_x
            # The angle is measured from the vertical.
            distance = np.sqrt(dx * dx + dy * dy) + sine(arctangent(dx, dy) * waves) * wave_px
            rings = distance / ring_px
            line[x] = amplitude * (rings - np.floor(rings) - 0.5)
        for x in range(width):
            for c in range(3):
                out[y, x, c] = to_byte(image[y, x, c] + line[x])
    return out
