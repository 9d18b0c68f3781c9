"""Filters of spatial frequency and phase, and eidolons."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import fourier_gaussian, map_coordinates

from .tone import Grey, Pixels, as_image, greyscale, scaled

# Distortions of spatial frequencies: filters, phase scrambling and power equalisation.


MEAN_GREY = 0.46
"""Mean grey level of the micro-world's natural frames. It pads frames for filtering, and is the mean of high-pass
filtered frames; the authors used the mean of their photographs, 0.4423."""


def low_pass(image: Pixels, deviation: float, background: float = MEAN_GREY) -> Pixels:
    """Blur with a Gaussian.

    Args:
        image: uint8 (S, S, 3).
        deviation: Standard deviation in pixels at 224; see `tone.scaled`.
        background: Grey level beyond the border.
    """
    return as_image(_blurred(greyscale(image), scaled(deviation, len(image)), background))


def high_pass(image: Pixels, deviation: float, background: float = MEAN_GREY) -> Pixels:
    """Subtract a Gaussian blur from an image, and set the mean to a common grey.

    Args:
        image: uint8 (S, S, 3).
        deviation: Standard deviation of the blur in pixels at 224; see `tone.scaled`.
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


# Eidolons: images whose detail is displaced at random, differently at every scale.
#
# After Koenderink, Valsecchi, van Doorn, Wagemans & Gegenfurtner, *Eidolons: novel stimuli for vision research*,
# Journal of Vision 17(2), 2017. This implements the construction in the paper. It is not a port of the authors'
# program, which made the published stimuli: the kind of statistics agrees, pixels and exact strengths do not.
#
# An image is a sum of differences of Gaussians, from its blur at a large scale to its finest detail. Each of these
# layers is displaced by its own random field, and the layers are added up again:
#
#     eidolon(x) = sum over scales k of layer_k(x + reach * (c * coherent_k(x) + (1 - c) * incoherent_k(x)))
#
# An incoherent field is Gaussian noise with standard deviation 1, blurred by ``grain`` and independent at every scale,
# so that edges fall apart. A coherent field is a sum of independent noises at the layer's own scale and all coarser
# ones, each blurred by its scale and proportional to it (1 at the coarsest): fine detail moves along with coarse
# blobs, and the picture is warped as if seen through uneven glass.


Fields = NDArray[np.float32]

SCALES = tuple(64.0 * 2.0 ** (-k / 2) for k in range(14))
"""Standard deviations of the blurs in pixels at 224, from coarse to fine: 64 to 0.71 in steps of half an octave."""


def eidolon(image: Pixels, reach: float, coherence: float, grain: float, rng: np.random.Generator) -> Pixels:
    """Partially coherent disarray.

    Args:
        image: uint8 (S, S, 3).
        reach: Strength of the displacements in pixels at 224; see `tone.scaled`.
        coherence: c in the formula above, in [0, 1].
        grain: Blur of the incoherent fields in pixels at 224.
        rng: Random number generator of the fields.

    Returns:
        uint8 (S, S, 3), grey.
    """
    size = len(image)
    fields = displacements(size, coherence, grain, rng) * scaled(reach, size)
    places = np.indices((size, size))[:, None] + fields
    total = np.zeros((size, size))
    for number, layer in enumerate(layers(greyscale(image))):
        total += map_coordinates(layer, places[:, number], order=1, mode="nearest")
    return as_image(total)


def layers(grey: Grey) -> Grey:
    """Differences of Gaussians from coarse to fine; their sum is the image.

    Args:
        grey: float64 (S, S); mirrored beyond its border.

    Returns:
        float64 (`SCALES` + 1, S, S): the coarsest blur, what each finer one adds to it, and the rest.
    """
    size = len(grey)
    # A cosine transform implies mirrored borders, and turns convolution with a Gaussian into a product.
    steps = np.pi * np.arange(size) / size
    gaussians = np.exp(-0.5 * np.outer([scaled(deviation, size) ** 2 for deviation in SCALES], steps**2))
    blurs = fft.idctn(fft.dctn(grey) * gaussians[:, :, None] * gaussians[:, None, :], axes=(1, 2))
    return np.diff(np.concatenate([np.zeros((1, size, size)), blurs, grey[None]]), axis=0)


def displacements(size: int, coherence: float, grain: float, rng: np.random.Generator) -> Fields:
    """Displacement fields of the layers at a reach of 1; see `eidolon` for the arguments.

    Returns:
        float32 (2, `SCALES` + 1, S, S), rows and columns. The last layer moves with the finest blur.
    """
    total = np.zeros((2, len(SCALES), size, size), np.float32)
    if coherence > 0:
        weights = np.array(SCALES, np.float32) / SCALES[0] * coherence
        total += _noise(size, SCALES, rng) * weights[:, None, None]
        for finer in range(1, len(SCALES)):
            total[:, finer] += total[:, finer - 1]
    if coherence < 1:
        total += (1.0 - coherence) * _noise(size, (grain,) * len(SCALES), rng)
    return np.concatenate([total, total[:, -1:]], axis=1)


@lru_cache(maxsize=32)
def _falls(size: int, deviations: tuple[float, ...]) -> Fields:
    """Gaussians in the frequency domain, with the mean removed; float32 (n, S, S // 2 + 1)."""
    widths = np.array([scaled(deviation, size) for deviation in deviations])[:, None, None]
    frequencies = fft.fftfreq(size)[:, None] ** 2 + fft.rfftfreq(size)[None, :] ** 2
    gaussians = np.exp(-2.0 * (np.pi * widths) ** 2 * frequencies).astype(np.float32)
    gaussians[:, 0, 0] = 0.0
    return np.asarray(gaussians)


def _noise(size: int, deviations: tuple[float, ...], rng: np.random.Generator) -> Fields:
    """Gaussian noise blurred by each deviation, with mean 0 and standard deviation 1; float32 (2, n, S, S)."""
    spectrum = fft.rfft2(rng.standard_normal((2, len(deviations), size, size), np.float32))
    field = fft.irfft2(spectrum * _falls(size, deviations), s=(size, size))
    field /= np.sqrt(np.einsum("abij,abij->ab", field, field) / size**2)[..., None, None]
    return np.asarray(field)
