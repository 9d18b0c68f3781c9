"""Cutting a video into clips, and the cached evidence for each, so that no video is examined twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from ....files import read_sealed_json, write_sealed_json
from ....identity import digest
from .queries import FrameAnswer
from .settings import CurationSettings

# Cut a video into clips, and choose the times of the frames to examine.


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


# The evidence for a video, cached in files: its length, and each clip's predictions and hashes.


VERSION = 1
"""Increase this when the same video would give other evidence."""

ANSWERS = 10
"""Predictions to store for each frame, so that changing top-k up to this number needs no new forward passes."""


@dataclass(frozen=True)
class ClipEvidence:
    """Predictions and hashes of a clip's probed frames.

    Attributes:
        answers: Top predictions for each frame.
        hashes: Perceptual hash of each frame.
        problem: Why the frames could not be decoded; then there are no predictions and no hashes.
    """

    answers: tuple[FrameAnswer, ...] = ()
    hashes: tuple[int, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class VideoEvidence:
    """The evidence for a video.

    Attributes:
        seconds: Its length; 0 if it cannot be opened.
        problem: Why it cannot be opened; empty if it can.
        clips: Evidence by the position of the clip in the video; clips that were not examined are missing.
    """

    seconds: float = 0.0
    problem: str = ""
    clips: Mapping[int, ClipEvidence] = field(default_factory=dict)


def length_key(content: str) -> str:
    """Key of a video's length."""
    return digest([VERSION, "length", content])


def clips_key(content: str, settings: CurationSettings, model: str) -> str:
    """Key of the evidence for a video's clips: content, classifier, and the settings that affect pixels.

    Args:
        content: Digest of the video.
        settings: Class names, thresholds and quotas are not part of the key, so that changing them reuses evidence.
        model: Identity of the classifier.
    """
    return digest(
        [VERSION, "clips", content, model, settings.clip_seconds, settings.shortest_seconds, settings.frames,
         max(ANSWERS, settings.top_k)]
    )  # fmt: skip


class EvidenceFolder:
    """Evidence in one file per video, so that an interrupted run can resume; damaged files are ignored."""

    def __init__(self, root: Path) -> None:
        """Use a folder, which is created when the first file is written."""
        self._root = root

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / f"{key[:32]}.json"

    def read(self, key: str) -> VideoEvidence | None:
        """The evidence for a key, or None."""
        facts = read_sealed_json(self._path(key))
        try:
            return _from_plain(facts) if facts and facts["key"] == key else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, key: str, evidence: VideoEvidence) -> None:
        """Write evidence atomically, so that a reader never sees half a file.

        Raises:
            StoreError: It cannot be written.
        """
        write_sealed_json(self._path(key), {"key": key, **_plain(evidence)})


def _plain(evidence: VideoEvidence) -> dict[str, Any]:
    clips = {
        str(position): {
            "problem": clip.problem,
            "hashes": [f"{value:016x}" for value in clip.hashes],
            "answers": [[list(a.labels), list(a.confidences)] for a in clip.answers],
        }
        for position, clip in evidence.clips.items()
    }
    return {"seconds": evidence.seconds, "problem": evidence.problem, "clips": clips}


def _from_plain(record: Mapping[str, Any]) -> VideoEvidence:
    clips = {
        int(position): ClipEvidence(
            tuple(FrameAnswer(tuple(map(int, labels)), tuple(map(float, parts))) for labels, parts in clip["answers"]),
            tuple(int(value, 16) for value in clip["hashes"]),
            str(clip["problem"]),
        )
        for position, clip in record["clips"].items()
    }
    return VideoEvidence(float(record["seconds"]), str(record["problem"]), clips)
