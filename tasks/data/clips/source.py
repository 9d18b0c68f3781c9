"""The interface of a set of clips, whatever format they are stored in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ....errors import DataError


class ClipSource(Protocol):
    """A finite, ordered set of clips that returns frames at any time.

    It can be pickled and used from several threads. Reading is a pure function of the arguments: the same clip and
    times always give the same pixels, whatever was read before.
    """

    def __len__(self) -> int:
        """Number of clips."""

    def seconds(self, clip: int) -> float:
        """Duration: the largest time of a frame. Raises `UnreadableClipError` if the clip has no frames."""

    def label(self, clip: int) -> int:
        """Class of the clip, or -1 if it is unknown."""

    def frames(self, clip: int, times: Sequence[float], size: int | None = None) -> np.ndarray:
        """The frames on the screen at given times.

        Args:
            clip: Position, from 0.
            times: Seconds from the first frame, 0 to `seconds`, in any order; equal times give equal frames.
            size: Length of the shorter side in pixels; None keeps the frames as they are.

        Returns:
            uint8 (n, H, W, 3), RGB.

        Raises:
            UnreadableClipError: The clip is damaged or missing; another one may replace it.
            ValueError: A time is outside the clip.
        """


class UnreadableClipError(DataError):
    """A clip cannot be read; a loader may replace it by another one.

    Attributes:
        clip: Path or name of the clip.
        reason: Why, without the path, so that equal reasons can be counted.
    """

    def __init__(self, clip: object, reason: str) -> None:
        super().__init__(f"{clip}: {reason}")
        self.clip = str(clip)
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableClipError], tuple[str, str]]:
        return type(self), (self.clip, self.reason)


def check_times(times: Sequence[float], seconds: float) -> None:
    """Check that all times are inside a clip.

    Raises:
        ValueError: A time is negative, not a number, or beyond the end by more than rounding.
    """
    for time in times:
        if not 0.0 <= time <= seconds + 1e-6:
            raise ValueError(f"there is no frame at {time} s in a clip of {seconds:.3f} s")


def resized(width: int, height: int, size: int | None) -> tuple[int, int]:
    """Width and height after resizing the shorter side to ``size`` pixels, with the proportions kept."""
    if size is None:
        return width, height
    shorter = min(width, height)
    return max(1, round(width * size / shorter)), max(1, round(height * size / shorter))
