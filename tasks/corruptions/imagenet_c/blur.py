"""Blurs: Gaussian, defocus, frosted glass, motion and zoom, of Hendrycks & Dietterich (ICLR 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .. import filters
from ..draws import Draws
from ..filters import UNIT_SINGLE, Floats, Pixels, ZoomAxis, exponentials, pad, to_pixels, to_unit, zoom_axis

# Blur with a disk: a filter with hundreds of taps but few different weights, summed mostly in integers.
#
# The inside of the disk has a single weight, so the sum over a run of its pixels is a difference of running sums. The
# softened rim has some dozen weights, each with four or eight taps. Rows at the same distance above and below the
# centre have the same weights, so they are added first.


_SHORTEST_RUN = 3


@dataclass(frozen=True)
class Disk:
    """A vertically symmetric filter.

    Attributes:
        reach: The filter has ``2 * reach + 1`` rows and columns.
        runs: int32 ``(R, 3)``: distance of the row from the centre, first column, column after the last.
        run_weights: Weight of each run.
        quads: int32 ``(Q, 4, 2)``: groups of four single taps with the same weight, each as distance of the row and
            column. A distance of ``reach + 1`` pads an incomplete group.
        quad_weights: Weight of each group of four.
    """

    reach: int
    runs: NDArray[np.int32]
    run_weights: Floats
    quads: NDArray[np.int32]
    quad_weights: Floats


def disk_blur(image: Pixels, radius: float, smoothing: float) -> Pixels:
    """Blur with a softened disk; the image is mirrored without repeating its edge.

    Args:
        image: uint8 ``(H, W, C)``.
        radius: Radius of the disk in pixels.
        smoothing: Standard deviation of the Gaussian that softens the disk.
    """
    height, width, depth = image.shape
    disk = _plan(radius, smoothing)
    margin = disk.reach
    padded = pad(image, margin, margin, margin, margin, True).reshape(height + 2 * margin, -1)
    columns = np.array([1, depth], np.int32)
    out = np.empty((height, width * depth))
    _blur(
        padded,
        _running_sums(padded, depth),
        out,
        disk.reach,
        disk.runs * np.array([1, depth, depth], np.int32),
        disk.run_weights,
        disk.quads * columns,
        disk.quad_weights,
    )
    return to_pixels(out.reshape(height, width, depth))


def weights_of(radius: float, smoothing: float) -> NDArray[np.float32]:
    """A normalised disk on the pixel grid, softened by a Gaussian with 3 taps (5 for a radius above 8).

    As in the original, the grid ends at 8 pixels, or at the radius if that is larger: the Gaussian loses what it moves
    beyond the grid, and reads mirrored values from there.
    """
    half, reach = (8, 1) if radius <= 8 else (math.ceil(radius), 2)
    grid = np.arange(-half, half + 1)
    disk = (grid[:, None] ** 2 + grid[None, :] ** 2 <= radius**2).astype(np.float32)
    disk /= disk.sum()
    weights = exponentials(-(np.arange(-reach, reach + 1) ** 2) / (2 * smoothing**2))
    weights /= weights.sum()
    soft = np.pad(disk.astype(np.float64), reach, mode="reflect")
    for _ in range(2):  # along one axis, then along the other; adding pairs first keeps the result exactly symmetric
        size = soft.shape[0] - 2 * reach
        pairs = [(soft[k : k + size] + soft[2 * reach - k :][:size]) * weights[k] for k in range(reach)]
        soft = (sum(pairs) + soft[reach : reach + size] * weights[reach]).T
    return soft.astype(np.float32)


@lru_cache(maxsize=64)
def _plan(radius: float, smoothing: float) -> Disk:
    weights = weights_of(radius, smoothing)
    reach = weights.shape[0] // 2
    runs: list[tuple[int, int, int]] = []
    run_weights: list[float] = []
    singles: dict[float, list[tuple[int, int]]] = {}
    for distance in range(reach + 1):
        row = weights[reach + distance]
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), row.size], strict=True):
            weight = float(row[start])
            if weight < 1e-18:  # too small to change even the last bit of a sum
                continue
            if stop - start >= _SHORTEST_RUN:
                runs.append((distance, start, stop))
                run_weights.append(weight)
            else:
                singles.setdefault(weight, []).extend((distance, column) for column in range(start, stop))
    quads: list[list[tuple[int, int]]] = []
    quad_weights: list[float] = []
    for weight, taps in sorted(singles.items()):
        for first in range(0, len(taps), 4):
            four = taps[first : first + 4]
            quads.append(four + [(reach + 1, 0)] * (4 - len(four)))
            quad_weights.append(weight)
    return Disk(
        reach,
        np.array(runs, np.int32).reshape(-1, 3),
        np.array(run_weights),
        np.array(quads, np.int32).reshape(-1, 4, 2),
        np.array(quad_weights),
    )


@njit(cache=True, nogil=True)
def _running_sums(rows, depth):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, length = rows.shape
    sums = np.zeros((height, length + depth), np.int32)
    for y in range(height):
        for i in range(length):
            sums[y, i + depth] = sums[y, i] + rows[y, i]
    return sums


@njit(cache=True, nogil=True)
def _blur(rows, sums, out, reach, runs, run_weights, quads, quad_weights):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write the filtered image into `out`, on a scale of [0, 1]."""
    height, length = out.shape
    pairs = np.zeros((reach + 2, rows.shape[1]), np.uint16)  # the last row stays empty
    for y in range(height):
        centre = y + reach
        for i in range(rows.shape[1]):
            pairs[0, i] = rows[centre, i]
        for distance in range(1, reach + 1):
            pair, above, below = pairs[distance], rows[centre - distance], rows[centre + distance]
            for i in range(pair.size):
                pair[i] = np.uint16(above[i]) + np.uint16(below[i])
        target = out[y]
        target[:] = 0.0
        for run in range(runs.shape[0]):
            distance, weight = runs[run, 0], run_weights[run]
            start, stop = sums[centre - distance, runs[run, 1] :], sums[centre - distance, runs[run, 2] :]
            if distance == 0:
                for i in range(length):
                    target[i] += weight * (stop[i] - start[i])
                continue
            other_start, other_stop = sums[centre + distance, runs[run, 1] :], sums[centre + distance, runs[run, 2] :]
            for i in range(length):
                target[i] += weight * ((stop[i] - start[i]) + (other_stop[i] - other_start[i]))
        for four in range(quads.shape[0]):
            weight = quad_weights[four]
            a = pairs[quads[four, 0, 0], quads[four, 0, 1] :]
            b = pairs[quads[four, 1, 0], quads[four, 1, 1] :]
            c = pairs[quads[four, 2, 0], quads[four, 2, 1] :]
            d = pairs[quads[four, 3, 0], quads[four, 3, 1] :]
            for i in range(length):
                target[i] += weight * np.int32((np.int32(a[i]) + np.int32(b[i])) + (np.int32(c[i]) + np.int32(d[i])))
        for i in range(length):
            target[i] /= 255.0


