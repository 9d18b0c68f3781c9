"""The compiled renderer: it marches rays to objects on a floor, inside a dome, behind occluders.

A frame is a row of `vocabulary.FIELDS` numbers (see `scene.frame_rows`); the kernel knows nothing of clips or sets. It
casts one ray per pixel, and two more where two surfaces meet, because a single ray would give jagged edges there. What
it returns is light, linear in the number of photons; to turn that into an image is the camera's work.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np

from .solids import BOUNDS, RADII, cells3, distance, fractal3, noise3, weights, wrap
from .vocabulary import (
    AMBIENT,
    AXES,
    BACKDROP_ID,
    BACKGROUND,
    CAMERA,
    DOME,
    FLOOR,
    FLOOR_A,
    FLOOR_B,
    FLOOR_ID,
    FLOOR_PATTERN,
    LIGHT,
    LIGHT_COLOUR,
    MAX_OBJECTS,
    OBJECT_FIELDS,
    OBJECT_ID,
    OBJECTS,
    OCCLUDER,
    OCCLUDER_FIELDS,
    OCCLUDER_ID,
    OCCLUDERS,
    PALETTE,
    PATTERN,
    PATTERN_OFFSET,
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
    WARP,
    WARP_PHASE,
)

_STEPS = 40
_SOURCES = ("kernel", "lens", "solids", "vocabulary")  # modules whose code or constants get compiled
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
    """Mixing weight of the second background colour for a point of the dome, given as a unit vector."""
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
    p: np.ndarray, base: int, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float
) -> tuple[float, float, float]:
    """Light from the surface of the object at ``base``, at a point and along a direction in its coordinates."""
    shape = int(p[base + SHAPE])
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
    ax, ay, az = _turn(p, base, p[LIGHT], p[LIGHT + 1], p[LIGHT + 2])
    r = base + ROTATION
    up = p[r + 1] * nx + p[r + 4] * ny + p[r + 7] * nz
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
    shine = p[base + SPECULAR] * shine**24 if facing > 0.0 else 0.0
    f, o = base + PATTERN, base + PATTERN_OFFSET
    x = p[f] * ox + p[f + 1] * oy + p[f + 2] * oz + p[o]
    y = p[f + 3] * ox + p[f + 4] * oy + p[f + 5] * oz + p[o + 1]
    z = p[f + 6] * ox + p[f + 7] * oy + p[f + 8] * oz + p[o + 2]
    bend, phase = p[base + WARP], p[base + WARP_PHASE]
    w1, w2 = weights(
        int(p[base + TEXTURE]),
        x + bend * math.sin(2.3 * y + phase),
        y + bend * math.sin(1.9 * z + 2.0 * phase),
        z + bend * math.sin(2.1 * x + 3.0 * phase),
    )
    w1 = min(max(w1, 0.0), 1.0)
    w2 = min(max(w2, 0.0), 1.0) * (1.0 - w1)
    w0 = 1.0 - w1 - w2
    ambience = (0.62 + 0.38 * up) * (0.45 + 0.55 * open_)
    q = base + PALETTE
    red = w0 * p[q] + w1 * p[q + 3] + w2 * p[q + 6]
    green = w0 * p[q + 1] + w1 * p[q + 4] + w2 * p[q + 7]
    blue = w0 * p[q + 2] + w1 * p[q + 5] + w2 * p[q + 8]
    return (
        red * (p[AMBIENT] * ambience + p[LIGHT_COLOUR] * diffuse) + shine * p[LIGHT_COLOUR],
        green * (p[AMBIENT + 1] * ambience + p[LIGHT_COLOUR + 1] * diffuse) + shine * p[LIGHT_COLOUR + 1],
        blue * (p[AMBIENT + 2] * ambience + p[LIGHT_COLOUR + 2] * diffuse) + shine * p[LIGHT_COLOUR + 2],
    )


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _to_object(p: np.ndarray, base: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """A world point in the coordinates of the object at ``base``."""
    x, y, z = x - p[base + POSITION], y - p[base + POSITION + 1], z - p[base + POSITION + 2]
    s = 1.0 / p[base + SCALE]
    r = base + ROTATION
    return (
        s * (p[r] * x + p[r + 1] * y + p[r + 2] * z),
        s * (p[r + 3] * x + p[r + 4] * y + p[r + 5] * z),
        s * (p[r + 6] * x + p[r + 7] * y + p[r + 8] * z),
    )


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _turn(p: np.ndarray, base: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """A world direction in the coordinates of the object at ``base``."""
    r = base + ROTATION
    return (
        p[r] * x + p[r + 1] * y + p[r + 2] * z,
        p[r + 3] * x + p[r + 4] * y + p[r + 5] * z,
        p[r + 6] * x + p[r + 7] * y + p[r + 8] * z,
    )


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _meets(p: np.ndarray, base: int, x: float, y: float, z: float, dx: float, dy: float, dz: float) -> bool:
    """Whether a world ray with unit direction meets the object's bounding sphere: most do not, and need no march."""
    x, y, z = p[base + POSITION] - x, p[base + POSITION + 1] - y, p[base + POSITION + 2] - z
    along = x * dx + y * dy + z * dz
    radius = p[base + SCALE] * RADII[int(p[base + SHAPE])]
    return along > -radius and x * x + y * y + z * z - along * along < radius * radius


