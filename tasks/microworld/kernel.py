"""The compiled renderer: it marches rays to one object on a floor, under a sky, behind occluders.

A frame is a row of `vocabulary.FIELDS` numbers (see `scene.frame_parameters`); the kernel knows nothing of clips or
sets. It casts one ray per pixel, and two more where two surfaces meet, because a single ray would give jagged edges
there.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np

from .solids import BOUNDS, cells3, distance, fractal3, noise3, weights, wrap
from .vocabulary import (
    AMBIENT,
    AXES,
    BACKGROUND,
    CAMERA,
    FLOOR,
    FLOOR_A,
    FLOOR_B,
    FLOOR_PATTERN,
    LIGHT,
    LIGHT_COLOUR,
    OCCLUDER,
    OCCLUDER_FIELDS,
    OCCLUDERS,
    PALETTE,
    PATTERN_OFFSET,
    PATTERN_SCALE,
    POSITION,
    ROTATION,
    SCALE,
    SHAPE,
    SKY_A,
    SKY_B,
    SKY_OFFSET,
    SKY_SCALE,
    SPECULAR,
    TANGENT,
    TEXTURE,
)

FAR = 20.0
"""Depth of the sky, in units of the object's bounding radius."""

_SKY_ID, _FLOOR_ID, _OBJECT_ID, _OCCLUDER_ID = 0, 1, 2, 3
_STEPS = 40
_SOURCES = ("kernel", "solids", "vocabulary")  # modules whose code or constants get compiled
_HIT = 0.008  # a quarter of a pixel's footprint at 64 pixels; the last distance is added, so depth errs by less


@numba.njit(nogil=True, error_model="numpy")
def _march(shape: int, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, steps: int) -> float:
    """First hit along an object-space ray with unit direction, or -1."""
    # Intersect the ray with the solid's box. A zero component gives an infinite distance, as it should.
    x1, x2 = (BOUNDS[shape, 0] - 0.01 - ox) / dx, (BOUNDS[shape, 3] + 0.01 - ox) / dx
    y1, y2 = (BOUNDS[shape, 1] - 0.01 - oy) / dy, (BOUNDS[shape, 4] + 0.01 - oy) / dy
    z1, z2 = (BOUNDS[shape, 2] - 0.01 - oz) / dz, (BOUNDS[shape, 5] + 0.01 - oz) / dz
    t = max(max(min(x1, x2), min(y1, y2)), max(min(z1, z2), 0.0))
    end = min(min(max(x1, x2), max(y1, y2)), max(z1, z2))
    if t >= end:
        return -1.0
    for _ in range(steps):
        d = distance(shape, ox + t * dx, oy + t * dy, oz + t * dz)
        if d < _HIT:
            return t + d
        t += d
        if t > end:
            return -1.0
    return -1.0


