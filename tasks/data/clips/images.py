"""Clips that are sequences of images: decode an image, and find the one that is displayed at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .source import UnreadableClipError, resized


def shown_at(numbers: Sequence[int], rate: float, times: Sequence[float]) -> list[int]:
    """The image on the screen at each time.

    Args:
        numbers: Ascending numbers of the images; the first appears at 0 s, number n at (n - first) / rate. If numbers
            are missing, the previous image stays.
        rate: Images per second.
        times: Seconds.

    Returns:
        Positions in ``numbers``.
    """
    # Rounding can make a multiple of 1 / rate slightly too small.
    due = numbers[0] + np.floor(np.asarray(times, np.float64) * rate + 1e-6)
    return (np.searchsorted(np.asarray(numbers), due, side="right") - 1).clip(0).tolist()


def decode_image(content: bytes, name: str, size: int | None) -> np.ndarray:
    """An image as uint8 (H, W, 3), resized so that its shorter side has ``size`` pixels.

    The formats and colours are those of `vitobench.tasks.data.images.decode`.

    Raises:
        UnreadableClipError: It is damaged, too large, or not an image.
    """
    from PIL import Image

    from ..images import MAX_RESIZED_PIXELS, eight_bits, open_image

    try:
        with open_image(content) as image:
            shape = resized(*image.size, size)
            if shape != image.size and shape[0] * shape[1] > MAX_RESIZED_PIXELS:
                raise OSError(f"too elongated to be resized ({image.size[0]} x {image.size[1]} pixels)")
            image.draft("RGB", shape)  # a large JPEG is then decoded at an eighth, quarter or half of its size
            image.info.pop("transparency", None)  # RGB has none, and Pillow warns when it drops it
            rgb = eight_bits(image).convert("RGB")
            return np.asarray(rgb if rgb.size == shape else rgb.resize(shape, Image.Resampling.BILINEAR))
    except MemoryError:
        raise
    except Exception as error:  # for damaged files, Pillow's plugins raise SyntaxError, struct.error, zlib.error, ...
        first = (str(error).splitlines() or [type(error).__name__])[0]
        reason = "no image" if isinstance(error, Image.UnidentifiedImageError) else first
        raise UnreadableClipError(name, f"a frame cannot be decoded ({reason})") from None


def stacked(pictures: Sequence[np.ndarray], name: str) -> np.ndarray:
    """Frames of one clip as one array.

    Raises:
        UnreadableClipError: The frames differ in shape.
    """
    if len({picture.shape for picture in pictures}) > 1:
        raise UnreadableClipError(name, "its frames differ in size")
    return np.stack(pictures)
