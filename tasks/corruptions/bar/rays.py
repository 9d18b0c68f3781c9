"""Stars with many rays: five bright sparkles, or a single one through which the image is visible."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..pixels import Pixels
from .arithmetic import arctangent, to_byte

_SPARKLES = 5
_FEWEST, _MOST = 50, 200
_SPREAD = 0.25
_TURN = 2 * np.pi

Floats = NDArray[np.float64]


def sparkles(image: Pixels, rng: np.random.Generator, *, radius_px: float) -> Pixels:
    """Add five white stars.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Centres, numbers of rays (50 to 199), and a normal for the length of each ray.
        radius_px: Mean length of the rays; their standard deviation is a quarter of it.
    """
    height, width, _ = image.shape
    centres = rng.random((_SPARKLES, 2)) * (height, width)
    lengths = [
        np.maximum(1, radius_px + _SPREAD * radius_px * rng.standard_normal(count))
        for count in rng.integers(_FEWEST, _MOST, _SPARKLES)
    ]
    return render_sparkles(image, centres=centres, lengths=lengths)


def render_sparkles(image: Pixels, *, centres: Floats, lengths: list[Floats]) -> Pixels:
    """Draw stars on top of one another.

    Args:
        image: uint8 ``(H, W, 3)``.
        centres: ``(S, 2)``, rows and columns.
        lengths: S arrays, the lengths of the rays in pixels, in the order of their angles.
    """
    table = np.zeros((len(lengths), max(map(len, lengths)) + 2))
    for row, values in zip(table, lengths, strict=True):
        row[: len(values) + 2] = _closed(values)
    return _sparkle(image, centres, table, np.array([len(values) for values in lengths]))


def inverse_sparkles(image: Pixels, rng: np.random.Generator, *, falloff: float) -> Pixels:
    """Hide the image in white, except for one large star.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: A centre in the middle half of the image, the number of rays (50 to 199), and a normal for each length;
            their mean is a quarter of the shorter side.
        falloff: Exponent with which the image fades beyond the rays.
    """
    height, width, _ = image.shape
    centre = rng.uniform(0.25, 0.75, 2) * (height, width)
    radius = 0.25 * min(height, width)
    normals = rng.standard_normal(int(rng.integers(_FEWEST, _MOST)))
    return render_inverse_sparkles(image, centre=centre, lengths=radius + _SPREAD * radius * normals, falloff=falloff)


def render_inverse_sparkles(image: Pixels, *, centre: Floats, lengths: Floats, falloff: float) -> Pixels:
    """Like `render_sparkles` for a single star: ``centre`` is ``(2,)``, and ``lengths`` are its rays."""
    return _hide(image, centre, _closed(lengths), len(lengths), falloff)


def _closed(lengths: Floats) -> Floats:
    """Rays with the first two repeated at the end, so that the last sector needs no wrap."""
    return np.concatenate([lengths, lengths[:2]])


@njit(cache=True, nogil=True, error_model="numpy")
def _sectors(dy, centre_x, rays, sectors):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The angle of each pixel of a row, counted in rays: float64 in [0, rays]."""
    for x in range(sectors.size):
        sectors[x] = (arctangent(x - centre_x, dy) + np.pi) / _TURN * rays


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _light(lengths, sector, squared):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Brightness of a star at a point: squared ray length / squared distance, and the profile across the sector."""
    index = max(int(sector), 0)
    share = sector - index
    length = lengths[index] + share * (lengths[index + 1] - lengths[index])
    return length * length / (squared + 1e-4), 1 - (share - 0.5) * (share - 0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def _sparkle(image, centres, table, counts):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = image.shape
    out = np.empty_like(image)
    sectors, light = np.empty(width), np.empty(width)
    line = np.empty(3 * width)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                line[3 * x + c] = image[y, x, c]
        for star in range(counts.size):
            lengths = table[star]
            dy, centre_x = y - centres[star, 0], centres[star, 1]
            _sectors(dy, centre_x, counts[star], sectors)
            for x in range(width):
                dx = x - centre_x
                glow, profile = _light(lengths, sectors[x], dy * dy + dx * dx)
                light[x] = min(profile * glow, 1.0)
            for x in range(width):
                for c in range(3):
                    # The published script rounds to single precision between stars.
                    value = np.float64(np.float32(line[3 * x + c]))
                    line[3 * x + c] = value + light[x] * (255.0 - value)
        for x in range(width):
            for c in range(3):
                out[y, x, c] = to_byte(line[3 * x + c])
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _hide(image, centre, lengths, rays, falloff):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = image.shape
    out = np.empty_like(image)
    sectors = np.empty(width)
    for y in range(height):
        dy = y - centre[0]
        _sectors(dy, centre[1], rays, sectors)
        for x in range(width):
            dx = x - centre[1]
            glow, profile = _light(lengths, sectors[x], dy * dy + dx * dx)
            light = min(profile * glow**falloff, 1.0)
            for c in range(3):
                out[y, x, c] = to_byte(255.0 + light * (image[y, x, c] - 255.0))
    return out
