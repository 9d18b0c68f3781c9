"""Collections of videos (folders with metadata, tables, the micro-world), and how their frames are read."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from ....errors import DataError
from ....identity import digest
from ....tasks.clips.container import EXTENSIONS
from ....tasks.clips.folders import VideoFiles
from ....tasks.clips.source import UnreadableClipError
from ....tasks.images.folders import first
from ....tasks.images.hashing import hash_with_cache
from ....tasks.images.walking import NOTHING, LeftOut, walk
from ....tasks.microworld.sets import GENERATOR_VERSION
from ....tasks.microworld.skewed import SkewedClip, brighter, skewed_clips, skewed_frames
from ....tasks.microworld.vocabulary import CLIP_SECONDS
from ....text_files import NotTextError, named_file, read_text, same_name
from .settings import FIELDS

# List videos and their metadata: a folder with sidecars as written by yt-dlp, or a table.


_SIDECAR = ".info.json"

_FORMAT = re.compile(r"\.f(?:\d|hls|dash|http)[\w-]*$")
"""Suffix that yt-dlp adds to the name of a stream that it has not merged with others: ``dog.f137.mp4``."""

_FORM = """Expected a folder of videos, each with its sidecar as `yt-dlp --write-info-json` writes it (dog.mp4 and
dog.info.json), or a CSV file with the columns path,title,tags (and description, categories), tags separated by ';'."""


@dataclass(frozen=True)
class Video:
    """A video and its metadata.

    Attributes:
        path: Path below the source's folder, with forward slashes; the video's id in the manifest.
        metadata: Texts by field of `FIELDS`: one for title and description, several for tags and categories.
        problem: Why it cannot be read although it is listed; empty if no problem is known.
        note: What is wrong with its metadata; empty if nothing is.
        unread: Whether it has metadata that cannot be read; ``note`` says why.
    """

    path: str
    metadata: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    problem: str = ""
    note: str = ""
    unread: bool = False


def list_videos(where: Path) -> tuple[Path, tuple[Video, ...], LeftOut]:
    """List a source.

    Args:
        where: A folder, searched at any depth (see `walk`), or a CSV file.

    Returns:
        The folder that paths are relative to, the videos sorted by path, and what the listing of a folder left out,
        apart from sidecars and other JSON files.

    Raises:
        DataError: It does not exist, or does not have the expected form.
    """
    if where.is_dir():
        return where, *_folder(where)
    if where.is_file() and where.suffix.lower() in {".csv", ".tsv"}:
        return where.parent, _table(where), NOTHING
    problem = "is a file, but not a .csv file" if where.exists() else "does not exist"
    raise DataError(f"{where} {problem}.\n{_FORM}")


def _folder(root: Path) -> tuple[tuple[Video, ...], LeftOut]:
    folders: dict[str, list[str]] = {}
    listing = walk(root, EXTENSIONS)
    for name in listing.files:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    if not folders:
        raise DataError(f"{root} holds no videos ({' '.join(sorted(EXTENSIONS))}).\n{_FORM}")
    videos = [video for below, names in folders.items() for video in _Sidecars(root / below).videos(names)]
    return tuple(sorted(videos, key=lambda video: video.path)), listing.left_out.without(".json files")


class _Sidecars:
    """The sidecars of a folder, by their names in Unicode normal form."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, list[str]] = {}
        self._unused: dict[str, None] = {}
        for name in sorted(path.name for path in folder.iterdir()):
            if name.lower().endswith(_SIDECAR) and not name.startswith("."):
                self._names.setdefault(same_name(name[: -len(_SIDECAR)]), []).append(name)
                self._unused[name] = None

    def videos(self, paths: Sequence[str]) -> list[Video]:
        """The videos of the folder, given by their paths below the source, with metadata from their sidecars."""
        listed = [self._video(path) for path in paths]
        if not self._unused:
            return listed
        # A sidecar whose name does not match its video is easy to overlook, so mention the unused ones.
        remark = f"; sidecars without a video in this folder: {first(list(self._unused))}"
        return [replace(v, note=v.note + remark) if v.note and not v.unread else v for v in listed]

    def _video(self, path: str) -> Video:
        file = path.rpartition("/")[2]
        stem = os.path.splitext(file)[0]  # noqa: PTH122 - as names are listed
        for base in dict.fromkeys((stem, file, _FORMAT.sub("", stem))):
            names = self._names.get(same_name(base), [])
            for name in names:
                self._unused.pop(name, None)
            exact = [name for name in names if name == base + _SIDECAR]
            if len(exact or names) > 1:
                return Video(path, note=f"several sidecars could belong to it: {first(names)}", unread=True)
            if names:
                metadata, note = _sidecar(self._folder / (exact or names)[0])
                return Video(path, metadata, note=note, unread=note != "")
        return Video(path, note=f"there is no {stem}{_SIDECAR}")


