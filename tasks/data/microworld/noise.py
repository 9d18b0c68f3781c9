"""Hashing and lattice noise for solid textures, compiled."""

from __future__ import annotations

import math

import numba
import numpy as np

# Odd 64-bit constants with well-spread bits; products wrap, the same on every machine.
_KX, _KY, _KZ = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF, _TOP = np.uint64(32), np.uint64(40)
_UNIT = 1.0 / 16777216.0


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _mix(h: np.uint64) -> float:
    """The top 24 bits of a mixed 64-bit word as a number in [0, 1)."""
    h = (h ^ (h >> _HALF)) * _MIX
    return np.float64(np.int64((h ^ (h >> _HALF)) * _MIX >> _TOP)) * _UNIT


@numba.njit(inline="always", nogil=True, error_model="numpy")
def hash3(i: int, j: int, k: int) -> float:
    """A number in [0, 1) for a lattice point."""
    return _mix(np.uint64(i) * _KX ^ np.uint64(j) * _KY ^ np.uint64(k) * _KZ)


@numba.njit(inline="always", nogil=True, error_model="numpy")
def wrap(value: float, period: float) -> float:
    """``value`` modulo ``period``, in [0, period); many times faster than the C library's remainder."""
    return value - period * math.floor(value / period)


@numba.njit(nogil=True, error_model="numpy")
def noise3(x: float, y: float, z: float) -> float:
    """Value noise in [0, 1] with cubic easing."""
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    x0, y0, z0 = np.uint64(int(fx)) * _KX, np.uint64(int(fy)) * _KY, np.uint64(int(fz)) * _KZ
    x1, y1, z1 = x0 + _KX, y0 + _KY, z0 + _KZ
    u, v, w = x - fx, y - fy, z - fz
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    w = w * w * (3.0 - 2.0 * w)
    a, b = _mix(x0 ^ y0 ^ z0), _mix(x0 ^ y1 ^ z0)
    c, d = _mix(x0 ^ y0 ^ z1), _mix(x0 ^ y1 ^ z1)
    a += (_mix(x1 ^ y0 ^ z0) - a) * u
    b += (_mix(x1 ^ y1 ^ z0) - b) * u
    c += (_mix(x1 ^ y0 ^ z1) - c) * u
    d += (_mix(x1 ^ y1 ^ z1) - d) * u
    near = a + (b - a) * v
    far = c + (d - c) * v
    return near + (far - near) * w


@numba.njit(nogil=True, error_model="numpy")
def fractal3(x: float, y: float, z: float) -> float:
    """Three octaves of `noise3`, in [0, 1]."""
    total = 0.57 * noise3(x, y, z)
    total += 0.29 * noise3(2.03 * x + 17.1, 2.03 * y + 3.7, 2.03 * z + 9.2)
    return total + 0.14 * noise3(4.1 * x + 5.3, 4.1 * y + 11.9, 4.1 * z + 1.3)


@numba.njit(nogil=True, error_model="numpy")
def cells3(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Cellular noise over the eight nearest lattice cells.

    Returns:
        Distance to the nearest feature point, to the second nearest, and a number in [0, 1) that names the nearest.
    """
    i0, j0, k0 = math.floor(x - 0.5), math.floor(y - 0.5), math.floor(z - 0.5)
    first, second, name = 9.0, 9.0, 0.0
    for n in range(8):
        i, j, k = i0 + (n & 1), j0 + ((n >> 1) & 1), k0 + (n >> 2)
        h = hash3(i, j, k)
        # One hash gives three jitters: its high, middle and low digits are independent enough for a texture.
        h1 = h * 613.0 - math.floor(h * 613.0)
        h2 = h * 7919.0 - math.floor(h * 7919.0)
        dx = x - i - 0.2 - 0.6 * h
        dy = y - j - 0.2 - 0.6 * h1
        dz = z - k - 0.2 - 0.6 * h2
        d = dx * dx + dy * dy + dz * dz
        if d < first:
            second = first
            first = d
            name = h2
        elif d < second:
            second = d
    return math.sqrt(first), math.sqrt(second), name
