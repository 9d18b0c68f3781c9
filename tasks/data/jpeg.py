"""Plain JPEG files straight to an array: the pixels that Pillow gives, without its copies and its lock.

Pillow feeds the same library 64 KiB at a time, takes the interpreter lock in between, and copies the pixels twice until
they are an array. Where nothing has to be resized, that is a quarter of the time. Files on which the two could differ
are left to Pillow, which also words every refusal.
"""

from __future__ import annotations

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from PIL import Image, features

_SAME_LIBRARY = features.check_feature("libjpeg_turbo")
"""Whether Pillow was built on libjpeg-turbo. The original libjpeg interpolates chroma differently."""

_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_FRAMES = frozenset({_BASELINE, _EXTENDED, _PROGRESSIVE})
"""Huffman-coded lossy frames. Whether the others decode (arithmetic, lossless) depends on how a library was built."""

_LAYOUTS = frozenset({("Gray", "Gray"), ("YCbCr", "444"), ("YCbCr", "422"), ("YCbCr", "420")})
"""Colours and chroma sampling whose decoding has been the same for as long as there has been libjpeg-turbo.

The rest: CMYK and YCCK, which Pillow turns into RGB in its own way; RGB, which has no chroma; and rare samplings, whose
interpolation has changed between versions.
"""


def decode_plain(content: bytes, header: Image.Image) -> np.ndarray | None:
    """Decode a JPEG file if that is certain to give the pixels of ``Image.open(...).convert("RGB")``.

    Args:
        content: The whole file.
        header: The same file opened by Pillow, not loaded: it has passed Pillow's checks, including the limit on size.

    Returns:
        uint8 array of shape (height, width, 3), or None where Pillow has to decode: other formats, unusual JPEG files,
        and files with any damage.
    """
    if not _SAME_LIBRARY or header.format != "JPEG" or _frame(content) not in _FRAMES:
        return None
    try:
        height, width, colours, sampling = simplejpeg.decode_jpeg_header(content)
        if (width, height) != header.size or (colours, sampling) not in _LAYOUTS:
            return None
        # Strict: what libjpeg only warns of (missing data, corrupt data) raises, so Pillow decides about it.
        return simplejpeg.decode_jpeg(content, fastdct=False, fastupsample=False, strict=True)
    except Exception:  # Pillow reads the file or says in its own words why it cannot
        return None


def _frame(content: bytes) -> int:
    """The marker that begins the frame (ITU-T T.81, table B.1), or 0 if the segments before it are not orderly."""
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # Huffman tables, reserved, arithmetic tables
            return marker
        if marker < 0xC0 or 0xD0 <= marker <= 0xDA or marker == 0xFF:  # padding, or what has no place before the frame
            return 0
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    return 0
