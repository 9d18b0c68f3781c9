"""Decode plain JPEG files straight into an array: the same pixels as from Pillow, without its copies and its lock.

Pillow passes 64 KiB at a time to the same library, takes the interpreter lock in between, and copies the pixels twice
before they are an array. If nothing is resized, this takes a quarter of the time. Files for which the results could
differ are left to Pillow, which also gives the reason whenever a file is rejected.
"""

from __future__ import annotations

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from PIL import Image, features

_SAME_LIBRARY = features.check_feature("libjpeg_turbo")
"""Whether Pillow was built on libjpeg-turbo. The original libjpeg interpolates chroma differently."""

_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_FRAMES = frozenset({_BASELINE, _EXTENDED, _PROGRESSIVE})
"""Huffman-coded lossy frames. Whether other frames (arithmetic, lossless) decode depends on how a library was built."""

_LAYOUTS = frozenset({("Gray", "Gray"), ("YCbCr", "444"), ("YCbCr", "422"), ("YCbCr", "420")})
"""Colour spaces and chroma samplings that every version of libjpeg-turbo decodes in the same way.

Not included: CMYK and YCCK, which Pillow converts to RGB in its own way; RGB, which has no chroma; and rare samplings,
whose interpolation has changed between versions.
"""


def decode_plain(content: bytes, header: Image.Image) -> np.ndarray | None:
    """Decode a JPEG file if that is certain to give the pixels of ``Image.open(...).convert("RGB")``.

    Args:
        content: The whole file.
        header: The same file opened by Pillow but not loaded, so it has passed Pillow's checks, including the size
            limit.

    Returns:
        uint8 array of shape (height, width, 3), or None if Pillow has to decode the file: other formats, unusual JPEG
        files, and files with any damage.
    """
    if not _SAME_LIBRARY or header.format != "JPEG" or _frame(content) not in _FRAMES:
        return None
    try:
        height, width, colours, sampling = simplejpeg.decode_jpeg_header(content)
        if (width, height) != header.size or (colours, sampling) not in _LAYOUTS:
            return None
        # Strict: missing or corrupt data, about which libjpeg only warns, raises, so that Pillow decides.
        return simplejpeg.decode_jpeg(content, fastdct=False, fastupsample=False, strict=True)
    except Exception:  # Pillow reads the file, or reports why it cannot
        return None


def _frame(content: bytes) -> int:
    """The marker of the frame (ITU-T T.81, table B.1), or 0 if the segments before it are irregular."""
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # Huffman tables, reserved, arithmetic tables
            return marker
        if marker < 0xC0 or 0xD0 <= marker <= 0xDA or marker == 0xFF:  # padding, or not allowed before the frame
            return 0
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    return 0
