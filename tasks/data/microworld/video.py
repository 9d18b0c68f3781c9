"""Clips frame by frame: the micro-world's counterpart of ImageNet-Vid-Robust."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .sets import MicroSet, RenderedSource
from .vocabulary import CLASSES, CLIP_SECONDS

if TYPE_CHECKING:
    from ..geometry import Geometry
    from ..source import LoadFailure

NEIGHBOURS = 10
"""Frames on either side of an anchor, as in ImageNet-Vid-Robust."""

FRAMES = 2 * NEIGHBOURS + 1
STEP_SECONDS = 0.04
"""Time between frames: 25 a second."""


class MicroVideo(RenderedSource):
    """Anchor frames in the middle of clips, each with the ten frames before and after it.

    Image ``21 c + f`` is frame ``f`` of clip ``c``; frame 10 is the anchor, and is image ``c`` of the set "val".

    Args:
        length: Number of images; rounded down to a multiple of 21, to get whole clips, but at least 21.
        seed: Seed of the world.
    """

    name = "microworld/vid-robust"

    def __init__(self, length: int, seed: int = 0) -> None:
        self.clips = max(1, length // FRAMES)
        self.seed = seed
        self._set = MicroSet("val", self.clips, seed)

    def __len__(self) -> int:
        return self.clips * FRAMES

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """``"video-0-000012/03"``: seed, clip and frame."""
        return tuple(f"video-{self.seed}-{i // FRAMES:06d}/{i % FRAMES:02d}" for i in range(len(self)))

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (n,) shape classes."""
        return np.arange(len(self), dtype=np.int64) // FRAMES % len(CLASSES)

    @cached_property
    def anchors(self) -> dict[str, tuple[str, ...]]:
        """The neighbours of each anchor, by the anchor's id."""
        neighbours = {}
        for clip in range(self.clips):
            ids = self.image_ids[clip * FRAMES : (clip + 1) * FRAMES]
            anchor = ids[NEIGHBOURS]
            neighbours[anchor] = tuple(i for i in ids if i != anchor)
        return neighbours

    def _facts(self) -> Any:
        """The clips and the frames of each. The length is not part of it, because each image has its own id."""
        return self.name, self._set.digest, NEIGHBOURS, STEP_SECONDS

    def manifest(self) -> dict[str, Any]:
        """What determines the pixels."""
        return {"neighbours": NEIGHBOURS, "step_seconds": STEP_SECONDS, "frames": self._set.manifest()}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        clips = [i // FRAMES for i in indices]
        times = [0.5 * CLIP_SECONDS + (i % FRAMES - NEIGHBOURS) * STEP_SECONDS for i in indices]
        return self._set.frames(clips, geometry.size, times).images, {}
