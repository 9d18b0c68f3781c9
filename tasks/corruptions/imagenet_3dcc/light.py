"""Light: fog that thickens with depth, and a flash at the camera (Kar et al., CVPR 2022)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..filters import Pixels

FIELD_OF_VIEW = np.deg2rad(60.0)
"""Field of view across the longer side. It is rarely known for photographs, and only affects the slopes for `flash`."""


def fog_3d(image: Pixels, rng: np.random.Generator, *, depth: NDArray[np.float32], attenuation: float) -> Pixels:
    """Homogeneous fog: ``I = R t + A (1 - t)`` with ``t = exp(-attenuation * depth)``.

    The airlight A is the image's own mean over pixels and channels, so it is grey. The published script uses the mean
    of whatever batch an image is in, so that the result would depend on the order of the images.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        depth: float32 ``(H, W)`` in units of the reference depth.
        attenuation: Attenuation per reference depth.
    """
    transmission = np.exp(np.float32(-attenuation) * depth)[..., None]
    airlight = np.float32(image.mean())
    return _to_pixels((image - airlight) * transmission + airlight)


def flash(image: Pixels, rng: np.random.Generator, *, depth: NDArray[np.float32], gain: float) -> Pixels:
    """Add the light of a lamp at the camera: ``I = R + gain * R * shading``.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        depth: float32 ``(H, W)`` in units of the reference depth.
        gain: Brightness of the lamp relative to that of the scene, on a surface that faces it at the reference depth.
    """
    return _to_pixels(image * (1 + np.float32(gain) * flash_shading(depth))[..., None])


def flash_shading(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light of a lamp at the camera at each pixel: the cosine of the angle of incidence over the squared distance.

    The published images use a network's shading map. This one is computed from depth: if ``r = (u, v, 1)`` is the ray
    of a pixel for a focal length of f pixels, and g the gradient of depth per pixel, the normal is
    ``(-g_x, -g_y, d / f + g_x u + g_y v)``, whose product with r is ``d / f``.

    Args:
        depth: float32 ``(H, W)`` in units of the reference depth.

    Returns:
        float32 ``(H, W)`` in (0, 1]; 1 for a surface that faces the camera, up to the reference depth. Beyond, it falls
        with the square of the distance; nearer surfaces would only be overexposed.
    """
    height, width = depth.shape
    focal = np.float32(max(height, width) / 2 / np.tan(FIELD_OF_VIEW / 2))
    u = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / focal)[None, :]
    v = ((np.arange(height, dtype=np.float32) + 0.5 - height / 2) / focal)[:, None]
    across, down = _gentler_slope(depth, 1), _gentler_slope(depth, 0)
    facing = depth / focal
    length = np.sqrt(across**2 + down**2 + (facing + across * u + down * v) ** 2)
    ray = np.sqrt(u**2 + v**2 + 1)
    shading: NDArray[np.float32] = facing / (length * ray) / np.maximum(1, depth * ray) ** 2
    return shading


def _gentler_slope(depth: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Change of depth per pixel, on the side where it changes less, so that the edge of an object is not a slope."""
    step = np.diff(depth, axis=axis)
    none = np.take(step, [0], axis), np.take(step, [-1], axis)
    before, after = np.concatenate([none[0], step], axis), np.concatenate([step, none[1]], axis)
    return np.where(np.abs(before) < np.abs(after), before, after)


def _to_pixels(values: NDArray[np.float32]) -> Pixels:
    """Levels 0..255 as uint8, rounded to the nearest and clipped."""
    return np.clip(values + np.float32(0.5), 0, 255).astype(np.uint8)
