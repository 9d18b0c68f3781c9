"""Clips of the micro-world."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..microworld.sets import MicroSet
from ..microworld.vocabulary import CLIP_SECONDS
from .source import check_times

_SIDE = 64


class MicroClips:
    """A `ClipSource` of the micro-world, which renders frames when they are read.

    Args:
        length: Number of clips.
        seed: Seed of the world.
        name: A set of the micro-world.
    """

    def __init__(self, length: int, seed: int = 0, name: str = "train") -> None:
        self.set = MicroSet(name, length, seed)

    def __len__(self) -> int:
        return len(self.set)

    def seconds(self, clip: int) -> float:
        """2.56 for all clips."""
        return CLIP_SECONDS

    def label(self, clip: int) -> int:
        """Shape class."""
        return int(self.set.labels[clip])

    def frames(self, clip: int, times: Sequence[float], size: int | None = None) -> np.ndarray:
        """Render frames at given times, ``size`` pixels square (64 for None); see `ClipSource`."""
        check_times(times, CLIP_SECONDS)
        return self.set.frames([clip] * len(times), size or _SIDE, times).images
