"""Weather: snow, frost, fog and brightness, of Hendrycks & Dietterich (ICLR 2019)."""

from __future__ import annotations

import numpy as np
from numba import njit

from .blur import smear
from .filters import Floats
from .frost_textures import DRAWN, texture
from .pixels import Pixels, to_pixels, to_unit
from .sampling import zoom_centre


def snow(
    image: Pixels,
    rng: np.random.Generator,
    *,
    mean: float,
    deviation: float,
    flake_px: float,
    threshold: float,
    radius_px: float,
    sigma_px: float,
    image_weight: float,
) -> Pixels:
    """Whiten the image and add blown flakes, twice: once as they are, once turned by half a circle.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One normal for each pixel, then the angle of the wind, uniform in [-135, -45) degrees.
        mean: Of the noise that becomes flakes.
        deviation: Of the noise.
        flake_px: How much the noise is magnified.
        threshold: Below which there is no flake.
        radius_px: Of the motion blur.
        sigma_px: Of the motion blur.
        image_weight: Of the image against its whitened version.
    """
    height, width, _ = image.shape
    layer = rng.normal(loc=mean, scale=deviation, size=(height, width))
    layer = zoom_centre(layer[..., None], flake_px)
    layer[layer < threshold] = 0
    layer = smear(to_pixels(layer), radius_px, sigma_px, rng.uniform(-135, -45)) / 255.0

    x = np.divide(image, 255, dtype=np.float32)
    grey = x @ np.array([0.299, 0.587, 0.114], np.float32)
    x = image_weight * x + (1 - image_weight) * np.maximum(x, grey[..., None] * 1.5 + 0.5)
    return to_pixels(x + layer + np.rot90(layer, k=2))


def frost(
    image: Pixels, rng: np.random.Generator, *, image_weight: float, frost_weight: float, texel_px: float
) -> Pixels:
    """Add a random part of a photograph of frost.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Three integers: the picture, and the first row and column of the part.
        image_weight: Factor of the image.
        frost_weight: Factor of the frost.
        texel_px: Size of one pixel of the photograph in pixels of the image.
    """
    height, width, _ = image.shape
    ice = texture(int(rng.integers(0, DRAWN)), float(texel_px), height, width)
    top = int(rng.integers(0, ice.shape[0] - height))
    left = int(rng.integers(0, ice.shape[1] - width))
    mixed = image_weight * image + frost_weight * ice[top : top + height, left : left + width]
    return np.clip(mixed, 0, 255).astype(np.uint8)


def fog(image: Pixels, rng: np.random.Generator, *, amount: float, decay: float) -> Pixels:
    """Add a plasma fractal and compress the result to the image's range.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Uniforms for the fractal.
        amount: Of fog at its densest, in units of white.
        decay: How much less every finer level of the fractal wobbles; smaller is rougher.
    """
    height, width, _ = image.shape
    side = 1 << (max(height, width) - 1).bit_length()
    x = to_unit(image)
    brightest = x.max()
    x += amount * plasma(rng, side, decay)[:height, :width, None]
    return to_pixels(x * brightest / (brightest + amount))


def plasma(rng: np.random.Generator, side: int, decay: float) -> Floats:
    """A height map by the diamond-square algorithm on a torus.

    Args:
        rng: Uniforms, level by level: centres of squares, then the two kinds of centres of diamonds.
        side: A power of two.
        decay: Factor by which the amplitude falls from level to level.

    Returns:
        float64 ``(side, side)`` in [0, 1].
    """
    heights = np.zeros((side, side))
    step, amplitude = side, 100.0

    def settle(sum_of_four: Floats) -> Floats:
        # The amplitude enters twice: as the range of the draw and as its factor. So it does in the benchmark.
        return sum_of_four / 4 + amplitude * rng.uniform(-amplitude, amplitude, sum_of_four.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=0)
        heights[half::step, half::step] = settle(pairs + np.roll(pairs, -1, axis=1))
        centres = heights[half::step, half::step]
        heights[::step, half::step] = settle(
            (centres + np.roll(centres, 1, axis=0)) + (corners + np.roll(corners, -1, axis=1))
        )
        heights[half::step, ::step] = settle(
            (centres + np.roll(centres, 1, axis=1)) + (corners + np.roll(corners, -1, axis=0))
        )
        step, amplitude = half, amplitude / decay
    heights -= heights.min()
    return heights / heights.max()


def brightness(image: Pixels, rng: np.random.Generator, *, shift: float) -> Pixels:
    """Raise the value of every pixel in the colour space HSV.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        shift: Added to the value, on a scale of [0, 1].
    """
    return to_pixels(_raise_value(to_unit(image), shift))


@njit(cache=True, nogil=True)
def _raise_value(image, shift):  # type: ignore[no-untyped-def]  # pragma: no cover
    """RGB to HSV, raise V, and back: scikit-image's formulas in their order, because truncation shows the last bit."""
    out = np.empty_like(image)
    height, width, _ = image.shape
    for y in range(height):
        for x in range(width):
            r, g, b = image[y, x, 0], image[y, x, 1], image[y, x, 2]
            value = max(r, g, b)
            span = value - min(r, g, b)
            saturation, hue = 0.0, 0.0
            if span > 0:
                saturation = span / value
                if b == value:
                    hue = 4.0 + (r - g) / span
                elif g == value:
                    hue = 2.0 + (b - r) / span
                else:
                    hue = (g - b) / span
                hue = (hue / 6.0) % 1.0
            value = min(value + shift, 1.0)
            sector = np.floor(hue * 6.0)
            rest = hue * 6.0 - sector
            p = value * (1.0 - saturation)
            q = value * (1.0 - rest * saturation)
            t = value * (1.0 - (1.0 - rest) * saturation)
            which = int(sector) % 6
            if which == 0:
                r, g, b = value, t, p
            elif which == 1:
                r, g, b = q, value, p
            elif which == 2:
                r, g, b = p, value, t
            elif which == 3:
                r, g, b = p, q, value
            elif which == 4:
                r, g, b = t, p, value
            else:
                r, g, b = value, p, q
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r, g, b
    return out
