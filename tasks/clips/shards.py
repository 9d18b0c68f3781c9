"""Clips in WebDataset shards: tar files that are read in place, in any order, and never unpacked or executed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...text_files import NotTextError, decode_text
from ..images.folders import EXTENSIONS as IMAGE_EXTENSIONS
from ..images.folders import first
from ..images.tar import TarMember, UnreadableTarError, UnsupportedTarError, tar_members
from .container import EXTENSIONS, Span, measure
from .decoding import make_decoder
from .manifest import agreed, number_categories, unreadable
from .source import UnreadableClipError, check_times, decode_image, shown_at, stacked

_FRAME = re.compile(r"(?:.*[._\-])?(\d+)")
_LARGEST_TEXT = 16_000_000
_CLASS_KEYS = ("label", "class", "cls", "class_name")
_CLASS_FILE = re.compile(r"(?:(?P<part>.*)\.)?(?P<what>cls|class|label)(?:\.txt)?")

Member = tuple[int, int]
"""Offset and size in bytes of a file's content in a tar."""


@dataclass
class _Sample:
    """The members of a shard that share a key. If a sample has several videos, a part ("v1") names one of them.

    Attributes:
        videos: By the name without the key: ``"mp4"``, or ``"v1.mp4"`` and ``"v2.mp4"``.
        facts: JSON files by part; that of the part "" applies to all.
        classes: Files with a class, by part and by the name without the key.
        frames: Images by number, each with the name without the key.
        twice: Numbers that two images share.
    """

    videos: dict[str, Member] = field(default_factory=dict)
    facts: dict[str, Member] = field(default_factory=dict)
    classes: dict[str, dict[str, Member]] = field(default_factory=dict)
    frames: dict[int, tuple[str, Member]] = field(default_factory=dict)
    twice: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Clip:
    """A video of a sample, or its images.

    Attributes:
        shard: Index of its shard.
        name: Key; with the rest of the video's name if the sample has several videos.
        part: As in `_Sample`.
        video: None if the clip consists of images.
        sample: The sample it belongs to.
    """

    shard: int
    name: str
    part: str
    video: Member | None
    sample: _Sample


class Shards:
    """A `ClipSource` of WebDataset shards, whose samples are ``KEY.mp4`` or ``KEY.0000.jpg``, ``KEY.0001.jpg`` ….

    A key ends at the first dot, and a sample may have several videos (``KEY.v1.mp4``, ``KEY.v2.mp4``): each is a clip.
    ``KEY.json`` may give ``fps`` (needed for images) and the class, as ``label``, ``class``, ``cls`` or ``class_name``.
    The class may also be in ``KEY.cls``, ``KEY.class`` or ``KEY.label``, each with an optional ``.txt``. A class is a
    number or a name; names are numbered as in a manifest, over all clips of all shards. Other members are ignored, and
    so are images in a sample that has a video. Reading frames loads the whole video into memory.

    Args:
        paths: The shards, uncompressed.
        rate: Images per second of clips whose ``KEY.json`` does not give it.
        threads: See `VideoFiles`.
        decoder: See `VideoFiles`.

    Raises:
        DataError: A shard cannot be read, is compressed, or none has clips.
    """

    def __init__(
        self, paths: Sequence[Path], rate: float | None = None, threads: int = 1, decoder: str = "pyav"
    ) -> None:
        self.paths = tuple(Path(path) for path in paths)
        self._rate = rate
        self._decoder = make_decoder(decoder, threads)
        self._clips = [
            clip
            for number, path in enumerate(self.paths)
            for key, sample in _index(path).items()
            for clip in _clips_of(number, key, sample)
        ]
        if not self._clips:
            raise DataError(f"{', '.join(map(str, self.paths[:3]))}: no member is a video or a numbered image.")
        self._spans: dict[int, Span] = {}
        self._facts: dict[int, dict[str, Any]] = {}
        self._labels: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self._clips)

    def name(self, clip: int) -> str:
        """Shard and key of a clip."""
        entry = self._clips[clip]
        return f"{self.paths[entry.shard]}:{entry.name}"

    def _read(self, clip: int, member: Member) -> bytes:
        try:
            with self.paths[self._clips[clip].shard].open("rb") as handle:
                handle.seek(member[0])
                content = handle.read(member[1])
        except OSError as error:
            raise UnreadableClipError(self.name(clip), (error.strerror or "cannot be read").lower()) from None
        if len(content) < member[1]:
            raise UnreadableClipError(self.name(clip), "its shard is cut short")
        return content

    def _text(self, clip: int, ending: str, member: Member) -> str:
        if member[1] > _LARGEST_TEXT:
            raise UnreadableClipError(self.name(clip), f"its .{ending} is larger than {_LARGEST_TEXT // 10**6} MB")
        try:
            return decode_text(self._read(clip, member))
        except NotTextError as error:
            raise UnreadableClipError(self.name(clip), f"its .{ending} cannot be read: {error}") from None

    def _told(self, clip: int) -> dict[str, Any]:
        """Rate and class from the JSON files of a clip, by place; the clip's own file comes before the sample's."""
        if clip not in self._facts:
            stated: dict[str, Any] = {}
            sample, part = self._clips[clip].sample, self._clips[clip].part
            for ending in dict.fromkeys((f"{part}.json" if part else "json", "json")):
                member = sample.facts.get(ending.rpartition(".")[0])
                if member is None:
                    continue
                try:
                    facts = json.loads(self._text(clip, ending, member))
                except (ValueError, RecursionError):
                    raise UnreadableClipError(self.name(clip), f"its .{ending} is not JSON") from None
                if not isinstance(facts, dict):
                    raise UnreadableClipError(self.name(clip), f"its .{ending} is not a JSON object")
                stated |= {f"{k} of .{ending}": facts[k] for k in ("fps", *_CLASS_KEYS) if k in facts}
            self._facts[clip] = stated
        return self._facts[clip]

    def _rate_of(self, clip: int) -> float:
        for place, value in self._told(clip).items():
            if place.startswith("fps ") and value is not None and value != "":
                return _positive(value, place, self.name(clip))
        if not self._rate or self._rate < 0.0:
            raise DataError(
                f"{self.name(clip)}: how many images a second there are is not known; put "
                '"fps" into its .json, or give a rate for all clips.'
            )
        return self._rate

    def _category(self, clip: int) -> int | str | None:
        """The class that the members of a clip give."""
        sample, part = self._clips[clip].sample, self._clips[clip].part
        stated = {place: value for place, value in self._told(clip).items() if not place.startswith("fps ")}
        for scope in dict.fromkeys((part, "")):
            for rest, member in sample.classes.get(scope, {}).items():
                stated[f".{rest}"] = self._text(clip, rest, member)
        try:
            return agreed(stated)
        except ValueError as error:
            raise UnreadableClipError(self.name(clip), str(error)) from None

    def _span(self, clip: int, content: bytes | None = None) -> Span:
        member = self._clips[clip].video
        assert member is not None
        if clip not in self._spans:
            self._spans[clip] = measure(content if content is not None else self._read(clip, member), self.name(clip))
        return self._spans[clip]

    def seconds(self, clip: int) -> float:
        """Duration; see `ClipSource`."""
        if self._clips[clip].video is not None:
            return self._span(clip).seconds
        frames = self._clips[clip].sample.frames
        return (max(frames) - min(frames) + 1) / self._rate_of(clip)

    def label(self, clip: int) -> int:
        """Class, or -1 if none is given. The first call reads the classes of all clips, to number their names.

        Raises:
            DataError: Classes cannot be read or contradict each other (the message counts and names the clips), or some
                are numbers and others names.
        """
        if self._labels is None:
            categories: list[int | str | None] = []
            problems: dict[str, str] = {}
            for number in range(len(self)):
                try:
                    categories.append(self._category(number))
                except UnreadableClipError as error:
                    problems[error.clip] = error.reason
            if problems:
                raise unreadable(problems, len(self))
            where = first([str(path) for path in self.paths], 2)
            self._labels, _ = number_categories(categories, map(self.name, range(len(self))), where)
        return self._labels[clip]

    def frames(self, clip: int, times: Sequence[float], size: int | None = None) -> np.ndarray:
        """Frames on the screen at given times; see `ClipSource`."""
        video, sample, name = self._clips[clip].video, self._clips[clip].sample, self.name(clip)
        if video is not None:
            content = self._read(clip, video)
            span = self._span(clip, content)
            check_times(times, span.seconds)
            return self._decoder.frames(content, name, span, times, size)
        check_times(times, self.seconds(clip))
        if sample.twice:
            raise UnreadableClipError(name, "has two images of one number")
        numbers = sorted(sample.frames)
        places = shown_at(numbers, self._rate_of(clip), times)
        pictures = {p: decode_image(self._read(clip, sample.frames[numbers[p]][1]), name, size) for p in set(places)}
        return stacked([pictures[place] for place in places], name)


