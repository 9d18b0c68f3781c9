"""Clips that are sequences of images: decoding one, and finding the one that is shown at a time."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from .source import UnreadableClipError, resized


def shown_at(numbers: Sequence[int], rate: float, times: Sequence[float]) -> list[int]:
    """Which image is shown at each time.

    Args:
        numbers: Ascending numbers of the images; the first is shown at 0 s, number n at (n - first) / rate. Where
            numbers are left out, the image before stays.
        rate: Images per second.
        times: Seconds.

    Returns:
        Positions in ``numbers``.
    """
    # A time that is a multiple of 1 / rate may have come out a little smaller.
    wanted = numbers[0] + np.floor(np.asarray(times, np.float64) * rate + 1e-6)
    return (np.searchsorted(np.asarray(numbers), wanted, side="right") - 1).clip(0).tolist()


def decode_image(content: bytes, name: str, size: int | None) -> np.ndarray:
    """An image as uint8 (H, W, 3), reduced so that its shorter side has ``size`` pixels.

    Raises:
        UnreadableClipError: It is damaged.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            shape = resized(*image.size, size)
            image.draft("RGB", shape)  # lets a JPEG be decoded at an eighth, quarter or half of its size
            rgb = image.convert("RGB")
            return np.asarray(rgb if rgb.size == shape else rgb.resize(shape, Image.Resampling.BILINEAR))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "no image" if isinstance(error, Image.UnidentifiedImageError) else str(error).splitlines()[0]
        raise UnreadableClipError(name, f"a frame cannot be decoded ({reason})") from None


def stacked(pictures: Sequence[np.ndarray], name: str) -> np.ndarray:
    """Frames of one clip as one array.

    Raises:
        UnreadableClipError: They differ in shape.
    """
    if len({picture.shape for picture in pictures}) > 1:
        raise UnreadableClipError(name, "its frames differ in size")
    return np.stack(pictures)
