"""Opening a video file that may be anything, and measuring from when to when it shows frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .source import UnreadableClipError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

EXTENSIONS = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .m2ts .wmv .asf .flv .3gp .ogv".split()  # noqa: SIM905
)
"""Files that count as videos, in lower case."""

# A playlist that is called .mp4 would have FFmpeg open whatever it names, over the network too.
OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,avi,mpegts,mpeg,asf,flv,ogg,mp3,wav,aac,flac",
}

_REORDERED = 32
"""The first frame to be shown is among so many packets: codecs reorder 16 frames at most."""

Content = Path | bytes
"""A file, or what is in one."""

_INVALID_DATA = -int.from_bytes(b"INDA", "little")
"""FFmpeg's number for it."""

_TAIL = 1.0
"""Seconds before the end from which on packets are looked at; transport streams are not sought by their key frames."""


@dataclass(frozen=True)
class Span:
    """From when to when a video shows frames, measured from what the file holds and not from what its header says.

    Attributes:
        start: Presentation timestamp of the first frame, in ticks.
        end: Timestamp at which the last frame leaves the screen.
        tick: Seconds.
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
    """Open a video; whatever goes wrong with it inside the block becomes an `UnreadableClipError`.

    Args:
        content: The video.
        name: What the error calls it.
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
    # With "file:" in front no name is taken for an address.
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
        if not stream.disposition & Disposition.attached_pic:  # the cover of a piece of music
            if not stream.codec_context or not stream.time_base:
                raise UnreadableClipError(name, "its codec is unknown to FFmpeg")
            return stream
    raise UnreadableClipError(name, "has no video stream" + (", only audio" if container.streams.audio else ""))


def all_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """Packets of a stream from where the file stands, damaged ones too.

    The end of a truncated file is met as an error by some formats and as a normal end by others: both just end it.
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
    """Packets of a stream from where the file stands, but for the last one if it is cut short.

    Raises:
        InvalidDataError: Packets follow a damaged one, which they may depend on.
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
    """Whether timestamps are right after a seek. MPEG program streams do not have one for each frame."""
    return container.format.name != "mpeg"


def stamp(packet: Packet) -> int | None:
    """When a packet's frame is shown, in ticks; AVI knows only when it is decoded."""
    return packet.pts if packet.pts is not None else packet.dts


def measure(content: Content, name: str) -> Span:
    """Find the first and the last frame, without decoding.

    The end is looked up where the header says it is. Where nothing is there (a truncated file), or the header does not
    say, the file is read through.

    Raises:
        UnreadableClipError: The file cannot be opened, has no frames, or none with a timestamp.
    """
    from av.error import FFmpegError

    with opened(content, name) as (container, stream):
        tick = float(stream.time_base or 0)
        usual = max(1, round(1.0 / (float(stream.average_rate or 25) * tick)))
        first = _extent(islice(all_packets(container, stream), _REORDERED), usual)
        if first is None:
            raise UnreadableClipError(name, "has no frames with timestamps")
        header = stream.duration or round((container.duration or 0) / 1e6 / tick)
        last = None
        if header and can_seek(container):
            try:
                container.seek(max(first[0], first[0] + header - round(_TAIL / tick)), stream=stream)
                last = _extent(all_packets(container, stream), usual)
            except FFmpegError:
                last = None
    if last is None or last[1] < first[1]:
        with opened(content, name) as (container, stream):
            last = _extent(all_packets(container, stream), usual) or first
    return Span(first[0], max(first[1], last[1]), tick)


def _extent(packets: Iterable[Packet], usual: int) -> tuple[int, int] | None:
    """Smallest timestamp and largest end of the frames in packets; None where no frame has a time.

    Args:
        packets: Packets.
        usual: Ticks that a frame lasts if it does not say so itself.
    """
    whole = (p for p in packets if not (p.is_discard or p.is_corrupt))
    shown = [(s, s + (p.duration or usual)) for p in whole if (s := stamp(p)) is not None]
    return (min(s for s, _ in shown), max(e for _, e in shown)) if shown else None
