"""The compiled part of the camera: what light goes through between the lens and the bytes of an image.

Light arrives as the renderer returns it, linear in the number of photons. The lens spreads it along its motion and over
its blur and scatters some of it, the exposure multiplies it, the sensor adds noise, the white balance scales the
channels, and the tone curve encodes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist

import numba
import numpy as np

from .kernel import sources_stamp
from .vocabulary import (
    AXES,
    CAMERA,
    OBJECT_FIELDS,
    OBJECT_ID,
    OBJECTS,
    OCCLUDER,
    OCCLUDER_FIELDS,
    OCCLUDER_ID,
    POSITION,
    ROTATION,
    SURFACES,
    TANGENT,
)

# What the compiled part needs to know of a frame: a row of settings, and the rows of the scene at two moments.

SHOT, READ, EXPOSED, GAIN_RED, GAIN_BLUE, VEIL, BLUR, FOCUSED = range(8)
SETTINGS = 8

TAPS = 12
"""Points on the lens, each at another moment of the exposure, through which a pixel's light is spread."""
_SPIRAL = np.arange(TAPS) * (math.pi * (3.0 - math.sqrt(5.0)))
_RADIUS = np.sqrt((np.arange(TAPS) + 0.5) / TAPS)
_LENS_X = (_RADIUS * np.cos(_SPIRAL)).astype(np.float32)
_LENS_Y = (_RADIUS * np.sin(_SPIRAL)).astype(np.float32)
# In another order than the rings of the lens.
_MOMENT = (((np.arange(TAPS) * 5) % TAPS + 0.5) / TAPS - 0.5).astype(np.float32)
_LARGEST_BLUR = 0.12  # radius for a point, as a share of half the image: beyond it the taps would leave gaps
_LEAST_SPREAD, _WIDE_SPREAD = 0.7, 4.0  # pixels; light that spreads over less than the first stays in its pixel

_BRIGHTEST = 4.0
_CURVE_STEPS = 4096
_STEPS_PER_ROOT = _CURVE_STEPS / math.sqrt(_BRIGHTEST)


def tone_curve(light: np.ndarray) -> np.ndarray:
    """The sRGB value 0..1 of linear light: the standard's curve, after a shoulder that keeps highlights from clipping.

    Args:
        light: Linear light, 0 or more.
    """
    soft = np.where(light < 0.7, light, 0.7 + 0.3 * (1.0 - np.exp((0.7 - light) / 0.3)))
    return np.where(soft <= 0.0031308, 12.92 * soft, 1.055 * np.maximum(soft, 1e-9) ** (1 / 2.4) - 0.055)


# By the root of light, since equal steps of light itself would be coarse in the dark.
CURVE = (255.0 * tone_curve((np.arange(_CURVE_STEPS + 1) / _STEPS_PER_ROOT) ** 2) + 0.5).astype(np.uint8)


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _byte(light: float, curve: np.ndarray) -> int:
    if not light > 0.0:  # nor is what is not a number
        return curve[0]
    return curve[int(min(math.sqrt(light) * _STEPS_PER_ROOT + 0.5, float(_CURVE_STEPS)))]


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S21, _S42 = (np.uint64(n) for n in (30, 27, 31, 21, 42))
_LOW = np.uint64(0xFFF)
# Quantiles of the Gaussian distribution, so that 12 random bits give a number of it; the tails end at 3.7.
_QUANTILES = np.array([NormalDist().inv_cdf((n + 0.5) / 4096) for n in range(4096)], dtype=np.float32)


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _hash(key: np.uint64, number: int) -> np.uint64:
    """64 random bits for a number under a key."""
    h = key + np.uint64(number) * _GOLDEN
    h = (h ^ (h >> _S30)) * _MIX1
    h = (h ^ (h >> _S27)) * _MIX2
    return h ^ (h >> _S31)


