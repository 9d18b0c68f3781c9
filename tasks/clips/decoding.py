"""Frames of a video at given times, decoding no more than they depend on: by PyAV, or by TorchCodec on request."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ...errors import DataError, unknown_name
from .container import Content, Span, by_seeking, opened, whole_packets
from .source import UnreadableClipError, resized, stacked

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


# Read frames of a video at given times with PyAV, decoding only the packets that these frames depend on.


_FAR = 20.0
"""Seconds between two times above which seeking is cheaper than reading everything in between."""

_HELD = 0.5
"""Seconds after the last decoded frame for which it may be returned: a decoder can withhold the final few frames."""

_CROOKED = 1e-3
"""Entries of a display matrix below this share of the largest one are rounding errors: 0.06 degrees."""


@dataclass(frozen=True)
class PyAV:
    """Decodes with PyAV, that is, FFmpeg.

    Attributes:
        threads: Threads of one decoder. 1 is most efficient if several clips are read at once.
    """

    threads: int = 1

    def frames(self, content: Content, name: str, span: Span, times: Sequence[float], size: int | None) -> np.ndarray:
        """Read the frame on the screen at each time: the last one displayed at or before it.

        Args:
            content: The video.
            name: Name for error messages.
            span: From `measure`.
            times: Seconds from the first frame, in any order.
            size: Length of the shorter side in pixels; None for the video's own.

        Returns:
            uint8 (n, H, W, 3), rotated and mirrored as the file requires; see `upright`.

        Raises:
            UnreadableClipError: A frame cannot be decoded, or `upright` does not support its display matrix.
        """
        # A timestamp converted to float seconds and back may come out slightly too small.
        ticks = [span.start + int(time / span.tick + 1e-3) for time in times]
        distinct = sorted(set(ticks))
        pictures: dict[int, np.ndarray] = {}
        with opened(content, name) as (container, stream):
            self._set(stream)
            convert = _Pictures(stream, size, name)
            for near in _near(distinct, _FAR / span.tick):
                pictures |= {t: convert.of(f) for t, f in by_seeking(container, stream, near, span)}
        missing = [tick for tick in distinct if tick not in pictures]
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
    """Split ascending ticks into groups wherever two neighbours are further apart than `far`."""
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
    """Frames at ticks by decoding from the beginning: slow, but as reliable as a player.

    Raises:
        UnreadableClipError: The video is damaged at or before one of the frames, or ends before it.
    """
    from av.error import FFmpegError

    current: VideoFrame | None = None
    remaining = list(ticks)
    try:
        for frame in _all_frames(container, stream):
            when = frame.pts if frame.pts is not None else frame.dts
            while remaining and current is not None and when is not None and when > remaining[0]:
                yield remaining.pop(0), _whole(current, name)
            if not remaining:
                return
            current = frame if when is not None else current
    except FFmpegError as error:
        raise UnreadableClipError(name, f"is damaged ({error.strerror or error})") from None
    if current is None:
        raise UnreadableClipError(name, "no frame of it can be decoded")
    covered_until = (
        (current.pts if current.pts is not None else current.dts or 0) + (current.duration or 0) + _HELD / span.tick
    )
    for tick in remaining:  # the last frame stays on the screen until the end
        if tick > covered_until:
            raise UnreadableClipError(name, "is damaged (its frames end too early)")
        yield tick, _whole(current, name)


def _all_frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    for packet in whole_packets(container, stream):
        yield from stream.codec_context.decode(packet)
    yield from stream.codec_context.decode(None)


def _whole(frame: VideoFrame, name: str) -> VideoFrame:
    if frame.is_corrupt:
        raise UnreadableClipError(name, "is damaged (a frame is incomplete)")
    return frame


class _Pictures:
    """Turns frames into RGB arrays of the shape in the header: the resolution may change within a file."""

    def __init__(self, stream: VideoStream, size: int | None, name: str) -> None:
        from av.video.reformatter import VideoReformatter

        self._shape = resized(stream.width, stream.height, size) if stream.width and stream.height else None
        self._size, self._name = size, name
        self._converter = VideoReformatter()

    def of(self, frame: VideoFrame) -> np.ndarray:
        from av.video.reformatter import Interpolation

        if self._shape is None:
            self._shape = resized(frame.width, frame.height, self._size)
        # When shrinking, swscale's bilinear filter widens with the reduction: it antialiases.
        converted = self._converter.reformat(frame, *self._shape, "rgb24", interpolation=Interpolation.BILINEAR)
        try:
            return upright(converted.to_ndarray(), frame)
        except ValueError as error:
            raise UnreadableClipError(self._name, str(error)) from None


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """A frame's display matrix: a b u c d v x y w of ISO/IEC 14496-12 (6.2.2), in 1/65536 except for u v w.

    Containers (MP4, MOV, the projection of Matroska) and codecs (a message in H.264 and HEVC) store it in many ways;
    FFmpeg converts all of them to this one.

    Returns:
        None if there is no matrix, or only zeros.
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")  # its stub lacks the buffer protocol
    if data is None:
        return None
    matrix = struct.unpack("=9i", bytes(data))
    return matrix if any(matrix[at] for at in (0, 1, 3, 4)) else None


