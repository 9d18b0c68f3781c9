"""Signed distance functions of the 16 object classes, compiled. Every solid fits into the unit sphere; y is up.

Each function returns the distance from a point to the solid's surface in object units, negative inside. Unions are
minima, so some interior distances are only bounds. Outside, where rays march, no value exceeds the true distance,
except near the corners of the sheared parts (the aeroplane's wings, the hammer's claw, the car's cabin), by up to a
tenth.
"""

from __future__ import annotations

import math

import numba
import numpy as np

_STAR_X1, _STAR_Y1 = math.cos(math.pi / 5), math.sin(math.pi / 5)
_COS_108, _SIN_108 = math.cos(0.6 * math.pi), math.sin(0.6 * math.pi)
_EDGE_X, _EDGE_Y = 0.4 * _STAR_X1 - 0.93, 0.4 * _STAR_Y1
_EDGE = math.hypot(_EDGE_X, _EDGE_Y)
_CONE_SLOPE = math.hypot(1.5, 0.68)


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
    ]
)
"""Object-space boxes, shape (16, 6): a ray that misses its box need not march."""


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


@numba.njit(nogil=True, error_model="numpy")
def distance(shape: int, x: float, y: float, z: float) -> float:
    """Signed distance from an object-space point to class ``shape`` (an index into ``vocabulary.CLASSES``)."""
    if shape == 0:
        return math.sqrt(x * x + y * y + z * z) - 0.86
    if shape == 1:
        return _box(x, y, z, 0.55, 0.55, 0.55) - 0.02
    if shape <= 6 or shape == 14:
        return _round_solids(shape, x, y, z)
    return _built_solids(shape, x, y, z)
