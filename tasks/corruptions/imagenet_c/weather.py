"""Weather: snow, frost and fog, of Hendrycks & Dietterich (ICLR 2019)."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
from numba import njit
from PIL import Image

from ....errors import DataError
from ..draws import Draws
from ..filters import UNIT, UNIT_SINGLE, Pixels, to_pixels, zoom_centre
from .blur import smear

# The photographs of frost that ImageNet-C blends with images.
#
# They come with the PyPI package ``imagecorruptions``. It is located but never imported, because it needs modules that
# current Python installations lack.


FILES: tuple[str, ...] = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg", "frost6.jpg")
DRAWN = 5
"""Number of `FILES` to draw from: the range in the original script leaves out the last one."""


def folder() -> Path:
    """The folder of the pictures.

    Raises:
        DataError: The package with the pictures is not installed.
    """
    spec = importlib.util.find_spec("imagecorruptions")
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        frost = Path(place) / "frost"
        if all((frost / name).is_file() for name in FILES[:DRAWN]):
            return frost
    raise DataError("The frost pictures are missing. They come with a package: `pip install imagecorruptions`.")


@lru_cache(maxsize=DRAWN)
def picture(index: int) -> Pixels:
    """A picture at its original size: uint8 ``(H, W, 3)``, RGB."""
    with Image.open(folder() / FILES[index], formats=("PNG", "JPEG")) as image:
        return np.asarray(image.convert("RGB"))


@lru_cache(maxsize=64)
def texture(index: int, scale: float, height: int, width: int) -> Pixels:
    """A picture, resized but larger than the image in both directions, so that a random crop is possible.

    Args:
        index: Index into `FILES`.
        scale: Pixels of the result per pixel of the picture; increased if the result would be too small.
        height: Height of the image.
        width: Width of the image.

    Returns:
        uint8 ``(> height, > width, 3)``; do not modify it, it is cached.
    """
    original = picture(index)
    rows, columns = original.shape[:2]
    scale = max(scale, (height + 1) / rows, (width + 1) / columns)
    if scale == 1:
        return original
    down = _axis(rows, max(round(rows * scale), height + 1), scale)
    right = _axis(columns, max(round(columns * scale), width + 1), scale)
    return _resize(original, down, right)


Axis = tuple[np.ndarray, np.ndarray, np.ndarray]


def _axis(size: int, new_size: int, scale: float) -> Axis:
    """For each new pixel, the two original pixels it is interpolated from, and the weight of the second."""
    position = np.clip((np.arange(new_size) + 0.5) / scale - 0.5, 0, size - 1)
    lower = np.minimum(position.astype(np.int64), size - 2)
    return lower, lower + 1, position - lower


def _resize(original: Pixels, down: Axis, right: Axis) -> Pixels:
    """Resize bilinearly without antialiasing, as OpenCV does by default; the aliasing is part of the texture."""
    top, bottom, share = down
    rows = original[top] * (1 - share)[:, None, None] + original[bottom] * share[:, None, None]
    left, rest, share = right
    resized = rows[:, left] * (1 - share)[:, None] + rows[:, rest] * share[:, None]
    return (resized + 0.5).astype(np.uint8)


# Weather: snow, frost and fog, of Hendrycks & Dietterich (ICLR 2019).


def snow(
    image: Pixels,
    draws: Draws,
    *,
    mean: float,
    deviation: float,
    flake_px: float,
    threshold: float,
    radius_px: float,
    sigma_px: float,
    image_weight: float,
) -> Pixels:
    """Whiten the image and add blown snowflakes twice: once as they are, once rotated by 180 degrees.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: One normal for each pixel, then the angle of the wind, uniform in [-135, -45) degrees.
        mean: Mean of the noise that becomes flakes.
        deviation: Standard deviation of the noise.
        flake_px: Magnification of the noise.
        threshold: There is no flake where the noise is below this.
        radius_px: Radius of the motion blur.
        sigma_px: Standard deviation of the motion blur.
        image_weight: Weight of the image; its whitened version has the rest.
    """
    layer = draws.normal(mean, deviation, image.shape[:2])
    layer = zoom_centre(layer, flake_px)
    layer[layer < threshold] = 0
    flakes = smear(to_pixels(layer)[..., None], radius_px, sigma_px, float(draws.uniform(-135, -45, ())))
    return _add_flakes(image, flakes[..., 0], UNIT, UNIT_SINGLE, np.float32(image_weight), np.float32(1 - image_weight))


@njit(cache=True, nogil=True)
def _add_flakes(image, flakes, unit, single, weight, rest):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add flakes: as in the script, the image is in single precision and the flakes are in double."""
    height, width, _ = image.shape
    out = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            first, second = unit[flakes[y, x]], unit[flakes[height - 1 - y, width - 1 - x]]
            red, green, blue = single[image[y, x, 0]], single[image[y, x, 1]], single[image[y, x, 2]]
            grey = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
            pale = grey * np.float32(1.5) + np.float32(0.5)
            for c in range(3):
                value = single[image[y, x, c]]
                value = weight * value + rest * max(value, pale)
                out[y, x, c] = np.uint8(min((value + first) + second, 1.0) * 255)
    return out


