"""The photographs of frost that ImageNet-C lays over images.

They ship inside the PyPI package ``imagecorruptions``, which is only looked up and never imported: it needs modules
that current Python installations lack.
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
"""How many of `FILES` the benchmark draws from: the original's range leaves out the last one."""


def folder() -> Path:
    """Where the pictures are.

    Raises:
        DataError: The package that holds them is not installed.
    """
    spec = importlib.util.find_spec("imagecorruptions")
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        found = Path(place) / "frost"
        if all((found / name).is_file() for name in FILES[:DRAWN]):
            return found
    raise DataError("The frost pictures are missing. They come with a package: `pip install imagecorruptions`.")


@lru_cache(maxsize=DRAWN)
def picture(index: int) -> Pixels:
    """One picture at its own size: uint8 ``(H, W, 3)``, RGB."""
    with Image.open(folder() / FILES[index], formats=("PNG", "JPEG")) as image:
        return np.asarray(image.convert("RGB"))


@lru_cache(maxsize=64)
def texture(index: int, scale: float, height: int, width: int) -> Pixels:
    """One picture, resized, and larger than the image in both directions, so that a crop can be drawn.

    Args:
        index: Into `FILES`.
        scale: Pixels of the result for one pixel of the picture; raised if the result would be too small.
        height: Of the image.
        width: Of the image.

    Returns:
        uint8 ``(> height, > width, 3)``, to be read only.
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
    """For each new pixel its two old ones and the weight of the second, pixel centres on pixel centres."""
    position = np.clip((np.arange(new_size) + 0.5) / scale - 0.5, 0, size - 1)
    lower = np.minimum(position.astype(np.int64), size - 2)
    return lower, lower + 1, position - lower


def _resize(original: Pixels, down: Axis, right: Axis) -> Pixels:
    """Resize bilinearly without smoothing, as OpenCV does by default; the aliasing is part of the texture's look."""
    top, bottom, share = down
    rows = original[top] * (1 - share)[:, None, None] + original[bottom] * share[:, None, None]
    left, rest, share = right
    resized = rows[:, left] * (1 - share)[:, None] + rows[:, rest] * share[:, None]
    return (resized + 0.5).astype(np.uint8)
