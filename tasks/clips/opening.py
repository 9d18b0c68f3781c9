"""Opening clips by path, whatever their form, and loading their frames in workers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from glob import has_magic
from itertools import islice
from pathlib import Path
from threading import Lock

import numpy as np

from ...errors import DataError
from ..microworld.sets import MicroSet
from ..microworld.vocabulary import CLIP_SECONDS
from .source import ClipSource, UnreadableClipError, check_times, sample_times

# Open clips from a user's specification, such as a folder, shards or a manifest.


_FORMS = """Clips may be given as
  microworld            clips of the micro-world, rendered on the way
  DIR                   a folder of videos, at any depth
  DIR                   a folder of folders with numbered images, called NAME_25fps or the like
  shards-{000..015}.tar WebDataset shards; shards-*.tar does as well
  manifest.jsonl        a manifest of segments, or a .csv"""
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MANIFESTS = frozenset({".jsonl", ".ndjson", ".json", ".csv"})
_MANY_SHARDS = 1_000_000


def open_clips(
    spec: str,
    limit: int | None = None,
    seed: int = 0,
    rate: float | None = None,
    threads: int = 1,
    decoder: str = "pyav",
) -> ClipSource:
    """Open a set of clips.

    Args:
        spec: ``"microworld"``, a folder of videos or of folders with images, shards, or a manifest; see docs/clips.md.
        limit: Number of clips of the micro-world, which has no end of its own; 8,192 by default. Other sources are not
            limited.
        seed: Seed of the micro-world.
        rate: Images per second of clips that are images without a rate of their own.
        threads: Threads to decode one clip with.
        decoder: ``"pyav"`` or ``"torchcodec"``.

    Raises:
        DataError: It does not exist or has no clips; the message lists the accepted forms.
        UnknownNameError: There is no such decoder.
    """
    if spec == "microworld":
        return MicroClips(limit if limit is not None else 8192, seed)
    path = Path(spec)
    if path.is_dir():
        from .folders import frame_folders, video_folder

        return video_folder(path, threads, decoder) or frame_folders(path, rate)
    if path.suffix.lower() == ".tar":
        from .shards import Shards

        return Shards(_shards(spec), rate, threads, decoder)
    if path.suffix.lower() in _MANIFESTS and path.is_file():
        from .manifest import Segments, read_manifest

        return Segments(read_manifest(path), threads, decoder)
    problem = "is neither a .tar nor a manifest" if path.exists() else "does not exist"
    raise DataError(f"{spec} {problem}. {_FORMS}")


def _shards(spec: str) -> list[Path]:
    """Shards by name, by a glob pattern, or by a range in braces, which keeps its leading zeros."""
    names = [spec]
    while (span := _RANGE.search(names[0])) is not None:
        first, last = int(span[1]), int(span[2])
        if last < first or (last - first + 1) * len(names) > _MANY_SHARDS:
            raise DataError(f"{spec}: {span[0]} is not a range of shards.")
        names = [
            _RANGE.sub(f"{number:0{len(span[1])}d}", name, count=1)
            for name in names
            for number in range(first, last + 1)
        ]
    paths = [path for name in names for path in _matches(Path(name))]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        raise DataError(f"There is no shard {missing[0] if missing else spec}. {_FORMS}")
    return paths


def _matches(path: Path) -> list[Path]:
    return sorted(path.parent.glob(path.name)) if has_magic(path.name) else [path]


# Clips of the micro-world.


_SIDE = 64


class MicroClips:
    """A `ClipSource` of the micro-world, which renders frames when they are read.

    Args:
        length: Number of clips.
        seed: Seed of the world.
        name: A set of the micro-world.
    """

    def __init__(self, length: int, seed: int = 0, name: str = "train") -> None:
        self.set = MicroSet(name, length, seed)

    def __len__(self) -> int:
        return len(self.set)

    def seconds(self, clip: int) -> float:
        """2.56 for all clips."""
        return CLIP_SECONDS

    def label(self, clip: int) -> int:
        """Shape class."""
        return int(self.set.labels[clip])

    def frames(self, clip: int, times: Sequence[float], size: int | None = None) -> np.ndarray:
        """Render frames at given times, ``size`` pixels square (64 for None); see `ClipSource`."""
        check_times(times, CLIP_SECONDS)
        return self.set.frames([clip] * len(times), size or _SIDE, times).images


# Training examples from clips: frames at random times, and replacements of damaged clips.


_ATTEMPTS = 20
_ALWAYS_BEARABLE = 10  # failed clips; 5 % of a small set would be too strict


@dataclass(frozen=True)
class Example:
    """Frames of one clip.

    Attributes:
        clip: The clip that was read: the requested one, or its replacement.
        times: float64 (n,) seconds.
        frames: uint8 (n, H, W, 3).
    """

    clip: int
    times: np.ndarray
    frames: np.ndarray


class FailedClips:
    """Counts clips that cannot be read, and ends the run when there are too many. Safe to use from several threads.

    Args:
        clips: Total number of clips.
        share: Share of them that may fail. Ten may always fail, but never all.
    """

    def __init__(self, clips: int, share: float = 0.05) -> None:
        self.limit = min(max(_ALWAYS_BEARABLE, int(share * clips)), clips - 1)
        self.clips = clips
        self.errors: dict[int, UnreadableClipError] = {}
        self._lock = Lock()

    def add(self, clip: int, error: UnreadableClipError) -> None:
        """Record a failure; a clip that fails repeatedly counts once.

        Raises:
            DataError: Too many clips have failed. The message names some of them, with reasons.
        """
        with self._lock:
            self.errors.setdefault(clip, error)
            if len(self.errors) > self.limit:
                examples = "; ".join(str(e) for e in islice(self.errors.values(), 3))
                raise DataError(
                    f"{len(self.errors)} of {self.clips} clips cannot be read, more than the {self.limit} that may "
                    f"be replaced by others: {examples}. Remove them, or raise the limit."
                )

    def reasons(self) -> dict[str, int]:
        """Number of failed clips by reason."""
        with self._lock:
            return dict(Counter(error.reason for error in self.errors.values()))


def draw_example(
    source: ClipSource,
    clip: int,
    frames: int,
    window: float,
    key: Sequence[int],
    failed: FailedClips,
    size: int | None = None,
) -> Example:
    """Read frames of a clip at random times, or of another random clip if it is damaged.

    Times and replacements depend only on ``key`` and ``clip``, so that any number of threads in any order give the same
    examples.

    Args:
        source: The clips.
        clip: Position of the clip.
        frames: Number of frames.
        window: T in seconds; see `sample_times`.
        key: Whole numbers from 0, such as (seed, epoch).
        failed: Counts clips that fail.
        size: Length of the shorter side in pixels.

    Raises:
        DataError: Too many clips fail.
    """
    rng = np.random.default_rng([*key, clip])
    requested = clip
    for _ in range(_ATTEMPTS):
        try:
            times = sample_times(source.seconds(clip), frames, window, rng)
            return Example(clip, times, source.frames(clip, times.tolist(), size))
        except UnreadableClipError as error:
            failed.add(clip, error)
            clip = int(rng.integers(len(source)))
            rng = np.random.default_rng([*key, requested, clip])
    raise DataError(f"clip {requested} and {_ATTEMPTS - 1} replacements cannot be read; the last was {clip}")