@numba.njit(nogil=True, error_model="numpy")
def _sky(p: np.ndarray, dx: float, dy: float, dz: float) -> float:
    """Mixing weight of the second sky colour for a world direction."""
    family, s, o = int(p[BACKGROUND]), p[SKY_SCALE], p[SKY_OFFSET]
    if family == 0:
        return 0.5 + 0.5 * dy
    if family == 1:
        return fractal3(1.6 * s * dx + o, 2.4 * s * dy, 1.6 * s * dz)
    if family == 2:
        return 0.5 + 0.5 * math.copysign(
            min(1.0, abs(3.0 * math.sin(9.0 * s * dx + 4.0 * dz + o))), math.sin(9.0 * s * dx + 4.0 * dz + o)
        )
    if family == 3:
        a, b = (dx + 0.3 * dz) * 4.0 * s + o, dy * 4.0 * s
        return (
            1.0
            if (a - math.floor(a) < 0.08 or b - math.floor(b) < 0.08)
            else 0.25 * noise3(math.floor(a), math.floor(b), o)
        )
    if family == 4:
        a = dy * 5.0 * s + o
        return 0.35 * wrap(math.floor(a), 3.0) + 0.3 * noise3(2.0 * dx, 9.0 * a, 2.0 * dz)
    if family == 5:
        return noise3(13.0 * s * dx + o, 13.0 * s * dy, 13.0 * s * dz) * 0.7 + 0.3 * noise3(
            3.0 * dx, 3.0 * dy, 3.0 * dz + o
        )
    if family == 6:
        first, second, name = cells3(6.0 * s * dx + o, 6.0 * s * dy, 6.0 * s * dz)
        return 0.0 if second - first < 0.12 else 0.3 + 0.7 * name
    if family == 7:
        a = math.sqrt(dx * dx + dy * dy) * 9.0 * s + o
        return 0.5 + 0.5 * math.sin(6.28318 * a)
    a, b = (dx + 0.3 * dz) * 6.0 * s + o, dy * 6.0 * s
    turn = noise3(math.floor(a) * 0.73, math.floor(b) * 0.91, o) > 0.5
    u, v = a - math.floor(a), b - math.floor(b)
    return 1.0 if abs((u if turn else 1.0 - u) - v) < 0.14 else 0.1


@numba.njit(nogil=True, error_model="numpy")
def _occluded(p: np.ndarray, u: float, v: float, nearer_than: float) -> int:
    """Index of the nearest occluder that covers image point (u, v) before a depth, or -1."""
    best, best_depth = -1, nearer_than
    for n in range(int(p[OCCLUDERS])):
        q = OCCLUDER + n * OCCLUDER_FIELDS
        du, dv = u - p[q + 1], v - p[q + 2]
        c, s = p[q + 4], p[q + 10]
        across = abs(c * du + s * dv)
        if p[q] == 0.0:
            inside = across < p[q + 3]  # an infinitely long bar
        else:
            along = abs(c * dv - s * du)
            inside = across * across + 0.5 * along * along < p[q + 3] * p[q + 3]  # a leaf
        if inside and p[q + 5] < best_depth:
            best, best_depth = n, p[q + 5]
    return best


