"""The content hashes of a folder's files, and what became of a folder since it was last hashed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ...cores import usable_cores
from ...errors import DataError
from ...files import replace_file
from ...identity import file_digest
from ...text import printable

# Content hashes of a folder's files: compute them, cache them in a file, and pack them for a pickle.


Progress = Callable[[int, int], None]
"""Called with ``(done, total)``."""

_PER_TASK = 16  # files per thread and turn: a cached file only takes microseconds, less than handing it to a thread
_PER_WINDOW = 64 * _PER_TASK  # files submitted before results are collected, which bounds the queue
_SECONDS_BETWEEN_REPORTS = 0.1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NOTHING = bytes(32)
_CACHE_VERSION = 2  # version 1 only stored size and modification time, which a copy of another file can share

UNREADABLE = "unreadable"
"""Stands for the hash of a file that could never be read: no file has this hash, so the set gets its own digest."""


class Hashed(NamedTuple):
    """A hashed file.

    Attributes:
        stamp: From `stamp_of`; None if the file cannot be read now.
        sha256: 64 hexadecimal digits. For a file that cannot be read now, those of its last known content, or
            `UNREADABLE`.
    """

    stamp: int | None
    sha256: str


def stamp_of(status: os.stat_result) -> int:
    """Detects that a file was replaced or changed, without reading it.

    Size and modification time are not enough, because ``rsync -t``, tar and Docker layers copy them to other files.
    Only the operating system sets the inode and the change time (on Windows, the creation time). The device is left
    out, because a network disk gets another number whenever it is mounted.

    Args:
        status: Status of the file itself, not of a link to it.

    Returns:
        64 bits of a hash of inode, size, modification time and change time.
    """
    parts = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


def tells_changes(status: os.stat_result) -> bool:
    """Whether the change time is from a clock: mounted archives and read-only images invent it, in whole seconds."""
    return status.st_ctime_ns % 10**9 != 0


def is_unchanged(path: Path, hashed: Hashed) -> bool:
    """Whether a file still has the content that was hashed. It is only read if its stamp differs.

    On another machine that shares the file system a stamp may differ even if nothing has changed, so the bytes decide.

    Raises:
        OSError: It cannot be read.
    """
    return stamp_of(path.stat()) == hashed.stamp or file_digest(path) == hashed.sha256


def hash_files(
    root: Path, image_ids: Sequence[str], known: Mapping[str, Hashed], progress: Progress | None = None
) -> dict[str, Hashed]:
    """Hash files. Files with a known stamp are not read again, and a file that cannot be read does not stop the others.

    Args:
        root: Folder that the ids are relative to.
        image_ids: What to hash.
        known: Earlier hashes.
        progress: Called with ``(done, total)`` in the calling thread: at the beginning, at the end, and in between at
            most ten times a second.

    Returns:
        One entry per id, in the order of the ids.
    """
    entries: dict[str, Hashed] = {}
    total = len(image_ids)
    reported_at = time.monotonic()
    if progress:
        progress(0, total)
    with ThreadPoolExecutor(min(8, usable_cores())) as pool:  # hashing releases the interpreter lock
        for start in range(0, total, _PER_WINDOW):
            window = image_ids[start : start + _PER_WINDOW]
            parts = [window[k : k + _PER_TASK] for k in range(0, len(window), _PER_TASK)]
            for hashed in pool.map(lambda part: [_hash(root / i, known.get(i)) for i in part], parts):
                entries.update(zip(image_ids[len(entries) : len(entries) + len(hashed)], hashed, strict=True))
                now = time.monotonic()
                if progress and now - reported_at >= _SECONDS_BETWEEN_REPORTS and len(entries) < total:
                    reported_at = now
                    progress(len(entries), total)
    if progress:
        progress(total, total)
    return entries


def _hash(path: Path, known: Hashed | None) -> Hashed:
    try:
        status = path.stat()  # before reading, so that a change in the meantime gives another stamp later
        stamp = stamp_of(status)
        if known is not None and known.stamp == stamp and tells_changes(status):
            return known
        return Hashed(stamp, file_digest(path))
    except OSError:
        return Hashed(None, UNREADABLE if known is None else known.sha256)


def check_readable(root: Path, entries: Mapping[str, Hashed]) -> None:
    """Reject a folder in which no file can be read.

    Args:
        root: The folder.
        entries: From `hash_files`, by path below the folder.

    Raises:
        DataError: None of the files could be read, and no earlier hash is known.
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
    """Hash files with a cache; see `hash_files`.

    Args:
        root: Folder that the names are relative to.
        names: What to hash.
        cache: JSON file. The hash of the folder's path is added to its name, because two folders of one data set may
            contain different files of the same name. None caches nothing.
        progress: As for `hash_files`.
    """
    if cache is None:
        return hash_files(root, names, {}, progress)
    place = os.path.realpath(root)
    own_cache = cache.with_name(f"{cache.stem}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}{cache.suffix}")
    known = _read_cache(own_cache, place)
    entries = hash_files(root, names, known, progress)
    fresh = {name: entry for name, entry in entries.items() if entry.stamp is not None and entry != known.get(name)}
    if fresh:
        # Keep the old entries: other sets that list a part of the same folder share its cache.
        _write_cache(own_cache, place, {**known, **fresh})
    return entries


