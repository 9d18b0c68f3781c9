"""Frames of a video at given times by PyAV, decoding no more than these frames depend on."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .container import Content, Span, opened, whole_packets
from .groups import by_seeking
from .images import stacked
from .source import UnreadableClipError, resized

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_FAR = 20.0
"""Seconds between two times from which on it is cheaper to seek than to read what lies between."""

_HELD = 0.5
"""Seconds for which a frame may stand in for those after it that the decoder withheld at the end."""

_CROOKED = 1e-3
"""Share of the largest entry of a display matrix up to which another one is rounding: 0.06 degrees."""


@dataclass(frozen=True)
class PyAV:
    """Decodes by PyAV, that is FFmpeg.

    Attributes:
        threads: Threads of one decoder. Where several clips are read at once, 1 wastes nothing.
    """

    threads: int = 1

    def frames(self, content: Content, name: str, span: Span, times: Sequence[float], size: int | None) -> np.ndarray:
        """Read frames: of all frames shown at or before a time the last one; before the first frame, that one.

        Args:
            content: The video.
            name: What an error calls it.
            span: As `measure` has found it.
            times: Seconds from the first frame, in any order.
            size: Length of the shorter side; None for the video's own.

        Returns:
            uint8 (n, H, W, 3), turned and mirrored as the file says; see `upright`.

        Raises:
            UnreadableClipError: A frame cannot be decoded, or is to be shown in a way that `upright` refuses.
        """
        # A timestamp that went through floating point may have come out a little smaller.
        ticks = [span.start + int(time / span.tick + 1e-3) for time in times]
        wanted = sorted(set(ticks))
        pictures: dict[int, np.ndarray] = {}
        with opened(content, name) as (container, stream):
            self._set(stream)
            convert = _Pictures(stream, size, name)
            for near in _near(wanted, _FAR / span.tick):
                pictures |= {t: convert.of(f) for t, f in by_seeking(container, stream, near, span)}
        missing = [tick for tick in wanted if tick not in pictures]
        if missing:
            with opened(content, name) as (container, stream):
                self._set(stream)
                pictures |= {t: convert.of(f) for t, f in _by_decoding_all(container, stream, missing, span, name)}
        return stacked([pictures[tick] for tick in ticks], name)

    def _set(self, stream: VideoStream) -> None:
        stream.codec_context.thread_count = self.threads
        if self.threads != 1:
            stream.codec_context.thread_type = "AUTO"


def _near(ticks: Sequence[int], far: float) -> Iterator[list[int]]:
    """Part ascending ticks where a long way lies between two."""
    group = [ticks[0]]
    for tick in ticks[1:]:
        if tick - group[-1] > far:
            yield group
            group = []
        group.append(tick)
    yield group


def _by_decoding_all(
    container: InputContainer, stream: VideoStream, ticks: list[int], span: Span, name: str
) -> Iterator[tuple[int, VideoFrame]]:
    """Frames at ticks by decoding from the beginning: slow, and right wherever a player is.

    Raises:
        UnreadableClipError: Damage at or before one of the frames, or the frames end before it.
    """
    from av.error import FFmpegError

    shown: VideoFrame | None = None
    left = list(ticks)
    try:
        for frame in _all_frames(container, stream):
            when = frame.pts if frame.pts is not None else frame.dts
            while left and shown is not None and when is not None and when > left[0]:
                yield left.pop(0), _whole(shown, name)
            if not left:
                return
            shown = frame if when is not None else shown
    except FFmpegError as error:
        raise UnreadableClipError(name, f"is damaged ({error.strerror or error})") from None
    if shown is None:
        raise UnreadableClipError(name, "no frame of it can be decoded")
    held = (shown.pts if shown.pts is not None else shown.dts or 0) + (shown.duration or 0) + _HELD / span.tick
    for tick in left:  # until the end the last frame stays on the screen
        if tick > held:
            raise UnreadableClipError(name, "is damaged (its frames end too early)")
        yield tick, _whole(shown, name)


def _all_frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    for packet in whole_packets(container, stream):
        yield from stream.codec_context.decode(packet)
    yield from stream.codec_context.decode(None)


def _whole(frame: VideoFrame, name: str) -> VideoFrame:
    if frame.is_corrupt:
        raise UnreadableClipError(name, "is damaged (a frame is incomplete)")
    return frame


class _Pictures:
    """Turns frames into RGB arrays of one shape: that in the header, as the resolution may change within a file."""

    def __init__(self, stream: VideoStream, size: int | None, name: str) -> None:
        from av.video.reformatter import VideoReformatter

        self._shape = resized(stream.width, stream.height, size) if stream.width and stream.height else None
        self._size, self._name = size, name
        self._converter = VideoReformatter()

    def of(self, frame: VideoFrame) -> np.ndarray:
        from av.video.reformatter import Interpolation

        if self._shape is None:
            self._shape = resized(frame.width, frame.height, self._size)
        # Swscale's bilinear filter grows with the reduction, as an antialiased one does.
        found = self._converter.reformat(frame, *self._shape, "rgb24", interpolation=Interpolation.BILINEAR)
        try:
            return upright(found.to_ndarray(), frame)
        except ValueError as error:
            raise UnreadableClipError(self._name, str(error)) from None


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """How a frame is to be shown: a b u c d v x y w as ISO/IEC 14496-12 (6.2.2) has them, in 1/65536 but for u v w.

    Containers (MP4, MOV, the projection of Matroska) and codecs (a message in H.264 and HEVC) say so in many ways,
    which FFmpeg brings to this one.

    Returns:
        None where nothing is said, or nothing but zeros.
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")  # typed as any side data; it has a buffer
    if data is None:
        return None
    matrix = struct.unpack("=9i", bytes(data))
    return matrix if any(matrix[at] for at in (0, 1, 3, 4)) else None


def upright(picture: np.ndarray, frame: VideoFrame) -> np.ndarray:
    """A frame as a player shows it: turned by quarter turns and mirrored as its display matrix says.

    That the matrix also moves or scales the picture changes nothing: it is moved into view, and pixels that are not
    square are left so.

    Args:
        picture: (H, W, 3), the frame as it is stored.
        frame: Where the matrix is.

    Returns:
        (H, W, 3) or (W, H, 3).

    Raises:
        ValueError: The matrix shears, turns by another angle, or has a perspective. The text can stand in an
            `UnreadableClipError`.
    """
    matrix = display_matrix(frame)
    if matrix is None:
        return picture
    # x' = a x + c y and y' = b x + d y, where x goes right and y goes down.
    a, b, u, c, d, v, *_ = matrix
    least = max(map(abs, (a, b, c, d))) * _CROOKED
    if not (u or v) and max(abs(b), abs(c)) <= least < min(abs(a), abs(d)):
        down, right, found = d, a, picture
    elif not (u or v) and max(abs(a), abs(d)) <= least < min(abs(b), abs(c)):
        down, right, found = b, c, picture.swapaxes(0, 1)
    else:
        raise ValueError(
            "has a display matrix that shears it or turns it by anything but quarter turns; store it upright"
        )
    return found[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]
