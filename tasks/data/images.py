"""Reading one photograph: Pillow's decoder and filters, with the rounding of torchvision's transforms.

Nearly every published ImageNet number was made with Pillow and torchvision's ``Resize`` and ``CenterCrop``. Another
resampler or another rounding moves the crop by a pixel and accuracy by tenths of a point, so both are kept exactly.
"""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...errors import DataError
from .geometry import Geometry

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

# A strip of 1 x 60,000 pixels is a small file, but 256 x 15 million once its shorter side is enlarged.
_MAX_RESIZED_PIXELS = 2**27

# `warnings.catch_warnings` changes state that all threads share; only the reading of the header is serialised by this.
_OPENING = threading.Lock()


class UndecodableImageError(DataError):
    """An image that cannot be decoded.

    Attributes:
        reason: Why, in words that name no path, so that it can be stored beside the predictions.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason


def decode(path: Path, geometry: Geometry) -> np.ndarray:
    """Decode a photograph, resize its shorter side and cut out the centre.

    Grey, palette, CMYK and transparent images become RGB the way ``Image.convert("RGB")`` does it. The orientation
    noted in EXIF is left alone, as the reference evaluations leave it.

    Args:
        path: An image file of any format that Pillow reads; its extension does not matter.
        geometry: Which pixels to keep.

    Returns:
        uint8 array of shape (size, size, 3).

    Raises:
        UndecodableImageError: The file is missing, truncated, damaged, too large, or not an image.
    """
    try:
        with _open(path) as image:
            # A palette's transparency plays no part in RGB, and Pillow warns when it has to drop it.
            image.info.pop("transparency", None)
            rgb = image.convert("RGB")
        return _centre(rgb, geometry)
    except UnidentifiedImageError as error:
        reason = "empty file" if _is_empty(path) else "not an image that Pillow can read"
        raise UndecodableImageError(path, reason) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UndecodableImageError(path, f"more than the {Image.MAX_IMAGE_PIXELS} pixels that are allowed") from error
    except OSError as error:
        raise UndecodableImageError(path, error.strerror or str(error)) from error
    except Exception as error:  # Pillow's plugins meet damaged files with SyntaxError, struct.error, zlib.error, ...
        raise UndecodableImageError(path, f"{type(error).__name__}: {error}") from error


def _open(path: Path) -> Image.Image:
    with _OPENING, warnings.catch_warnings():
        # Odd metadata is no news to anyone; an image above Pillow's limit is refused whatever the caller's filters.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(path)


def _is_empty(path: Path) -> bool:
    return path.stat().st_size == 0


def _centre(image: Image.Image, geometry: Geometry) -> np.ndarray:
    width, height = image.size
    short, long = min(width, height), max(width, height)
    longer = int(geometry.resize * long / short)  # truncated, not rounded, as in torchvision
    if geometry.resize * longer > _MAX_RESIZED_PIXELS:
        raise OSError(f"too elongated to be resized ({width} x {height} pixels)")
    new = (geometry.resize, longer) if width <= height else (longer, geometry.resize)
    left = round((new[0] - geometry.size) / 2)  # half to even, as in torchvision
    top = round((new[1] - geometry.size) / 2)
    resized = image if new == image.size else image.resize(new, _FILTERS[geometry.interpolation])
    return np.array(resized.crop((left, top, left + geometry.size, top + geometry.size)))