@numba.njit(nogil=True, error_model="numpy")
def _object_colour(
    p: np.ndarray, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float
) -> tuple[float, float, float]:
    """Colour of the surface at an object-space point seen along an object-space direction."""
    shape = int(p[SHAPE])
    e = 0.004
    d1 = distance(shape, ox + e, oy - e, oz - e)
    d2 = distance(shape, ox - e, oy - e, oz + e)
    d3 = distance(shape, ox - e, oy + e, oz - e)
    d4 = distance(shape, ox + e, oy + e, oz + e)
    nx, ny, nz = d1 - d2 - d3 + d4, -d1 - d2 + d3 + d4, -d1 + d2 - d3 + d4
    inv = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-18)
    nx, ny, nz = nx * inv, ny * inv, nz * inv
    # Ambient occlusion: how far away other surfaces are, estimated from one more distance along the normal.
    open_ = min(max(distance(shape, ox + 0.16 * nx, oy + 0.16 * ny, oz + 0.16 * nz) / 0.16, 0.0), 1.0)
    lx, ly, lz = p[LIGHT], p[LIGHT + 1], p[LIGHT + 2]
    # The direction of the light in object space.
    ax = p[ROTATION] * lx + p[ROTATION + 1] * ly + p[ROTATION + 2] * lz
    ay = p[ROTATION + 3] * lx + p[ROTATION + 4] * ly + p[ROTATION + 5] * lz
    az = p[ROTATION + 6] * lx + p[ROTATION + 7] * ly + p[ROTATION + 8] * lz
    up = p[ROTATION + 1] * nx + p[ROTATION + 4] * ny + p[ROTATION + 7] * nz
    facing = nx * ax + ny * ay + nz * az
    diffuse = max(facing, 0.0)
    if (
        diffuse > 0.0
        and open_ < 0.98
        and _march(shape, ox + 0.03 * nx, oy + 0.03 * ny, oz + 0.03 * nz, ax, ay, az, 12) > 0
    ):
        diffuse *= 0.15
    hx, hy, hz = ax - dx, ay - dy, az - dz
    half = math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
    shine = max((nx * hx + ny * hy + nz * hz) / half, 0.0)
    shine = p[SPECULAR] * shine**24 if facing > 0.0 else 0.0
    f = p[PATTERN_SCALE]
    w1, w2 = weights(
        int(p[TEXTURE]), ox * f + p[PATTERN_OFFSET], oy * f + p[PATTERN_OFFSET + 1], oz * f + p[PATTERN_OFFSET + 2]
    )
    w1 = min(max(w1, 0.0), 1.0)
    w2 = min(max(w2, 0.0), 1.0) * (1.0 - w1)
    w0 = 1.0 - w1 - w2
    ambience = (0.62 + 0.38 * up) * (0.45 + 0.55 * open_)
    q = PALETTE
    red = w0 * p[q] + w1 * p[q + 3] + w2 * p[q + 6]
    green = w0 * p[q + 1] + w1 * p[q + 4] + w2 * p[q + 7]
    blue = w0 * p[q + 2] + w1 * p[q + 5] + w2 * p[q + 8]
    return (
        red * (p[AMBIENT] * ambience + p[LIGHT_COLOUR] * diffuse) + shine * p[LIGHT_COLOUR],
        green * (p[AMBIENT + 1] * ambience + p[LIGHT_COLOUR + 1] * diffuse) + shine * p[LIGHT_COLOUR + 1],
        blue * (p[AMBIENT + 2] * ambience + p[LIGHT_COLOUR + 2] * diffuse) + shine * p[LIGHT_COLOUR + 2],
    )


@numba.njit(nogil=True, error_model="numpy")
def _to_object(p: np.ndarray, x: float, y: float, z: float) -> tuple[float, float, float]:
    """A world point in object coordinates."""
    x, y, z = x - p[POSITION], y - p[POSITION + 1], z - p[POSITION + 2]
    s = 1.0 / p[SCALE]
    return (
        s * (p[ROTATION] * x + p[ROTATION + 1] * y + p[ROTATION + 2] * z),
        s * (p[ROTATION + 3] * x + p[ROTATION + 4] * y + p[ROTATION + 5] * z),
        s * (p[ROTATION + 6] * x + p[ROTATION + 7] * y + p[ROTATION + 8] * z),
    )


@numba.njit(nogil=True, error_model="numpy")
def _turn(p: np.ndarray, x: float, y: float, z: float) -> tuple[float, float, float]:
    """A world direction in object coordinates."""
    return (
        p[ROTATION] * x + p[ROTATION + 1] * y + p[ROTATION + 2] * z,
        p[ROTATION + 3] * x + p[ROTATION + 4] * y + p[ROTATION + 5] * z,
        p[ROTATION + 6] * x + p[ROTATION + 7] * y + p[ROTATION + 8] * z,
    )


