"""Pairs of pictures of the micro-world with points that are seen in both: of one object, or of two of one class.

Objects of a class have the same shape, so that a point of one, in the object's own coordinates, is the same place of
another: what `moved` does between two moments of a clip, it does between two scenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from ..understanding.correspondence import Pair
from . import vocabulary as k
from .scene import frame_rows, photographed
from .sets import MicroSet, ReadByProtocol
from .vocabulary import CLASSES, CLIP_SECONDS, GAPS, POSED, VIEWS

if TYPE_CHECKING:
    from .scene import Scene
    from .sets import Frames

SIZE = 128
"""Pixels, twice those of training, as is usual for dense tasks."""

POINTS = 64
"""Most points of a pair."""

_APART = 2**16
"""Scenes of one class between the first ones of two groups, far more than are ever passed over."""


def moved(
    before: np.ndarray, depth: np.ndarray, pixels: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where points of the first object are in another frame, whether or not anything hides them.

    Args:
        before: The kernel's row of the frame in which the points are, float64 (FIELDS,).
        depth: float (n,), their depth there.
        pixels: float64 (n, 2), across and down, as shares of the frame.
        after: The row of another frame of the clip, or of a scene whose first object is of the same class.

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


class _FromOnePicture(ReadByProtocol):
    """Pairs in groups: one picture, with another one for each kind of pair.

    Pair ``n g + p`` is of group ``g`` and the kind ``p`` of n. Its points are pixels of the object, in an order that is
    drawn for each group, that are seen in both pictures: 64 of them, or all where there are fewer.

    Attributes:
        parts: The kinds.
        near: A point is seen again if what its pixel shows is as far away as the point is, but for this, in radii.
    """

    parts: tuple[str, ...]
    near: float

    def __init__(self, length: int, seed: int = 0) -> None:
        super().__init__(length, seed)
        self._set = MicroSet("val", length, seed)  # any scene may be asked of it
        self._last: tuple[int, list[Pair]] | None = None

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """Seed and group, then the kind of pair: ``"pairs-0-000012/0.2 s"``."""
        word, n = self.name.rpartition("/")[2], len(self.parts)
        return tuple(f"{word}-{self.seed}-{i // n:06d}/{self.parts[i % n]}" for i in range(self.length))

    def pair(self, position: int) -> Pair:
        """See `PointPairs.pair`; without points where the object is out of sight in the second picture."""
        group, part = divmod(position, len(self.parts))
        if self._last is None or self._last[0] != group:
            self._last = (group, self._paired(group, *self._pictures(group)))
        return self._last[1][part]

    def _pictures(self, group: int) -> tuple[Frames, np.ndarray]:
        """A picture and those that it makes pairs with, and the kernel's row of each."""
        raise NotImplementedError

    def _paired(self, group: int, frames: Frames, rows: np.ndarray) -> list[Pair]:
        pixels = np.argwhere(frames.mask[0])  # down, across
        # numpy takes no negative seeds, the rest of the micro-world does.
        pixels = np.random.default_rng([self.seed % 2**64, group]).permutation(pixels)
        places, depth = (pixels[:, ::-1] + 0.5) / SIZE, frames.depth[0][tuple(pixels.T)].astype(np.float64)
        first, pairs = frames.images[0], []
        for other in range(1, len(rows)):
            mask = frames.mask[other]
            there, deep = moved(rows[0], depth, places, rows[other])
            inside = np.logical_and.reduce((there >= 0) & (there < 1), axis=1)
            across, down = np.where(inside[:, None], there * SIZE, 0).astype(np.int64).T
            seen = inside & mask[down, across] & (np.abs(frames.depth[other][down, across] - deep) < self.near)
            kept = np.flatnonzero(seen)[:POINTS]
            around, box = np.argwhere(mask)[:, ::-1] + 0.5, frames.boxes[other, 0].astype(np.float64)
            if not mask.any():  # nothing is asked, so that any box and place will do
                around, box = np.full((1, 2), SIZE / 2), np.array([0.0, 0.0, SIZE, SIZE])
            pairs.append(Pair(first, frames.images[other], places[kept] * SIZE, there[kept] * SIZE, box, around))
        return pairs


