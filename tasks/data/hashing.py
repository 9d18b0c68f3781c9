"""The content hashes of a folder's files: computing them, keeping them in a file, and packing them for a pickle."""

from __future__ import annotations

import json
import re
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...cores import usable_cores
from ...errors import DataError
from ...identity import file_digest

Progress = Callable[[int, int], None]
"""Told ``(done, total)``."""

_PER_TASK = 16  # files that a thread takes at a time: with sizes and times known from before, a file takes microseconds
_PER_WINDOW = 64 * _PER_TASK  # files handed to the threads before any result is taken back
_SECONDS_BETWEEN_REPORTS = 0.1
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Hashed(NamedTuple):
    """A file as it was hashed.

    Attributes:
        size: In bytes.
        mtime_ns: Time of the last change, in nanoseconds.
        sha256: 64 hexadecimal digits.
    """

    size: int
    mtime_ns: int
    sha256: str


def hash_files(
    root: Path, image_ids: Sequence[str], known: Mapping[str, Hashed], progress: Progress | None = None
) -> dict[str, Hashed]:
    """Hash files; those whose size and time of change are known already are not read again.

    Args:
        root: Folder below which the ids are paths.
        image_ids: What to hash.
        known: Hashes from before.
        progress: Told ``(done, total)`` in the calling thread: at the beginning, at the end, and in between ten times
            a second at most.

    Returns:
        One entry per id, in the order of the ids.

    Raises:
        DataError: A file that cannot be read.
    """
    entries: dict[str, Hashed] = {}
    total = len(image_ids)
    told = time.monotonic()
    if progress:
        progress(0, total)
    with ThreadPoolExecutor(min(8, usable_cores())) as pool:  # hashing releases the interpreter lock
        for start in range(0, total, _PER_WINDOW):
            window = image_ids[start : start + _PER_WINDOW]
            parts = [window[k : k + _PER_TASK] for k in range(0, len(window), _PER_TASK)]
            for found in pool.map(lambda part: [_hash(root / i, known.get(i)) for i in part], parts):
                entries.update(zip(image_ids[len(entries) : len(entries) + len(found)], found, strict=True))
                now = time.monotonic()
                if progress and now - told >= _SECONDS_BETWEEN_REPORTS and len(entries) < total:
                    told = now
                    progress(len(entries), total)
    if progress:
        progress(total, total)
    return entries


def _hash(path: Path, known: Hashed | None) -> Hashed:
    try:
        status = path.stat()  # before the reading: a change during it shows as another time later
        if known is not None and known[:2] == (status.st_size, status.st_mtime_ns):
            return known
        return Hashed(status.st_size, status.st_mtime_ns, file_digest(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def read_cache(path: Path | None) -> dict[str, Hashed]:
    """Hashes that `write_cache` kept; none if the file is absent or damaged, so that everything is hashed again."""
    if path is None:
        return {}
    try:
        cached = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = cached.items() if isinstance(cached, dict) else ()
    return {
        k: Hashed(*v)
        for k, v in entries
        if isinstance(v, list) and [type(x) for x in v] == [int, int, str] and _SHA256.fullmatch(v[2])
    }


def write_cache(path: Path, entries: Mapping[str, Hashed]) -> None:
    """Keep hashes in a JSON file. A file that cannot be written costs time on the next run, and nothing else."""
    aside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as handle:
            aside = handle.name
            json.dump(entries, handle)
        Path(aside).replace(path)  # atomic, so that a reader never sees half a file
    except OSError:
        if aside is not None:
            with suppress(OSError):
                Path(aside).unlink()


def pack(image_ids: Sequence[str], entries: Mapping[str, Hashed] | None) -> tuple[bytes, ...]:
    """Ids, and hashes where there are any, in few bytes: about 40 per image, of which the hash is 32.

    Args:
        image_ids: In an order in which neighbours are alike, for they are compressed together.
        entries: One per id, or None before anything was hashed.
    """
    names = zlib.compress("\0".join(image_ids).encode("utf-8", "surrogateescape"))
    if entries is None:
        return (names,)
    rows = [entries[i] for i in image_ids]
    stamps = np.array([row[:2] for row in rows], dtype="<i8").reshape(-1, 2)
    # Bytes of equal weight beside each other: the high ones hardly change from file to file.
    planes = stamps.view(np.uint8).reshape(len(rows), 16).T.tobytes()
    return names, zlib.compress(planes), b"".join(bytes.fromhex(row.sha256) for row in rows)


def unpack(packed: Sequence[bytes]) -> tuple[list[str], dict[str, Hashed] | None]:
    """What `pack` was given."""
    image_ids = zlib.decompress(packed[0]).decode("utf-8", "surrogateescape").split("\0")
    if len(packed) == 1:
        return image_ids, None
    planes = np.frombuffer(zlib.decompress(packed[1]), np.uint8).reshape(16, len(image_ids))
    stamps = np.ascontiguousarray(planes.T).view("<i8").tolist()
    hashes = [packed[2][k : k + 32].hex() for k in range(0, len(packed[2]), 32)]
    return image_ids, {
        i: Hashed(size, time_ns, sha) for i, (size, time_ns), sha in zip(image_ids, stamps, hashes, strict=True)
    }
