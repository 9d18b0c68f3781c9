"""The photographs of frost that ImageNet-C blends with images.

They come with the PyPI package ``imagecorruptions``. It is located but never imported, because it needs modules that
current Python installations lack.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import DataError
from .pixels import Pixels

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
