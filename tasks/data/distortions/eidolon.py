"""Eidolons: images whose detail is displaced at random, differently at every scale.

After Koenderink, Valsecchi, van Doorn, Wagemans & Gegenfurtner, *Eidolons: novel stimuli for vision research*, Journal
of Vision 17(2), 2017. This implements the construction in the paper. It is not a port of the authors' program, which
made the published stimuli: the kind of statistics agrees, pixels and exact strengths do not.

An image is a sum of differences of Gaussians, from its blur at a large scale to its finest detail. Each of these layers
is displaced by its own random field, and the layers are added up again:

    eidolon(x) = sum over scales k of layer_k(x + reach * (c * coherent_k(x) + (1 - c) * incoherent_k(x)))

An incoherent field is Gaussian noise with standard deviation 1, blurred by ``grain`` and independent at every scale, so
that edges fall apart. A coherent field is a sum of independent noises at the layer's own scale and all coarser ones,
each blurred by its scale and proportional to it (1 at the coarsest): fine detail moves along with coarse blobs, and the
picture is warped as if seen through uneven glass.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import map_coordinates

from .grey import Grey, Pixels, as_image, greyscale, scaled

Fields = NDArray[np.float32]

SCALES = tuple(64.0 * 2.0 ** (-k / 2) for k in range(14))
"""Standard deviations of the blurs in pixels at 224, from coarse to fine: 64 to 0.71 in steps of half an octave."""


def eidolon(image: Pixels, reach: float, coherence: float, grain: float, rng: np.random.Generator) -> Pixels:
    """Partially coherent disarray.

    Args:
        image: uint8 (S, S, 3).
        reach: Strength of the displacements in pixels at 224; see `grey.scaled`.
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