# Blurs: Gaussian, defocus, frosted glass, motion and zoom, of Hendrycks & Dietterich (ICLR 2019).


def gaussian_blur(image: Pixels, draws: Draws, *, sigma_px: float) -> Pixels:
    """Blur with a Gaussian.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Not used.
        sigma_px: Standard deviation.
    """
    return to_pixels(filters.gaussian_blur(to_unit(image), sigma_px))


def defocus_blur(image: Pixels, draws: Draws, *, radius_px: float, smoothing_px: float) -> Pixels:
    """Blur with a disk, like a lens that is out of focus.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Not used.
        radius_px: Radius of the disk.
        smoothing_px: Standard deviation of the Gaussian that softens the edge of the disk.
    """
    return disk_blur(image, float(radius_px), float(smoothing_px))


def glass_blur(image: Pixels, draws: Draws, *, sigma_px: float, reach_int_px: int, sweeps: int) -> Pixels:
    """Blur, replace pixels by near neighbours, and blur again, like frosted glass.

    The original script intends to swap two pixels but, because it writes through views, copies the neighbour over the
    pixel. Its offsets are drawn from ``[-reach, reach)``, not symmetrically. Both are part of the benchmark.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: One word for each sweep and visited pixel, in the order of visits: a horizontal and a vertical offset.
        sigma_px: Standard deviation of both Gaussian blurs.
        reach_int_px: Maximum offset of a neighbour.
        sweeps: Number of passes over the image.
    """
    height, width, _ = image.shape
    span = 2 * int(reach_int_px)
    rows, columns = max(0, height - span), max(0, width - span)
    words = draws.cell_words(int(sweeps) * rows * columns, span)
    blurred = to_pixels(filters.gaussian_blur(to_unit(image), sigma_px))
    _scatter(blurred, words, int(sweeps), int(reach_int_px))
    return to_pixels(filters.gaussian_blur(to_unit(blurred), sigma_px))