@numba.njit(nogil=True, error_model="numpy")
def _floor_colour(p: np.ndarray, x: float, z: float, haze: float, sky: float) -> tuple[float, float, float]:
    f = p[FLOOR_PATTERN]
    if f == 0.0:
        w = fractal3(1.3 * x, 0.0, 1.3 * z + p[SKY_OFFSET])
    elif f == 1.0:
        w = wrap(math.floor(1.2 * x) + math.floor(1.2 * z), 2.0)
    else:
        w = 0.4 * wrap(math.floor(1.8 * x), 3.0) + 0.3 * noise3(12.0 * x, 0.0, 1.2 * z)
    light = 1.0
    ox, oy, oz = _to_object(p, x, p[FLOOR], z)
    ax, ay, az = _turn(p, p[LIGHT], p[LIGHT + 1], p[LIGHT + 2])
    if _march(int(p[SHAPE]), ox, oy, oz, ax, ay, az, 20) >= 0.0:
        light = 0.0
    light *= max(p[LIGHT + 1], 0.0)
    out_r = (p[FLOOR_A] * (1.0 - w) + p[FLOOR_B] * w) * (p[AMBIENT] + light * p[LIGHT_COLOUR])
    out_g = (p[FLOOR_A + 1] * (1.0 - w) + p[FLOOR_B + 1] * w) * (p[AMBIENT + 1] + light * p[LIGHT_COLOUR + 1])
    out_b = (p[FLOOR_A + 2] * (1.0 - w) + p[FLOOR_B + 2] * w) * (p[AMBIENT + 2] + light * p[LIGHT_COLOUR + 2])
    return (
        out_r * (1.0 - haze) + haze * (p[SKY_A] * (1.0 - sky) + p[SKY_B] * sky),
        out_g * (1.0 - haze) + haze * (p[SKY_A + 1] * (1.0 - sky) + p[SKY_B + 1] * sky),
        out_b * (1.0 - haze) + haze * (p[SKY_A + 2] * (1.0 - sky) + p[SKY_B + 2] * sky),
    )


@numba.njit(nogil=True, error_model="numpy")
def _ray(p: np.ndarray, u: float, v: float) -> tuple[float, float, float, float, int]:
    """Colour, depth along the optical axis, and surface id for an image point in [-1, 1] squared (v up)."""
    k = p[TANGENT]
    dx = p[AXES + 6] + k * (u * p[AXES] + v * p[AXES + 3])
    dy = p[AXES + 7] + k * (u * p[AXES + 1] + v * p[AXES + 4])
    dz = p[AXES + 8] + k * (u * p[AXES + 2] + v * p[AXES + 5])
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx / length, dy / length, dz / length
    ox, oy, oz = _to_object(p, p[CAMERA], p[CAMERA + 1], p[CAMERA + 2])
    ex, ey, ez = _turn(p, dx, dy, dz)
    t = _march(int(p[SHAPE]), ox, oy, oz, ex, ey, ez, _STEPS)
    hit = t * p[SCALE] if t >= 0.0 else 1e9
    ground = 1e9
    if dy < -1e-4 and p[CAMERA + 1] > p[FLOOR]:
        ground = (p[FLOOR] - p[CAMERA + 1]) / dy
    nearest = min(hit, ground)
    depth = min(nearest / length, FAR)
    n = _occluded(p, u, v, depth)
    if n >= 0:
        q = OCCLUDER + n * OCCLUDER_FIELDS
        shade = 0.75 + 0.5 * noise3(5.0 * u + p[q + 9], 5.0 * v, p[q + 9])
        red = p[q + 6] * (p[AMBIENT] + 0.5 * p[LIGHT_COLOUR]) * shade
        green = p[q + 7] * (p[AMBIENT + 1] + 0.5 * p[LIGHT_COLOUR + 1]) * shade
        blue = p[q + 8] * (p[AMBIENT + 2] + 0.5 * p[LIGHT_COLOUR + 2]) * shade
        return red, green, blue, p[q + 5], _OCCLUDER_ID + n
    if hit < ground:
        red, green, blue = _object_colour(p, ox + t * ex, oy + t * ey, oz + t * ez, ex, ey, ez)
        return red, green, blue, depth, _OBJECT_ID
    haze = min(max((ground - 5.0) / 9.0, 0.0), 1.0)
    sky = _sky(p, dx, dy, dz) if haze > 0.0 else 0.0
    if haze < 1.0:
        x, z = p[CAMERA] + ground * dx, p[CAMERA + 2] + ground * dz
        red, green, blue = _floor_colour(p, x, z, haze, sky)
        return red, green, blue, depth, _FLOOR_ID
    return (
        p[SKY_A] * (1.0 - sky) + p[SKY_B] * sky,
        p[SKY_A + 1] * (1.0 - sky) + p[SKY_B + 1] * sky,
        p[SKY_A + 2] * (1.0 - sky) + p[SKY_B + 2] * sky,
        depth,
        _SKY_ID,
    )


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _byte(value: float) -> int:
    # A soft shoulder keeps highlights from clipping to flat white.
    value = value if value < 0.8 else 0.8 + 0.2 * (1.0 - math.exp(-(value - 0.8) * 2.5))
    return int(min(max(value, 0.0), 1.0) * 255.0 + 0.5)


