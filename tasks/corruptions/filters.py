"""Filters and samplers that kernels share, compiled; uint8 rounding and JPEG as the benchmark has them."""

from __future__ import annotations

import warnings
from decimal import Decimal
from functools import cache, lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from PIL import Image

# Convert between uint8 pixels and floats, with the rounding that is part of the benchmark.


Pixels = NDArray[np.uint8]
"""One image: uint8, shape ``(H, W, 3)``, RGB."""

UNIT: NDArray[np.float64] = np.arange(256) / 255.0
"""The 256 levels on a scale of [0, 1], rounded as the published scripts round them."""

UNIT_SINGLE: NDArray[np.float32] = np.arange(256, dtype=np.float32) / np.float32(255)
"""The same in single precision, which some of the scripts use."""


def to_unit(image: Pixels) -> NDArray[np.float64]:
    """Pixels as float64 in [0, 1]."""
    return image / 255.0


def to_pixels(unit: NDArray[Any]) -> Pixels:
    """Clip to [0, 1] and scale to uint8, truncating as the published scripts do.

    Args:
        unit: float32 or float64 of any shape, contiguous.

    Returns:
        A new uint8 array. Truncation instead of rounding makes ImageNet-C half a level darker, but is part of it.
    """
    out = np.empty(unit.shape, np.uint8)
    _truncate(unit.ravel(), unit.dtype.type(255), out.ravel())
    return out


@njit(cache=True, nogil=True)
def pad(image, top, bottom, left, right, mirror):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Extend an image beyond its borders, like `numpy.pad` but with less overhead.

    Args:
        image: uint8 ``(H, W, C)``.
        top: Rows to add above.
        bottom: Rows to add below.
        left: Columns to add on the left.
        right: Columns to add on the right.
        mirror: Add the mirror image, without repeating edge pixels, instead of the edge pixels. Any length is possible.

    Returns:
        uint8 ``(top + H + bottom, left + W + right, C)``.
    """
    height, width, depth = image.shape
    out = np.empty((top + height + bottom, left + width + right, depth), np.uint8)
    for row in range(out.shape[0]):
        y = row - top
        if y < 0 or y >= height:
            y = abs((y + height - 1) % (2 * height - 2) - height + 1) if mirror else min(max(y, 0), height - 1)
        for column in range(-left, width + right):
            x = column
            if column < 0 or column >= width:
                edge = 0 if column < 0 else width - 1
                x = abs((column + width - 1) % (2 * width - 2) - width + 1) if mirror else edge
            for c in range(depth):
                out[row, left + column, c] = image[y, x, c]
    return out


@njit(cache=True, nogil=True)
def _truncate(unit, white, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    zero, one = white - white, white / white
    for i in range(unit.size):
        out[i] = np.uint8(min(max(unit[i], zero), one) * white)


# Linear filters on whole images, compiled: separable Gaussians and filters along a line.
#
# The separable Gaussian adds in scipy's order, because the truncation to uint8 that follows exposes the last bit.


Floats = NDArray[np.float64]


def exponentials(powers: NDArray[np.floating[Any]]) -> Floats:
    """`numpy.exp`, correctly rounded.

    The last bit of `numpy.exp` depends on the processor. Here that bit is visible: if the weights add up to slightly
    less than 1, truncation darkens every flat region by a level.
    """
    return np.array([float(Decimal(power).exp()) for power in powers.tolist()])


@lru_cache(maxsize=64)
def gaussian_weights(sigma: float, truncate: float) -> Floats:
    """A normalised Gaussian, cut off where scipy cuts it off.

    Args:
        sigma: Standard deviation in pixels; 0 gives the identity.
        truncate: Radius in standard deviations.

    Returns:
        Weights of length ``2 * int(truncate * sigma + 0.5) + 1``.
    """
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return np.ones(1)
    weights = exponentials(-0.5 / (sigma * sigma) * np.arange(-radius, radius + 1) ** 2)
    return np.asarray(weights / weights.sum())


def gaussian_blur(image: Floats, sigma: float, truncate: float = 4.0, mirror: bool = False) -> Floats:
    """Blur each channel as ``skimage.filters.gaussian`` does.

    Args:
        image: float64 ``(H, W, C)``.
        sigma: Standard deviation in pixels.
        truncate: Radius of the filter in standard deviations.
        mirror: Extend the image by its mirror image, with edge pixels repeated, instead of by its edge pixels. The
            radius must not exceed the image's sides.

    Returns:
        A new array.
    """
    weights = gaussian_weights(float(sigma), truncate)
    if len(weights) == 1:
        return image.copy()
    return np.asarray(_blur_separable(image, weights[: len(weights) // 2 + 1], mirror))


@njit(cache=True, nogil=True)
def _blur_separable(image, half, mirror):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Blur columns, then rows; `half` contains the weights from the outermost to the central one."""
    height, width, depth = image.shape
    radius = half.size - 1
    length = width * depth
    rows = image.reshape(height, length)
    out = np.empty((height, length))
    padded = np.empty(length + 2 * radius * depth)
    margin = radius * depth
    for y in range(height):
        inner = padded[margin : margin + length]
        centre = rows[y]
        for i in range(length):
            inner[i] = centre[i] * half[radius]
        for k in range(radius):
            over, under = y - radius + k, y + radius - k
            if over < 0:
                over = -1 - over if mirror else 0
            if under >= height:
                under = 2 * height - 1 - under if mirror else height - 1
            above, below = rows[over], rows[under]
            weight = half[k]
            for i in range(length):
                inner[i] += (above[i] + below[i]) * weight
        for p in range(radius):
            source = p if mirror else 0
            for c in range(depth):
                padded[(radius - 1 - p) * depth + c] = inner[source * depth + c]
                padded[margin + length + p * depth + c] = inner[(width - 1 - source) * depth + c]
        target = out[y]
        for i in range(length):
            target[i] = inner[i] * half[radius]
        for k in range(radius):
            left = padded[k * depth :]
            right = padded[(2 * radius - k) * depth :]
            weight = half[k]
            for i in range(length):
                target[i] += (left[i] + right[i]) * weight
    return out.reshape(height, width, depth)


