"""Clips in WebDataset shards: tar files that are read in place, at random, and never unpacked or executed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ....errors import DataError
from ..files import EXTENSIONS as IMAGE_EXTENSIONS
from ..tar import TarMember, UnreadableTarError, UnsupportedTarError, tar_members
from .container import EXTENSIONS, Span, measure
from .decoders import make_decoder
from .images import decode_image, shown_at, stacked
from .source import UnreadableClipError, check_times

_FRAME = re.compile(r"(?:.*[._\-])?(\d+)")
_LARGEST_JSON = 1_000_000

Member = tuple[int, int]
"""Where the content of a file in a tar begins, and how many bytes it has."""


@dataclass
class _Sample:
    """The members of a shard that share a key."""

    video: Member | None = None
    facts: Member | None = None
    frames: dict[int, Member] = field(default_factory=dict)


class Shards:
    """A `ClipSource` of WebDataset shards, whose samples are ``KEY.mp4`` or ``KEY.0000.jpg``, ``KEY.0001.jpg`` ….

    ``KEY.json`` may give ``fps`` (needed for images) and ``label`` (or ``class``), a number. Other members are passed
    over. A video is read into memory as a whole when frames are asked for.

    Args:
        paths: The shards, uncompressed.
        rate: Images per second where no ``KEY.json`` says it.
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
        self._samples: list[tuple[int, str, _Sample]] = []
        for number, path in enumerate(self.paths):
            found = _index(path)
            self._samples += [(number, key, found[key]) for key in found if found[key].video or found[key].frames]
        if not self._samples:
            raise DataError(f"{', '.join(map(str, self.paths[:3]))}: no member is a video or a numbered image.")
        self._spans: dict[int, Span] = {}
        self._facts: dict[int, dict[str, object]] = {}

    def __len__(self) -> int:
        return len(self._samples)

    def name(self, clip: int) -> str:
        """Shard and key of a clip."""
        shard, key, _ = self._samples[clip]
        return f"{self.paths[shard]}:{key}"

    def _read(self, clip: int, member: Member) -> bytes:
        try:
            with self.paths[self._samples[clip][0]].open("rb") as handle:
                handle.seek(member[0])
                content = handle.read(member[1])
        except OSError as error:
            raise UnreadableClipError(self.name(clip), (error.strerror or "cannot be read").lower()) from None
        if len(content) < member[1]:
            raise UnreadableClipError(self.name(clip), "its shard is cut short")
        return content

    def _told(self, clip: int, *keys: str) -> float | None:
        """A number in the JSON of a clip."""
        member = self._samples[clip][2].facts
        if clip not in self._facts:
            found: object = {}
            if member is not None and member[1] <= _LARGEST_JSON:
                try:
                    found = json.loads(self._read(clip, member))
                except (ValueError, RecursionError):
                    raise UnreadableClipError(self.name(clip), "its .json is no JSON") from None
            self._facts[clip] = (
                {k: found[k] for k in ("fps", "label", "class") if k in found} if isinstance(found, dict) else {}
            )
        for key in keys:
            value = self._facts[clip].get(key)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
                return value
        return None

    def _rate_of(self, clip: int) -> float:
        rate = self._told(clip, "fps") or self._rate
        if not rate or rate < 0.0:
            raise DataError(
                f"{self.name(clip)}: how many images a second there are is not known; put "
                '"fps" into its .json, or give a rate for all clips.'
            )
        return rate

    def _span(self, clip: int, content: bytes | None = None) -> Span:
        member = self._samples[clip][2].video
        assert member is not None
        if clip not in self._spans:
            self._spans[clip] = measure(content if content is not None else self._read(clip, member), self.name(clip))
        return self._spans[clip]

    def seconds(self, clip: int) -> float:
        """Duration; see `ClipSource`."""
        sample = self._samples[clip][2]
        if sample.video is not None:
            return self._span(clip).seconds
        return (max(sample.frames) - min(sample.frames) + 1) / self._rate_of(clip)

    def label(self, clip: int) -> int:
        """What ``KEY.json`` says, otherwise -1."""
        found = self._told(clip, "label", "class")
        return -1 if found is None else int(found)

    def frames(self, clip: int, times: Sequence[float], size: int | None = None) -> np.ndarray:
        """Frames on the screen at given times; see `ClipSource`."""
        sample, name = self._samples[clip][2], self.name(clip)
        if sample.video is not None:
            content = self._read(clip, sample.video)
            span = self._span(clip, content)
            check_times(times, span.seconds)
            return self._decoder.frames(content, name, span, times, size)
        check_times(times, self.seconds(clip))
        numbers = sorted(sample.frames)
        places = shown_at(numbers, self._rate_of(clip), times)
        pictures = {p: decode_image(self._read(clip, sample.frames[numbers[p]]), name, size) for p in set(places)}
        return stacked([pictures[place] for place in places], name)


def _index(path: Path) -> dict[str, _Sample]:
    """Where the members of a shard lie, by key: the name up to the first dot that follows the last slash."""
    found: dict[str, _Sample] = {}
    try:
        for member in tar_members(path):
            folder, _, file = member.name.rpartition("/")
            stem, _, rest = file.partition(".")
            if member.kind == "file" and stem:
                _file(found.setdefault(f"{folder}/{stem}" if folder else stem, _Sample()), rest, member)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnsupportedTarError as error:
        raise DataError(
            f"{path} cannot be read: {error}. Shards must be plain, uncompressed tar archives, so that clips can be "
            "read in any order; gunzip compressed ones."
        ) from None
    except UnreadableTarError as error:
        raise DataError(f"{path} is no whole tar archive ({error}). Copy or download it again.") from None
    return found


def _file(sample: _Sample, rest: str, member: TarMember) -> None:
    place = (member.offset, member.size)
    stem, dot, ending = rest.lower().rpartition(".")
    extension = f".{ending}"
    if extension in EXTENSIONS and sample.video is None:
        sample.video = place
    elif rest.lower() == "json":
        sample.facts = place
    elif extension in IMAGE_EXTENSIONS:
        number = _FRAME.fullmatch(stem) if dot else None
        if number or not dot:  # KEY.jpg is a clip of one frame
            sample.frames[int(number[1]) if number else 0] = place
