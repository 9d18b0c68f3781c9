"""Sine, cosine and arctangent that a compiler can vectorise.

The C library computes them one number at a time, which would take most of the time of half the corruptions. These
functions only use additions, multiplications, divisions and comparisons, so that loops over them become vector
instructions, and every machine returns the same bits. The polynomials interpolate ``sin(r) / r`` and ``atan(t) / t`` in
the squared argument at Chebyshev points, which is close to the best approximation.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_OVER_PI = 1 / math.pi
_HALF_PI = math.pi / 2
# pi as a sum of two floats: the first has 33 bits, so that its product with a small integer is exact.
_PI_HIGH = float.fromhex("0x1.921fb54400000p+1")
_PI_LOW = float.fromhex("0x1.0b4611a626331p-33")


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _sine_near_zero(r):  # type: ignore[no-untyped-def]  # pragma: no cover
    """sin(r) for abs(r) <= pi / 2, within 5e-16."""
    z = r * r
    s = -7.374387477050416e-13
    s = s * z + 1.6048168316015247e-10
    s = s * z - 2.5051881946645233e-08
    s = s * z + 2.7557316609072636e-06
    s = s * z - 1.984126982486189e-04
    s = s * z + 8.333333333282756e-03
    s = s * z - 1.6666666666666072e-01
    s = s * z + 1.0
    return s * r


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def sine(x):  # type: ignore[no-untyped-def]  # pragma: no cover
    """sin(x), float64, within 1e-15 for abs(x) < 1e4."""
    halves = np.floor(x * _OVER_PI + 0.5)
    r = (x - halves * _PI_HIGH) - halves * _PI_LOW
    odd = halves - 2.0 * np.floor(halves * 0.5)
    return _sine_near_zero(r) * (1.0 - 2.0 * odd)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def cosine(x):  # type: ignore[no-untyped-def]  # pragma: no cover
    """cos(x), float64, within 1e-15 for abs(x) < 1e4."""
    halves = np.floor(x * _OVER_PI)
    r = (x - (halves + 0.5) * _PI_HIGH) - (halves + 0.5) * _PI_LOW
    odd = halves - 2.0 * np.floor(halves * 0.5)
    return _sine_near_zero(r) * (2.0 * odd - 1.0)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def arctangent(y, x):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The angle of the point (x, y) in [-pi, pi], float64, within 1e-12; 0 at the origin."""
    across, up = abs(x), abs(y)
    t = min(across, up) / max(max(across, up), 1e-300)
    z = t * t
    a = 1.704604046618824e-04
    a = a * z - 1.4666686334116588e-03
    a = a * z + 5.936376596452122e-03
    a = a * z - 1.523249190907656e-02
    a = a * z + 2.8410612112699588e-02
    a = a * z - 4.2324616793255394e-02
    a = a * z + 5.4582394542429476e-02
    a = a * z - 6.536228811849373e-02
    a = a * z + 7.663177357754078e-02
    a = a * z - 9.086360660727331e-02
    a = a * z + 1.1110640790649381e-01
    a = a * z - 1.4285684661254053e-01
    a = a * z + 1.999999901342103e-01
    a = a * z - 3.333333332025471e-01
    a = a * z + 9.9999999999971e-01
    a = a * t
    a = _HALF_PI - a if up > across else a
    a = math.pi - a if x < 0 else a
    return -a if y < 0 else a


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def to_byte(value):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Clip to [0, 255] and truncate, as the published scripts do."""
    return np.uint8(np.int32(min(max(value, 0.0), 255.0)))
