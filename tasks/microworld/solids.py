"""The solids of the micro-world: 24 shapes as signed distances, 16 textures as functions of the point, compiled."""

from __future__ import annotations

import math

import numba
import numpy as np

# Hashing and lattice noise for solid textures, compiled.


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


# Signed distance functions of the 16 object classes, compiled. Every solid fits into the unit sphere; y is up.
#
# Each function returns the distance from a point to the solid's surface in object units, negative inside. Unions are
# minima, so some interior distances are only bounds. Outside, where rays march, no value exceeds the true distance,
# except near the corners of the sheared parts (the aeroplane's wings, the hammer's claw, the car's cabin), by up to a
# tenth.


_STAR_X1, _STAR_Y1 = math.cos(math.pi / 5), math.sin(math.pi / 5)
_COS_108, _SIN_108 = math.cos(0.6 * math.pi), math.sin(0.6 * math.pi)
_EDGE_X, _EDGE_Y = 0.4 * _STAR_X1 - 0.93, 0.4 * _STAR_Y1
_EDGE = math.hypot(_EDGE_X, _EDGE_Y)
_CONE_SLOPE = math.hypot(1.5, 0.68)
_PYRAMID_SLOPE, _GLASS_SLOPE = math.hypot(1.3, 0.55), math.hypot(1.0, 0.63)


BOUNDS = np.array(
    [  # lower and upper corner of each solid's bounding box
        [-0.86, -0.86, -0.86, 0.86, 0.86, 0.86],  # ball
        [-0.57, -0.57, -0.57, 0.57, 0.57, 0.57],  # box
        [-0.91, -0.25, -0.91, 0.91, 0.25, 0.91],  # ring
        [-0.555, -0.795, -0.555, 0.555, 0.795, 0.555],  # can
        [-0.68, -0.7, -0.68, 0.68, 0.8, 0.68],  # cone
        [-0.35, -0.9, -0.35, 0.35, 0.92, 0.35],  # bottle
        [-0.5, -0.55, -0.5, 0.91, 0.55, 0.5],  # mug
        [-0.42, -0.83, -0.43, 0.42, 0.85, 0.42],  # chair
        [-0.8, -0.52, -0.48, 0.8, 0.36, 0.48],  # table
        [-0.86, -0.15, -0.93, 0.86, 0.44, 0.87],  # aeroplane
        [-0.54, -0.92, -0.2, 0.38, 0.75, 0.2],  # hammer
        [-0.89, -0.76, -0.2, 0.89, 0.93, 0.2],  # star
        [-0.95, -0.39, -0.39, 0.95, 0.39, 0.39],  # dumbbell
        [-0.67, -0.68, -0.56, 0.67, 0.67, 0.56],  # house
        [-0.76, -0.9, -0.76, 0.76, 0.74, 0.76],  # mushroom
        [-0.84, -0.51, -0.43, 0.84, 0.4, 0.43],  # car
        [-0.56, -0.56, -0.56, 0.56, 0.76, 0.56],  # pyramid
        [-0.82, -0.82, -0.82, 0.82, 0.82, 0.82],  # jack
        [-0.76, -0.56, -0.31, 0.76, 0.56, 0.31],  # arch
        [-0.58, -0.76, -0.58, 0.58, 0.76, 0.58],  # hourglass
        [-0.67, -0.56, -0.46, 0.67, 0.56, 0.46],  # stairs
        [-0.41, -0.88, -0.09, 0.41, 0.88, 0.09],  # ladder
        [-0.66, -0.76, -0.43, 0.66, 0.86, 0.66],  # tripod
        [-0.93, -0.5, -0.17, 0.93, 0.5, 0.17],  # figure eight
    ]
)
"""Object-space boxes, shape (24, 6): a ray that misses its box need not march."""

RADII = np.minimum(1.01, np.linalg.norm(np.maximum(-BOUNDS[:, :3], BOUNDS[:, 3:]) + 0.01, axis=1))
RADII[0] = 0.87
"""Radius of a sphere around each solid, shape (24,): a quicker test that comes before that of the box."""


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _box(x: float, y: float, z: float, a: float, b: float, c: float) -> float:
    dx, dy, dz = abs(x) - a, abs(y) - b, abs(z) - c
    ox, oy, oz = max(dx, 0.0), max(dy, 0.0), max(dz, 0.0)
    return math.sqrt(ox * ox + oy * oy + oz * oz) + min(max(dx, max(dy, dz)), 0.0)


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _cylinder(radial: float, along: float, radius: float, half: float) -> float:
    dr, da = radial - radius, abs(along) - half
    orr, oa = max(dr, 0.0), max(da, 0.0)
    return math.sqrt(orr * orr + oa * oa) + min(max(dr, da), 0.0)