@numba.njit(nogil=True, error_model="numpy")
def _motion(p: np.ndarray, q: np.ndarray, table: np.ndarray) -> None:
    """How the image of each surface moves between two rows: per surface, the affine map that `_moved` applies.

    A point at depth ``z`` seen at (u, v) is ``z (1, u, v)`` times a matrix in the first moment's camera axes. The map
    takes it through the object's motion into the axes of the second, where a division by depth gives the image.
    """
    k = p[TANGENT]
    for s in range(OCCLUDER_ID):
        base = (s - OBJECT_ID) * OBJECT_FIELDS
        if s >= OBJECT_ID + int(p[OBJECTS]):
            return
        for a in range(3):  # axes of the second camera
            ax, ay, az = q[AXES + 3 * a], q[AXES + 3 * a + 1], q[AXES + 3 * a + 2]
            x, y, z = p[CAMERA] - q[CAMERA], p[CAMERA + 1] - q[CAMERA + 1], p[CAMERA + 2] - q[CAMERA + 2]
            if s >= OBJECT_ID:
                # First into the object's coordinates at the first moment, then out of those at the second: the axis
                # is turned the other way round instead of each point.
                r, r2, o = base + ROTATION, base + ROTATION, base + POSITION
                ux = q[r2] * ax + q[r2 + 1] * ay + q[r2 + 2] * az
                uy = q[r2 + 3] * ax + q[r2 + 4] * ay + q[r2 + 5] * az
                uz = q[r2 + 6] * ax + q[r2 + 7] * ay + q[r2 + 8] * az
                bx = p[r] * ux + p[r + 3] * uy + p[r + 6] * uz
                by = p[r + 1] * ux + p[r + 4] * uy + p[r + 7] * uz
                bz = p[r + 2] * ux + p[r + 5] * uy + p[r + 8] * uz
                offset = bx * (p[CAMERA] - p[o]) + by * (p[CAMERA + 1] - p[o + 1]) + bz * (p[CAMERA + 2] - p[o + 2])
                offset += ax * (q[o] - q[CAMERA]) + ay * (q[o + 1] - q[CAMERA + 1]) + az * (q[o + 2] - q[CAMERA + 2])
                ax, ay, az = bx, by, bz
            else:
                offset = ax * x + ay * y + az * z
            table[s, a, 0] = offset
            table[s, a, 1] = ax * p[AXES + 6] + ay * p[AXES + 7] + az * p[AXES + 8]
            table[s, a, 2] = k * (ax * p[AXES] + ay * p[AXES + 1] + az * p[AXES + 2])
            table[s, a, 3] = k * (ax * p[AXES + 3] + ay * p[AXES + 4] + az * p[AXES + 5])


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _moved(
    p: np.ndarray, q: np.ndarray, table: np.ndarray, s: int, u: float, v: float, depth: float
) -> tuple[float, float]:
    """Image point at the second moment of what is seen at (u, v) at the first."""
    if s >= OCCLUDER_ID:
        o = OCCLUDER + (s - OCCLUDER_ID) * OCCLUDER_FIELDS
        return u + q[o + 1] - p[o + 1], v + q[o + 2] - p[o + 2]
    m = table[s]
    x = m[0, 0] + depth * (m[0, 1] + u * m[0, 2] + v * m[0, 3])
    y = m[1, 0] + depth * (m[1, 1] + u * m[1, 2] + v * m[1, 3])
    z = m[2, 0] + depth * (m[2, 1] + u * m[2, 2] + v * m[2, 3])
    z = max(z, 1e-3) * p[TANGENT]
    return x / z, y / z


@numba.njit(nogil=True, error_model="numpy")
def _through_the_lens(
    p: np.ndarray,
    q: np.ndarray,
    settings: np.ndarray,
    light: np.ndarray,
    depth: np.ndarray,
    surfaces: np.ndarray,
    table: np.ndarray,
    spread: np.ndarray,
) -> None:
    """Spread every pixel's light along its motion and over its blur; ``light`` becomes the image on the sensor.

    Light goes from where it comes from to where it falls, so that a moving edge smears over what is behind it. ``q`` is
    the row half an exposure later.
    """
    size = light.shape[0]
    half = 0.5 * size
    _motion(p, q, table)
    spread[:] = 0.0
    blur, focused = settings[BLUR], 1.0 / settings[FOCUSED]
    before = size + 0.5  # keeps what is truncated above 0
    any_spread = False
    for i in range(size):
        v = 1.0 - (i + 0.5) / half
        for j in range(size):
            u = (j + 0.5) / half - 1.0
            z = depth[i, j]
            u2, v2 = _moved(p, q, table, surfaces[i, j], u, v, z)
            dx = min(max(2.0 * half * (u2 - u), -half), half)
            dy = min(max(2.0 * half * (v - v2), -half), half)
            radius = half * min(blur * abs(focused - 1.0 / z), _LARGEST_BLUR)
            r, g, b = light[i, j, 0], light[i, j, 1], light[i, j, 2]
            extent = abs(dx) + abs(dy) + 2.0 * radius
            if extent < _LEAST_SPREAD:
                spread[i, j, 0] += TAPS * r
                spread[i, j, 1] += TAPS * g
                spread[i, j, 2] += TAPS * b
                spread[i, j, 3] += TAPS
                continue
            any_spread = True
            # Half of the taps are enough for a spread of a few pixels.
            step = 2 if extent < _WIDE_SPREAD else 1
            weight = np.float32(step)
            r, g, b = weight * r, weight * g, weight * b
            left, top = np.float32(j + before), np.float32(i + before)
            dx, dy, radius = np.float32(dx), np.float32(dy), np.float32(radius)
            for n in range(0, TAPS, step):
                x = int(left + dx * _MOMENT[n] + radius * _LENS_X[n]) - size
                y = int(top + dy * _MOMENT[n] + radius * _LENS_Y[n]) - size
                if 0 <= x < size and 0 <= y < size:
                    spread[y, x, 0] += r
                    spread[y, x, 1] += g
                    spread[y, x, 2] += b
                    spread[y, x, 3] += weight
    if any_spread:
        for i in range(size):
            for j in range(size):
                weight = spread[i, j, 3]
                if weight > 0.0:
                    for c in range(3):
                        light[i, j, c] = spread[i, j, c] / weight


