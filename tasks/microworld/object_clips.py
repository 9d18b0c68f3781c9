"""Clips of the micro-world with a mask of every object: its counterpart of DAVIS."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from .sets import MicroSet, ReadByProtocol
from .vocabulary import MAX_OBJECTS, OBJECT_ID

FRAMES, STEP_SECONDS = 12, 0.2
SIZE = 128
"""Pixels, twice those of training, as is usual for DAVIS."""

_SMALLEST = 0.01
"""Share of the first frame that an object has to cover to be followed: some two cells of a map of 16 x 16."""

_KEPT = 4
"""Clips that are kept once rendered."""


class MicroObjectClips(ReadByProtocol):
    """Clips of the set "val", as their cameras film them; each position is one object of one clip.

    Objects are numbered by their size in the first frame, the largest first; one that covers less than a hundredth of
    it, or comes later, is background.

    Args:
        length: Number of objects.
        seed: Seed of the world.
    """

    name = "microworld/objects"

    def __init__(self, length: int, seed: int = 0) -> None:
        super().__init__(length, seed)
        self._set = MicroSet("val", length, seed)

    @cached_property
    def _followed(self) -> dict[int, tuple[int, ...]]:
        """Which objects of which clip are followed, as the kernel numbers them."""
        found: dict[int, tuple[int, ...]] = {}
        for clip, numbers in self._found():
            if sum(map(len, found.values())) >= self.length:
                break
            found[clip] = numbers
        return found

    def _found(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        at_once, clip = 16, 0
        while True:
            numbers = range(clip, clip + at_once)
            surfaces = self._set.frames(numbers, SIZE, [0.0] * at_once).surfaces
            for number, first in zip(numbers, surfaces, strict=True):
                sizes = np.bincount(first.ravel(), minlength=OBJECT_ID + MAX_OBJECTS)[OBJECT_ID:][:MAX_OBJECTS]
                order = np.argsort(-sizes, kind="stable")
                large = tuple(int(one) for one in order if sizes[one] >= _SMALLEST * first.size)
                if large:
                    yield number, large
            clip += at_once

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """``"clip-0-000012/1"``: seed and clip, then the object."""
        ids = [f"{self._name(c)}/{n}" for c, own in self._followed.items() for n in range(1, len(own) + 1)]
        return tuple(ids[: self.length])

    def _name(self, clip: int) -> str:
        return f"clip-{self.seed}-{clip:06d}"

    def _facts(self) -> Any:
        """The clips, and what is followed in them. Not the length, since each object has an id."""
        return self.name, self._set.digest, FRAMES, STEP_SECONDS, SIZE, _SMALLEST

    def manifest(self) -> dict[str, Any]:
        """What determines the pixels and masks."""
        return {
            "frames": FRAMES,
            "step_seconds": STEP_SECONDS,
            "size": SIZE,
            "smallest": _SMALLEST,
            "clips": self._set.manifest(),
        }

    @cached_property
    def _rendered(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return {}

    def _clip(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Frames, uint8 (T, S, S, 3), and masks, uint8 (T, S, S)."""
        if name not in self._rendered:
            clip = int(name.rpartition("-")[2])
            times = [STEP_SECONDS * frame for frame in range(FRAMES)]
            frames = self._set.frames([clip] * FRAMES, SIZE, times)
            numbers = np.zeros(256, np.uint8)
            for number, own in enumerate(self._followed[clip], 1):
                numbers[OBJECT_ID + own] = number
            while len(self._rendered) >= _KEPT:
                self._rendered.pop(next(iter(self._rendered)))
            self._rendered[name] = (frames.images, numbers[frames.surfaces])
        return self._rendered[name]

    def object_at(self, position: int) -> tuple[str, int]:
        """See `ObjectClips.object_at`."""
        clip, _, number = self.image_ids[position].rpartition("/")
        return clip, int(number)

    def length_of(self, clip: str) -> int:
        """Frames of a clip, all of one length."""
        return FRAMES

    def objects(self, clip: str) -> int:
        """See `ObjectClips.objects`."""
        return len(self._followed[int(clip.rpartition("-")[2])])

    def frame(self, clip: str, number: int) -> np.ndarray:
        """See `ObjectClips.frame`."""
        return self._clip(clip)[0][number]

    def mask(self, clip: str, number: int) -> np.ndarray:
        """See `ObjectClips.mask`."""
        return self._clip(clip)[1][number]