@numba.njit(nogil=True, error_model="numpy")
def _shadowed(p: np.ndarray, x: float, y: float, z: float) -> bool:
    """Whether an object lies between a point of the floor and the light."""
    for n in range(int(p[OBJECTS])):
        base = n * OBJECT_FIELDS
        if _meets(p, base, x, y, z, p[LIGHT], p[LIGHT + 1], p[LIGHT + 2]):
            ox, oy, oz = _to_object(p, base, x, y, z)
            ax, ay, az = _turn(p, base, p[LIGHT], p[LIGHT + 1], p[LIGHT + 2])
            if _march(int(p[base + SHAPE]), ox, oy, oz, ax, ay, az, 20) >= 0.0:
                return True
    return False


@numba.njit(nogil=True, error_model="numpy")
def _floor_colour(p: np.ndarray, x: float, z: float) -> tuple[float, float, float]:
    f = p[FLOOR_PATTERN]
    if f == 0.0:
        w = fractal3(1.3 * x, 0.0, 1.3 * z + p[SKY_OFFSET])
    elif f == 1.0:
        w = wrap(math.floor(1.2 * x) + math.floor(1.2 * z), 2.0)
    else:
        w = 0.4 * wrap(math.floor(1.8 * x), 3.0) + 0.2 * noise3(12.0 * x, 0.0, 1.2 * z)
    light = 0.0 if _shadowed(p, x, p[FLOOR], z) else max(p[LIGHT + 1], 0.0)
    return (
        (p[FLOOR_A] * (1.0 - w) + p[FLOOR_B] * w) * (p[AMBIENT] + light * p[LIGHT_COLOUR]),
        (p[FLOOR_A + 1] * (1.0 - w) + p[FLOOR_B + 1] * w) * (p[AMBIENT + 1] + light * p[LIGHT_COLOUR + 1]),
        (p[FLOOR_A + 2] * (1.0 - w) + p[FLOOR_B + 2] * w) * (p[AMBIENT + 2] + light * p[LIGHT_COLOUR + 2]),
    )


@numba.njit(nogil=True, error_model="numpy")
def _nearest_object(
    p: np.ndarray, x: float, y: float, z: float, dx: float, dy: float, dz: float
) -> tuple[float, int, float, float, float, float, float, float]:
    """The first object along a world ray: distance (1e9 for none), its number, the point and direction in its space."""
    nearest, which = 1e9, -1
    px, py, pz, ex, ey, ez = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for n in range(int(p[OBJECTS])):
        base = n * OBJECT_FIELDS
        if not _meets(p, base, x, y, z, dx, dy, dz):
            continue
        ox, oy, oz = _to_object(p, base, x, y, z)
        ux, uy, uz = _turn(p, base, dx, dy, dz)
        t = _march(int(p[base + SHAPE]), ox, oy, oz, ux, uy, uz, _STEPS)
        if t >= 0.0 and t * p[base + SCALE] < nearest:
            nearest, which = t * p[base + SCALE], n
            px, py, pz, ex, ey, ez = ox + t * ux, oy + t * uy, oz + t * uz, ux, uy, uz
    return nearest, which, px, py, pz, ex, ey, ez