class MicroPairs(_FromOnePicture):
    """The first frame of a clip of the set "val" and a later one, as its camera films them.

    A group is a clip, and kinds are the gaps of `vocabulary.GAPS`.

    Args:
        length: Number of pairs.
        seed: Seed of the world.

    Raises:
        ValueError: The length is less than 1.
    """

    name = "microworld/pairs"
    parts = tuple(f"{gap:g} s" for gap in GAPS)
    near = 0.1

    def _facts(self) -> Any:
        """The clips and what is asked of them. Not the length, since each pair has an id."""
        return [self.name, self._set.digest, GAPS, SIZE, POINTS, self.near]

    def manifest(self) -> dict[str, Any]:
        """What determines the pixels and points."""
        return {
            "gaps": list(GAPS),
            "size": SIZE,
            "points": POINTS,
            "near": self.near,
            "clips": self._set.manifest(),
        }

    def _pictures(self, group: int) -> tuple[Frames, np.ndarray]:
        from .camera import shakes

        times = np.array([0.0, *GAPS])
        clips = [self._set.scene(group)] * len(times)
        frames = self._set.frames([group] * len(times), SIZE, times.tolist())
        return frames, frame_rows(clips, times, shakes(clips, times))


class MicroInstances(_FromOnePicture):
    """Photographs of two scenes of the set "val" whose first objects have the same class, one of `vocabulary.POSED`.

    A group is the photograph of one scene, with one of another scene for each of `vocabulary.VIEWS`: the next one of
    which the object is seen from a side that is as far away. No scene is in two groups.

    Args:
        length: Number of pairs.
        seed: Seed of the world.

    Raises:
        ValueError: The length is less than 1.
    """

    name = "microworld/instances"
    parts = tuple(VIEWS)
    near = 0.03  # other sides of thin parts, such as wings, are not seen again

    def _facts(self) -> Any:
        """The scenes and what is asked of them. Not the length, since each pair has an id."""
        return [self.name, self._set.digest, POSED, VIEWS, _APART, SIZE, POINTS, self.near]

    def manifest(self) -> dict[str, Any]:
        """What determines the pixels and points."""
        return {
            "classes": list(POSED),
            "views": {name: list(bounds) for name, bounds in VIEWS.items()},
            "apart": _APART,
            "size": SIZE,
            "points": POINTS,
            "near": self.near,
            "scenes": self._set.manifest(),
        }

    def scenes_of(self, group: int) -> list[int]:
        """Numbers of the scenes of a group in the set "val": the first one, and one for each of `VIEWS`."""
        label = CLASSES.index(POSED[group % len(POSED)])
        numbers = (label + len(CLASSES) * (group * _APART + n) for n in count())
        first = next(numbers)
        (side,), found = seen_from(_rows([self._set.scene(first)])), dict.fromkeys(VIEWS, -1)
        for number in numbers:
            if -1 not in found.values():
                break
            (other,) = seen_from(_rows([self._set.scene(number)]))
            angle = np.rad2deg(np.arccos(np.clip(side @ other, -1.0, 1.0)))
            for name, (low, high) in VIEWS.items():
                if found[name] < 0 and low <= angle < high:
                    found[name] = number
        return [first, *found.values()]

    def _pictures(self, group: int) -> tuple[Frames, np.ndarray]:
        numbers = self.scenes_of(group)
        return self._set.frames(numbers, SIZE), _rows(self._set.scenes(numbers))


def _rows(scenes: Sequence[Scene]) -> np.ndarray:
    """The kernel's rows of photographs of scenes, as `sets.photographs` takes them."""
    return frame_rows([photographed(scene) for scene in scenes], np.full(len(scenes), 0.5 * CLIP_SECONDS))


def seen_from(rows: np.ndarray) -> np.ndarray:
    """From which side the first object is seen: unit vectors from it to the camera, in its own coordinates.

    Args:
        rows: The kernel's rows, float64 (n, FIELDS).

    Returns:
        float64 (n, 3).
    """
    turns = rows[:, k.ROTATION : k.ROTATION + 9].reshape(-1, 3, 3)
    offsets = rows[:, k.CAMERA : k.CAMERA + 3] - rows[:, k.POSITION : k.POSITION + 3]
    sides = np.einsum("nij,nj->ni", turns, offsets)
    return sides / np.linalg.norm(sides, axis=1, keepdims=True)
