"""Render scenes to pixels, on every core."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ....cores import usable_cores
from .scene import Scene, frame_parameters

_CHUNK = 8  # frames per thread and turn: enough to hide the overhead, few enough to balance the load


@dataclass(frozen=True)
class Frames:
    """Rendered frames with their exact ground truth.

    Attributes:
        images: uint8 (N, S, S, 3), sRGB.
        depth: float32 (N, S, S), distance along the optical axis in object radii; the sky is at 20.
        mask: bool (N, S, S), true where the object is visible.
        labels: int64 (N,), shape class.
        textures: int64 (N,), texture class.
        poses: float64 (N, 3, 3), object-from-camera rotation; the camera's axes point right, up and backward.
    """

    images: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    labels: np.ndarray
    textures: np.ndarray
    poses: np.ndarray


def render(scenes: Sequence[Scene], times: Sequence[float], size: int = 64, threads: int | None = None) -> Frames:
    """Render one frame of each scene.

    Args:
        scenes: The clips, one per frame; a clip may occur several times.
        times: Seconds from the start of each clip, 0..2.56.
        size: Side of the square frame in pixels.
        threads: Threads to use; one per core by default. The pixels do not depend on it.

    Returns:
        The frames in the order of ``scenes``.

    Raises:
        ValueError: The lengths differ, or the size is less than 8.
    """
    # Imported here, so that drawing scenes and listing sets do not load numba.
    from . import layout
    from .kernel import render_rows

    if len(scenes) != len(times):
        raise ValueError(f"{len(scenes)} scenes but {len(times)} times; give one time per scene")
    if size < 8:
        raise ValueError(f"size {size} is too small to render; use 8 pixels or more")
    n = len(scenes)
    rows = np.empty((n, layout.FIELDS))
    images = np.empty((n, size, size, 3), dtype=np.uint8)
    depth = np.empty((n, size, size), dtype=np.float32)
    mask = np.empty((n, size, size), dtype=bool)

    def work(start: int) -> None:
        part = slice(start, min(start + _CHUNK, n))
        for i in range(part.start, part.stop):
            rows[i] = frame_parameters(scenes[i], times[i])
        render_rows(rows[part], images[part], depth[part], mask[part])

    workers = threads or usable_cores()
    starts = range(0, n, _CHUNK)
    if workers == 1 or n <= _CHUNK:
        for start in starts:
            work(start)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, starts))
    turn = rows[:, layout.ROTATION : layout.ROTATION + 9].reshape(n, 3, 3)
    # The kernel's third axis points forward. Reversing it makes the camera right-handed and the pose a proper rotation.
    axes = rows[:, layout.AXES : layout.AXES + 9].reshape(n, 3, 3) * np.array([[1.0], [1.0], [-1.0]])
    return Frames(
        images=images,
        depth=depth,
        mask=mask,
        labels=np.array([s.label for s in scenes], dtype=np.int64),
        textures=np.array([s.texture for s in scenes], dtype=np.int64),
        poses=turn @ axes.transpose(0, 2, 1),
    )
