"""Open clips from a user's specification, such as a folder, shards or a manifest."""

from __future__ import annotations

import re
from glob import has_magic
from pathlib import Path

from ....errors import DataError
from .source import ClipSource

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
        from .micro import MicroClips

        return MicroClips(limit if limit is not None else 8192, seed)
    path = Path(spec)
    if path.is_dir():
        from .frame_folders import frame_folders
        from .video_files import video_folder

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
