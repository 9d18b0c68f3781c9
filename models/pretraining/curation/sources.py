"""The interface of a collection of videos, and the implementation for a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ....tasks.data.hashing import hash_with_cache
from . import frames as reading
from .listing import Video, list_videos

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


class Source(Protocol):
    """A collection of videos."""

    name: str
    videos: tuple[Video, ...]

    def digests(self, cache: Path, progress: Progress | None) -> Mapping[str, str]:
        """Content digests of all readable videos, by path.

        Args:
            cache: JSON file in which the source may cache digests.
            progress: Called with progress.
        """
        ...

    def duration(self, path: str) -> float:
        """Duration in seconds.

        Raises:
            UnreadableVideoError: The video cannot be read.
        """
        ...

    def frames(self, path: str, times: Sequence[float], size: int) -> np.ndarray:
        """Frames, uint8 (n, H, W, 3), with the shorter side resized to ``size``.

        Raises:
            UnreadableVideoError: A frame cannot be decoded.
        """
        ...

    def facts(self, path: str) -> Mapping[str, Any]:
        """Further columns of the manifest for the clips of a video."""
        ...


class FolderSource:
    """Videos on disk; see `Source` and `list_videos`."""

    def __init__(self, where: Path) -> None:
        """List the videos.

        Raises:
            DataError: See `list_videos`.
        """
        self.name = str(where)
        self._root, self.videos, self.left_out = list_videos(where)

    def digests(self, cache: Path, progress: Progress | None) -> Mapping[str, str]:
        """See `Source`."""
        readable = [video.path for video in self.videos if not video.problem]
        entries = hash_with_cache(self._root, readable, cache, progress)
        return {name: entry.sha256 for name, entry in entries.items() if entry.stamp is not None}

    def duration(self, path: str) -> float:
        """See `Source`."""
        return reading.duration(self._root / path)

    def frames(self, path: str, times: Sequence[float], size: int) -> np.ndarray:
        """See `Source`."""
        return reading.frames(self._root / path, times, size)

    def facts(self, path: str) -> Mapping[str, Any]:
        """No further columns."""
        return {}