def upright(picture: np.ndarray, frame: VideoFrame) -> np.ndarray:
    """A frame as a player displays it: rotated by quarter turns and mirrored according to its display matrix.

    Translations and scalings in the matrix are ignored: the picture is in view anyway, and non-square pixels are kept.

    Args:
        picture: (H, W, 3), the frame as it is stored.
        frame: The frame with its display matrix.

    Returns:
        (H, W, 3) or (W, H, 3).

    Raises:
        ValueError: The matrix shears, rotates by another angle, or has a perspective. The message can be the reason
            of an `UnreadableClipError`.
    """
    matrix = display_matrix(frame)
    if matrix is None:
        return picture
    # x' = a x + c y and y' = b x + d y, where x goes right and y goes down.
    a, b, u, c, d, v, *_ = matrix
    least = max(map(abs, (a, b, c, d))) * _CROOKED
    if not (u or v) and max(abs(b), abs(c)) <= least < min(abs(a), abs(d)):
        down, right, rotated = d, a, picture
    elif not (u or v) and max(abs(a), abs(d)) <= least < min(abs(b), abs(c)):
        down, right, rotated = b, c, picture.swapaxes(0, 1)
    else:
        raise ValueError(
            "has a display matrix that shears it or turns it by anything but quarter turns; store it upright"
        )
    return rotated[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]


# Read frames of a video at given times with TorchCodec, if it is installed.


def _library() -> Any:
    try:
        from torchcodec import decoders
    except (ImportError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"TorchCodec cannot be used ({reason}). It needs `pip install 'vitobench[torchcodec]'` and the shared "
            'libraries of FFmpeg; decoder="pyav" needs neither.'
        ) from None
    return decoders


@dataclass(frozen=True)
class TorchCodec:
    """Decodes with TorchCodec; see `decoding.PyAV` for the arguments of `frames`.

    Attributes:
        threads: Threads of one decoder.

    Raises:
        DataError: TorchCodec cannot be used on this machine.
    """

    threads: int = 1

    def __post_init__(self) -> None:
        _library()

    def frames(self, content: Content, name: str, span: Span, times: Sequence[float], size: int | None) -> np.ndarray:
        """uint8 (n, H, W, 3); for each time the last frame displayed at or before it.

        Videos that must be rotated or mirrored are left to PyAV: some versions of TorchCodec return them as stored, and
        others rotate but do not mirror them.
        """
        if _is_turned(content, name):
            return PyAV(self.threads).frames(content, name, span, times, size)
        import torch

        decoders = _library()
        place = str(content.absolute()) if hasattr(content, "absolute") else content
        try:
            decoder = decoders.VideoDecoder(place, dimension_order="NCHW", num_ffmpeg_threads=self.threads)
            facts = decoder.metadata
            # A fraction of a tick makes up for rounding of times that are multiples of a tick.
            seconds = [facts.begin_stream_seconds + time + 1e-3 * span.tick for time in times]
            early = [time for time in seconds if time < facts.end_stream_seconds]
            played = iter(decoder.get_frames_played_at(early).data) if early else iter(())
            # TorchCodec has no frame at or after its end, but a last frame without a duration is still on the screen.
            last: Any = decoder.get_frame_at(len(decoder) - 1).data if len(early) < len(seconds) else None
            pictures = torch.stack([next(played) if time < facts.end_stream_seconds else last for time in seconds])
        except (RuntimeError, ValueError, IndexError) as error:
            raise UnreadableClipError(name, f"cannot be decoded ({str(error).splitlines()[0]})") from None
        width, height = resized(pictures.shape[3], pictures.shape[2], size)
        if (height, width) != tuple(pictures.shape[2:]):
            from torch.nn.functional import interpolate

            pictures = interpolate(pictures, (height, width), mode="bilinear", antialias=True)
        return np.ascontiguousarray(pictures.permute(0, 2, 3, 1).numpy())


def _is_turned(content: Content, name: str) -> bool:
    with opened(content, name) as (container, stream):
        first = next(container.decode(stream), None)
        return first is not None and display_matrix(first) is not None


# The choice of library that decodes videos.


class Decoder(Protocol):
    """Returns frames of a video at given times; see `decoding.PyAV.frames`."""

    def frames(self, content: Content, name: str, span: Span, times: Sequence[float], size: int | None) -> np.ndarray:
        """uint8 (n, H, W, 3), RGB."""


def _pyav(threads: int) -> Decoder:

    return PyAV(threads)


def _torchcodec(threads: int) -> Decoder:

    return TorchCodec(threads)


DECODERS: dict[str, Callable[[int], Decoder]] = {"pyav": _pyav, "torchcodec": _torchcodec}
"""Decoders by name. Their pixels differ by rounding and by the filter for resizing."""


def make_decoder(name: str, threads: int = 1) -> Decoder:
    """A decoder by name.

    Args:
        name: A key of `DECODERS`.
        threads: Threads to decode one clip with.

    Raises:
        UnknownNameError: There is no such decoder.
        DataError: It is not installed.
    """
    if name not in DECODERS:
        raise unknown_name("video decoder", name, DECODERS)
    return DECODERS[name](threads)