def _read_cache(path: Path, root: str) -> dict[str, Hashed]:
    """Hashes from `_write_cache`; empty if they are missing, damaged or outdated: everything is then hashed again."""
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
    """Write hashes to a JSON file. If that fails, the next run has to hash again, but nothing else is lost."""
    with suppress(OSError):
        replace_file(path, json.dumps({"version": _CACHE_VERSION, "root": root, "files": entries}).encode())


def pack(image_ids: Sequence[str], contents: Mapping[str, str] | None) -> tuple[bytes, ...]:
    """Pack ids, and hashes if there are any, into few bytes: about 40 per image, of which 32 are the hash.

    Args:
        image_ids: In an order in which neighbours are similar, because they are compressed together.
        contents: SHA-256 or `UNREADABLE` by id; None if nothing was hashed yet.
    """
    names = zlib.compress("\0".join(image_ids).encode("utf-8", "surrogateescape"))
    if contents is None:
        return (names,)
    return names, b"".join(_NOTHING if contents[i] == UNREADABLE else bytes.fromhex(contents[i]) for i in image_ids)


def unpack(packed: Sequence[bytes]) -> tuple[list[str], dict[str, str] | None]:
    """The arguments of `pack`."""
    image_ids = zlib.decompress(packed[0]).decode("utf-8", "surrogateescape").split("\0")
    if len(packed) == 1:
        return image_ids, None
    hashes = [packed[1][k : k + 32] for k in range(0, len(packed[1]), 32)]
    return image_ids, {
        i: UNREADABLE if sha == _NOTHING else sha.hex() for i, sha in zip(image_ids, hashes, strict=True)
    }


# Compare a folder of images with its state when it was last hashed.


@dataclass(frozen=True)
class ManifestDifference:
    """The difference between two manifests: sorted image ids.

    Attributes:
        added: Images only in the new manifest.
        removed: Images only in the old manifest.
        changed: Images in both, with different contents.
        unreadable: Images that could be read before, but not now.
        readable: Images that can be read now, but could not be before.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.unreadable or self.readable)

    @property
    def mended(self) -> bool:
        """Whether the only difference is that more images can be read now."""
        return bool(self.readable) and not (self.added or self.removed or self.changed or self.unreadable)

    @property
    def summary(self) -> str:
        """One line: ``"3 images added, 1 changed (first: n01440764/a.JPEG)"``, or ``"no image differs"``.

        It names the first image of the first kind.
        """
        kinds = {
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "no longer readable": self.unreadable,
            "readable now": self.readable,
        }
        non_empty = [(verb, ids) for verb, ids in kinds.items() if ids]
        if not non_empty:
            return "no image differs"
        (verb, ids), *others = non_empty
        parts = [f"{len(ids)} image{'s' if len(ids) > 1 else ''} {verb}", *(f"{len(i)} {v}" for v, i in others)]
        return f"{', '.join(parts)} (first: {printable(ids[0])})"


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> ManifestDifference:
    """Compare two manifests of a folder.

    Args:
        old: SHA-256 of each image's content by id, from `ImageFolder.manifest`.
        new: The same at a later time.
    """
    differing = sorted(i for i in new.keys() & old.keys() if new[i] != old[i])
    # For each of them, whether it could be read then, and whether it can now.
    readable = {i: (not _unread(old[i]), not _unread(new[i])) for i in differing}
    return ManifestDifference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(i for i in differing if readable[i][0] == readable[i][1]),
        unreadable=tuple(i for i in differing if readable[i] == (True, False)),
        readable=tuple(i for i in differing if readable[i] == (False, True)),
    )


def _unread(value: object) -> bool:
    return isinstance(value, str) and value.startswith(UNREADABLE)
