"""Motion blur of a moving camera, with parallax (Kar et al., CVPR 2022).

The published images are averages of views that were rendered along the camera's path and inpainted by a network. Here
the average over the exposure is integrated exactly, and gaps uncovered by a nearer object are filled from the
background next to them.

**Geometry.** When the camera moves by a fraction t of its path, a point with disparity D (1 / depth) moves along a line
through the image by ``s = t * reach * D`` pixels. For a sideways path the lines are parallel and ``reach`` is the same
everywhere; for a forward path they meet in the centre of the image and ``reach`` is proportional to the distance from
it. So the points on its own line pass a pixel p one after the other: the point at distance s is at p at the time
``t(s) = s / (reach * D(s))``. If several points are at p at the same time, the farthest along the line has the largest
disparity, is nearest to the camera, and hides the others. Going along the line from its far end towards p, a stretch is
therefore visible exactly where t falls below all earlier values.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..filters import Pixels

NEAREST = 0.5
"""Nearer objects, in units of the reference depth, move as if they were here; otherwise the camera would hit them."""

TEAR = 0.2
"""Neighbours on a line are different objects if their disparities differ by more than this share of the larger."""

CLEAR = 2
"""Gaps are filled from this many pixels inside the background, because pixels at an edge are mixtures of both sides."""


def xy_motion_blur(image: Pixels, rng: np.random.Generator, *, depth: NDArray[np.float32], travel_px: float) -> Pixels:
    """Blur from a camera that moves sideways, in any direction of the image plane.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: One uniform: the direction.
        depth: float32 ``(H, W)`` in units of the reference depth.
        travel_px: Motion of a point at the reference depth during the exposure, in pixels.
    """
    angle = 2 * np.pi * rng.random()
    return integrate_exposure(image, depth, travel_px, (np.sin(angle), np.cos(angle)))


def z_motion_blur(image: Pixels, rng: np.random.Generator, *, depth: NDArray[np.float32], travel: float) -> Pixels:
    """Blur from a camera that moves forward, towards the centre of the image.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        depth: float32 ``(H, W)`` in units of the reference depth.
        travel: Motion of the camera during the exposure, in units of the reference depth; less than `NEAREST`.
    """
    return integrate_exposure(image, depth, travel, None)


def integrate_exposure(
    image: Pixels, depth: NDArray[np.float32], travel: float, direction: tuple[float, float] | None
) -> Pixels:
    """The mean of all views along a straight path that starts at the given one.

    Args:
        image: uint8 ``(H, W, 3)``; extended by its edge pixels.
        depth: float32 ``(H, W)`` in units of the reference depth.
        travel: Length of the path: in pixels at the reference depth if sideways, in reference depths if forward.
        direction: Unit vector (down, right) along which the contents of the picture move against the camera's motion:
            pixel p shows what was at ``p + s * direction``. None for a forward path.
    """
    disparity = 1 / np.maximum(depth, np.float32(NEAREST))
    down, right = direction if direction is not None else (0.0, 0.0)
    travel32 = np.float32(travel)
    way = (disparity.max(), travel32, direction is None, np.float32(down), np.float32(right))
    return np.asarray(_integrate(image, disparity, *way))


@njit(cache=True, nogil=True, inline="always")
def _inside(index, size):  # type: ignore[no-untyped-def]  # pragma: no cover
    return min(max(index, 0), size - 1)


@njit(cache=True, nogil=True)
def _read(image, y, x, colour):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Read a colour bilinearly; the image is extended by its edge pixels."""
    height, width, _ = image.shape
    top, left = np.floor(y), np.floor(x)
    fy, fx = y - top, x - left
    y0, y1 = _inside(int(top), height), _inside(int(top) + 1, height)
    x0, x1 = _inside(int(left), width), _inside(int(left) + 1, width)
    a, b = (1 - fy) * (1 - fx), (1 - fy) * fx
    c, d = fy * (1 - fx), fy * fx
    for k in range(3):
        colour[k] = a * image[y0, x0, k] + b * image[y0, x1, k] + c * image[y1, x0, k] + d * image[y1, x1, k]


@njit(cache=True, nogil=True)
def _integrate(image, disparity, most, travel, forward, down, right):  # type: ignore[no-untyped-def]  # pragma: no cover
    """See this module's description; one step along a line is one pixel."""
    height, width, _ = image.shape
    out = np.empty_like(image)
    half = np.float32(0.5)
    middle_y, middle_x = np.float32((height - 1) / 2), np.float32((width - 1) / 2)
    colour, next_colour = np.empty(3, np.float32), np.empty(3, np.float32)
    total = np.empty(3, np.float32)
    reach = travel
    for y in range(height):
        for x in range(width):
            if forward:
                down, right = middle_y - y, middle_x - x
                distance = np.sqrt(down * down + right * right)
                if distance > 0:
                    down, right = down / distance, right / distance
                reach = travel * distance
            steps = int(np.ceil(reach * most))
            if steps == 0:  # the centre of a forward path
                for k in range(3):
                    out[y, x, k] = image[y, x, k]
                continue
            total[:] = 0
            visible = np.float32(1)  # what is at p before this time has not been found yet
            next_step = -1  # the step whose colour is in `there`
            next_time, next_disparity = np.float32(0), np.float32(0)
            for step in range(steps, -1, -1):
                row = _inside(int(np.floor(y + step * down + half)), height)
                column = _inside(int(np.floor(x + step * right + half)), width)
                this = disparity[row, column]
                time = np.float32(step) / (reach * this)
                if time < visible:
                    larger = max(this, next_disparity)
                    weight = visible - time
                    if step == steps:  # rounding can put the far end slightly before the end of the exposure
                        _read(image, y + step * down, x + step * right, colour)
                        for k in range(3):
                            total[k] += weight * colour[k]
                    elif abs(this - next_disparity) > np.float32(TEAR) * larger:
                        away = -CLEAR if this < next_disparity else 1 + CLEAR
                        _read(image, y + (step + away) * down, x + (step + away) * right, colour)
                        for k in range(3):
                            total[k] += weight * colour[k]
                    else:
                        if next_step != step + 1:
                            _read(image, y + (step + 1) * down, x + (step + 1) * right, next_colour)
                        _read(image, y + step * down, x + step * right, colour)
                        part = half * weight * weight / (next_time - time)
                        for k in range(3):
                            total[k] += weight * colour[k] + part * (next_colour[k] - colour[k])
                            next_colour[k] = colour[k]
                        next_step = step
                    visible = time
                next_time, next_disparity = time, this
            for k in range(3):
                out[y, x, k] = np.uint8(min(total[k] + half, np.float32(255)))
    return out
