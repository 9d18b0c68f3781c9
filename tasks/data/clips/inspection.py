"""What files that call themselves videos really hold, before hours are spent on them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....cores import usable_cores
from .container import all_packets, measure, opened, stamp
from .decoding import PyAV
from .source import UnreadableClipError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

FLAWS = ("unreadable", "damaged", "truncated", "no duration in the header", "variable frame rate")
"""What `tally` counts; a file may have several of all but the first."""

_SHORT = 0.5
"""Seconds by which a video may be shorter than its header says; headers are not exact."""

_SHARE = 0.05
"""Share of its length by which it may be shorter in any case."""


@dataclass(frozen=True)
class Inspection:
    """What a file holds.

    Attributes:
        path: The file.
        readable: Whether its first and its last frame can be decoded.
        seconds: Duration of the frames that are there; 0 where it is not readable, as all numbers that follow.
        frames: Number of frames.
        fps: Mean frames per second.
        width: In pixels, as stored.
        height: Likewise.
        flaws: Of `FLAWS`.
        reason: What the flaws are, in words that name no path; empty where there are none.
    """

    path: Path
    readable: bool
    seconds: float = 0.0
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    flaws: tuple[str, ...] = ()
    reason: str = ""


def inspect_videos(
    paths: Sequence[Path], threads: int | None = None, progress: Callable[[int, int], None] | None = None
) -> list[Inspection]:
    """Read through files without decoding more than their first and last frame. No file makes this fail.

    Damage in between is found when a frame that depends on it is asked for.

    Args:
        paths: The files.
        threads: Files to read at once; None for as many as there are processors, at most 8.
        progress: Told (files done, files in all).

    Returns:
        One row per file, in the order of ``paths``.
    """
    found: list[Inspection] = []
    with ThreadPoolExecutor(threads or min(8, usable_cores())) as pool:
        for row in pool.map(inspect_video, map(Path, paths)):
            found.append(row)
            if progress is not None:
                progress(len(found), len(paths))
    return found


def inspect_video(path: Path) -> Inspection:
    """Inspect one file; see `inspect_videos`."""
    try:
        return _inspect(path)
    except UnreadableClipError as error:
        return Inspection(path, False, flaws=("unreadable",), reason=error.reason)


def tally(inspections: Sequence[Inspection]) -> dict[str, int]:
    """Number of files, of those without a flaw, and of those with each flaw: ``{"files": 10, "good": 9, …}``."""
    counts = Counter(flaw for inspection in inspections for flaw in inspection.flaws)
    return {
        "files": len(inspections),
        "good": sum(not inspection.flaws for inspection in inspections),
        **{flaw: counts[flaw] for flaw in FLAWS},
    }


def _inspect(path: Path) -> Inspection:
    name = str(path)
    with opened(path, name) as (container, stream):
        told, promised = _told(container, stream), stream.frames
        width, height = stream.width, stream.height
        found = [(p.is_corrupt, stamp(p)) for p in all_packets(container, stream) if not p.is_discard]
    whole = [shown for corrupt, shown in found if not corrupt]
    stamps = np.array(sorted(shown for shown in whole if shown is not None), np.float64)
    span = measure(path, name)
    for time in (0.0, span.seconds):
        PyAV().frames(path, name, span, [time], None)
    notes: dict[str, str] = {}
    if holes := sum(corrupt for corrupt, _ in found[:-1]):
        notes["damaged"] = f"{holes} packets are damaged or missing"
    if told is None:
        notes["no duration in the header"] = "the header gives no duration"
    elif told - span.seconds > max(_SHORT, _SHARE * told):
        notes["truncated"] = f"the header says {told:.1f} s, the frames end after {span.seconds:.1f} s"
    elif promised * (1 - _SHARE) > len(whole) + 1:
        notes["truncated"] = f"the header says {promised} frames, there are {len(whole)}"
    if rates := _rates(np.diff(stamps) * span.tick):
        notes["variable frame rate"] = rates
    return Inspection(
        path,
        True,
        span.seconds,
        len(whole),
        len(whole) / span.seconds,
        width,
        height,
        tuple(notes),
        "; ".join(notes.values()),
    )


def _told(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds that the frames last if one believes the header, None where it says nothing; 0 if only sound is told."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if tag := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "")):  # Matroska
        return 3600 * float(tag[1]) + 60 * float(tag[2]) + float(tag[3])
    if not container.duration:
        return None
    return 0.0 if container.streams.audio else container.duration / 1e6  # sound may last longer


def _rates(gaps: np.ndarray) -> str:
    """Whether times between frames vary by more than the rounding of timestamps and a frame lost here and there."""
    if not len(gaps):
        return ""
    usual = float(np.median(gaps))
    odd = np.abs(gaps - usual) > np.maximum(0.2 * usual, 0.0021)  # Matroska counts milliseconds
    if odd.sum() < max(2.0, 0.02 * len(gaps)):
        return ""
    return f"from {1000 * gaps.min():.0f} to {1000 * gaps.max():.0f} ms between frames"