@numba.njit(nogil=True, error_model="numpy")
def _round_solids(shape: int, x: float, y: float, z: float) -> float:
    r = math.sqrt(x * x + z * z)
    if shape == 2:  # ring
        q = r - 0.66
        return math.sqrt(q * q + y * y) - 0.25
    if shape == 3:  # can: a cylinder with a rim at either end
        rim = abs(y) - 0.74
        q = r - 0.5
        return min(_cylinder(r, y, 0.5, 0.72), math.sqrt(q * q + rim * rim) - 0.055)
    if shape == 4:  # cone
        side = (r * 1.5 + (y - 0.8) * 0.68) / _CONE_SLOPE
        return max(side, -0.7 - y)
    if shape == 5:  # bottle: body, shoulder, neck, lip
        body = _cylinder(r, y + 0.4, 0.34, 0.5)
        shoulder = max((r * 0.28 + (y - 0.1) * 0.22 - 0.34 * 0.28) / 0.356, max(0.1 - y, y - 0.4))
        neck = _cylinder(r, y - 0.55, 0.12, 0.36)
        return min(min(body, shoulder), min(neck, _cylinder(r, y - 0.86, 0.16, 0.06)))
    if shape == 6:  # mug: a hollow cylinder with a handle
        wall = max(_cylinder(r, y, 0.5, 0.55), -_cylinder(r, y - 0.15, 0.42, 0.6))
        q = math.sqrt((x - 0.52) * (x - 0.52) + y * y) - 0.3
        handle = max(math.sqrt(q * q + z * z) - 0.085, 0.45 - r)
        return min(wall, handle)
    # mushroom: a stem under a cut sphere
    s = math.sqrt(r * r + (y + 0.02) * (y + 0.02)) - 0.76
    cap = max(s, 0.08 - y)
    return min(cap, _cylinder(r, y + 0.4, 0.2, 0.5))


@numba.njit(nogil=True, error_model="numpy")
def _built_solids(shape: int, x: float, y: float, z: float) -> float:
    ax, az = abs(x), abs(z)
    if shape == 7:  # chair
        seat = _box(x, y + 0.08, z, 0.42, 0.06, 0.42)
        back = _box(x, y - 0.4, z + 0.37, 0.42, 0.45, 0.06)
        return min(min(seat, back), _box(ax - 0.35, y + 0.45, az - 0.35, 0.07, 0.38, 0.07))
    if shape == 8:  # table
        top = _box(x, y - 0.3, z, 0.8, 0.06, 0.48)
        return min(top, _box(ax - 0.7, y + 0.1, az - 0.38, 0.07, 0.42, 0.07))
    if shape == 9:  # aeroplane along z, nose at +z
        along = z - min(max(z, -0.78), 0.72)
        hull = math.sqrt(x * x + y * y + along * along) - 0.15
        wings = _box(x, y, z - 0.08 + 0.28 * ax, 0.86, 0.03, 0.17) * 0.93
        tail = _box(x, y - 0.03, z + 0.76, 0.34, 0.03, 0.1)
        fin = _box(x, y - 0.24, z + 0.78, 0.03, 0.2, 0.1)
        return min(min(hull, wings), min(tail, fin))
    if shape == 10:  # hammer
        handle = _cylinder(math.sqrt(x * x + z * z), y + 0.2, 0.085, 0.72)
        head = _cylinder(math.sqrt((y - 0.55) * (y - 0.55) + z * z), x - 0.16, 0.2, 0.22)
        claw = _box(x + 0.28, y - 0.58 - 0.25 * (x + 0.1), z, 0.26, 0.07, 0.14) * 0.95
        return min(handle, min(head, claw))
    if shape == 11:  # star: five points in the xy plane, extruded
        # Fold the five points onto one half point by three reflections.
        fx, fy = ax, y
        d = fx * _COS_108 - fy * _SIN_108
        if d > 0.0:
            fx, fy = fx - 2.0 * d * _COS_108, fy + 2.0 * d * _SIN_108
        d = fx * _STAR_X1 - fy * _STAR_Y1
        if d > 0.0:
            fx, fy = fx - 2.0 * d * _STAR_X1, fy + 2.0 * d * _STAR_Y1
        px, py = fy, abs(fx)
        # The edge from the tip (0.93, 0) to the inner corner at radius 0.4 and 36 degrees.
        flat = ((px - 0.93) * _EDGE_Y - py * _EDGE_X) / _EDGE
        dz = az - 0.2
        return max(flat, dz)
    if shape == 12:  # dumbbell
        q = ax - 0.56
        ends = math.sqrt(q * q + y * y + z * z) - 0.39
        return min(ends, _cylinder(math.sqrt(y * y + z * z), x, 0.12, 0.5))
    if shape == 13:  # house: a box under a gable roof, with a chimney
        body = _box(x, y + 0.32, z, 0.5, 0.36, 0.5)
        roof = max(max((ax * 0.62 + (y - 0.62) * 0.66) / 0.9055, -y), az - 0.56)
        return min(min(body, roof), _box(x - 0.3, y - 0.42, z - 0.2, 0.09, 0.25, 0.09))
    # car
    low = _box(x, y + 0.1, z, 0.84, 0.18, 0.38)
    cabin = _box(x + 0.1, y - 0.2, z, 0.42 - 0.35 * (y - 0.2), 0.2, 0.33) * 0.92
    wx, wy = ax - 0.5, y + 0.3
    wheels = _cylinder(math.sqrt(wx * wx + wy * wy), az - 0.36, 0.21, 0.07)
    return min(min(low, cabin), wheels)


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _rod(x: float, y: float, z: float, ax: float, ay: float, az: float, bx: float, by: float, bz: float) -> float:
    """Distance to the line from a to b."""
    dx, dy, dz = bx - ax, by - ay, bz - az
    px, py, pz = x - ax, y - ay, z - az
    t = min(max((px * dx + py * dy + pz * dz) / (dx * dx + dy * dy + dz * dz), 0.0), 1.0)
    ex, ey, ez = px - t * dx, py - t * dy, pz - t * dz
    return math.sqrt(ex * ex + ey * ey + ez * ez)


