"""JPEG round trips with Pillow's pixels, computed by OpenCV if it can be imported.

Both include libjpeg-turbo, whose default transforms are exact, and both save at 4:2:0, so the pixels are equal (a test
checks every quality in use). OpenCV is faster and lets other threads run in the meantime. On servers without a display
its import can fail because of a missing system library; then Pillow does the work.
"""

from __future__ import annotations

import warnings
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from .pixels import Pixels


@cache
def _opencv() -> Any:
    """The module ``cv2``, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import cv2
    except ImportError:
        return None
    return cv2


def round_trip(image: Pixels, quality: int) -> Pixels:
    """Save as JPEG and read back.

    Args:
        image: uint8 ``(H, W, 3)``, RGB, contiguous.
        quality: JPEG quality as in libjpeg, 1 to 95. The chroma channels are halved in both directions (4:2:0).
    """
    cv2 = _opencv()
    if cv2 is None:
        return round_trip_pillow(image, quality)
    encoded, stream = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, int(quality))
    )
    if not encoded:
        raise RuntimeError(f"OpenCV could not encode an image of shape {image.shape}")
    bgr = cv2.imdecode(stream, cv2.IMREAD_COLOR)
    pixels: Pixels = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr)
    return pixels


def round_trip_pillow(image: Pixels, quality: int) -> Pixels:
    """The same with Pillow."""
    stream = BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=int(quality))
    with Image.open(stream, formats=("JPEG",)) as compressed:
        return np.asarray(compressed.convert("RGB"))
