"""Distortions of a broken screen: glitches, and a checkerboard of light (Li et al., ICML 2025)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..filters import Pixels

# Shifted bands, a shifted colour channel and black rows, as the library glitch-this draws them.


def glitched(image: Pixels, rng: np.random.Generator, *, amount: int, channel_px: float) -> Pixels:
    """Shift bands of rows sideways and one colour channel up or down, and make every other row black.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: For each of ``2 * amount`` bands its shift, first row and height, each uniform; then the channel and its
            shifts.
        amount: 1 to 10: a band moves by up to ``amount ** 2 / 100`` of the width.
        channel_px: A channel moves by up to this many pixels.
    """
    height, width, _ = image.shape
    farthest, bands = int(amount * amount / 100 * width), 2 * amount
    channel = max(1, round(channel_px))
    return render_glitched(
        image,
        shifts=rng.integers(-farthest, farthest + 1, bands),
        tops=rng.integers(0, height + 1, bands),
        heights=rng.integers(1, max(1, height // 4) + 1, bands),
        channel=int(rng.integers(0, 3)),
        right=int(rng.integers(-channel, channel + 1)),
        down=int(rng.integers(-channel, channel + 1)),
    )


def render_glitched(
    image: Pixels,
    *,
    shifts: NDArray[np.int64],
    tops: NDArray[np.int64],
    heights: NDArray[np.int64],
    channel: int,
    right: int,
    down: int,
) -> Pixels:
    """`glitched` with given draws.

    Bands are cut from the image as it was, so that a later one hides an earlier one. The channel is taken from the
    image without bands, and wraps around; as in the library, only its first row also moves to the right.
    """
    out = image.copy()
    for shift, top, rows in zip(shifts.tolist(), tops.tolist(), heights.tolist(), strict=True):
        if shift:
            out[top : top + rows] = np.roll(image[top : top + rows], shift, axis=1)
    out[:, :, channel] = np.roll(image[:, :, channel], down, axis=0)
    first = down % image.shape[0]
    out[first, :, channel] = np.roll(image[0, :, channel], right)
    out[::2] = 0
    return out


# Fields that are lighter and darker by turns.


def luminance_checkerboard(
    image: Pixels, rng: np.random.Generator, *, low: float, high: float, field_px: float
) -> Pixels:
    """Make the fields of a checkerboard lighter and darker by turns, each by an amount of its own.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One uniform for each field, row by row.
        low: Smallest change, in grey levels.
        high: Largest change.
        field_px: Side of a field. Borders between fields are at the nearest pixels; the first field is lighter.
    """
    height, width, _ = image.shape
    rows, columns = _field_of(height, field_px), _field_of(width, field_px)
    changes = rng.uniform(low, high, (rows[-1] + 1, columns[-1] + 1))
    changes *= 1 - 2 * (np.add.outer(np.arange(rows[-1] + 1), np.arange(columns[-1] + 1)) % 2)
    return _lighten(image, changes, rows, columns)


def _field_of(length: int, field_px: float) -> NDArray[np.int64]:
    """The field of each pixel along an axis."""
    return np.floor((np.arange(length) + 0.5) / field_px).astype(np.int64)


@njit(cache=True, nogil=True)
def _lighten(image, changes, rows, columns):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, depth = image.shape
    out = np.empty_like(image)
    for y in range(height):
        for x in range(width):
            change = changes[rows[y], columns[x]]
            for c in range(depth):
                out[y, x, c] = np.uint8(min(max(image[y, x, c] + change, 0.0), 255.0))
    return out
