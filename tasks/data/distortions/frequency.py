"""Distortions of spatial frequencies: filters, phase scrambling and power equalisation."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from scipy import fft
from scipy.ndimage import fourier_gaussian

from .grey import Grey, Pixels, as_image, greyscale, scaled

MEAN_GREY = 0.46
"""Mean grey level of the micro-world's natural frames. It pads frames for filtering, and is the mean of high-pass
filtered frames; the authors used the mean of their photographs, 0.4423."""


def low_pass(image: Pixels, deviation: float, background: float = MEAN_GREY) -> Pixels:
    """Blur with a Gaussian.

    Args:
        image: uint8 (S, S, 3).
        deviation: Standard deviation in pixels at 224; see `grey.scaled`.
        background: Grey level beyond the border.
    """
    return as_image(_blurred(greyscale(image), scaled(deviation, len(image)), background))


def high_pass(image: Pixels, deviation: float, background: float = MEAN_GREY) -> Pixels:
    """Subtract a Gaussian blur from an image, and set the mean to a common grey.

    Args:
        image: uint8 (S, S, 3).
        deviation: Standard deviation of the blur in pixels at 224; see `grey.scaled`.
        background: Grey level beyond the border, and mean of the result before it is clipped.
    """
    grey = greyscale(image)
    rest = grey - _blurred(grey, scaled(deviation, len(image)), background)
    return as_image(rest - rest.mean() + background)


def scramble_phases(image: Pixels, width: float, rng: np.random.Generator) -> Pixels:
    """Shift the phase of every frequency at random; amplitudes stay, except for clipping and rounding.

    Args:
        image: uint8 (H, W, 3).
        width: Shifts are uniform in [-width, width], in degrees.
        rng: Random number generator of the shifts.
    """
    return as_image(with_shifted_phases(greyscale(image), width, rng))


def with_shifted_phases(grey: Grey, width: float, rng: np.random.Generator) -> Grey:
    """Like `scramble_phases`, but on grey levels, float64 (H, W), and without clipping to [0, 1].

    Conjugate frequencies get opposite shifts, so that the result is real. The mean, and the highest frequency if a side
    is even, have no conjugate of their own in the spectrum, so they are not shifted.
    """
    shifts = rng.uniform(-1.0, 1.0, grey.shape) * math.radians(width)
    numbers = np.arange(grey.size).reshape(grey.shape)
    shifts = np.where(numbers < _conjugate(numbers), shifts, -_conjugate(shifts))
    shifts[numbers == _conjugate(numbers)] = 0.0
    for axis, side in enumerate(grey.shape):
        if side % 2 == 0:
            shifts[(slice(None),) * axis + (side // 2,)] = 0.0
    return np.asarray(fft.ifft2(fft.fft2(grey) * np.exp(1j * shifts)).real)


def mean_amplitudes(images: Iterable[Pixels]) -> Grey:
    """Mean amplitude spectrum of the grey levels of some images; float64 (H, W), the constant part first."""
    total, count = np.zeros(()), 0
    for image in images:
        total, count = total + np.abs(fft.fft2(greyscale(image))), count + 1
    return np.asarray(total / count)


def equalise_power(image: Pixels, amplitudes: Grey) -> Pixels:
    """Give an image the amplitudes of the average image; its phases stay, except for clipping and rounding.

    Args:
        image: uint8 (H, W, 3).
        amplitudes: float64 (H, W), from `mean_amplitudes`.
    """
    return as_image(with_amplitudes(greyscale(image), amplitudes))


def with_amplitudes(grey: Grey, amplitudes: Grey) -> Grey:
    """Like `equalise_power`, but on grey levels, float64 (H, W), and without clipping."""
    return np.asarray(fft.ifft2(amplitudes * np.exp(1j * np.angle(fft.fft2(grey)))).real)


def _conjugate(spectrum: np.ndarray) -> np.ndarray:
    """Values at the negative frequencies."""
    return np.roll(spectrum[::-1, ::-1], 1, axis=(0, 1))


def _blurred(grey: Grey, deviation: float, background: float) -> Grey:
    """Convolve with a Gaussian in the frequency domain.

    Deviations are often below a pixel. A sampled Gaussian would then have a single nonzero weight, and a high-pass
    filter would leave nothing.
    """
    margin = math.ceil(4.0 * deviation)
    padded = np.pad(grey, margin, constant_values=background)
    spectrum = fourier_gaussian(fft.rfft2(padded), deviation, n=padded.shape[1])
    blurred = fft.irfft2(spectrum, s=padded.shape)
    return np.asarray(blurred[margin : margin + grey.shape[0], margin : margin + grey.shape[1]])