def _sources_stamp(folder: Path) -> int:
    """A checksum of the source text of every compiled function that the entry point uses."""
    return zlib.crc32(b"".join((folder / f"{name}.py").read_bytes() for name in _SOURCES))


def _entry_point(sources: int) -> Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]:
    # numba's disk cache only checks the source of the cached function itself, so it would keep using old code after an
    # edit to a function from another file. Closure values are part of its key: the checksum of all sources is one.
    @numba.njit(nogil=True, error_model="numpy", cache=True)
    def render_rows(rows: np.ndarray, rgb: np.ndarray, depth: np.ndarray, mask: np.ndarray) -> None:
        """Render frames in place.

        Args:
            rows: float64 (N, `vocabulary.FIELDS`).
            rgb: uint8 (N, S, S, 3), written.
            depth: float32 (N, S, S), distance along the optical axis in object radii, written.
            mask: bool (N, S, S), true where the object is visible, written.
        """
        _ = sources
        size = rgb.shape[1]
        colour = np.empty((size, size, 3), dtype=np.float32)
        ids = np.empty((size, size), dtype=np.int8)
        pixel = 2.0 / size
        for f in range(rows.shape[0]):
            p = rows[f]
            for i in range(size):
                v = 1.0 - (i + 0.5) * pixel
                for j in range(size):
                    r, g, b, d, s = _ray(p, (j + 0.5) * pixel - 1.0, v)
                    colour[i, j, 0], colour[i, j, 1], colour[i, j, 2] = r, g, b
                    ids[i, j] = s
                    depth[f, i, j] = d
                    mask[f, i, j] = s == _OBJECT_ID
            for i in range(size):
                v = 1.0 - (i + 0.5) * pixel
                for j in range(size):
                    s = ids[i, j]
                    r, g, b = float(colour[i, j, 0]), float(colour[i, j, 1]), float(colour[i, j, 2])
                    # No antialiasing at the horizon: haze hides it.
                    edge = (
                        (i > 0 and ids[i - 1, j] != s and max(ids[i - 1, j], s) >= _OBJECT_ID)
                        or (i + 1 < size and ids[i + 1, j] != s and max(ids[i + 1, j], s) >= _OBJECT_ID)
                        or (j > 0 and ids[i, j - 1] != s and max(ids[i, j - 1], s) >= _OBJECT_ID)
                        or (j + 1 < size and ids[i, j + 1] != s and max(ids[i, j + 1], s) >= _OBJECT_ID)
                    )
                    if edge:
                        u = (j + 0.5) * pixel - 1.0
                        # Together with the centre, these are three points of a rotated grid.
                        for n in range(2):
                            du, dv = (-0.33, 0.33)[n] * pixel, (0.14, -0.14)[n] * pixel
                            r2, g2, b2, _, _ = _ray(p, u + du, v + dv)
                            r, g, b = r + r2, g + g2, b + b2
                        r, g, b = r / 3.0, g / 3.0, b / 3.0
                    rgb[f, i, j, 0], rgb[f, i, j, 1], rgb[f, i, j, 2] = _byte(r), _byte(g), _byte(b)

    compiled: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None] = render_rows
    return compiled


render_rows = _entry_point(_sources_stamp(Path(__file__).parent))
