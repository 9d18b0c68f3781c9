"""The 16 solid textures: functions of the point on the object, so that a pattern turns with it, compiled."""

from __future__ import annotations

import math

import numba
import numpy as np

from .noise import cells3, fractal3, hash3, noise3, wrap

PALETTES = np.array(
    [  # three colours each, sRGB 0..1; a texture carries its palette, as materials do
        [[0.80, 0.16, 0.18], [0.93, 0.90, 0.84], [0.80, 0.16, 0.18]],  # stripes
        [[0.10, 0.14, 0.35], [0.90, 0.80, 0.35], [0.10, 0.14, 0.35]],  # checks
        [[0.90, 0.89, 0.87], [0.36, 0.38, 0.44], [0.70, 0.70, 0.72]],  # marble
        [[0.64, 0.42, 0.22], [0.36, 0.20, 0.09], [0.50, 0.31, 0.15]],  # wood
        [[0.62, 0.25, 0.17], [0.78, 0.74, 0.68], [0.50, 0.20, 0.15]],  # brick
        [[0.16, 0.38, 0.78], [0.95, 0.95, 0.92], [0.16, 0.38, 0.78]],  # dots
        [[0.17, 0.42, 0.12], [0.46, 0.66, 0.20], [0.10, 0.26, 0.08]],  # grass
        [[0.08, 0.45, 0.60], [0.55, 0.86, 0.86], [0.05, 0.25, 0.45]],  # waves
        [[0.86, 0.62, 0.28], [0.22, 0.13, 0.07], [0.66, 0.40, 0.16]],  # leopard
        [[0.93, 0.92, 0.88], [0.08, 0.08, 0.09], [0.93, 0.92, 0.88]],  # zebra
        [[0.13, 0.06, 0.06], [0.98, 0.62, 0.10], [0.80, 0.15, 0.05]],  # lava
        [[0.32, 0.37, 0.20], [0.55, 0.50, 0.33], [0.18, 0.19, 0.13]],  # camouflage
        [[0.55, 0.30, 0.65], [0.20, 0.08, 0.28], [0.75, 0.55, 0.82]],  # cells
        [[0.92, 0.45, 0.65], [0.30, 0.75, 0.55], [0.96, 0.85, 0.30]],  # confetti
        [[0.80, 0.70, 0.52], [0.52, 0.42, 0.28], [0.30, 0.24, 0.17]],  # weave
        [[0.62, 0.65, 0.68], [0.42, 0.45, 0.50], [0.85, 0.87, 0.90]],  # metal
    ],
    dtype=np.float64,
)
"""Base colours, shape (16, 3, 3); a scene jitters them."""

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
        return mortar, (1.0 - mortar) * hash3(int(math.floor(u)), int(row), 7)
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
    name = hash3(int(math.floor(3.4 * x)), int(math.floor(3.4 * y)), int(math.floor(3.4 * z)))
    return (1.0 if name < 0.33 else 0.0), (1.0 if name > 0.66 else 0.0)


@numba.njit(nogil=True, error_model="numpy")
def weights(texture: int, x: float, y: float, z: float) -> tuple[float, float]:
    """How much of the second and third palette colour a point takes over the first, each in [0, 1].

    Args:
        texture: Index into ``vocabulary.TEXTURES``.
        x: Object-space coordinate, times the scene's pattern scale, plus its offset.
        y: As ``x``.
        z: As ``x``.
    """
    if texture <= 1 or texture in (4, 5, 7, 14, 15):
        return _regular(texture, x, y, z)
    return _grown(texture, x, y, z)
