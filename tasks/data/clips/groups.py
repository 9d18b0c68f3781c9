"""Which packets a frame depends on, so that no others are decoded.

A video is a row of groups that begin with a key frame. Packets carry the times of their frames, so the frame that is
shown at a time, and the groups it takes to decode it, are known before anything is decoded.
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
"""Seconds by which a seek is repeated earlier where it ended behind the frame."""


def by_seeking(
    container: InputContainer, stream: VideoStream, ticks: list[int], span: Span
) -> Iterator[tuple[int, VideoFrame]]:
    """Frames at ticks, as far as packets alone tell which ones these are and the decoder then gives them whole."""
    from av.error import FFmpegError

    if not can_seek(container):
        return
    for back in _STEPS_BACK:
        to = ticks[0] - int(back / span.tick)  # transport streams are sought by bytes: before the start is none too far
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
    chosen, needed = plan
    try:
        found = _decode(stream.codec_context, [groups[k] for k in needed], needed, set(chosen.values()))
    except FFmpegError:  # decoding everything from the start will tell whether it matters
        return
    for tick in ticks:
        if (frame := found.get(chosen[tick])) is not None:
            yield tick, frame


def _groups(container: InputContainer, stream: VideoStream, last: int) -> tuple[list[list[Packet]], set[int]]:
    """Packets from the next key frame to the last that may be shown at or before a tick.

    Returns:
        A list of packets for each key frame; and which of these lists damage leaves incomplete.
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
    """Which frame is shown at each tick, and which groups it takes to decode them; None: begin earlier.

    Frames that are decoded after a key frame but shown before it ("open" groups) need the group before theirs as well.
    """
    shown: dict[int, int] = {}
    leading: set[int] = set()
    for number, group in enumerate(groups):
        for packet in group:
            if packet.pts is None:
                return None
            if not packet.is_discard:
                shown[packet.pts] = number
                if group[0].pts is not None and packet.pts < group[0].pts:
                    leading.add(packet.pts)
    if not shown:
        return None
    stamps = np.array(sorted(shown))
    chosen, needed = {}, set()
    for tick in ticks:
        place = int(np.searchsorted(stamps, tick, side="right")) - 1
        if place < 0:
            return None
        frame = int(stamps[place])
        number = shown[frame]
        needed.add(number)
        if frame in leading:
            if number == 0:
                return None
            needed.add(number - 1)
        chosen[tick] = frame
    return None if needed & broken else (chosen, sorted(needed))


def _decode(
    codec: VideoCodecContext, groups: list[list[Packet]], numbers: list[int], wanted: set[int]
) -> dict[int, VideoFrame]:
    """Decode groups of packets; the decoder skips the frames that are not requested, where it can."""
    found: dict[int, VideoFrame] = {}
    left = set(wanted)
    before = None
    for number, group in zip(numbers, groups, strict=True):
        if before is not None and number != before + 1:
            _keep(codec.decode(None), wanted, found)
            codec.flush_buffers()
        before = number
        for packet in group:
            codec.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
            _keep(codec.decode(packet), wanted, found)
            left.discard(packet.pts)
            if not left:
                break
    _keep(codec.decode(None), wanted, found)
    codec.flush_buffers()
    return found


def _keep(frames: Sequence[VideoFrame], wanted: set[int], found: dict[int, VideoFrame]) -> None:
    for frame in frames:
        if frame.pts in wanted and not frame.is_corrupt:
            found.setdefault(frame.pts, frame)
