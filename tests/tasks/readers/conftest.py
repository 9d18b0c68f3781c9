"""Small folders in the forms of the published sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Write = Callable[..., np.ndarray]


def write_image(path: Path, seed: int = 0, size: tuple[int, int] = (30, 24), border: int = 0) -> np.ndarray:
    """Write a smooth random picture, in red where its border is; returns uint8 (height, width, 3)."""
    noise = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    pixels = np.array(Image.fromarray(noise).resize(size, Image.Resampling.BILINEAR))
    if border:
        red = np.full((size[1] + 2 * border, size[0] + 2 * border, 3), (255, 0, 0), np.uint8)
        red[border:-border, border:-border] = pixels
        pixels = red
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")  # whatever the extension: lossless
    return pixels


@pytest.fixture(scope="session")
def write() -> Write:
    return write_image
