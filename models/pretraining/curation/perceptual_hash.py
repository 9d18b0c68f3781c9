"""A 64-bit perceptual hash of a picture, computed from its lowest spatial frequencies."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.fft import dct

_SIDE = 32
_LOW = 8


def perceptual_hash(picture: np.ndarray | Image.Image) -> int:
    """The pHash of Zauner (2010): 32 x 32 luminance, DCT, and the 8 x 8 lowest frequencies compared with their median.

    Bits and rounding are those of ``imagehash.phash``.

    Args:
        picture: uint8 (H, W, 3) in RGB, or a Pillow image. The whole picture counts, whatever its aspect ratio.

    Returns:
        64 bits, row by row of frequencies; the highest bit is that of the picture's mean.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    small = np.asarray(image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), dtype=np.float64)
    low = dct(dct(small, axis=0), axis=1)[:_LOW, :_LOW]
    bits = (low > np.median(low)).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def distance(a: int, b: int) -> int:
    """Number of bits in which two hashes differ, 0 to 64."""
    return (a ^ b).bit_count()


def to_text(value: int) -> str:
    """16 hexadecimal digits."""
    return f"{value:016x}"
