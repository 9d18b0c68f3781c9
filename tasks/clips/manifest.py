"""Clips listed in a file (JSON, JSON lines, CSV), and their labels."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...text_files import NotTextError, named_file, read_text, same_name
from ..images.folders import first
from .folders import VideoFiles
from .source import UnreadableClipError, check_times

# Classes of clips, which users write as numbers, numbers as text, or names.


UNKNOWN = -1
"""Label of a clip whose class is not given."""

_WHOLE = re.compile(r"[+-]?\d+(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_LARGEST = 2**31 - 1


def read_category(value: Any) -> int | str | None:
    """Parse a class.

    Args:
        value: From JSON or CSV: a whole number (``3``, ``3.0``, also as text), a name, or nothing (null, an empty text,
            -1).

    Returns:
        A number from 0, a name in Unicode's composed form without surrounding spaces, or None if no class is given.

    Raises:
        ValueError: The value is anything else; the message shows it.
    """
    category: Any = value.strip() if isinstance(value, str) else value
    if category is None or category == "":
        return None
    if isinstance(category, str):
        if not _NUMBER.fullmatch(category):
            return same_name(category)
        if _WHOLE.fullmatch(category) and len(category) <= 20:
            category = int(category.partition(".")[0])
    if isinstance(category, float) and math.isfinite(category) and category.is_integer():
        category = int(category)
    if isinstance(category, bool) or not isinstance(category, int) or not UNKNOWN <= category <= _LARGEST:
        raise ValueError(f"{value!r}, neither a whole number from 0 nor a name")
    return None if category == UNKNOWN else category


def agreed(stated: Mapping[str, Any]) -> int | str | None:
    """The class of a clip that is given in several places; a number is preferred to its name.

    Args:
        stated: Values by place, such as ``{".cls": "3", "label of .json": 3}``.

    Raises:
        ValueError: Two numbers or two names differ, or a value is not a class; the message names the places.
    """
    by_type: dict[type, tuple[str, int | str]] = {}
    for place, value in stated.items():
        try:
            category = read_category(value)
        except ValueError as error:
            raise ValueError(f"{place} is {error}") from None
        if category is None:
            continue
        earlier, first_stated = by_type.setdefault(type(category), (place, category))
        if first_stated != category:
            raise ValueError(f"{earlier} says {first_stated}, {place} says {category}")
    return next((by_type[kind][1] for kind in (int, str) if kind in by_type), None)


def number_categories(
    categories: Sequence[int | str | None], names: Iterable[str], where: str
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Labels of clips from their classes. Numbers stay; names are numbered in alphabetical order.

    Args:
        categories: The class of each clip, from `read_category`.
        names: Names of the clips, for the error message.
        where: Where the clips are stored, for the error message.

    Returns:
        A label for each clip, -1 if the class is unknown; and the names in the order of their numbers.

    Raises:
        DataError: Some classes are numbers and others names, so that two classes could get the same number.
    """
    classes = tuple(sorted({category for category in categories if isinstance(category, str)}))
    if classes and any(isinstance(category, int) for category in categories):
        clips = list(zip(names, categories, strict=True))
        number = next(f"{clip} has {category}" for clip, category in clips if isinstance(category, int))
        name = next(f"{clip} has {category!r}" for clip, category in clips if isinstance(category, str))
        raise DataError(
            f"{where} gives some classes as numbers and others as names ({number}, {name}), so a name could get the "
            "number of another class. Write all as numbers, or all as names."
        )
    numbers = {name: number for number, name in enumerate(classes)}
    labels = (
        UNKNOWN if category is None else numbers[category] if isinstance(category, str) else category
        for category in categories
    )
    return tuple(labels), classes


def unreadable(problems: Mapping[str, str], clips: int) -> DataError:
    """The error for clips whose classes are given but cannot be read.

    Args:
        problems: What is wrong, by the name of the clip.
        clips: Total number of clips.
    """
    examples = first([f"{clip}: {problem}" for clip, problem in problems.items()])
    return DataError(
        f"The classes of {len(problems)} of {clips} clips cannot be read ({examples}). Fix or remove these labels."
    )


# Clips listed in a manifest: segments of videos, each kept or not, as `bench curate` writes it.


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
