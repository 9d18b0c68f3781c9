"""A 64-bit hash of what a picture looks like, by the signs of its lowest spatial frequencies."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.fft import dct

_SIDE = 32
_LOW = 8


def perceptual_hash(picture: np.ndarray | Image.Image) -> int:
    """The pHash of Zauner (2010): 32 x 32 luminance, DCT, the 8 x 8 lowest frequencies against their median.

    Bits and rounding are those of ``imagehash.phash``.

    Args:
        picture: uint8 (H, W, 3) in RGB, or an image of Pillow's. All of it counts, whatever its shape.

    Returns:
        64 bits; the highest is the mean of the picture, rows of frequencies follow each other.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    small = np.asarray(image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), dtype=np.float64)
    low = dct(dct(small, axis=0), axis=1)[:_LOW, :_LOW]
    bits = (low > np.median(low)).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def distance(a: int, b: int) -> int:
    """In how many bits two hashes differ, 0 to 64."""
    return (a ^ b).bit_count()


def to_text(value: int) -> str:
    """16 hexadecimal digits."""
    return f"{value:016x}"
