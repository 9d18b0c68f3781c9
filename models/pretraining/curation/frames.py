"""Single frames of a video, and why it has none, in words that can be kept in a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from ....tasks.data.clips.source import UnreadableClipError
from ....tasks.data.clips.video_files import VideoFiles

T = TypeVar("T")


class UnreadableVideoError(Exception):
    """A video that cannot be decoded where it was asked to be.

    Attributes:
        transient: Whether the disk is at fault and not the content, so that another attempt may succeed.
    """

    def __init__(self, reason: str, transient: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient


def duration(path: Path) -> float:
    """Seconds that the video shows frames, measured from what the file holds.

    Raises:
        UnreadableVideoError: Not a video, damaged, or without a picture.
    """
    return _guarded(lambda: VideoFiles([path]).seconds(0), path)


def frames(path: Path, times: Sequence[float], size: int) -> np.ndarray:
    """The frames that are on the screen at some moments.

    Args:
        path: Video file.
        times: Seconds from the beginning; past the end the last frame is taken.
        size: Shorter side of the result in pixels; the aspect is kept.

    Returns:
        uint8 (n, H, W, 3), RGB.

    Raises:
        UnreadableVideoError: As for `duration`, or no frame could be decoded at one of the moments.
    """
    video = VideoFiles([path])

    def read() -> np.ndarray:
        last = video.seconds(0)
        return video.frames(0, [min(time, last) for time in times], size)

    return _guarded(read, path)


def _guarded(read: Callable[[], T], path: Path) -> T:
    try:
        return read()
    except UnreadableClipError as error:
        raise UnreadableVideoError(error.reason, transient=not path.is_file()) from None
    except OSError as error:
        raise UnreadableVideoError(error.strerror or str(error), transient=True) from None
    except MemoryError:
        raise UnreadableVideoError("not enough memory", transient=True) from None