@numba.njit(nogil=True, error_model="numpy")
def _on_the_sensor(
    settings: np.ndarray, key: np.uint64, light: np.ndarray, curve: np.ndarray, image: np.ndarray
) -> None:
    """Glare, exposure, noise, white balance and tone curve."""
    size = light.shape[0]
    red, green, blue = 0.0, 0.0, 0.0
    for i in range(size):
        for j in range(size):
            red, green, blue = red + light[i, j, 0], green + light[i, j, 1], blue + light[i, j, 2]
    exposed, veil = settings[EXPOSED], settings[VEIL]
    direct, scattered = exposed * (1.0 - veil), exposed * veil / (size * size)
    red, green, blue = scattered * red, scattered * green, scattered * blue
    shot, dark = settings[SHOT], settings[READ] * settings[READ]
    for i in range(size):
        for j in range(size):
            h = _hash(key, i * size + j)
            r, g, b = direct * light[i, j, 0] + red, direct * light[i, j, 1] + green, direct * light[i, j, 2] + blue
            r, g, b = max(r, 0.0), max(g, 0.0), max(b, 0.0)
            r += math.sqrt(shot * r + dark) * _QUANTILES[h & _LOW]
            g += math.sqrt(shot * g + dark) * _QUANTILES[(h >> _S21) & _LOW]
            b += math.sqrt(shot * b + dark) * _QUANTILES[(h >> _S42) & _LOW]
            image[i, j, 0] = _byte(settings[GAIN_RED] * r, curve)
            image[i, j, 1] = _byte(g, curve)
            image[i, j, 2] = _byte(settings[GAIN_BLUE] * b, curve)


Film = Callable[..., None]


def _entry_points(sources: int) -> tuple[Film, Film]:
    # See `kernel._entry_point` for why the checksum is a closure value.
    @numba.njit(nogil=True, error_model="numpy", cache=True)
    def film_rows(
        rows: np.ndarray,
        later: np.ndarray,
        settings: np.ndarray,
        keys: np.ndarray,
        light: np.ndarray,
        depth: np.ndarray,
        surfaces: np.ndarray,
        curve: np.ndarray,
        images: np.ndarray,
    ) -> None:
        _ = sources
        size = light.shape[1]
        table = np.zeros((SURFACES, 3, 4))
        spread = np.empty((size, size, 4), dtype=np.float32)
        for f in range(rows.shape[0]):
            _through_the_lens(rows[f], later[f], settings[f], light[f], depth[f], surfaces[f], table, spread)
            _on_the_sensor(settings[f], keys[f], light[f], curve, images[f])

    @numba.njit(nogil=True, error_model="numpy", cache=True)
    def develop_rows(light: np.ndarray, curve: np.ndarray, images: np.ndarray) -> None:
        _ = sources
        size = light.shape[1]
        for f in range(light.shape[0]):
            for i in range(size):
                for j in range(size):
                    for c in range(3):
                        images[f, i, j, c] = _byte(light[f, i, j, c], curve)

    return film_rows, develop_rows


film_rows, develop_rows = _entry_points(sources_stamp(Path(__file__).parent))
