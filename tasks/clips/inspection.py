"""Inspect video files for flaws, before spending hours on them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...cores import usable_cores
from .container import all_packets, measure, opened, stamp
from .decoding import PyAV
from .source import UnreadableClipError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

FLAWS = ("unreadable", "damaged", "truncated", "no duration in the header", "variable frame rate")
"""Flaws that `tally` counts. An unreadable file has only that one; other files may have several."""

_SHORT = 0.5
"""Seconds by which a video may be shorter than its header says, since headers are not exact."""

_SHARE = 0.05
"""Share of its length by which a video may be shorter than its header says."""


@dataclass(frozen=True)
class Inspection:
    """What a video file contains. All numbers are 0 if it is not readable.

    Attributes:
        path: The file.
        readable: Whether its first and its last frame can be decoded.
        seconds: Duration of the frames that exist.
        frames: Number of frames.
        fps: Mean number of frames per second.
        width: Width in pixels, as stored.
        height: Height in pixels, as stored.
        flaws: Some of `FLAWS`.
        reason: Description of the flaws, without the path; empty if there are none.
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
    """Read files through, decoding only the first and the last frame of each. No file makes this fail.

    Damage in between is only noticed when a frame that depends on it is read.

    Args:
        paths: The files.
        threads: Files to read at once; by default as many as there are cores, at most 8.
        progress: Called with (finished files, total).

    Returns:
        One row per file, in the order of ``paths``.
    """
    inspections: list[Inspection] = []
    with ThreadPoolExecutor(threads or min(8, usable_cores())) as pool:
        for row in pool.map(inspect_video, map(Path, paths)):
            inspections.append(row)
            if progress is not None:
                progress(len(inspections), len(paths))
    return inspections


def inspect_video(path: Path) -> Inspection:
    """Inspect one file; see `inspect_videos`."""
    try:
        return _inspect(path)
    except UnreadableClipError as error:
        return Inspection(path, False, flaws=("unreadable",), reason=error.reason)


def tally(inspections: Sequence[Inspection]) -> dict[str, int]:
    """Number of files, of files without a flaw, and of files with each flaw: ``{"files": 10, "good": 9, …}``."""
    counts = Counter(flaw for inspection in inspections for flaw in inspection.flaws)
    return {
        "files": len(inspections),
        "good": sum(not inspection.flaws for inspection in inspections),
        **{flaw: counts[flaw] for flaw in FLAWS},
    }


def _inspect(path: Path) -> Inspection:
    name = str(path)
    with opened(path, name) as (container, stream):
        header_seconds, header_frames = _told(container, stream), stream.frames
        width, height = stream.width, stream.height
        packets = [(p.is_corrupt, stamp(p)) for p in all_packets(container, stream) if not p.is_discard]
    intact = [when for corrupt, when in packets if not corrupt]
    stamps = np.array(sorted(when for when in intact if when is not None), np.float64)
    span = measure(path, name)
    for time in (0.0, span.seconds):
        PyAV().frames(path, name, span, [time], None)
    notes: dict[str, str] = {}
    if holes := sum(corrupt for corrupt, _ in packets[:-1]):
        notes["damaged"] = f"{holes} packets are damaged or missing"
    if header_seconds is None:
        notes["no duration in the header"] = "the header gives no duration"
    elif header_seconds - span.seconds > max(_SHORT, _SHARE * header_seconds):
        notes["truncated"] = f"the header says {header_seconds:.1f} s, the frames end after {span.seconds:.1f} s"
    elif header_frames * (1 - _SHARE) > len(intact) + 1:
        notes["truncated"] = f"the header says {header_frames} frames, there are {len(intact)}"
    if rates := _rates(np.diff(stamps) * span.tick):
        notes["variable frame rate"] = rates
    return Inspection(
        path,
        True,
        span.seconds,
        len(intact),
        len(intact) / span.seconds,
        width,
        height,
        tuple(notes),
        "; ".join(notes.values()),
    )


def _told(container: InputContainer, stream: VideoStream) -> float | None:
    """Duration of the frames according to the header: None if it gives none, 0 if it may be that of the sound."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if tag := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "")):  # Matroska
        return 3600 * float(tag[1]) + 60 * float(tag[2]) + float(tag[3])
    if not container.duration:
        return None
    return 0.0 if container.streams.audio else container.duration / 1e6  # sound may last longer than the frames


def _rates(gaps: np.ndarray) -> str:
    """Range of the times between frames, in words; empty if they only vary by rounding and a few lost frames."""
    if not len(gaps):
        return ""
    usual = float(np.median(gaps))
    odd = np.abs(gaps - usual) > np.maximum(0.2 * usual, 0.0021)  # Matroska rounds timestamps to milliseconds
    if odd.sum() < max(2.0, 0.02 * len(gaps)):
        return ""
    return f"from {1000 * gaps.min():.0f} to {1000 * gaps.max():.0f} ms between frames"
