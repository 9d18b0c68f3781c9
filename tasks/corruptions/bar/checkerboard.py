"""Some dark fields of a rotated checkerboard cover the image."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..pixels import Pixels

_GREY = 128


def checkerboard_cutout(image: Pixels, rng: np.random.Generator, *, share: float) -> Pixels:
    """Cover a random part of a checkerboard's dark fields with grey.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: The angle of the board, the side of a field (0.1 to 0.25 of the image's shorter side), and a uniform for
            each field of the board.
        share: Share of the dark fields that are covered; half of all fields are dark.
    """
    height, width, _ = image.shape
    angle = rng.uniform(0, 2 * np.pi)
    field_px = rng.uniform(0.1, 0.25) * min(height, width)
    fields = fields_of_board(height, width, field_px)
    return render_checkerboard(image, angle=angle, field_px=field_px, covered=rng.random((fields, fields)) < share)


def fields_of_board(height: int, width: int, field_px: float) -> int:
    """Fields along each side of a board that contains the image at any angle."""
    return int(4 * max(height, width) // field_px)


def render_checkerboard(image: Pixels, *, angle: float, field_px: float, covered: NDArray[np.bool_]) -> Pixels:
    """Cover fields with grey.

    Args:
        image: uint8 ``(H, W, 3)``.
        angle: Rotation of the board around the first pixel, in radians.
        field_px: Side of a field.
        covered: bool ``(F, F)``, which fields to cover; light fields are never covered. Fields before the first pixel
            are counted from the end of the array.
    """
    return _cover(image, math.cos(angle), math.sin(angle), field_px, covered)


@njit(cache=True, nogil=True, error_model="numpy")
def _cover(image, cosine, sine, field_px, covered):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = image.shape
    fields = covered.shape[0]
    out = image.copy()
    for y in range(height):
        for x in range(width):
            a = (cosine * y + sine * x) / field_px
            b = (-sine * y + cosine * x) / field_px
            # Colours use floor, but array indices truncate towards zero, so the two fields next to an axis through the
            # first pixel share a draw. This is part of the published benchmark.
            if (int(np.floor(a)) ^ int(np.floor(b))) & 1:
                continue
            if covered[int(a) % fields, int(b) % fields]:
                for c in range(3):
                    out[y, x, c] = _GREY
    return out
