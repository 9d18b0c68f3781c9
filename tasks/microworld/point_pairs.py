"""Pairs of frames of the micro-world's clips with points of the object that are seen in both."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..understanding.correspondence import Pair
from . import vocabulary as k
from .sets import MicroSet, ReadByProtocol
from .vocabulary import GAPS

SIZE = 128
"""Pixels, twice those of training, as is usual for dense tasks."""

POINTS = 64
"""Most points of a pair."""

_NEAR = 0.1
"""A point is seen again if what its pixel shows is as far away as the point is, but for this, in radii."""


def moved(
    before: np.ndarray, depth: np.ndarray, pixels: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where points of the first object are at another moment, whether or not anything hides them.

    Args:
        before: The kernel's row of the frame in which the points are, float64 (FIELDS,).
        depth: float (n,), their depth there.
        pixels: float64 (n, 2), across and down, as shares of the frame.
        after: The row of another frame of the clip.

    Returns:
        float64 (n, 2), shares of that frame, NaN behind the camera; and float64 (n,), depth in it.
    """
    tangent = before[k.TANGENT]
    right, above, forward = before[k.AXES : k.AXES + 9].reshape(3, 3)
    u, v = 2.0 * pixels[:, :1] - 1.0, 1.0 - 2.0 * pixels[:, 1:]
    world = before[k.CAMERA : k.CAMERA + 3] + depth[:, None] * (forward + tangent * (u * right + v * above))
    turn, turned = (row[k.ROTATION : k.ROTATION + 9].reshape(3, 3) for row in (before, after))
    place, placed = (row[k.POSITION : k.POSITION + 3] for row in (before, after))
    world = (world - place) @ turn.T @ turned + placed  # into the object's own coordinates, and out of them again
    seen = (world - after[k.CAMERA : k.CAMERA + 3]) @ after[k.AXES : k.AXES + 9].reshape(3, 3).T
    deep = seen[:, 2]
    flat = seen[:, :2] / np.where(deep > 0, deep * after[k.TANGENT], np.nan)[:, None]
    return np.column_stack([0.5 + 0.5 * flat[:, 0], 0.5 - 0.5 * flat[:, 1]]), deep


class MicroPairs(ReadByProtocol):
    """The first frame of a clip of the set "val" and a later one, as its camera films them.

    Pair ``3 s + g`` is of scene ``s`` and the gap ``g`` of `vocabulary.GAPS`. Its points are pixels of the first
    object, in an order that is drawn for each scene, that are seen in both frames: 64 of them, or all where there are
    fewer.

    Args:
        length: Number of pairs.
        seed: Seed of the world.

    Raises:
        ValueError: The length is less than 1.
    """

    name = "microworld/pairs"

    def __init__(self, length: int, seed: int = 0) -> None:
        super().__init__(length, seed)
        self._set = MicroSet("val", -(-length // len(GAPS)), seed)
        self._last: tuple[int, list[Pair]] | None = None

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """``"pairs-0-000012/0.2 s"``: seed and scene, then the gap."""
        n = len(GAPS)
        return tuple(f"pairs-{self.seed}-{i // n:06d}/{_named(GAPS[i % n])}" for i in range(self.length))

    def _facts(self) -> Any:
        """The clips and what is asked of them. Not the length, since each pair has an id."""
        return [self.name, self._set.digest, GAPS, SIZE, POINTS, _NEAR]

    def manifest(self) -> dict[str, Any]:
        """What determines the pixels and points."""
        return {
            "gaps": list(GAPS),
            "size": SIZE,
            "points": POINTS,
            "near": _NEAR,
            "clips": self._set.manifest(),
        }

    def pair(self, position: int) -> Pair:
        """See `PointPairs.pair`; of a scene whose object is out of sight in the later frame, without points."""
        scene, gap = divmod(position, len(GAPS))
        if self._last is None or self._last[0] != scene:
            self._last = (scene, self._pairs(scene))
        return self._last[1][gap]

    def _pairs(self, number: int) -> list[Pair]:
        from .camera import shakes
        from .scene import frame_rows

        scene, times = self._set.scene(number), np.array([0.0, *GAPS])
        clips = [scene] * len(times)
        frames = self._set.frames([number] * len(times), SIZE, times.tolist())
        rows = frame_rows(clips, times, shakes(clips, times))
        pixels = np.argwhere(frames.mask[0])  # down, across
        # numpy takes no negative seeds, the rest of the micro-world does.
        pixels = np.random.default_rng([self.seed % 2**64, number]).permutation(pixels)
        places, depth = (pixels[:, ::-1] + 0.5) / SIZE, frames.depth[0][tuple(pixels.T)].astype(np.float64)
        first, pairs = frames.images[0], []
        for later in range(1, len(times)):
            mask = frames.mask[later]
            there, deep = moved(rows[0], depth, places, rows[later])
            inside = np.logical_and.reduce((there >= 0) & (there < 1), axis=1)
            across, down = np.where(inside[:, None], there * SIZE, 0).astype(np.int64).T
            seen = inside & mask[down, across] & (np.abs(frames.depth[later][down, across] - deep) < _NEAR)
            kept = np.flatnonzero(seen)[:POINTS]
            around, box = np.argwhere(mask)[:, ::-1] + 0.5, frames.boxes[later, 0].astype(np.float64)
            if not mask.any():  # nothing is asked, so that any box and place will do
                around, box = np.full((1, 2), SIZE / 2), np.array([0.0, 0.0, SIZE, SIZE])
            pairs.append(Pair(first, frames.images[later], places[kept] * SIZE, there[kept] * SIZE, box, around))
        return pairs


def _named(gap: float) -> str:
    return f"{gap:g} s"