def filter_line(image: Pixels, down: NDArray[np.int64], right: NDArray[np.int64], weights: Floats) -> Pixels:
    """Correlate each channel with a filter given as a list of taps, and round.

    Args:
        image: uint8 ``(H, W, C)``; extended by its edge pixels.
        down: Vertical offset of each tap in pixels, positive downwards.
        right: Horizontal offset of each tap in pixels.
        weights: Weight of each tap; not negative, with sum 1.

    Returns:
        A new uint8 array with the shape of `image`.
    """
    height, width, depth = image.shape
    top, left = max(0, -int(down.min())), max(0, -int(right.min()))
    padded = pad(image, top, max(0, int(down.max())), left, max(0, int(right.max())), False)
    out = np.empty_like(image)
    rows, target = padded.reshape(padded.shape[0], -1), out.reshape(height, width * depth)
    _add_taps(rows, target, down + top, (right + left) * depth, weights)
    return out


@njit(cache=True, nogil=True)
def _add_taps(rows, out, first_row, first_value, weights):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, length = out.shape
    in_fours = weights.size - weights.size % 4
    total = np.empty(length)
    for y in range(height):
        total[:] = 0.5
        for tap in range(0, in_fours, 4):  # four at a time, because reading and writing the sums takes most of the time
            a, b, c, d = weights[tap], weights[tap + 1], weights[tap + 2], weights[tap + 3]
            p = rows[y + first_row[tap], first_value[tap] : first_value[tap] + length]
            q = rows[y + first_row[tap + 1], first_value[tap + 1] : first_value[tap + 1] + length]
            r = rows[y + first_row[tap + 2], first_value[tap + 2] : first_value[tap + 2] + length]
            s = rows[y + first_row[tap + 3], first_value[tap + 3] : first_value[tap + 3] + length]
            for i in range(length):
                total[i] += a * p[i] + b * q[i] + c * r[i] + d * s[i]
        for tap in range(in_fours, weights.size):
            a = weights[tap]
            p = rows[y + first_row[tap], first_value[tap] : first_value[tap] + length]
            for i in range(length):
                total[i] += a * p[i]
        for i in range(length):
            out[y, i] = np.uint8(min(total[i], 255.0))


# Compiled bilinear zooms and warps.


ZoomAxis = tuple[NDArray[np.uint32], NDArray[np.uint32], Floats, Floats]
"""For each output pixel of one axis, the two pixels it reads and their weights."""


@lru_cache(maxsize=512)
def zoom_axis(size: int, factor: float) -> ZoomAxis:
    """The input pixels and weights of each output pixel of one axis, to magnify the centre to the size of the image.

    The grid is scipy's: the outermost pixels of the crop fall on the outermost pixels of the zoomed crop.

    Args:
        size: Length of the axis in pixels.
        factor: Magnification, at least 1.
    """
    crop = int(np.ceil(size / factor))
    start = (size - crop) // 2
    zoomed = round(crop * factor)
    trim = (zoomed - size) // 2
    step = (crop - 1) / (zoomed - 1)
    position = np.arange(trim, trim + size) * step
    # scipy counts a position as outside if it exceeds the last pixel by just a rounding error, and fills in zero.
    inside = position <= crop - 1
    lower = np.minimum(np.floor(position).astype(np.int64), crop - 1)
    upper = np.minimum(lower + 1, crop - 1)
    share = position - lower
    first, second = (start + lower).astype(np.uint32), (start + upper).astype(np.uint32)
    return first, second, np.where(inside, 1 - share, 0.0), np.where(inside, share, 0.0)