def _sidecar(path: Path) -> tuple[dict[str, str | tuple[str, ...]], str]:
    try:
        metadata = json.loads(read_text(path))
    except OSError as error:
        return {}, f"its sidecar {path.name} cannot be read: {error.strerror or error}"
    except NotTextError as error:
        return {}, f"its sidecar {path.name} cannot be read: {error}"
    except (ValueError, RecursionError) as error:
        return {}, f"its sidecar {path.name} is not JSON ({error})"
    if not isinstance(metadata, dict):
        return {}, f"its sidecar {path.name} is not a JSON object"
    return {name: _text(metadata[name]) for name in FIELDS if name in metadata}, ""


def _text(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value
    # Ignore numbers and null in place of text.
    return tuple(part for part in value if isinstance(part, str)) if isinstance(value, list) else ()


def _table(path: Path) -> tuple[Video, ...]:
    try:
        content = io.StringIO(read_text(path), newline="")
        reader = csv.DictReader(content, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        rows = list(reader)
        columns: Sequence[str] = reader.fieldnames or ()
    except (OSError, NotTextError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table ({error}).\n{_FORM}") from None
    if "path" not in columns or not rows:
        raise DataError(f"{path} has no rows under a column 'path'.\n{_FORM}")
    videos: dict[str, Video] = {}
    for number, row in enumerate(rows):
        entry = (row["path"] or "").strip()
        video_file = named_file(path.parent, entry)
        name = (
            video_file.relative_to(path.parent).as_posix()
            if entry and video_file.is_relative_to(path.parent)
            else entry
        )
        if not name or name in videos:
            raise DataError(f"{path}, row {number + 2}: the path {name!r} is empty or occurs twice.\n{_FORM}")
        metadata: dict[str, str | tuple[str, ...]] = {}
        for column in FIELDS:
            text = row.get(column) or ""
            metadata[column] = tuple(re.split(r"[;|]", text)) if column in ("tags", "categories") else text
        problem = "" if video_file.is_file() else "there is no such file"
        videos[name] = Video(name, metadata, problem)
    return tuple(videos[name] for name in sorted(videos))


# Read single frames of a video; errors are worded for the manifest.


T = TypeVar("T")


class UnreadableVideoError(Exception):
    """A video cannot be decoded at the requested times.

    Attributes:
        transient: Whether another attempt may succeed, because the disk is at fault rather than the content.
    """

    def __init__(self, reason: str, transient: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient


def duration(path: Path) -> float:
    """Duration in seconds, measured from the frames in the file.

    Raises:
        UnreadableVideoError: It is not a video, is damaged, or has no frames.
    """
    return _guarded(lambda: VideoFiles([path]).seconds(0), path)


def frames(path: Path, times: Sequence[float], size: int) -> np.ndarray:
    """The frames on the screen at given times.

    Args:
        path: Video file.
        times: Seconds from the beginning; times after the end give the last frame.
        size: Shorter side of the result in pixels; the aspect ratio is kept.

    Returns:
        uint8 (n, H, W, 3), RGB.

    Raises:
        UnreadableVideoError: As for `duration`, or a frame cannot be decoded.
    """
    video = VideoFiles([path])

    def read() -> np.ndarray:
        last = video.seconds(0)
        return video.frames(0, [min(time, last) for time in times], size)

    return _guarded(read, path)


def _guarded(read: Callable[[], T], path: Path) -> T:
    try:
        return read()
    except UnreadableClipError as error:
        raise UnreadableVideoError(error.reason, transient=not path.is_file()) from None
    except OSError as error:
        raise UnreadableVideoError(error.strerror or str(error), transient=True) from None
    except MemoryError:
        raise UnreadableVideoError("not enough memory", transient=True) from None


# The interface of a collection of videos, and the implementation for a folder.


Progress = Callable[[int, int], None]
"""Called with (done, total)."""


class Source(Protocol):
    """A collection of videos."""

    name: str
    videos: tuple[Video, ...]

    def digests(self, cache: Path, progress: Progress | None) -> Mapping[str, str]:
        """Content digests of all readable videos, by path.

        Args:
            cache: JSON file in which the source may cache digests.
            progress: Called with progress.
        """
        ...

    def duration(self, path: str) -> float:
        """Duration in seconds.

        Raises:
            UnreadableVideoError: The video cannot be read.
        """
        ...

    def frames(self, path: str, times: Sequence[float], size: int) -> np.ndarray:
        """Frames, uint8 (n, H, W, 3), with the shorter side resized to ``size``.

        Raises:
            UnreadableVideoError: A frame cannot be decoded.
        """
        ...

    def facts(self, path: str) -> Mapping[str, Any]:
        """Further columns of the manifest for the clips of a video."""
        ...


class FolderSource:
    """Videos on disk; see `Source` and `list_videos`."""

    def __init__(self, where: Path) -> None:
        """List the videos.

        Raises:
            DataError: See `list_videos`.
        """
        self.name = str(where)
        self._root, self.videos, self.left_out = list_videos(where)

    def digests(self, cache: Path, progress: Progress | None) -> Mapping[str, str]:
        """See `Source`."""
        readable = [video.path for video in self.videos if not video.problem]
        entries = hash_with_cache(self._root, readable, cache, progress)
        return {name: entry.sha256 for name, entry in entries.items() if entry.stamp is not None}

    def duration(self, path: str) -> float:
        """See `Source`."""
        return duration(self._root / path)

    def frames(self, path: str, times: Sequence[float], size: int) -> np.ndarray:
        """See `Source`."""
        return frames(self._root / path, times, size)

    def facts(self, path: str) -> Mapping[str, Any]:
        """No further columns."""
        return {}


# The micro-world as a skewed, mislabelled collection of videos with known true classes.


class MicroSource:
    """Clips of `skewed_clips`, each a video of 2.56 s; see `Source`."""

    def __init__(self, length: int, seed: int = 0, clips: Sequence[SkewedClip] | None = None) -> None:
        """Draw the source.

        Args:
            length: Number of clips.
            seed: Seed of the draw and of the world.
            clips: Clips drawn with other probabilities; by default ``length`` clips are drawn with the usual ones.
        """
        self.name = f"microworld (seed {seed})"
        self.seed = seed
        drawn_clips = skewed_clips(length, seed) if clips is None else clips
        self.clips = {clip.name: clip for clip in drawn_clips}
        self.videos = tuple(Video(c.name, {"title": c.title, "tags": c.tags}) for c in drawn_clips)

    def digests(self, cache: Path, progress: Progress | None) -> Mapping[str, str]:
        """See `Source`; a scene is identified by the settings it is drawn from."""
        return {
            c.name: digest([GENERATOR_VERSION, self.seed, c.index, c.shows, bool(c.copy_of)])
            for c in self.clips.values()
        }

    def duration(self, path: str) -> float:
        """See `Source`."""
        return CLIP_SECONDS

    def frames(self, path: str, times: Sequence[float], size: int) -> np.ndarray:
        """See `Source`."""
        clip = self.clips[path]
        images = skewed_frames([(clip.index, clip.shows)] * len(times), times, size, self.seed)
        return brighter(images) if clip.copy_of else images

    def facts(self, path: str) -> Mapping[str, Any]:
        """The scene and its true class, or -1 for none."""
        clip = self.clips[path]
        return {"micro": {"set": "train", "seed": self.seed, "index": clip.index, "class": clip.shows}}