def frost(image: Pixels, draws: Draws, *, image_weight: float, frost_weight: float, texel_px: float) -> Pixels:
    """Add a random part of a photograph of frost.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Three integers: the picture, and the first row and column of the part.
        image_weight: Factor of the image.
        frost_weight: Factor of the frost.
        texel_px: Size of a pixel of the photograph in pixels of the image.
    """
    height, width, _ = image.shape
    ice = texture(draws.integer(DRAWN), float(texel_px), height, width)
    top = draws.integer(ice.shape[0] - height)
    left = draws.integer(ice.shape[1] - width)
    part = ice[top : top + height, left : left + width].copy()  # one memory layout, so that `_mix` is compiled once
    return _mix(image, part, float(image_weight), float(frost_weight))


@njit(cache=True, nogil=True)
def _mix(image, ice, image_weight, ice_weight):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = image.shape
    out = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                out[y, x, c] = np.uint8(min(image_weight * image[y, x, c] + ice_weight * ice[y, x, c], 255.0))
    return out


def fog(image: Pixels, draws: Draws, *, amount: float, decay: float) -> Pixels:
    """Add a plasma fractal and compress the result to the image's range.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: A uniform for each point of the fractal but one.
        amount: Amount of fog at its densest, in units of white.
        decay: Factor by which the amplitude falls from one level of the fractal to the next finer; smaller is rougher.
    """
    side = 1 << (max(image.shape[:2]) - 1).bit_length()
    heights = _plasma(draws.uniform(0, 1, (side * side - 1,)), side, float(decay))
    lowest = heights.min()
    return _veil(image, heights, lowest, heights.max() - lowest, UNIT, UNIT[image.max()], float(amount))


@njit(cache=True, nogil=True)
def _plasma(uniforms, side, decay):  # type: ignore[no-untyped-def]  # pragma: no cover
    """A height map by the diamond-square algorithm on a torus.

    Args:
        uniforms: In [0, 1), level by level: centres of squares, then the two kinds of centres of diamonds.
        side: A power of two.
        decay: Factor by which the amplitude falls from level to level.

    Returns:
        float64 ``(side, side)``, with any range.
    """
    heights = np.zeros((side, side))
    step, amplitude, position = side, 100.0, 0
    while step >= 2:
        half = step // 2
        # The script uses the amplitude twice: as the range of the draw and as its factor. This is part of the
        # benchmark.
        low, span = -amplitude, 2 * amplitude
        for y in range(0, side, step):
            below = (y + step) % side
            for x in range(0, side, step):
                right = (x + step) % side
                total = (heights[y, x] + heights[below, x]) + (heights[y, right] + heights[below, right])
                heights[y + half, x + half] = total / 4 + amplitude * (low + span * uniforms[position])
                position += 1
        for y in range(0, side, step):
            above = (y - half) % side
            for x in range(0, side, step):
                right = (x + step) % side
                total = (heights[y + half, x + half] + heights[above, x + half]) + (heights[y, x] + heights[y, right])
                heights[y, x + half] = total / 4 + amplitude * (low + span * uniforms[position])
                position += 1
        for y in range(0, side, step):
            below = (y + step) % side
            for x in range(0, side, step):
                left = (x - half) % side
                total = (heights[y + half, x + half] + heights[y + half, left]) + (heights[y, x] + heights[below, x])
                heights[y + half, x] = total / 4 + amplitude * (low + span * uniforms[position])
                position += 1
        step, amplitude = half, amplitude / decay
    return heights


@njit(cache=True, nogil=True)
def _veil(image, heights, lowest, span, unit, brightest, amount):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = image.shape
    out = np.empty_like(image)
    total = brightest + amount
    for y in range(height):
        for x in range(width):
            dense = amount * ((heights[y, x] - lowest) / span)
            for c in range(3):
                out[y, x, c] = np.uint8(min((unit[image[y, x, c]] + dense) * brightest / total, 1.0) * 255)
    return out
