"""Opening clips by what a user writes."""

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
        limit: Number of clips of the micro-world, which has no end of its own; 8,192 unless given. No other kind is
            limited.
        seed: Seed of the micro-world.
        rate: Images per second of clips that are images and do not say it themselves.
        threads: Threads to decode one clip with.
        decoder: ``"pyav"`` or ``"torchcodec"``.

    Raises:
        DataError: There is no such thing, or it holds no clips; the message shows what may be given.
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
    """Shards by name, by a pattern of the shell, or by a range in braces, which keeps its leading zeros."""
    names = [spec]
    while (found := _RANGE.search(names[0])) is not None:
        first, last = int(found[1]), int(found[2])
        if last < first or (last - first + 1) * len(names) > _MANY_SHARDS:
            raise DataError(f"{spec}: {found[0]} is not a range of shards.")
        names = [
            _RANGE.sub(f"{number:0{len(found[1])}d}", name, count=1)
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
