"""Distortions that draw over the image: geometric shapes, and the image redrawn in lines (Li et al., ICML 2025)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..filters import Pixels

# Triangles, squares, stars and circles in random colours, one over the other.


TRIANGLE, SQUARE, STAR, CIRCLE = range(4)
_SMALLEST, _LARGEST = 6, 15  # sizes at 224 pixels
_POINT = np.pi / 5  # half of the angle between two points of a star


def geometric_shapes(image: Pixels, rng: np.random.Generator, *, count: int, scale: float) -> Pixels:
    """Draw shapes over the image.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: For each shape its form, place, size, colour and rotation, each uniform; only stars are rotated.
        count: How many.
        scale: Length of a pixel of the published images, in pixels of this one.
    """
    height, width, _ = image.shape
    return render_geometric_shapes(
        image,
        forms=rng.integers(0, 4, count),
        rows=rng.integers(0, height, count),
        columns=rng.integers(0, width, count),
        sizes=rng.integers(_SMALLEST, _LARGEST + 1, count),
        colours=rng.integers(0, 256, (count, 3), dtype=np.uint8),
        degrees=rng.integers(0, 360, count),
        scale=scale,
    )


def render_geometric_shapes(
    image: Pixels,
    *,
    forms: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    sizes: NDArray[np.int64],
    colours: NDArray[np.uint8],
    degrees: NDArray[np.int64],
    scale: float,
) -> Pixels:
    """`geometric_shapes` with given draws.

    A place is the upper left corner of a square, of a circle's box and of a triangle that points down, and the centre
    of a star, whose points are size / 1.2 away from it and whose notches half of that. Edges are not smoothed.
    """
    out = image.copy()
    _draw_shapes(out, forms, rows, columns, sizes * 1.0, colours, np.deg2rad(degrees), scale)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _draw_shapes(  # type: ignore[no-untyped-def]  # pragma: no cover
    out, forms, rows, columns, sizes, colours, turns, scale
):
    height, width, _ = out.shape
    for n in range(forms.size):
        form = forms[n]
        # A square of size s covers s + 1 pixels; ``last`` is where its last one is.
        last = (sizes[n] + 1.0) * scale - 1.0
        radius = sizes[n] / 1.2 * scale
        before = int(radius + 1.0) if form == STAR else 0
        after = int(radius + 1.0) if form == STAR else int(max(last, 0.0) + 1.0)
        for y in range(max(rows[n] - before, 0), min(rows[n] + after + 1, height)):
            for x in range(max(columns[n] - before, 0), min(columns[n] + after + 1, width)):
                if _covers(form, y - rows[n], x - columns[n], last, radius, turns[n]):
                    for c in range(3):
                        out[y, x, c] = colours[n, c]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _covers(form, dy, dx, last, radius, turn):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Whether a shape covers the pixel at a distance from its place."""
    half = 0.5 * last
    if form == SQUARE:
        return dx <= last + 0.5 and dy <= last + 0.5
    if form == CIRCLE:
        return (dx - half) ** 2 + (dy - half) ** 2 <= (half + 0.4) ** 2
    if form == TRIANGLE:
        return dy <= last + 0.5 and abs(dx - half) <= 0.5 * (last - dy) + 0.2
    distance = np.sqrt(float(dx * dx + dy * dy))
    if distance > radius + 0.3:
        return False
    # Fold the pixel into the wedge between a point of the star, on the first axis, and the notch beside it.
    angle = (np.arctan2(float(dx), float(dy)) - turn) % (2.0 * _POINT)
    angle = min(angle, 2.0 * _POINT - angle)
    along, aside = distance * np.cos(angle), distance * np.sin(angle)
    notch_along, notch_aside = 0.5 * radius * np.cos(_POINT), 0.5 * radius * np.sin(_POINT)
    edge_along, edge_aside = notch_along - radius, notch_aside
    outside = edge_along * aside - edge_aside * (along - radius)
    return -outside <= 0.2 * np.sqrt(edge_along**2 + edge_aside**2)


# The image redrawn as vertical lines, which dark pixels push to the left.


def vertical_lines(image: Pixels, rng: np.random.Generator, *, lines: int, step: int, reach_px: float) -> Pixels:
    """Draw the image as vertical lines on black, in its colours.

    A line takes the mean colour of its strip of the image every few rows, and is moved to the left there by
    ``reach_px`` times how dark the strip is. Lines on the right hide those on the left.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        lines: How many; at most one for each column.
        step: Rows from one point of a line to the next. Below its last point, within a step of the lower border, a line
            ends.
        reach_px: How far a black pixel moves a line.
    """
    return _draw_lines(image, min(lines, image.shape[1]), step, reach_px)


@njit(cache=True, nogil=True, error_model="numpy")
def _draw_lines(image, lines, step, reach_px):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = image.shape
    out = np.zeros_like(image)
    colour = np.empty(3, np.int64)
    for line in range(lines):
        place = line / lines * width
        left, right = int(place), min(int(place + width / lines), width)
        from_x, from_y = int(place), 0
        for y in range(0, height, step):
            bottom = min(y + step, height)
            colour[:] = 0
            grey = 0
            for row in range(y, bottom):
                for column in range(left, right):
                    red, green, blue = image[row, column, 0], image[row, column, 1], image[row, column, 2]
                    colour[0] += red
                    colour[1] += green
                    colour[2] += blue
                    grey += _luminance(red, green, blue)
            pixels = (bottom - y) * (right - left)
            if pixels:
                colour //= pixels
                grey //= pixels
            # Places are cut to whole pixels towards zero, as drawing libraries do.
            to_x = int(place - (1.0 - grey / 255.0) * reach_px)
            _draw_line(out, from_x, from_y, to_x, y, colour)
            from_x, from_y = to_x, y
    return out


@njit(cache=True, nogil=True, inline="always")
def _luminance(red, green, blue):  # type: ignore[no-untyped-def]  # pragma: no cover
    """ITU-R 601-2 in whole numbers, rounded."""
    return (np.int64(red) * 19595 + np.int64(green) * 38470 + np.int64(blue) * 7471 + 32768) >> 16


@njit(cache=True, nogil=True)
def _draw_line(out, from_x, from_y, to_x, to_y, colour):  # type: ignore[no-untyped-def]  # pragma: no cover
    """A line one pixel thick, by Bresenham's algorithm; what is outside of the image is not drawn."""
    height, width, _ = out.shape
    far_x, far_y = abs(to_x - from_x), abs(to_y - from_y)
    step_x, step_y = (1 if to_x >= from_x else -1), (1 if to_y >= from_y else -1)
    longer, shorter = max(far_x, far_y), min(far_x, far_y)
    error = 2 * shorter - longer
    x, y = from_x, from_y
    for _ in range(longer + 1):
        if 0 <= x < width and 0 <= y < height:
            for c in range(3):
                out[y, x, c] = np.uint8(colour[c])
        if error >= 0:
            if far_x > far_y:
                y += step_y
            else:
                x += step_x
            error -= 2 * longer
        error += 2 * shorter
        if far_x > far_y:
            x += step_x
        else:
            y += step_y
