"""Read single frames of a video; errors are worded for the manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from ....tasks.data.clips.source import UnreadableClipError
from ....tasks.data.clips.video_files import VideoFiles

T = TypeVar("T")


class UnreadableVideoError(Exception):
    """A video cannot be decoded at the requested times.

    Attributes:
        transient: Whether another attempt may succeed, because the disk is at fault rather than the content.
    """

    def __init__(self, reason: str, transient: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient


def duration(path: Path) -> float:
    """Duration in seconds, measured from the frames in the file.

    Raises:
        UnreadableVideoError: It is not a video, is damaged, or has no frames.
    """
    return _guarded(lambda: VideoFiles([path]).seconds(0), path)


def frames(path: Path, times: Sequence[float], size: int) -> np.ndarray:
    """The frames on the screen at given times.

    Args:
        path: Video file.
        times: Seconds from the beginning; times after the end give the last frame.
        size: Shorter side of the result in pixels; the aspect ratio is kept.

    Returns:
        uint8 (n, H, W, 3), RGB.

    Raises:
        UnreadableVideoError: As for `duration`, or a frame cannot be decoded.
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
