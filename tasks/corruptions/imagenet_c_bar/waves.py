"""Noise with a chosen spectrum, and waves added to an image, of ImageNet-C-bar."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.fft import irfft2

from ..filters import Pixels
from .arithmetic import arctangent, cosine, sine, to_byte

# Noise with a given spectrum: random phases, an inverse Fourier transform, and standard deviation 1.


Floats = NDArray[np.float64]
Phases = tuple[Floats, Floats]
"""Phases in radians: ``(H, W // 2)`` for the left half of the spectrum, and ``(H // 2,)`` for the upper half of the
middle column, which is empty if the width is even. The rest are mirror images."""


def blue_noise_sample(image: Pixels, rng: np.random.Generator, *, threshold: float) -> Pixels:
    """Set pixels to black, in all channels, where a blue noise (spectrum proportional to the frequency) is low.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One phase for every other frequency.
        threshold: Pixels at which the noise is at most this, in standard deviations, become black.
    """
    return render_blue_noise_sample(image, phases=_draw(rng, image), threshold=threshold)


def render_blue_noise_sample(image: Pixels, *, phases: Phases, threshold: float) -> Pixels:
    """`blue_noise_sample` with given phases."""
    bright = _noise(phases, "blue", *image.shape[:2]) > threshold
    return np.multiply(image, bright[:, :, None], dtype=np.uint8)


def brownish_noise(image: Pixels, rng: np.random.Generator, *, deviation: float) -> Pixels:
    """Add smooth noise (spectrum falling with the squared frequency), independently in each channel.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One phase for every other frequency and each channel.
        deviation: Standard deviation of the noise in grey levels.
    """
    return render_brownish_noise(image, phases=[_draw(rng, image) for _ in range(3)], deviation=deviation)


def render_brownish_noise(image: Pixels, *, phases: list[Phases], deviation: float) -> Pixels:
    """`brownish_noise` with given phases, for each of the three channels."""
    red, green, blue = (_noise(channel, "brown", *image.shape[:2]) for channel in phases)
    return _add(image, red, green, blue, deviation)


def _draw(rng: np.random.Generator, image: Pixels) -> Phases:
    height, width, _ = image.shape
    turn = 2 * np.pi
    middle = height // 2 if width % 2 else 0
    return turn * rng.random((height, width // 2)), turn * rng.random(middle)


@lru_cache(maxsize=16)
def _spectrum(kind: str, height: int, width: int) -> Floats:
    """The amplitude of each frequency, ``(H, W)``, zero in the middle; frequencies counted along the shorter side."""
    side = min(height, width)
    down = (np.arange(height) - height / 2) * (side / height)
    right = (np.arange(width) - width / 2) * (side / width)
    squared = down[:, None] ** 2 + right[None, :] ** 2
    return np.sqrt(squared) if kind == "blue" else 1 / (squared + 1)


def _noise(phases: Phases, kind: str, height: int, width: int) -> Floats:
    """Noise with standard deviation 1, ``(H, W)``; its mean is not removed."""
    half = _half_spectrum(*phases, _spectrum(kind, height, width))
    noise: Floats = irfft2(half, s=(height, width), overwrite_x=True)
    noise /= noise.std()
    return noise


@njit(cache=True, nogil=True, error_model="numpy")
def _half_spectrum(left, middle, amplitudes):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The spectrum of the real part of the noise, as input of a real transform: complex128 ``(H, W // 2 + 1)``.

    The published scripts transform a full complex spectrum and drop the imaginary part. The spectrum of the real part
    is the mean of each frequency and the conjugate of its opposite, so that half of it suffices. Here it is their sum,
    because the noise will be scaled anyway.
    """
    height, width = amplitudes.shape
    columns = left.shape[1]
    real, imaginary = np.empty((height, width)), np.empty((height, width))
    for i in range(height):
        for j in range(columns):
            real[i, j] = cosine(left[i, j])
            imaginary[i, j] = sine(left[i, j])
        for j in range(columns):
            real[height - 1 - i, width - 1 - j] = real[i, j]
            imaginary[height - 1 - i, width - 1 - j] = imaginary[i, j]
    if width % 2:
        for i in range(height):
            phase = 0.0
            if i < middle.size:
                phase = middle[i]
            elif height - 1 - i < middle.size:
                phase = middle[height - 1 - i]
            real[i, columns] = cosine(phase)
            imaginary[i, columns] = sine(phase)
    for i in range(height):
        for j in range(width):
            real[i, j] *= amplitudes[i, j]
            imaginary[i, j] *= amplitudes[i, j]

    # Move frequency zero from the middle to the corner, by half a side rounded down, as the scripts do.
    columns = width // 2 + 1
    right, opposite_right = np.empty(columns, np.int64), np.empty(columns, np.int64)
    for v in range(columns):
        right[v], opposite_right[v] = (v - width // 2) % width, (-v - width // 2) % width
    out = np.empty((height, columns), np.complex128)
    for u in range(height):
        i, opposite_i = (u - height // 2) % height, (-u - height // 2) % height
        for v in range(columns):
            j, opposite_j = right[v], opposite_right[v]
            out[u, v] = complex(
                real[i, j] + real[opposite_i, opposite_j], imaginary[i, j] - imaginary[opposite_i, opposite_j]
            )
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _add(image, red, green, blue, deviation):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = image.shape
    out = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            out[y, x, 0] = to_byte(image[y, x, 0] + deviation * red[y, x])
            out[y, x, 1] = to_byte(image[y, x, 1] + deviation * green[y, x])
            out[y, x, 2] = to_byte(image[y, x, 2] + deviation * blue[y, x])
    return out


# Waves added to an image: a plane sine wave, and wavy rings around a point.


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
