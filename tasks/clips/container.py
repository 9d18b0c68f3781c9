"""Opening a video file that may be anything, when it shows frames, and which frames depend on which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .source import UnreadableClipError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


# Open an untrusted video file, and measure the time span of its frames.


EXTENSIONS = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .m2ts .wmv .asf .flv .3gp .ogv".split()  # noqa: SIM905
)
"""Extensions of video files, in lower case."""

# FFmpeg looks at the content, not the extension: a playlist named .mp4 could make it open any file or address.
OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,avi,mpegts,mpeg,asf,flv,ogg,mp3,wav,aac,flac",
}

_REORDERED = 32
"""The first frame to be displayed is among this many packets: codecs reorder at most 16 frames."""

Content = Path | bytes
"""A file, or its contents."""

_INVALID_DATA = -int.from_bytes(b"INDA", "little")
"""FFmpeg's error number for invalid data."""

_TAIL = 1.0
"""To find the last frame, packets are read from this many seconds before the end, because seeking in transport streams
does not land on key frames."""


@dataclass(frozen=True)
class Span:
    """Time span of a video's frames, measured from its packets, because headers can be wrong.

    Attributes:
        start: Presentation timestamp of the first frame, in ticks.
        end: Timestamp in ticks at which the last frame is no longer displayed.
        tick: Seconds per tick.
    """

    start: int
    end: int
    tick: float

    @property
    def seconds(self) -> float:
        """Duration."""
        return (self.end - self.start) * self.tick