@numba.njit(nogil=True, error_model="numpy")
def _ray(p: np.ndarray, u: float, v: float) -> tuple[float, float, float, float, int]:
    """Light, depth along the optical axis, and surface id for an image point in [-1, 1] squared (v up)."""
    k = p[TANGENT]
    dx = p[AXES + 6] + k * (u * p[AXES] + v * p[AXES + 3])
    dy = p[AXES + 7] + k * (u * p[AXES + 1] + v * p[AXES + 4])
    dz = p[AXES + 8] + k * (u * p[AXES + 2] + v * p[AXES + 5])
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx / length, dy / length, dz / length
    cx, cy, cz = p[CAMERA], p[CAMERA + 1], p[CAMERA + 2]
    hit, which, px, py, pz, ex, ey, ez = _nearest_object(p, cx, cy, cz, dx, dy, dz)
    # The dome is a sphere around the origin, with the camera inside.
    along, radius = cx * dx + cy * dy + cz * dz, p[DOME]
    wall = math.sqrt(along * along + radius * radius - cx * cx - cy * cy - cz * cz) - along
    ground = 1e9
    if dy < -1e-4 and cy > p[FLOOR]:
        ground = (p[FLOOR] - cy) / dy
    depth = min(hit, min(ground, wall)) / length
    n = _occluded(p, u, v, depth)
    if n >= 0:
        q = OCCLUDER + n * OCCLUDER_FIELDS
        shade = 0.75 + 0.5 * noise3(5.0 * u + p[q + 9], 5.0 * v, p[q + 9])
        red = p[q + 6] * (p[AMBIENT] + 0.5 * p[LIGHT_COLOUR]) * shade
        green = p[q + 7] * (p[AMBIENT + 1] + 0.5 * p[LIGHT_COLOUR + 1]) * shade
        blue = p[q + 8] * (p[AMBIENT + 2] + 0.5 * p[LIGHT_COLOUR + 2]) * shade
        return red, green, blue, p[q + 5], OCCLUDER_ID + n
    if hit < ground and hit < wall:
        red, green, blue = _object_colour(p, which * OBJECT_FIELDS, px, py, pz, ex, ey, ez)
        return red, green, blue, depth, OBJECT_ID + which
    if ground < wall:
        x, z = cx + ground * dx, cz + ground * dz
        # The floor fades into the wall behind it, so that no sharp line gives the horizon away.
        fade = min(max((math.sqrt(x * x + z * z) / radius - 0.55) / 0.4, 0.0), 1.0)
        red, green, blue = 0.0, 0.0, 0.0
        if fade < 1.0:
            red, green, blue = _floor_colour(p, x, z)
        if fade > 0.0:
            w = _sky(p, (cx + wall * dx) / radius, (cy + wall * dy) / radius, (cz + wall * dz) / radius)
            red = red * (1.0 - fade) + fade * (p[SKY_A] * (1.0 - w) + p[SKY_B] * w)
            green = green * (1.0 - fade) + fade * (p[SKY_A + 1] * (1.0 - w) + p[SKY_B + 1] * w)
            blue = blue * (1.0 - fade) + fade * (p[SKY_A + 2] * (1.0 - w) + p[SKY_B + 2] * w)
        return red, green, blue, depth, FLOOR_ID
    w = _sky(p, (cx + wall * dx) / radius, (cy + wall * dy) / radius, (cz + wall * dz) / radius)
    return (
        p[SKY_A] * (1.0 - w) + p[SKY_B] * w,
        p[SKY_A + 1] * (1.0 - w) + p[SKY_B + 1] * w,
        p[SKY_A + 2] * (1.0 - w) + p[SKY_B + 2] * w,
        depth,
        BACKDROP_ID,
    )


