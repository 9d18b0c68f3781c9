"""Sparkles, and refraction through moving water, of ImageNet-C-bar."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..filters import Pixels
from .arithmetic import arctangent, cosine, sine, to_byte

# Stars with many rays: five bright sparkles, or a single one through which the image is visible.


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


# The image seen through moving water, which bends the rays and adds a caustic light pattern.


_CAUSTIC_TURN = 6.28318530718
_START = -250.0
_ROUNDS = 5
_INTENSITY = 0.005
_REFRACTION = 4.0
_STRAIGHT = 1.0 - 1e-3
# Pixels / 255 in single precision, as in the script: it affects whether a product with 255 is truncated up or down.
_UNIT = (np.arange(256, dtype=np.float32) / np.float32(255)).astype(np.float64)
_SMOOTHING = np.exp(-0.5 * np.arange(-4, 5) ** 2.0) / np.exp(-0.5 * np.arange(-4, 5) ** 2.0).sum()


def caustic_refraction(image: Pixels, rng: np.random.Generator, *, lens_px: float, lighting: float) -> Pixels:
    """Refract and light the image by a caustic pattern.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: The moment, and the size of the pattern, 0.75 to 1.25 of the shorter side.
        lens_px: Distance of the image below the surface.
        lighting: Brightness added per unit of the pattern's slope, on a scale of [0, 1].
    """
    return render_caustic(
        image,
        moment=rng.uniform(0.5, 2.0),
        size_px=rng.uniform(0.75, 1.25) * min(image.shape[:2]),
        lens_px=lens_px,
        lighting=lighting,
    )


def render_caustic(image: Pixels, *, moment: float, size_px: float, lens_px: float, lighting: float) -> Pixels:
    """`caustic_refraction` with a given pattern; beyond its border the image is black and the pattern zero."""
    height, width, _ = image.shape
    pattern = _smooth(_pattern(height, width, moment, size_px), _SMOOTHING)
    return _refract(image, pattern, lens_px, lighting, _UNIT)


@njit(cache=True, nogil=True, error_model="numpy")
def _wrapped(count, size_px):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The coordinates of an axis in the pattern, which repeats after ``size_px``."""
    out = np.empty(count)
    for i in range(count):
        share = i / size_px
        out[i] = (share - np.floor(share)) * _CAUSTIC_TURN + _START
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _pattern(height, width, moment, size_px):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The caustic: float64 ``(H, W)`` in [0, 1].

    A point is moved five times by sines of its position; each time its light decreases with the distance.
    """
    out = np.empty((height, width))
    down, right = _wrapped(height, size_px), _wrapped(width, size_px)
    a_sine, a_cosine = np.empty(width), np.empty(width)
    b_sine, b_cosine = np.empty(width), np.empty(width)
    light = np.empty(width)
    for y in range(height):
        p = down[y]
        for x in range(width):
            q = right[x]
            a_sine[x], a_cosine[x] = sine(p), cosine(p)
            b_sine[x], b_cosine[x] = sine(q), cosine(q)
            light[x] = 1.0
        for step in range(_ROUNDS):
            t = moment * (1.0 - 3.5 / (step + 1))
            s, c = np.sin(t), np.cos(t)
            for x in range(width):
                q = right[x]
                # Sines of t plus or minus a or b by the addition theorems: four new sines per step instead of six.
                aa, ac, ba, bc = a_sine[x], a_cosine[x], b_sine[x], b_cosine[x]
                a = p + ((c * ac + s * aa) + (s * bc + c * ba))
                b = q + ((s * bc - c * ba) + (c * ac - s * aa))
                aa, ac, ba, bc = sine(a), cosine(a), sine(b), cosine(b)
                a_sine[x], a_cosine[x], b_sine[x], b_cosine[x] = aa, ac, ba, bc
                u, v = aa * c + ac * s, bc * c - ba * s
                reach = np.sqrt((p * v) * (p * v) + (q * u) * (q * u))
                light[x] += abs(u * v) / (_INTENSITY * max(reach, 1e-300))
        for x in range(width):
            power = 1.17 - (light[x] / _ROUNDS) ** 1.4
            power *= power
            power *= power
            power *= power
            out[y, x] = min(power, 1.0)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _smooth(field, weights):  # type: ignore[no-untyped-def]  # pragma: no cover
    """A Gaussian of one pixel; the border is mirrored with its pixel repeated."""
    height, width = field.shape
    reach = weights.size // 2
    out = np.empty_like(field)
    line = np.empty(width + 2 * reach)
    for y in range(height):
        line[:] = 0.0
        for k in range(weights.size):
            row = y + k - reach
            row = -1 - row if row < 0 else row
            row = 2 * height - 1 - row if row >= height else row
            for x in range(width):
                line[reach + x] += weights[k] * field[row, x]
        for x in range(reach):
            line[reach - 1 - x] = line[reach + x]
            line[reach + width + x] = line[reach + width - 1 - x]
        out[y] = 0.0
        for k in range(weights.size):
            for x in range(width):
                out[y, x] += weights[k] * line[x + k]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _refract(image, pattern, lens_px, lighting, unit):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = image.shape
    out = np.empty_like(image)
    padded = np.zeros((height + 2, width + 2))
    for y in range(height):
        for x in range(width):
            padded[y + 1, x + 1] = pattern[y, x]
    rows, columns, light = np.empty(width), np.empty(width), np.empty(width)
    for y in range(height):
        for x in range(width):
            slope_y = padded[y + 2, x + 1] - padded[y, x + 1]
            slope_x = padded[y + 1, x + 2] - padded[y + 1, x]
            squared = slope_y * slope_y + slope_x * slope_x
            length = np.sqrt(squared + 1.0)
            # Snell's law for a ray straight down: it moves along the slope by the sine of the refracted angle. The
            # script ignores rays that meet the surface almost perpendicularly.
            flat = squared / (squared + 1.0) / (_REFRACTION * _REFRACTION)
            bend = (np.sqrt(1.0 - flat) - 1.0 / (length * _REFRACTION)) / length * lens_px
            bend = bend if 1.0 / length < _STRAIGHT else 0.0
            # The script also rounds to thousandths of a pixel.
            rows[x] = y + np.rint(bend * slope_y * 1000.0) / 1000.0
            columns[x] = x + np.rint(bend * slope_x * 1000.0) / 1000.0
            light[x] = lighting * slope_y - lighting * slope_x
        for x in range(width):
            _read(image, unit, rows[x], columns[x], light[x], out[y, x])
    return out


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _read(image, unit, row, column, light, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Read the image bilinearly, zero outside, add light, and store the pixel.

    There are no branches, which would take 20 times as long as everything else here: pixels outside are read at the
    border with weight 0.
    """
    height, width, _ = image.shape
    above, before = np.floor(row), np.floor(column)
    top, left = int(above), int(before)
    weight_top = (1.0 - row + above) * (0 <= top < height)
    weight_bottom = (1.0 - (above + 1.0) + row) * (-1 <= top < height - 1)
    weight_left = (1.0 - column + before) * (0 <= left < width)
    weight_right = (1.0 - (before + 1.0) + column) * (-1 <= left < width - 1)
    bottom, right = min(max(top + 1, 0), height - 1), min(max(left + 1, 0), width - 1)
    top, left = min(max(top, 0), height - 1), min(max(left, 0), width - 1)
    for c in range(3):
        upper = unit[image[top, left, c]] * weight_left + unit[image[top, right, c]] * weight_right
        lower = unit[image[bottom, left, c]] * weight_left + unit[image[bottom, right, c]] * weight_right
        value = upper * weight_top + lower * weight_bottom + light
        out[c] = to_byte(min(max(value, 0.0), 1.0) * 255.0)
