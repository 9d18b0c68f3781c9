"""Blur with a disk: a filter with hundreds of taps but few different weights, summed mostly in integers.

The inside of the disk has a single weight, so the sum over a run of its pixels is a difference of running sums. The
softened rim has some dozen weights, each with four or eight taps. Rows at the same distance above and below the centre
have the same weights, so they are added first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .filters import Floats, exponentials
from .pixels import Pixels, pad, to_pixels

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
        pairs[0] = rows[centre]
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