@numba.njit(nogil=True, error_model="numpy")
def _unseen_solids(shape: int, x: float, y: float, z: float) -> float:
    ax, ay, az = abs(x), abs(y), abs(z)
    if shape == 16:  # pyramid
        side = max(ax, az)
        return max((side * 1.3 + (y - 0.75) * 0.55) / _PYRAMID_SLOPE, -0.55 - y)
    if shape == 17:  # jack: three crossed bars
        bars = min(_box(x, y, z, 0.8, 0.17, 0.17), _box(x, y, z, 0.17, 0.8, 0.17))
        return min(bars, _box(x, y, z, 0.17, 0.17, 0.8))
    if shape == 18:  # arch: a block with a round gate
        gate = min(math.sqrt(x * x + (y + 0.05) * (y + 0.05)) - 0.4, max(ax - 0.4, y + 0.05))
        return max(_box(x, y, z, 0.75, 0.55, 0.3), -gate)
    if shape == 19:  # hourglass
        r = math.sqrt(x * x + z * z)
        return max((r - 0.09 - 0.63 * ay) / _GLASS_SLOPE, ay - 0.75)
    if shape == 20:  # stairs: three steps
        low = _box(x, y + 0.37, z, 0.66, 0.18, 0.45)
        middle = _box(x - 0.22, y, z, 0.44, 0.19, 0.45)
        return min(min(low, middle), _box(x - 0.44, y - 0.37, z, 0.22, 0.18, 0.45))
    if shape == 21:  # ladder
        rungs = _box(x, y - 0.36 * min(max(math.floor(y / 0.36 + 0.5), -2.0), 2.0), z, 0.34, 0.06, 0.06)
        return min(_box(ax - 0.34, y, z, 0.06, 0.87, 0.08), rungs)
    if shape == 22:  # tripod: three legs from a head
        legs = min(_rod(x, y, z, 0.0, 0.6, 0.0, 0.56, -0.66, -0.32), _rod(x, y, z, 0.0, 0.6, 0.0, -0.56, -0.66, -0.32))
        legs = min(legs, _rod(x, y, z, 0.0, 0.6, 0.0, 0.0, -0.66, 0.56)) - 0.085
        return min(legs, _box(x, y - 0.68, z, 0.24, 0.14, 0.24))
    # figure eight: two rings side by side
    q = math.sqrt((ax - 0.44) * (ax - 0.44) + y * y) - 0.33
    return math.sqrt(q * q + z * z) - 0.15


@numba.njit(nogil=True, error_model="numpy")
def distance(shape: int, x: float, y: float, z: float) -> float:
    """Signed distance from an object-space point to a solid: of ``vocabulary.CLASSES``, then ``UNSEEN_CLASSES``."""
    if shape >= 16:
        return _unseen_solids(shape, x, y, z)
    if shape == 0:
        return math.sqrt(x * x + y * y + z * z) - 0.86
    if shape == 1:
        return _box(x, y, z, 0.55, 0.55, 0.55) - 0.02
    if shape <= 6 or shape == 14:
        return _round_solids(shape, x, y, z)
    return _built_solids(shape, x, y, z)


# The 16 solid textures, compiled: functions of the point on the object, so that a pattern turns with it.


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