@contextmanager
def opened(content: Content, name: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video; any decoding error inside the block becomes an `UnreadableClipError`.

    Args:
        content: The video.
        name: Name for the error message.
    """
    import av
    from av.error import FFmpegError

    if isinstance(content, Path):
        try:
            empty = content.stat().st_size == 0
        except OSError as error:
            raise UnreadableClipError(name, (error.strerror or "cannot be opened").lower()) from None
    else:
        empty = not content
    if empty:
        raise UnreadableClipError(name, "an empty file")
    # The prefix "file:" keeps FFmpeg from reading a name such as "http:x.mp4" as an address.
    place: Any = f"file:{content}" if isinstance(content, Path) else BytesIO(content)
    try:
        with av.open(place, options=OPTIONS, metadata_errors="replace") as container:
            yield container, _stream(container, name)
    except (FFmpegError, OverflowError, IndexError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnreadableClipError(name, f"cannot be decoded ({reason})") from None


def _stream(container: InputContainer, name: str) -> VideoStream:
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:  # the cover image of a music file
            if not stream.codec_context or not stream.time_base:
                raise UnreadableClipError(name, "its codec is unknown to FFmpeg")
            return stream
    raise UnreadableClipError(name, "has no video stream" + (", only audio" if container.streams.audio else ""))


def all_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """Packets of a stream from the current position, including damaged ones.

    Some formats report the end of a truncated file as an error, others as a normal end; here both simply end it.
    """
    from av.error import EOFError as EndOfFile
    from av.error import InvalidDataError

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, EndOfFile, InvalidDataError):
            return
        if packet.size:
            yield packet


def whole_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """Packets of a stream from the current position, without the last one if it is truncated.

    Raises:
        InvalidDataError: A damaged packet is followed by others, which may depend on it.
    """
    from av.error import InvalidDataError

    damage = False
    for packet in all_packets(container, stream):
        if damage:
            raise InvalidDataError(_INVALID_DATA, "packets are damaged or missing")
        damage = packet.is_corrupt
        if not damage:
            yield packet


def can_seek(container: InputContainer) -> bool:
    """Whether timestamps are right after a seek. MPEG program streams do not have one for every frame."""
    return container.format.name != "mpeg"


def stamp(packet: Packet) -> int | None:
    """When a packet's frame is displayed, in ticks; AVI only stores when it is decoded."""
    return packet.pts if packet.pts is not None else packet.dts


def measure(content: Content, name: str) -> Span:
    """Find the first and the last frame, without decoding.

    The end is looked up where the header says it is. If nothing is there (a truncated file), or the header gives no
    duration, the whole file is read.

    Raises:
        UnreadableClipError: The file cannot be opened, has no frames, or none with a timestamp.
    """
    from av.error import FFmpegError

    with opened(content, name) as (container, stream):
        tick = float(stream.time_base or 0)
        frame_ticks = max(1, round(1.0 / (float(stream.average_rate or 25) * tick)))
        first = _extent(islice(all_packets(container, stream), _REORDERED), frame_ticks)
        if first is None:
            raise UnreadableClipError(name, "has no frames with timestamps")
        header = stream.duration or round((container.duration or 0) / 1e6 / tick)
        last = None
        if header and can_seek(container):
            try:
                container.seek(max(first[0], first[0] + header - round(_TAIL / tick)), stream=stream)
                last = _extent(all_packets(container, stream), frame_ticks)
            except FFmpegError:
                last = None
    if last is None or last[1] < first[1]:
        with opened(content, name) as (container, stream):
            last = _extent(all_packets(container, stream), frame_ticks) or first
    return Span(first[0], max(first[1], last[1]), tick)


def _extent(packets: Iterable[Packet], frame_ticks: int) -> tuple[int, int] | None:
    """Smallest timestamp and largest end of the frames in packets; None if no frame has a timestamp.

    Args:
        packets: Packets of one stream.
        frame_ticks: Duration in ticks of a frame that does not give its own.
    """
    intact = (p for p in packets if not (p.is_discard or p.is_corrupt))
    intervals = [(s, s + (p.duration or frame_ticks)) for p in intact if (s := stamp(p)) is not None]
    return (min(s for s, _ in intervals), max(e for _, e in intervals)) if intervals else None


# Find the packets that a frame depends on, so that no others are decoded.
#
# A video is a sequence of groups, each of which begins with a key frame. Packets carry the timestamps of their frames.
# So the frame that is displayed at a time, and the groups needed to decode it, are known before anything is decoded.


_STEPS_BACK = (0.0, 1.0, 4.0, 16.0)
"""Seconds by which a seek is moved back if it ended after the frame."""


def by_seeking(
    container: InputContainer, stream: VideoStream, ticks: list[int], span: Span
) -> Iterator[tuple[int, VideoFrame]]:
    """Frames at ticks, as far as packets alone identify them and the decoder returns them undamaged.

    Ticks that are missing from the result need `decoding._by_decoding_all`.
    """
    from av.error import FFmpegError

    if not can_seek(container):
        return
    for back in _STEPS_BACK:
        to = ticks[0] - int(back / span.tick)  # may be before the start: seeking in transport streams is imprecise
        try:
            container.seek(to, stream=stream)
            groups, broken = _groups(container, stream, ticks[-1])
        except FFmpegError:
            return
        plan = _plan(groups, broken, ticks)
        if plan is not None:
            break
        if to < span.start:
            return
    else:
        return
    frame_at, needed = plan
    try:
        decoded = _decode(stream.codec_context, [groups[k] for k in needed], needed, set(frame_at.values()))
    except FFmpegError:  # decoding everything from the start will show whether the damage matters
        return
    for tick in ticks:
        if (frame := decoded.get(frame_at[tick])) is not None:
            yield tick, frame


def _groups(container: InputContainer, stream: VideoStream, last: int) -> tuple[list[list[Packet]], set[int]]:
    """Packets from the next key frame to the last one whose frame may be displayed at or before `last`.

    Returns:
        A list of packets for each key frame, and the indices of the lists with damaged packets.
    """
    groups: list[list[Packet]] = []
    broken = set()
    for packet in all_packets(container, stream):
        if packet.is_keyframe:
            groups.append([])
        if groups:
            groups[-1].append(packet)
            if packet.is_corrupt:
                broken.add(len(groups) - 1)
        if packet.dts is not None and packet.dts > last:  # no frame is shown before it is decoded
            break
    return groups, broken


def _plan(groups: list[list[Packet]], broken: set[int], ticks: list[int]) -> tuple[dict[int, int], list[int]] | None:
    """The frame displayed at each tick, and the groups needed to decode these frames; None: start earlier.

    Frames that are decoded after a key frame but displayed before it ("open" groups) also need the previous group.
    """
    group_of: dict[int, int] = {}
    leading: set[int] = set()
    for number, group in enumerate(groups):
        for packet in group:
            if packet.pts is None:
                return None
            if not packet.is_discard:
                group_of[packet.pts] = number
                if group[0].pts is not None and packet.pts < group[0].pts:
                    leading.add(packet.pts)
    if not group_of:
        return None
    stamps = np.array(sorted(group_of))
    frame_at, needed = {}, set()
    for tick in ticks:
        place = int(np.searchsorted(stamps, tick, side="right")) - 1
        if place < 0:
            return None
        frame = int(stamps[place])
        number = group_of[frame]
        needed.add(number)
        if frame in leading:
            if number == 0:
                return None
            needed.add(number - 1)
        frame_at[tick] = frame
    return None if needed & broken else (frame_at, sorted(needed))


def _decode(
    codec: VideoCodecContext, groups: list[list[Packet]], numbers: list[int], wanted: set[int]
) -> dict[int, VideoFrame]:
    """Decode groups of packets; where it can, the decoder skips frames that are not wanted."""
    decoded: dict[int, VideoFrame] = {}
    remaining = set(wanted)
    previous = None
    for number, group in zip(numbers, groups, strict=True):
        if previous is not None and number != previous + 1:
            _keep(codec.decode(None), wanted, decoded)
            codec.flush_buffers()
        previous = number
        for packet in group:
            # NONREF skips only frames that no other frame depends on.
            codec.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
            _keep(codec.decode(packet), wanted, decoded)
            remaining.discard(packet.pts)
            if not remaining:
                break
    _keep(codec.decode(None), wanted, decoded)
    codec.flush_buffers()
    return decoded


def _keep(frames: Sequence[VideoFrame], wanted: set[int], decoded: dict[int, VideoFrame]) -> None:
    for frame in frames:
        if frame.pts in wanted and not frame.is_corrupt:
            decoded.setdefault(frame.pts, frame)
