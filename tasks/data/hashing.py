"""The content hashes of a folder's files: computing them, keeping them in a file, and packing them for a pickle."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ...cores import usable_cores
from ...errors import DataError
from ...identity import file_digest

Progress = Callable[[int, int], None]
"""Told ``(done, total)``."""

_PER_TASK = 16  # files that a thread takes at a time: with sizes and times known from before, a file takes microseconds
_PER_WINDOW = 64 * _PER_TASK  # files handed to the threads before any result is taken back
_SECONDS_BETWEEN_REPORTS = 0.1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NOTHING = bytes(32)
_CACHE_VERSION = 2  # 1 knew size and modification time alone, which a copy of another file can share

UNREADABLE = "unreadable"
"""In place of the hash of a file that could never be read: no file has it, so the set gets a digest of its own."""


class Hashed(NamedTuple):
    """A file as it was hashed.

    Attributes:
        stamp: What `stamp_of` gave; None where the file cannot be read now.
        sha256: 64 hexadecimal digits. For a file that cannot be read now, those of its content when it was last read,
            or `UNREADABLE`.
    """

    stamp: int | None
    sha256: str


def stamp_of(status: os.stat_result) -> int:
    """What tells a file from another at the same place without reading it.

    Size and modification time are not enough: ``rsync -t``, tar and Docker layers give them to other files. The inode
    and the time of change are given by the system (on Windows the latter is the time of creation). The device is left
    out, for a network disk has another number after every mount.

    Args:
        status: Of the file itself, not of a link to it.

    Returns:
        64 bits of a hash of inode, size, modification time and change time.
    """
    parts = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


def tells_changes(status: os.stat_result) -> bool:
    """Whether the time of change is a clock's: read-only images and archives that are mounted make it up."""
    return status.st_ctime_ns % 10**9 != 0


def is_unchanged(path: Path, hashed: Hashed) -> bool:
    """Whether a file still has the content that it was hashed with; it is read only where its stamp is another.

    On another machine that shares the file system a stamp may differ, so the bytes decide there.

    Raises:
        OSError: It cannot be read.
    """
    return stamp_of(path.stat()) == hashed.stamp or file_digest(path) == hashed.sha256


def hash_files(
    root: Path, image_ids: Sequence[str], known: Mapping[str, Hashed], progress: Progress | None = None
) -> dict[str, Hashed]:
    """Hash files; those whose stamp is known already are not read again. One that cannot be read stops no other.

    Args:
        root: Folder below which the ids are paths.
        image_ids: What to hash.
        known: Hashes from before.
        progress: Told ``(done, total)`` in the calling thread: at the beginning, at the end, and in between ten times
            a second at most.

    Returns:
        One entry per id, in the order of the ids.
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
        status = path.stat()  # before the reading: a change during it shows as another stamp later
        stamp = stamp_of(status)
        if known is not None and known.stamp == stamp and tells_changes(status):
            return known
        return Hashed(stamp, file_digest(path))
    except OSError:
        return Hashed(None, UNREADABLE if known is None else known.sha256)


def check_readable(root: Path, entries: Mapping[str, Hashed]) -> None:
    """Refuse a folder of which nothing can be read, for there is no set then.

    Args:
        root: The folder.
        entries: From `hash_files`, by path below the folder.

    Raises:
        DataError: Not one of them could be read, and what they hold is not known from before either.
    """
    if not entries or any(entry.sha256 != UNREADABLE for entry in entries.values()):
        return
    name = next(iter(entries))
    try:
        with (root / name).open("rb"):
            reason = "it can be read now; run again"
    except OSError as error:
        reason = error.strerror or str(error)
    raise DataError(f"None of the {len(entries)} files in {root} can be read ({name}: {reason}).")


def hash_with_cache(
    root: Path, names: Sequence[str], cache: Path | None, progress: Progress | None = None
) -> dict[str, Hashed]:
    """Hash files, with the help of hashes that an earlier run has kept, and keep them; see `hash_files`.

    Args:
        root: Folder below which the names are paths.
        names: What to hash.
        cache: JSON file. Every folder has its own beside it: two folders of one data set may hold other files of the
            same names. None keeps nothing.
        progress: As for `hash_files`.
    """
    if cache is None:
        return hash_files(root, names, {}, progress)
    place = os.path.realpath(root)
    kept = cache.with_name(f"{cache.stem}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}{cache.suffix}")
    known = _read_cache(kept, place)
    entries = hash_files(root, names, known, progress)
    fresh = {name: entry for name, entry in entries.items() if entry.stamp is not None and entry != known.get(name)}
    if fresh:
        _write_cache(kept, place, {**known, **fresh})  # sets that list a part of the same folder share its cache
    return entries


def _read_cache(path: Path, root: str) -> dict[str, Hashed]:
    """Hashes that `_write_cache` kept; none if they are absent, damaged or not to be trusted: all is hashed again."""
    try:
        cached = json.loads(path.read_text(encoding="utf-8"))
        if cached["version"] != _CACHE_VERSION or cached["root"] != root:
            return {}
        entries = cached["files"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {
        k: Hashed(*v)
        for k, v in entries
        if isinstance(v, list) and [type(x) for x in v] == [int, str] and _SHA256.fullmatch(v[1])
    }


def _write_cache(path: Path, root: str, entries: Mapping[str, Hashed]) -> None:
    """Keep hashes in a JSON file. A file that cannot be written costs time on the next run, and nothing else."""
    aside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as handle:
            aside = handle.name
            json.dump({"version": _CACHE_VERSION, "root": root, "files": entries}, handle)
        Path(aside).replace(path)  # atomic, so that a reader never sees half a file
    except OSError:
        if aside is not None:
            with suppress(OSError):
                Path(aside).unlink()


def pack(image_ids: Sequence[str], contents: Mapping[str, str] | None) -> tuple[bytes, ...]:
    """Ids, and hashes where there are any, in few bytes: about 40 per image, of which the hash is 32.

    Args:
        image_ids: In an order in which neighbours are alike, for they are compressed together.
        contents: SHA-256 or `UNREADABLE` by id, or None before anything was hashed.
    """
    names = zlib.compress("\0".join(image_ids).encode("utf-8", "surrogateescape"))
    if contents is None:
        return (names,)
    return names, b"".join(_NOTHING if contents[i] == UNREADABLE else bytes.fromhex(contents[i]) for i in image_ids)


def unpack(packed: Sequence[bytes]) -> tuple[list[str], dict[str, str] | None]:
    """What `pack` was given."""
    image_ids = zlib.decompress(packed[0]).decode("utf-8", "surrogateescape").split("\0")
    if len(packed) == 1:
        return image_ids, None
    hashes = [packed[1][k : k + 32] for k in range(0, len(packed[1]), 32)]
    return image_ids, {
        i: UNREADABLE if sha == _NOTHING else sha.hex() for i, sha in zip(image_ids, hashes, strict=True)
    }
