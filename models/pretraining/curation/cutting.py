"""Cut a video into clips, and choose the times of the frames to examine."""

from __future__ import annotations

from itertools import pairwise

_ROUNDING = 1e-6


def cut(duration: float, clip_seconds: float) -> list[tuple[float, float]]:
    """Cut a video into clips from its beginning; the last clip is the remainder.

    Args:
        duration: Seconds, above 0.
        clip_seconds: Length of a clip, above 0.

    Returns:
        (start, end) in seconds, rounded to milliseconds, in order and without gaps.
    """
    full_clips = int((duration + _ROUNDING) / clip_seconds)
    edges = [round(i * clip_seconds, 3) for i in range(full_clips + 1)]
    if duration - edges[-1] > 1e-3:
        edges.append(round(duration, 3))
    return list(pairwise(edges))


def probe_times(start: float, end: float, frames: int) -> list[float]:
    """The midpoints of ``frames`` equal parts of a clip, in seconds of the video."""
    return [start + (i + 0.5) * (end - start) / frames for i in range(frames)]
