"""What a training loop needs of a set of clips, whatever they are stored as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ....errors import DataError


class ClipSource(Protocol):
    """A finite, ordered set of clips that gives frames at any time.

    It may be pickled and may be used from several threads. Reading is a pure function of the arguments: the same clip
    and times give the same pixels, whoever asks and whatever was read before.
    """

    def __len__(self) -> int:
        """Number of clips."""

    def seconds(self, clip: int) -> float:
        """Duration that frames can be asked from; raises `UnreadableClipError` where there is none."""

    def label(self, clip: int) -> int:
        """Class of the clip, -1 where it is unknown."""

    def frames(self, clip: int, times: Sequence[float], size: int | None = None) -> np.ndarray:
        """The frames that are on the screen at given times.

        Args:
            clip: Position, from 0.
            times: Seconds from the first frame, 0 to `seconds`, in any order; equal times give equal frames.
            size: Length of the shorter side in pixels; None keeps the frames as they are.

        Returns:
            uint8 (n, H, W, 3), RGB.

        Raises:
            UnreadableClipError: The clip is damaged or gone; another one may take its place.
            ValueError: A time outside the clip.
        """


class UnreadableClipError(DataError):
    """A clip that gives no frames, for which a loader may take another one.

    Attributes:
        clip: Path or name of the clip.
        reason: Why, in words that name no path, so that they can be counted.
    """

    def __init__(self, clip: object, reason: str) -> None:
        super().__init__(f"{clip}: {reason}")
        self.clip = str(clip)
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableClipError], tuple[str, str]]:
        return type(self), (self.clip, self.reason)


def check_times(times: Sequence[float], seconds: float) -> None:
    """Refuse times outside a clip.

    Raises:
        ValueError: A time that is negative, not a number, or beyond the end by more than rounding.
    """
    for time in times:
        if not 0.0 <= time <= seconds + 1e-6:
            raise ValueError(f"there is no frame at {time} s in a clip of {seconds:.3f} s")


def resized(width: int, height: int, size: int | None) -> tuple[int, int]:
    """Width and height once the shorter side is ``size`` pixels long and the proportions are kept; see `ClipSource`."""
    if size is None:
        return width, height
    shorter = min(width, height)
    return max(1, round(width * size / shorter)), max(1, round(height * size / shorter))