def zoom_centre(field: Floats, factor: float) -> Floats:
    """Magnify the centre of a field to its size, bilinearly.

    Args:
        field: float64 ``(H, W)``.
        factor: At least 1.

    Returns:
        A new float64 array of the same shape.
    """
    out = np.empty_like(field)
    _zoom(field, out, *zoom_axis(field.shape[0], float(factor)), *zoom_axis(field.shape[1], float(factor)))
    return out


@njit(cache=True, nogil=True)
def _zoom(field, out, y0, y1, wy0, wy1, x0, x1, wx0, wx1):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width = field.shape
    line = np.empty(width)
    for y in range(height):
        upper, lower = field[y0[y]], field[y1[y]]
        a, b = wy0[y], wy1[y]
        for x in range(width):
            line[x] = a * upper[x] + b * lower[x]
        for x in range(width):
            out[y, x] = wx0[x] * line[x0[x]] + wx1[x] * line[x1[x]]


@njit(cache=True, nogil=True)
def fold(index, size, repeat_edge):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The position in a mirrored image: ``cba|abc|cba`` if the edge repeats, otherwise ``cb|abc|ba``."""
    if 0 <= index < size:
        return index
    if repeat_edge:
        index %= 2 * size
        return index if index < size else 2 * size - 1 - index
    index %= 2 * size - 2
    return index if index < size else 2 * size - 2 - index


@njit(cache=True, nogil=True)
def warp_affine(image, unit, matrix):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Warp an image by an affine map, bilinearly; the image is mirrored without repeating its edge.

    Args:
        image: uint8 ``(H, W, 3)``.
        unit: float32 ``(256,)``, the output value of each level.
        matrix: float64 ``(2, 3)``: coefficients of row, column and 1 for the row and the column to read.

    Returns:
        float32 ``(H, W, 4)``; the last channel is 0 and only fills a vector register.
    """
    height, width, _ = image.shape
    out = np.zeros((height, width, 4), np.float32)
    for y in range(height):
        for x in range(width):
            down = matrix[0, 0] * y + matrix[0, 1] * x + matrix[0, 2]
            right = matrix[1, 0] * y + matrix[1, 1] * x + matrix[1, 2]
            # Clamp the coordinates: with a nearly singular map they could exceed the range of integers.
            down, right = min(max(down, -1e7), 1e7), min(max(right, -1e7), 1e7)
            row, column = np.floor(down), np.floor(right)
            fy, fx = down - row, right - column
            top, bottom = fold(int(row), height, False), fold(int(row) + 1, height, False)
            left, rest = fold(int(column), width, False), fold(int(column) + 1, width, False)
            for c in range(3):
                above = (1 - fx) * unit[image[top, left, c]] + fx * unit[image[top, rest, c]]
                below = (1 - fx) * unit[image[bottom, left, c]] + fx * unit[image[bottom, rest, c]]
                out[y, x, c] = (1 - fy) * above + fy * below
    return out


@njit(cache=True, nogil=True)
def displace(image, down, right, amplitude):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Displace every pixel of an image, bilinearly; the image is mirrored with its edge repeated.

    Args:
        image: float32 ``(H, W, 4)`` in [0, 1]; the last channel is not read.
        down: float64 ``(H, W)``, vertical displacement in units of the amplitude.
        right: float64 ``(H, W)``, horizontal displacement in units of the amplitude.
        amplitude: Unit of the displacements in pixels. The product is rounded to single precision, as in the script.

    Returns:
        uint8 ``(H, W, 3)``.
    """
    height, width, _ = image.shape
    out = np.empty((height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            at_y, at_x = (
                y + np.float64(np.float32(down[y, x] * amplitude)),
                x + np.float64(np.float32(right[y, x] * amplitude)),
            )
            row, column = np.floor(at_y), np.floor(at_x)
            fy, fx = at_y - row, at_x - column
            top, bottom = fold(int(row), height, True), fold(int(row) + 1, height, True)
            left, rest = fold(int(column), width, True), fold(int(column) + 1, width, True)
            for c in range(3):
                above = (1 - fx) * image[top, left, c] + fx * image[top, rest, c]
                below = (1 - fx) * image[bottom, left, c] + fx * image[bottom, rest, c]
                value = np.float32((1 - fy) * above + fy * below)
                out[y, x, c] = np.uint8(min(value, np.float32(1)) * np.float32(255))
    return out


# JPEG round trips with Pillow's pixels, computed by OpenCV if it can be imported.
#
# Both include libjpeg-turbo, whose default transforms are exact, and both save at 4:2:0, so the pixels are equal (a
# test checks every quality in use). OpenCV is faster and lets other threads run in the meantime. On servers without a
# display its import can fail because of a missing system library; then Pillow does the work.


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
