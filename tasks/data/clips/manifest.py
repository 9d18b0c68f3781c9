"""Clips listed in a manifest: segments of videos, each kept or not, as `bench curate` writes it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import DataError
from ....text_files import NotTextError, named_file, read_text
from ..files import first
from .labels import number_categories, read_category
from .source import UnreadableClipError, check_times
from .video_files import VideoFiles

_FORM = """Expected a line of JSON for each clip, or a CSV with the same columns:
  {"video": "dog.mp4", "start": 2.5, "end": 7.5, "class": 207, "kept": true, "reason": ""}"""
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


@dataclass(frozen=True)
class Segment:
    """A row of a manifest.

    Attributes:
        video: Path of the video.
        start: Start in seconds from the video's first frame.
        end: End in seconds; None for the end of the video.
        category: Number or name of the class; None if it is unknown.
        kept: Whether curation kept the segment.
        reason: Why curation dropped it.
    """

    video: Path
    start: float = 0.0
    end: float | None = None
    category: int | str | None = None
    kept: bool = True
    reason: str = ""


class Segments:
    """A `ClipSource` of the kept segments of a manifest.

    Numbers of classes are used as labels; names are numbered in alphabetical order, over all rows of the manifest, kept
    or not, so that a label does not depend on what curation dropped.

    Args:
        segments: Rows; those that are not kept are left out.
        threads: See `VideoFiles`.
        decoder: See `VideoFiles`.

    Raises:
        DataError: Some classes are numbers and others names.
    """

    def __init__(self, segments: Sequence[Segment], threads: int = 1, decoder: str = "pyav") -> None:
        self.segments = tuple(segment for segment in segments if segment.kept)
        labels, self.classes = number_categories(
            [s.category for s in segments], (str(s.video) for s in segments), "The manifest"
        )
        self.labels = tuple(label for label, s in zip(labels, segments, strict=True) if s.kept)
        places = {path: place for place, path in enumerate(dict.fromkeys(s.video for s in self.segments))}
        self._videos = VideoFiles(list(places), None, threads, decoder)
        self._video_of = tuple(places[s.video] for s in self.segments)

    def __len__(self) -> int:
        return len(self.segments)

    def seconds(self, clip: int) -> float:
        """Duration of the part of the segment that is inside the video; see `ClipSource`."""
        segment = self.segments[clip]
        video_seconds = self._videos.seconds(self._video_of[clip])
        duration = (video_seconds if segment.end is None else min(segment.end, video_seconds)) - segment.start
        if duration <= 0.0:
            raise UnreadableClipError(segment.video, "ends before the segment begins")
        return duration

    def label(self, clip: int) -> int:
        """Class, or -1 if it is unknown."""
        return self.labels[clip]

    def frames(self, clip: int, times: Sequence[float], size: int | None = None) -> np.ndarray:
        """Frames on the screen at times from the start of the segment; see `ClipSource`."""
        seconds = self.seconds(clip)
        check_times(times, seconds)
        start = self.segments[clip].start
        return self._videos.frames(self._video_of[clip], [start + min(time, seconds) for time in times], size)


def read_manifest(path: Path) -> list[Segment]:
    """Read a manifest.

    Args:
        path: CSV if the name ends in ``.csv``, otherwise JSON lines, in UTF-8, UTF-16 or UTF-32. Paths of videos are
            relative to this file.

    Raises:
        DataError: It cannot be read, a line does not have the expected form, or videos of kept segments are missing.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except NotTextError as error:
        raise DataError(f"{path} cannot be read: {error}.\n{_FORM}") from None
    rows = _csv_rows(text) if path.suffix.lower() == ".csv" else _json_rows(text)
    segments: list[Segment] = []
    try:
        for number, row in rows:
            try:
                segments.append(_segment(row, path.parent))
            except ValueError as error:
                raise DataError(f"{path}, line {number}: {error}.\n{_FORM}") from None
    except csv.Error as error:
        raise DataError(f"{path} is not a CSV file ({error}).\n{_FORM}") from None
    kept_videos = dict.fromkeys(segment.video for segment in segments if segment.kept)
    missing = [str(video) for video in kept_videos if not video.is_file()]
    if missing:
        raise DataError(f"{len(missing)} of the {len(kept_videos)} videos in {path} do not exist: {first(missing)}.")
    if not kept_videos:
        raise DataError(f"{path} keeps none of its {len(segments)} clips.")
    return segments


def _json_rows(text: str) -> Iterator[tuple[int, Any]]:
    """Line numbers and rows. An invalid row is yielded as its exception, because raising would end the generator."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                row = error
            yield number, row


def _csv_rows(text: str) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    for row in reader:
        yield reader.line_num, row


def _segment(row: Any, folder: Path) -> Segment:
    if isinstance(row, Exception):
        raise ValueError(f"not JSON ({row})")
    if not isinstance(row, dict) or not isinstance(row.get("video"), str) or not row["video"].strip("\0 "):
        raise ValueError("it names no video")
    start = _number(row, "start")
    end = _number(row, "end")
    if (start or 0.0) < 0.0 or (end is not None and end <= (start or 0.0)):
        raise ValueError(f"a clip from {row.get('start')} to {row.get('end')} s has no length")
    return Segment(
        named_file(folder, row["video"]),
        start or 0.0,
        end,
        _category(row.get("class")),
        _flag(row.get("kept")),
        _text(row, "reason"),
    )


def _number(row: dict[str, Any], key: str) -> float | None:
    value = row.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{key} is {value!r}, not a number of seconds")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{key} is {value!r}, not a number of seconds")
    return number


def _category(value: Any) -> int | str | None:
    try:
        return read_category(value)
    except ValueError as error:
        raise ValueError(f"class is {error}") from None


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value is None or value == "":
        return True
    if str(value).lower() in _TRUE | _FALSE:
        return str(value).lower() in _TRUE
    raise ValueError(f"kept is {value!r}, neither true nor false")


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)
