"""The 16 solid textures, compiled: functions of the point on the object, so that a pattern turns with it."""

from __future__ import annotations

import math

import numba

from .noise import cells3, fractal3, hash3, noise3, wrap

_TAU = 2.0 * math.pi


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _step(edge: float, width: float, value: float) -> float:
    t = min(max((value - edge) / width + 0.5, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@numba.njit(nogil=True, error_model="numpy")
def _regular(texture: int, x: float, y: float, z: float) -> tuple[float, float]:
    if texture == 0:  # stripes
        return _step(0.0, 0.5, math.sin(_TAU * 1.5 * (y + 0.35 * x))), 0.0
    if texture == 1:  # checks
        s = math.sin(_TAU * 1.1 * x) * math.sin(_TAU * 1.1 * y) * math.sin(_TAU * 1.1 * z + 0.7)
        return _step(0.0, 0.12, s), 0.0
    if texture == 4:  # brick
        row = math.floor(y * 3.6)
        u = (x + z) * 1.7 + 0.5 * wrap(row, 2.0)
        fu, fv = u - math.floor(u), y * 3.6 - row
        mortar = 1.0 if (fu < 0.09 or fv < 0.16) else 0.0
        return mortar, (1.0 - mortar) * hash3(math.floor(u), row, 7)
    if texture == 5:  # dots
        u, v, w = x * 2.6, y * 2.6, z * 2.6
        du, dv, dw = u - math.floor(u) - 0.5, v - math.floor(v) - 0.5, w - math.floor(w) - 0.5
        return _step(-0.36, 0.1, -math.sqrt(du * du + dv * dv + dw * dw)), 0.0
    if texture == 7:  # waves
        s = math.sin(_TAU * (1.6 * y + 0.22 * math.sin(_TAU * 0.9 * x) + 0.2 * math.sin(_TAU * 0.8 * z)))
        return 0.5 + 0.5 * s, _step(0.75, 0.3, -s)
    if texture == 14:  # weave
        u, v = (x + 0.6 * z) * 4.0, (y + 0.25 * z) * 4.0
        over = wrap(math.floor(u) + math.floor(v), 2.0)
        s = math.sin(math.pi * (u - math.floor(u))) if over > 0.5 else math.sin(math.pi * (v - math.floor(v)))
        return 1.0 - s, 0.55 * over
    # metal: fine brushed lines
    return noise3(3.0 * x, 26.0 * y, 3.0 * z), 0.6 * noise3(1.2 * x, 1.5 * y, 1.2 * z)


@numba.njit(nogil=True, error_model="numpy")
def _grown(texture: int, x: float, y: float, z: float) -> tuple[float, float]:
    if texture == 2:  # marble
        s = abs(math.sin(3.2 * (x + 0.6 * y) + 5.5 * fractal3(1.6 * x, 1.6 * y, 1.6 * z)))
        return 1.0 - _step(0.22, 0.44, s), 0.4 * s
    if texture == 3:  # wood
        r = math.sqrt(x * x + z * z) * 4.6 + 1.3 * noise3(1.5 * x, 0.7 * y, 1.5 * z)
        return (r - math.floor(r)) * 0.9, noise3(14.0 * x, 2.0 * y, 14.0 * z) * 0.5
    if texture == 6:  # grass
        return noise3(11.0 * x, 3.5 * y, 11.0 * z), 0.8 * noise3(3.0 * x + 9.0, 2.0 * y, 3.0 * z)
    if texture == 8:  # leopard: dark rosettes
        first, _, name = cells3(3.3 * x, 3.3 * y, 3.3 * z)
        ring = _step(0.22, 0.08, first) * (1.0 - _step(0.4, 0.08, first))
        return ring * (0.6 + 0.4 * name), 0.7 * (1.0 - _step(0.25, 0.1, first))
    if texture == 9:  # zebra
        s = math.sin(_TAU * (1.25 * x + 0.5 * y) + 5.0 * noise3(1.4 * x, 1.4 * y, 1.4 * z))
        return _step(0.0, 0.35, s), 0.0
    if texture == 10:  # lava: bright ridges in dark rock
        ridge = 1.0 - abs(2.0 * fractal3(2.4 * x, 2.4 * y, 2.4 * z) - 1.0) * 3.2
        return _step(0.62, 0.5, ridge), 0.9 * _step(0.2, 0.6, ridge)
    if texture == 11:  # camouflage
        n = noise3(2.2 * x, 2.2 * y, 2.2 * z)
        m = noise3(2.6 * x + 31.0, 2.6 * y, 2.6 * z)
        return _step(0.52, 0.06, n), _step(0.58, 0.06, m)
    if texture == 12:  # cells
        first, second, name = cells3(2.5 * x, 2.5 * y, 2.5 * z)
        return 1.0 - _step(0.1, 0.1, second - first), 0.7 * name
    # confetti
    name = hash3(math.floor(3.4 * x), math.floor(3.4 * y), math.floor(3.4 * z))
    return (1.0 if name < 0.33 else 0.0), (1.0 if name > 0.66 else 0.0)


@numba.njit(nogil=True, error_model="numpy")
def weights(texture: int, x: float, y: float, z: float) -> tuple[float, float]:
    """Weights of the second and third palette colour at a point, each in [0, 1].

    Args:
        texture: Index into ``vocabulary.TEXTURES``.
        x: Object-space coordinate, times the scene's pattern scale, plus its offset.
        y: As ``x``.
        z: As ``x``.
    """
    if texture <= 1 or texture in (4, 5, 7, 14, 15):
        return _regular(texture, x, y, z)
    return _grown(texture, x, y, z)