@njit(cache=True, nogil=True)
def _scatter(image, words, sweeps, reach):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Copy neighbours over pixels in place, starting at the bottom right; a pixel may read an already replaced one."""
    height, width, depth = image.shape
    span = 2 * reach
    cells = np.empty((span * span, 2), np.int64)
    for cell in range(span * span):
        cells[cell, 0], cells[cell, 1] = cell // span - reach, cell % span - reach
    visit = 0
    for _ in range(sweeps):
        for y in range(height - reach, reach, -1):
            for x in range(width - reach, reach, -1):
                word = (words[visit >> 1] >> np.uint64(32 * (visit & 1))) & np.uint64(0xFFFFFFFF)
                cell = (word * np.uint64(span * span)) >> np.uint64(32)
                v, u = y + cells[cell, 1], x + cells[cell, 0]
                for c in range(depth):
                    image[y, x, c] = image[v, u, c]
                visit += 1


def motion_blur(image: Pixels, draws: Draws, *, radius_px: float, sigma_px: float) -> Pixels:
    """Blur along a line, like a moving camera.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: One angle, uniform in [-45, 45) degrees.
        radius_px: Half the length of the line.
        sigma_px: Standard deviation of the one-sided Gaussian along the line.
    """
    return smear(image, radius_px, sigma_px, float(draws.uniform(-45, 45, ())))


def smear(image: Pixels, radius: float, sigma: float, angle: float) -> Pixels:
    """Blur along a line to one side, with the weights, offsets, edges and rounding of ImageMagick's motion blur.

    Args:
        image: uint8 ``(H, W, C)``.
        radius: Radius of the filter in pixels; it has ``2 * ceil(radius) + 1`` taps.
        sigma: Standard deviation in pixels of the Gaussian, of which one half is used.
        angle: Angle in degrees, clockwise from the horizontal.
    """
    taps, weights = _line(float(radius), float(sigma))
    down = np.ceil(taps * math.sin(math.radians(angle)) - 0.5).astype(np.int64)
    right = np.ceil(taps * math.cos(math.radians(angle)) - 0.5).astype(np.int64)
    # ImageMagick rounds; the other corruptions truncate.
    return filters.filter_line(image, down, right, weights)


@lru_cache(maxsize=64)
def _line(radius: float, sigma: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Distances and weights of the taps."""
    taps = np.arange(2 * math.ceil(radius) + 1)
    weights = exponentials(-(taps**2) / (2 * sigma * sigma))
    return taps, weights / weights.sum()


def zoom_blur(image: Pixels, draws: Draws, *, zoom_stop: float, zoom_step: float) -> Pixels:
    """Average the image with magnified copies of itself, like a camera that zooms in.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Not used.
        zoom_stop: Exclusive end of the factors, which start at 1.
        zoom_step: Step between the factors.
    """
    height, width, _ = image.shape
    down = _zoom_axes(height, float(zoom_stop), float(zoom_step))
    right = _zoom_axes(width, float(zoom_stop), float(zoom_step))
    return _average_zooms(image, UNIT_SINGLE, *down, *right)


@lru_cache(maxsize=64)
def _zoom_axes(size: int, stop: float, step: float) -> ZoomAxis:
    """`zoom_axis` of every factor, stacked."""
    axes = [zoom_axis(size, float(factor)) for factor in np.arange(1, stop, step)]
    first, second, share, rest = (np.stack(parts) for parts in zip(*axes, strict=True))
    return first, second, share, rest


@njit(cache=True, nogil=True)
def _average_zooms(image, unit, y0, y1, wy0, wy1, x0, x1, wx0, wx1):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The mean of an image and all its zooms, row by row. Four channels, because these fill a vector register."""
    height, width, _ = image.shape
    out = np.empty_like(image)
    sharp = np.zeros((height, 4 * width), np.float32)
    for y in range(height):
        for x in range(width):
            for c in range(3):
                sharp[y, 4 * x + c] = unit[image[y, x, c]]
    count = y0.shape[0]
    line = np.empty(4 * width)
    total = np.empty(4 * width, np.float32)
    for y in range(height):
        for i in range(4 * width):
            total[i] = sharp[y, i]  # the first factor is 1
        for factor in range(1, count):
            upper, lower = sharp[y0[factor, y]], sharp[y1[factor, y]]
            a, b = wy0[factor, y], wy1[factor, y]
            for i in range(4 * width):
                line[i] = a * upper[i] + b * lower[i]
            for x in range(width):
                left, right = 4 * x0[factor, x], 4 * x1[factor, x]
                a, b = wx0[factor, x], wx1[factor, x]
                p, q, t = line[left : left + 4], line[right : right + 4], total[4 * x : 4 * x + 4]
                for c in range(4):
                    t[c] += np.float32(a * p[c] + b * q[c])
        for x in range(width):
            for c in range(3):
                mean = (sharp[y, 4 * x + c] + total[4 * x + c]) / np.float32(count + 1)
                out[y, x, c] = np.uint8(min(mean, np.float32(1)) * np.float32(255))
    return out