def _positive(value: Any, place: str, clip: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0.0 < number < math.inf:
        raise UnreadableClipError(clip, f"{place} is {value!r}, not a positive number")
    return number


def _clips_of(shard: int, key: str, sample: _Sample) -> list[_Clip]:
    several = len(sample.videos) > 1
    clips = [
        _Clip(shard, f"{key}.{rest}" if several else key, rest.lower().rpartition(".")[0], video, sample)
        for rest, video in sample.videos.items()
    ]
    return clips or ([_Clip(shard, key, "", None, sample)] if sample.frames else [])


def _index(path: Path) -> dict[str, _Sample]:
    """The members of a shard by key: the name up to the first dot after the last slash."""
    samples: dict[str, _Sample] = {}
    try:
        for member in tar_members(path):
            folder, _, file = member.name.rpartition("/")
            stem, _, rest = file.partition(".")
            if member.kind == "file" and stem:
                _file(samples.setdefault(f"{folder}/{stem}" if folder else stem, _Sample()), rest, member)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnsupportedTarError as error:
        raise DataError(
            f"{path} cannot be read: {error}. Shards must be plain, uncompressed tar archives, so that clips can be "
            "read in any order; gunzip compressed ones."
        ) from None
    except UnreadableTarError as error:
        raise DataError(f"{path} is not a complete tar archive ({error}). Copy or download it again.") from None
    return samples


def _file(sample: _Sample, rest: str, member: TarMember) -> None:
    """Add a member. Of two with the same name the later one wins, as when a tar is unpacked."""
    place = (member.offset, member.size)
    lower = rest.lower()
    stem, dot, ending = lower.rpartition(".")
    extension = f".{ending}"
    if extension in EXTENSIONS:
        sample.videos[rest] = place
    elif ending == "json":
        sample.facts[stem] = place
    elif (class_file := _CLASS_FILE.fullmatch(lower)) is not None:
        sample.classes.setdefault(class_file["part"] or "", {})[lower] = place
    elif extension in IMAGE_EXTENSIONS:
        number = _FRAME.fullmatch(stem) if dot else None
        if number or not dot:  # KEY.jpg is a clip of one frame
            position = int(number[1]) if number else 0
            if sample.frames.get(position, (rest,))[0] != rest:
                sample.twice.add(position)
            sample.frames[position] = (rest, place)
