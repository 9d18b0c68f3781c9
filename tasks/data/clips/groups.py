"""Find the packets that a frame depends on, so that no others are decoded.

A video is a sequence of groups, each of which begins with a key frame. Packets carry the timestamps of their frames. So
the frame that is displayed at a time, and the groups needed to decode it, are known before anything is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .container import Span, all_packets, can_seek

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

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
