"""The elastic transform of Hendrycks & Dietterich (ICLR 2019)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

from ..draws import Draws
from ..filters import UNIT_SINGLE, Floats, Pixels, displace, gaussian_blur, gaussian_weights, warp_affine

_TRUNCATE = 3.0


def elastic_transform(image: Pixels, draws: Draws, *, amplitude_px: float, sigma_px: float, affine_px: float) -> Pixels:
    """Move three points at random and the image affinely with them, then displace every pixel by a smooth random field.

    Coordinates of the affine map are exact, as in OpenCV 5; older versions of OpenCV round them to 32nds of a pixel.

    Args:
        image: uint8 ``(H, W, 3)``.
        draws: Uniforms in [-1, 1) times their range: six for the points, then one for each pixel and direction.
        amplitude_px: Factor of the smoothed field.
        sigma_px: Standard deviation of the Gaussian that smooths the field.
        affine_px: Maximum displacement of the three points in each direction.
    """
    height, width, _ = image.shape
    back = _random_affine(draws, height, width, affine_px)
    # Horizontal first, then vertical: this is the original's order of draws.
    right = smooth(draws.uniform(-1, 1, (height, width)), sigma_px)
    down = smooth(draws.uniform(-1, 1, (height, width)), sigma_px)
    return np.asarray(displace(warp_affine(image, UNIT_SINGLE, back), down, right, float(amplitude_px)))


def _random_affine(draws: Draws, height: int, width: int, reach: float) -> Floats:
    """The map from output to input pixels that moves three corners of the central third by up to ``reach``.

    Returns:
        float64 ``(2, 3)``; see `filters.warp_affine`.
    """
    # The script uses (rows, columns) of the shape as an (x, y) point; so must we for images that are not square.
    centre = np.array([height // 2, width // 2], np.float32)
    side = min(height, width) // 3
    corners = np.array([centre + side, [centre[0] + side, centre[1] - side], centre - side], np.float32)
    moved = corners + draws.uniform(-reach, reach, (3, 2)).astype(np.float32)
    # Solve for the map that moves the corners back, by Cramer's rule in plain floats: the same on every machine.
    (x0, y0), (x1, y1), (x2, y2) = moved.tolist()
    area = (x0 - x2) * (y1 - y2) - (x1 - x2) * (y0 - y2)
    if abs(area) < 1e-6:  # the three points are on one line, so that no map moves them back
        return np.array([[0.0, 0.0, height // 2], [0.0, 0.0, width // 2]])
    rows = []
    for t0, t1, t2 in (corners[:, 1].tolist(), corners[:, 0].tolist()):
        right = ((t0 - t2) * (y1 - y2) - (t1 - t2) * (y0 - y2)) / area
        down = ((x0 - x2) * (t1 - t2) - (x1 - x2) * (t0 - t2)) / area
        rows.append((down, right, t2 - right * x2 - down * y2))
    return np.array(rows)


def smooth(field: Floats, sigma: float) -> Floats:
    """Smooth a field with a Gaussian that is cut off at 3 sigma; the field is mirrored with its edge repeated.

    Args:
        field: float64 ``(H, W)``.
        sigma: Standard deviation in pixels; 0 leaves the field as it is.
    """
    height, width = field.shape
    if 4 * (len(gaussian_weights(float(sigma), _TRUNCATE)) // 2) <= min(height, width):
        return gaussian_blur(field[..., None], sigma, _TRUNCATE, mirror=True)[..., 0]
    turned = np.ascontiguousarray(_apply(*_halves(height, float(sigma)), field).T)
    return np.ascontiguousarray(_apply(*_halves(width, float(sigma)), turned).T)


@lru_cache(maxsize=16)
def _halves(size: int, sigma: float) -> tuple[Floats, Floats]:
    """The Gaussian on one mirrored axis as a matrix, split by symmetry.

    A filter of the elastic transform may have five times as many taps as the axis has pixels. Folding it once turns
    every later use into a product with a matrix. The matrix is symmetric under reversal of the axis, so it maps
    symmetric columns to symmetric ones and antisymmetric to antisymmetric ones, which halves the work.

    Returns:
        The matrices that map the upper half of symmetric and of antisymmetric columns to the upper half of the result.
    """
    weights = gaussian_weights(sigma, _TRUNCATE)
    radius = len(weights) // 2
    source = (np.arange(size)[:, None] + np.arange(-radius, radius + 1)) % (2 * size)
    source = np.where(source < size, source, 2 * size - 1 - source)
    flat = (np.arange(size)[:, None] * size + source).ravel()
    matrix: Floats = np.bincount(flat, np.tile(weights, size), size * size).astype(np.float64).reshape(size, size)
    lower, upper = size // 2, size - size // 2
    even = matrix[:upper, :upper].copy()
    even[:, :lower] += matrix[:upper, ::-1][:, :lower]
    return even, matrix[:lower, :lower] - matrix[:lower, ::-1][:, :lower]


@njit(cache=True, nogil=True)
def _apply(even, odd, columns):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The product of the full matrix with columns; the order of the sums is the same on every machine."""
    size, width = columns.shape
    upper, lower = even.shape[0], odd.shape[0]
    symmetric, antisymmetric = np.empty((upper, width)), np.empty((lower, width))
    for k in range(lower):
        for i in range(width):
            first, last = columns[k, i] / 2, columns[size - 1 - k, i] / 2
            symmetric[k, i] = first + last
            antisymmetric[k, i] = first - last
    if upper > lower:
        for i in range(width):
            symmetric[lower, i] = columns[lower, i]
    a, b = _product(even, symmetric), _product(odd, antisymmetric)
    out = np.empty((size, width))
    for k in range(lower):
        for i in range(width):
            out[k, i] = a[k, i] + b[k, i]
            out[size - 1 - k, i] = a[k, i] - b[k, i]
    if upper > lower:
        for i in range(width):
            out[lower, i] = a[lower, i]
    return out


@njit(cache=True, nogil=True)
def _product(matrix, columns):  # type: ignore[no-untyped-def]  # pragma: no cover
    """``matrix @ columns``; two rows of the first and four of the second at a time, to load and store less."""
    count, inner = matrix.shape
    width = columns.shape[1]
    out = np.zeros((count, width))
    for row in range(0, count, 2):
        pair = min(row + 1, count - 1)
        upper, lower = out[row], out[pair]
        if pair == row:
            lower = np.zeros(width)
        for k in range(0, inner - inner % 4, 4):
            a, b, c, d = matrix[row, k], matrix[row, k + 1], matrix[row, k + 2], matrix[row, k + 3]
            e, f, g, h = matrix[pair, k], matrix[pair, k + 1], matrix[pair, k + 2], matrix[pair, k + 3]
            p, q, r, s = columns[k], columns[k + 1], columns[k + 2], columns[k + 3]
            for i in range(width):
                upper[i] += a * p[i] + b * q[i] + c * r[i] + d * s[i]
                lower[i] += e * p[i] + f * q[i] + g * r[i] + h * s[i]
        for k in range(inner - inner % 4, inner):
            a, e, p = matrix[row, k], matrix[pair, k], columns[k]
            for i in range(width):
                upper[i] += a * p[i]
                lower[i] += e * p[i]
    return out
