"""Reading one photograph: Pillow's pixels and filters, with the rounding of torchvision's transforms."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import threading
import warnings
from pathlib import Path

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from PIL import Image, UnidentifiedImageError, features

from ...errors import DataError
from .geometry import Geometry

# Decode plain JPEG files straight into an array: the same pixels as from Pillow, without its copies and its lock.
#
# Pillow passes 64 KiB at a time to the same library, takes the interpreter lock in between, and copies the pixels
# twice before they are an array. If nothing is resized, this takes a quarter of the time. Files for which the results
# could differ are left to Pillow, which also gives the reason whenever a file is rejected.


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


# Read photographs with Pillow's decoders and filters, and the rounding of torchvision's transforms.
#
# Nearly every published ImageNet number was computed with Pillow and torchvision's ``Resize`` and ``CenterCrop``.
# Another resampler or rounding shifts the crop by a pixel and accuracy by tenths of a point, so both are reproduced
# exactly.


FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000")
"""Pillow's names of the supported formats; extensions do not matter. ``JPEG`` includes MPO, ``PPM`` all of Netpbm.

Pillow's other formats are not safe to open: it passes PostScript to the program ``gs``, IPTC opens any format inside
it, and TGA accepts nearly any bytes as a picture. Photographs are not published in any of these.
"""

# Pillow before 11.3 does not know AVIF, and rejects unknown names.
_READABLE = [name for name in FORMATS if name != "AVIF" or importlib.util.find_spec("PIL.AvifImagePlugin")]

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

# A strip of 1 x 60,000 pixels is a small file, but becomes 256 x 15 million pixels when its shorter side is enlarged.
MAX_RESIZED_PIXELS = 2**27

# More than an uncompressed image with the most pixels that Pillow allows. Files are read into memory as a whole, and a
# folder may contain a huge file that is not an image.
_MAX_FILE_BYTES = 2**30

# `warnings.catch_warnings` changes state that all threads share. The lock only serialises the parsing of headers.
_OPENING = threading.Lock()

CHANGED = "changed on disk since it was hashed; run again"


class UndecodableImageError(DataError):
    """An image that cannot be decoded.

    Attributes:
        reason: Why, without the path, so that it can be stored with the predictions.
        transient: Whether another attempt may succeed, because the problem is not the content but, for example, a
            missing or changed file, a failing disk or too little memory.
    """

    def __init__(self, path: Path, reason: str, transient: bool = False) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason
        self.transient = transient


def decode(path: Path, geometry: Geometry, hashed_as: str | None = None, border: int = 0) -> np.ndarray:
    """Decode a photograph, resize it and crop its centre.

    Grey, palette, CMYK and transparent images are converted to RGB with ``Image.convert("RGB")``; 16-bit images keep
    the upper eight bits (`eight_bits`). If a file has several pictures (an animation, pages), the first is used. The
    EXIF orientation is ignored, as in the reference evaluations.

    Args:
        path: An image file in one of `FORMATS`; its extension does not matter.
        geometry: Which pixels to keep.
        hashed_as: The SHA-256 of the file when it was hashed, in hexadecimal digits, or the first of them; a file with
            other bytes is rejected. Hashing takes a few percent of the time of decoding, and is safer than comparing
            times or inodes. None skips the check.
        border: Pixels to cut off at each side before anything else.

    Returns:
        uint8 array of shape (size, size, 3).

    Raises:
        UndecodableImageError: The file is missing, changed, truncated, damaged, too large, not an image, or does not
            define which values are black and white.
    """
    return decode_content(_read(path, hashed_as), path, geometry, border)


def decode_content(content: bytes, path: Path, geometry: Geometry, border: int = 0) -> np.ndarray:
    """Like `decode`, but from the bytes of a file.

    Args:
        content: The bytes.
        path: Name for error messages.
        geometry: Which pixels to keep.
        border: Pixels to cut off at each side before anything else.

    Raises:
        UndecodableImageError: As for `decode`, except for errors of the file itself.
    """
    try:
        with open_image(content) as image:
            if border:
                width, height = image.size
                if min(width, height) <= 2 * border:
                    raise OSError(f"{width} x {height} pixels, nothing but its border of {border}")
                _resized((width - 2 * border, height - 2 * border), geometry)  # raises before anything is decoded
                image.info.pop("transparency", None)
                inner = eight_bits(image).convert("RGB").crop((border, border, width - border, height - border))
                return fit(inner, geometry)
            shape = _resized(image.size, geometry)
            # Resizing needs the pixels in Pillow's own storage, and nothing decodes into that faster than Pillow.
            pixels = decode_plain(content, image) if shape == image.size else None
            # RGB has no transparency, and Pillow warns when it drops that of a palette.
            image.info.pop("transparency", None)
            return _cut(eight_bits(image).convert("RGB") if pixels is None else pixels, shape, geometry)
    except UnidentifiedImageError as error:
        reason = f"not an image of a format that is read ({', '.join(sorted(FORMATS))})" if content else "empty file"
        raise UndecodableImageError(path, reason) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UndecodableImageError(path, f"more than the {Image.MAX_IMAGE_PIXELS} pixels that are allowed") from error
    except OSError as error:  # the bytes are in memory, so this is Pillow's verdict on them, not a failing disk
        raise UndecodableImageError(path, error.strerror or str(error)) from error
    except Exception as error:  # for damaged files, Pillow's plugins raise SyntaxError, struct.error, zlib.error, ...
        raise UndecodableImageError(
            path, f"{type(error).__name__}: {error}", transient=isinstance(error, MemoryError)
        ) from error


def fit(image: Image.Image, geometry: Geometry) -> np.ndarray:
    """Resize a decoded RGB image and crop its centre.

    Returns:
        uint8 array of shape (size, size, 3).

    Raises:
        OSError: It is too elongated to be resized.
    """
    return _cut(image, _resized(image.size, geometry), geometry)


def _read(path: Path, hashed_as: str | None) -> bytes:
    try:
        with path.open("rb", buffering=0) as handle:
            if os.fstat(handle.fileno()).st_size > _MAX_FILE_BYTES:
                raise UndecodableImageError(path, f"a file of more than {_MAX_FILE_BYTES} bytes")
            content = handle.readall()
    except OSError as error:
        raise UndecodableImageError(path, error.strerror or str(error), transient=True) from error
    if hashed_as is not None and not hashlib.sha256(content).hexdigest().startswith(hashed_as):
        raise UndecodableImageError(path, CHANGED, transient=True)
    return content


def open_image(content: bytes) -> Image.Image:
    """Open an image from the bytes of its file without warnings; more pixels than Pillow allows are an error."""
    with _OPENING, warnings.catch_warnings():
        # Warnings about odd metadata help nobody. An image above Pillow's limit is an error, whatever the caller's
        # filters.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=_READABLE)


def eight_bits(image: Image.Image) -> Image.Image:
    """An image with 8 bits per channel: the image itself, or the upper 8 bits of one with 16.

    Pillow reads 16-bit colours like this, and so do OpenCV and libpng. But its conversion of 16-bit grey clips at 255,
    which turns a photograph white.

    Args:
        image: As opened, not yet decoded.

    Returns:
        An image that ``convert`` handles correctly.

    Raises:
        OSError: Floating point, signed values or 32 bits: the file does not define which values are black and white.
    """
    tags = getattr(image, "tag_v2", None) if image.format == "TIFF" else None
    sixteen = image.format in ("PNG", "PPM")  # their "I" holds 16 bits, and Pillow scales those of PPM to all of them
    if (
        image.mode == "F"
        or (image.mode == "I" and not sixteen)
        or (tags is not None and set(tags.get(339, (1,))) != {1})
    ):
        raise OSError(
            f"pixel values are floating point, signed or 32-bit (Pillow mode {image.mode}), so black and white are "
            "undefined; save it with 8 or 16 bits per channel"
        )
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.uint16)  # native order
    bits = tags.get(258, (16,))[0] if tags is not None else 16
    if tags is not None and tags.get(262) == 0:  # white is zero, which Pillow only handles for 8 bits
        values = (2**bits - 1) - values
    return Image.fromarray((values >> (bits - 8)).astype(np.uint8))


def _resized(size: tuple[int, int], geometry: Geometry) -> tuple[int, int]:
    """Width and height after resizing; checked before decoding, so that a very long strip takes no memory."""
    shape = geometry.resized(*size)
    if not 0 < shape[0] * shape[1] <= MAX_RESIZED_PIXELS:
        raise OSError(f"too elongated to be resized ({size[0]} x {size[1]} pixels)")
    return shape


def _cut(image: Image.Image | np.ndarray, shape: tuple[int, int], geometry: Geometry) -> np.ndarray:
    """Resize to ``shape``, which an array already has, and crop."""
    left, top = geometry.start(shape[0]), geometry.start(shape[1])
    right, bottom = left + geometry.size, top + geometry.size
    bordered = min(shape) < geometry.size
    if bordered:
        image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    if isinstance(image, np.ndarray):
        return np.ascontiguousarray(image[top:bottom, left:right])
    resized = image if shape == image.size else image.resize(shape, _FILTERS[geometry.interpolation])
    if bordered:
        square = Image.new("RGB", (geometry.size, geometry.size), geometry.fill)
        square.paste(resized, (-left, -top))
        return np.array(square)
    return np.array(resized.crop((left, top, right, bottom)))
