"""Reading one photograph: Pillow's pixels and filters, with the rounding of torchvision's transforms.

Nearly every published ImageNet number was made with Pillow and torchvision's ``Resize`` and ``CenterCrop``. Another
resampler or another rounding moves the crop by a pixel and accuracy by tenths of a point, so both are kept exactly.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...errors import DataError
from .geometry import Geometry
from .jpeg import decode_plain

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000")
"""Formats that are read, by Pillow's names, whatever a file is called; ``JPEG`` covers MPO, ``PPM`` all of Netpbm.

The others stay shut: PostScript would be handed to the program ``gs``, IPTC opens whatever lies inside of it, TGA takes
nearly any bytes for a picture, and none of them is a format that photographs are published in.
"""

# A Pillow older than 11.3 knows nothing of AVIF, and does not take names that it does not know.
_READABLE = [name for name in FORMATS if name != "AVIF" or importlib.util.find_spec("PIL.AvifImagePlugin")]

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

# A strip of 1 x 60,000 pixels is a small file, but 256 x 15 million once its shorter side is enlarged.
MAX_RESIZED_PIXELS = 2**27

# More than an uncompressed image of the most pixels that Pillow allows. Files are read whole, and folders hold
# anything.
_MAX_FILE_BYTES = 2**30

# `warnings.catch_warnings` changes state that all threads share; only the parsing of the header is serialised by this.
_OPENING = threading.Lock()

CHANGED = "changed on disk since it was hashed; run again"


class UndecodableImageError(DataError):
    """An image that cannot be decoded.

    Attributes:
        reason: Why, in words that name no path, so that it can be stored beside the predictions.
        transient: Whether the moment is at fault (a missing or changed file, a failing disk, no memory) and not the
            content, so that another attempt may succeed.
    """

    def __init__(self, path: Path, reason: str, transient: bool = False) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason
        self.transient = transient


def decode(path: Path, geometry: Geometry, hashed_as: str | None = None, border: int = 0) -> np.ndarray:
    """Decode a photograph, resize it and cut out the centre.

    Grey, palette, CMYK and transparent images become RGB the way ``Image.convert("RGB")`` does it; of 16 bits the upper
    eight are kept (`eight_bits`). Of several pictures in a file (an animation, pages) the first is taken. The
    orientation noted in EXIF is left alone, as the reference evaluations leave it.

    Args:
        path: An image file of one of `FORMATS`; its extension does not matter.
        geometry: Which pixels to keep.
        hashed_as: The SHA-256 that the file had when it was hashed, in hexadecimal digits, or the first of them; a file
            of other bytes is refused. Hashing takes a few percent of the time of decoding, and neither times nor
            inodes are as sure. None takes the file as it is.
        border: Pixels to cut off at each side before anything else.

    Returns:
        uint8 array of shape (size, size, 3).

    Raises:
        UndecodableImageError: The file is missing, changed, truncated, damaged, too large, not an image, or one of
            which nobody can say what is black and what is white.
    """
    return decode_content(_read(path, hashed_as), path, geometry, border)


def decode_content(content: bytes, path: Path, geometry: Geometry, border: int = 0) -> np.ndarray:
    """Decode a photograph from the bytes of its file; else as `decode`.

    Args:
        content: The bytes.
        path: What errors call it.
        geometry: Which pixels to keep.
        border: Pixels to cut off at each side before anything else.

    Raises:
        UndecodableImageError: As for `decode`, but for what concerns the file itself.
    """
    try:
        with open_image(content) as image:
            if border:
                width, height = image.size
                if min(width, height) <= 2 * border:
                    raise OSError(f"{width} x {height} pixels, nothing but its border of {border}")
                _resized((width - 2 * border, height - 2 * border), geometry)  # refuses before decoding
                image.info.pop("transparency", None)
                inner = eight_bits(image).convert("RGB").crop((border, border, width - border, height - border))
                return fit(inner, geometry)
            shape = _resized(image.size, geometry)
            # A resize needs the pixels in Pillow's own storage, into which Pillow decodes as fast as anyone.
            pixels = decode_plain(content, image) if shape == image.size else None
            # A palette's transparency plays no part in RGB, and Pillow warns when it has to drop it.
            image.info.pop("transparency", None)
            return _cut(eight_bits(image).convert("RGB") if pixels is None else pixels, shape, geometry)
    except UnidentifiedImageError as error:
        reason = f"not an image of a format that is read ({', '.join(sorted(FORMATS))})" if content else "empty file"
        raise UndecodableImageError(path, reason) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UndecodableImageError(path, f"more than the {Image.MAX_IMAGE_PIXELS} pixels that are allowed") from error
    except OSError as error:  # the bytes are in memory, so this is Pillow's word on them
        raise UndecodableImageError(path, error.strerror or str(error)) from error
    except Exception as error:  # Pillow's plugins meet damaged files with SyntaxError, struct.error, zlib.error, ...
        raise UndecodableImageError(
            path, f"{type(error).__name__}: {error}", transient=isinstance(error, MemoryError)
        ) from error


def fit(image: Image.Image, geometry: Geometry) -> np.ndarray:
    """Resize an RGB image and cut out the centre.

    Args:
        image: Decoded, in RGB.
        geometry: Which pixels to keep.

    Returns:
        uint8 array of shape (size, size, 3).

    Raises:
        OSError: Too elongated to be resized.
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
    """Open an image from the bytes of its file, quietly; one of more pixels than Pillow allows is an error."""
    with _OPENING, warnings.catch_warnings():
        # Odd metadata is no news to anyone; an image above Pillow's limit is refused whatever the caller's filters.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=_READABLE)


def eight_bits(image: Image.Image) -> Image.Image:
    """An image of 8 bits a channel: itself, or the upper 8 bits where it has 16.

    Colours of 16 bits come from Pillow like that, and so they do from OpenCV and libpng. Pillow's conversion of 16-bit
    grey would cut off at 255 instead, which turns a photograph white.

    Args:
        image: As opened.

    Returns:
        An image that ``convert`` treats rightly.

    Raises:
        OSError: Floating point, signed values or 32 bits: the file does not say which value is black or white.
    """
    tags = getattr(image, "tag_v2", None) if image.format == "TIFF" else None
    known = image.format in ("PNG", "PPM")  # their "I" holds 16 bits, and Pillow scales those of PPM to all of them
    if image.mode == "F" or (image.mode == "I" and not known) or (tags is not None and set(tags.get(339, (1,))) != {1}):
        raise OSError(
            f"pixel values are floating point, signed or 32-bit (Pillow mode {image.mode}), so black and white are "
            "undefined; save it with 8 or 16 bits per channel"
        )
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.uint16)  # native order
    bits = tags.get(258, (16,))[0] if tags is not None else 16
    if tags is not None and tags.get(262) == 0:  # white is zero, which Pillow heeds for 8 bits alone
        values = (2**bits - 1) - values
    return Image.fromarray((values >> (bits - 8)).astype(np.uint8))


def _resized(size: tuple[int, int], geometry: Geometry) -> tuple[int, int]:
    """Width and height after resizing; asked for before decoding, so that an endless strip costs no memory."""
    shape = geometry.resized(*size)
    if not 0 < shape[0] * shape[1] <= MAX_RESIZED_PIXELS:
        raise OSError(f"too elongated to be resized ({size[0]} x {size[1]} pixels)")
    return shape


def _cut(image: Image.Image | np.ndarray, shape: tuple[int, int], geometry: Geometry) -> np.ndarray:
    """Resize to ``shape``, which an array has already, and cut."""
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
