"""The micro-world as a skewed, mislabelled collection of videos with known true classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....identity import digest
from ....tasks.data.microworld.sets import GENERATOR_VERSION
from ....tasks.data.microworld.skewed import SkewedClip, brighter, skewed_clips, skewed_frames
from ....tasks.data.microworld.vocabulary import CLIP_SECONDS
from .listing import Video
from .sources import Progress


class MicroSource:
    """Clips of `skewed_clips`, each a video of 2.56 s; see `Source`."""

    def __init__(self, length: int, seed: int = 0, clips: Sequence[SkewedClip] | None = None) -> None:
        """Draw the source.

        Args:
            length: Number of clips.
            seed: Seed of the draw and of the world.
            clips: Clips drawn with other probabilities; by default ``length`` clips are drawn with the usual ones.
        """
        self.name = f"microworld (seed {seed})"
        self.seed = seed
        drawn_clips = skewed_clips(length, seed) if clips is None else clips
        self.clips = {clip.name: clip for clip in drawn_clips}
        self.videos = tuple(Video(c.name, {"title": c.title, "tags": c.tags}) for c in drawn_clips)

    def digests(self, cache: Path, progress: Progress | None) -> Mapping[str, str]:
        """See `Source`; a scene is identified by the settings it is drawn from."""
        return {
            c.name: digest([GENERATOR_VERSION, self.seed, c.index, c.shows, bool(c.copy_of)])
            for c in self.clips.values()
        }

    def duration(self, path: str) -> float:
        """See `Source`."""
        return CLIP_SECONDS

    def frames(self, path: str, times: Sequence[float], size: int) -> np.ndarray:
        """See `Source`."""
        clip = self.clips[path]
        images = skewed_frames([(clip.index, clip.shows)] * len(times), times, size, self.seed)
        return brighter(images) if clip.copy_of else images

    def facts(self, path: str) -> Mapping[str, Any]:
        """The scene and its true class, or -1 for none."""
        clip = self.clips[path]
        return {"micro": {"set": "train", "seed": self.seed, "index": clip.index, "class": clip.shows}}