@numba.njit(nogil=True, error_model="numpy")
def _edge(ids: np.ndarray, i: int, j: int, size: int) -> bool:
    """Whether a pixel borders on another surface, unless it is where the floor fades into the dome."""
    s = ids[i, j]
    return (
        (i > 0 and ids[i - 1, j] != s and max(ids[i - 1, j], s) >= OBJECT_ID)
        or (i + 1 < size and ids[i + 1, j] != s and max(ids[i + 1, j], s) >= OBJECT_ID)
        or (j > 0 and ids[i, j - 1] != s and max(ids[i, j - 1], s) >= OBJECT_ID)
        or (j + 1 < size and ids[i, j + 1] != s and max(ids[i, j + 1], s) >= OBJECT_ID)
    )


def sources_stamp(folder: Path) -> int:
    """A checksum of the source text of every compiled function that an entry point may use."""
    return zlib.crc32(b"".join((folder / f"{name}.py").read_bytes() for name in _SOURCES))


def _entry_point(sources: int) -> Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]:
    # numba's disk cache only checks the source of the cached function itself, so it would keep using old code after an
    # edit to a function from another file. Closure values are part of its key: the checksum of all sources is one.
    @numba.njit(nogil=True, error_model="numpy", cache=True)
    def render_rows(
        rows: np.ndarray, light: np.ndarray, depth: np.ndarray, surfaces: np.ndarray, boxes: np.ndarray
    ) -> None:
        """Render frames in place.

        Args:
            rows: float64 (N, `vocabulary.FIELDS`).
            light: float32 (N, S, S, 3), linear red, green and blue, written; 1 is white paper in full light.
            depth: float32 (N, S, S), distance along the optical axis in radii of the first object, written.
            surfaces: uint8 (N, S, S), ids of the visible surfaces, written.
            boxes: int32 (N, MAX_OBJECTS, 4), left, top, right and bottom of each object's visible part, right and
                bottom exclusive; all 0 where nothing of it is visible. Written.
        """
        _ = sources
        size = light.shape[1]
        pixel = 2.0 / size
        for f in range(rows.shape[0]):
            p = rows[f]
            ids = surfaces[f]
            for n in range(MAX_OBJECTS):
                boxes[f, n, 0], boxes[f, n, 1], boxes[f, n, 2], boxes[f, n, 3] = size, size, 0, 0
            for i in range(size):
                v = 1.0 - (i + 0.5) * pixel
                for j in range(size):
                    r, g, b, d, s = _ray(p, (j + 0.5) * pixel - 1.0, v)
                    light[f, i, j, 0], light[f, i, j, 1], light[f, i, j, 2] = r, g, b
                    ids[i, j] = s
                    depth[f, i, j] = d
                    if OBJECT_ID <= s < OCCLUDER_ID:
                        box = boxes[f, s - OBJECT_ID]
                        box[0], box[1] = min(box[0], j), min(box[1], i)
                        box[2], box[3] = max(box[2], j + 1), max(box[3], i + 1)
            for n in range(MAX_OBJECTS):
                if boxes[f, n, 2] == 0:
                    boxes[f, n, 0], boxes[f, n, 1] = 0, 0
            for i in range(size):
                v = 1.0 - (i + 0.5) * pixel
                for j in range(size):
                    if not _edge(ids, i, j, size):
                        continue
                    u = (j + 0.5) * pixel - 1.0
                    # Together with the centre, these are three points of a rotated grid.
                    r, g, b = float(light[f, i, j, 0]), float(light[f, i, j, 1]), float(light[f, i, j, 2])
                    for n in range(2):
                        r2, g2, b2, _, _ = _ray(p, u + (-0.33, 0.33)[n] * pixel, v + (0.14, -0.14)[n] * pixel)
                        r, g, b = r + r2, g + g2, b + b2
                    light[f, i, j, 0], light[f, i, j, 1], light[f, i, j, 2] = r / 3.0, g / 3.0, b / 3.0

    compiled: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], None] = render_rows
    return compiled


render_rows = _entry_point(sources_stamp(Path(__file__).parent))
