"""What was seen of a video: its length, and the classifier's answers and the hashes of each clip. Kept in files."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....errors import DataError
from ....identity import digest
from .confirming import FrameAnswer
from .settings import CurationSettings

VERSION = 1
"""Raised when the same video would give other evidence."""

ANSWERS = 10
"""Answers of the classifier that are kept for each frame, so that another top-k up to it asks nothing again."""


@dataclass(frozen=True)
class ClipEvidence:
    """A clip's probed frames.

    Attributes:
        answers: One per frame.
        hashes: Perceptual hash of each frame.
        problem: Why the frames could not be decoded; then there are no answers and no hashes.
    """

    answers: tuple[FrameAnswer, ...] = ()
    hashes: tuple[int, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class VideoEvidence:
    """What was seen of a video.

    Attributes:
        seconds: Its length; 0 where it cannot be opened.
        problem: Why it cannot be opened; empty if it can.
        clips: By the position of the clip in the video; those that were not looked at are absent.
    """

    seconds: float = 0.0
    problem: str = ""
    clips: Mapping[int, ClipEvidence] = field(default_factory=dict)


def length_key(content: str) -> str:
    """Under which a video's length is kept."""
    return digest([VERSION, "length", content])


def clips_key(content: str, settings: CurationSettings, model: str) -> str:
    """Under which the evidence of a video's clips is kept: content, classifier, and the settings that reach pixels.

    Args:
        content: Digest of the video.
        settings: Of which class names, thresholds and quotas play no part.
        model: Identity of the classifier.
    """
    return digest(
        [VERSION, "clips", content, model, settings.clip_seconds, settings.shortest_seconds, settings.frames,
         max(ANSWERS, settings.top_k)]
    )  # fmt: skip


class EvidenceFolder:
    """Evidence in files of their own, so that an interrupted run goes on where it was; a damaged file is no file."""

    def __init__(self, root: Path) -> None:
        """Use a folder, which is made when the first file is written."""
        self._root = root

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / f"{key[:32]}.json"

    def read(self, key: str) -> VideoEvidence | None:
        """What is kept under a key, or None."""
        try:
            found = json.loads(self._path(key).read_text(encoding="utf-8"))
            written = found.pop("digest")
            return _from_plain(found) if found["key"] == key and written == digest(json.dumps(found)) else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, key: str, evidence: VideoEvidence) -> None:
        """Keep evidence; a reader never sees half a file.

        Raises:
            DataError: It cannot be written.
        """
        path, aside = self._path(key), None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".writing")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                row = {"key": key, **_plain(evidence)}
                json.dump({**row, "digest": digest(json.dumps(row))}, file, separators=(",", ":"))
            Path(aside).replace(path)
        except OSError as error:
            if aside is not None:
                with suppress(OSError):
                    Path(aside).unlink()
            raise DataError(f"{path} cannot be written: {error.strerror or error}.") from None


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


def _from_plain(found: Mapping[str, Any]) -> VideoEvidence:
    clips = {
        int(position): ClipEvidence(
            tuple(FrameAnswer(tuple(map(int, labels)), tuple(map(float, parts))) for labels, parts in clip["answers"]),
            tuple(int(value, 16) for value in clip["hashes"]),
            str(clip["problem"]),
        )
        for position, clip in found["clips"].items()
    }
    return VideoEvidence(float(found["seconds"]), str(found["problem"]), clips)
