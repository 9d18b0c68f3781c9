"""Unpack an untrusted archive: nothing may be written outside its folder, fill the disk, or stay half unpacked."""

from __future__ import annotations

import errno
import json
import lzma
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from ...errors import DataError
from ...files import replace_file
from .members import BOMB_ALLOWANCE, BOMB_RATIO, Budget, Destination, tar_members, zip_members
from .partial import lock
from .publication import Progress, RemoteFile, difference

MARKERS = ".unpacked"
"""Folder with one file for each completely unpacked archive."""


def is_unpacked(file: RemoteFile, folder: Path) -> bool:
    """Whether exactly this archive was completely unpacked there."""
    return _unpacked_before(file, folder) == _facts(file)


def refuse_mixture(file: RemoteFile, folder: Path) -> None:
    """Raise if another version of this archive was unpacked there: files that only that version has would remain.

    Raises:
        DataError: Names the folder to remove.
    """
    before = _unpacked_before(file, folder)
    if before is not None and before != _facts(file):
        raise DataError(
            f"{folder} holds another version of {file.name} ({_marker(file, folder)} says which), and files of both "
            f"would be mixed. Remove {folder}, or name another folder with --to, and repeat the command."
        )


def unpack(
    file: RemoteFile, archive: Path, folder: Path, progress: Progress | None = None, checked: bool = False
) -> bool:
    """Unpack a tar (compressed or not) or zip archive into a folder.

    First, size and checksum are compared with the published ones. Members go into a temporary subfolder, which is
    merged into the folder only after the whole archive has been read and all members have the right sizes. Then a
    marker with the archive's checksum is written, so that a repeated call has nothing to do.

    If no checksum is published, changed bytes are still detected in gzip, bzip2, xz and zip, which have checksums of
    their own. A plain tar only has checksums of its headers: changed contents go unnoticed.

    Args:
        file: The published file; its name tells tar from zip.
        archive: The archive on disk.
        folder: Where its members go; created if necessary.
        progress: Called with the unpacked bytes of the archive and their total.
        checked: Whether size and checksum have just been compared.

    Returns:
        Whether anything had to be unpacked.

    Raises:
        DataError: The archive is damaged or not the published one, has members that point outside, symbolic links,
            devices or a password, or grows out of proportion; another version of it was unpacked there before; another
            process is unpacking it; or the disk is full. The folder is left as it was.
    """
    if is_unpacked(file, folder):
        return False
    refuse_mixture(file, folder)
    wrong = None if checked else difference(file, archive)
    if wrong is not None:
        raise DataError(f"{archive} is not {file.name} as published: {wrong}. Remove it and repeat the command.")
    temporary = folder / f".unpacking-{file.name}"
    try:
        with archive.open("rb") as locked:
            # Two processes would remove each other's files, and mistake the other's files for their own.
            lock(locked, f"{archive} is being unpacked by another process")
            folder.mkdir(parents=True, exist_ok=True)
            if temporary.exists():
                shutil.rmtree(temporary)
            temporary.mkdir()
            try:
                _extract(file, archive, temporary, progress)
                _merge(temporary, folder)
                replace_file(_marker(file, folder), json.dumps(_facts(file)).encode())
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except _DAMAGED as error:
        raise _damaged(archive, error) from None
    except OSError as error:
        if error.errno is None:  # decompressors raise an OSError without a number
            raise _damaged(archive, error) from None
        _raise_disk(error, archive, folder)
    return True


_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    ValueError,
    struct.error,
)
"""Errors from reading a damaged archive; zipfile raises unrelated ones for names and fields that make no sense."""


def _damaged(archive: Path, error: Exception) -> DataError:
    reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(":.")
    return DataError(f"{archive} is damaged ({reason}). Remove it and repeat the command, which downloads it again.")


def _extract(file: RemoteFile, archive: Path, into: Path, progress: Progress | None) -> None:
    size = archive.stat().st_size
    free = shutil.disk_usage(into).free
    if free < size:
        raise DataError(
            f"{free / 1e9:.1f} GB are free in {into.parent}, and {file.name} needs {size / 1e9:.1f} GB or more. Make "
            "room, or name another folder with --to."
        )
    budget = Budget(file.name, BOMB_RATIO * size + BOMB_ALLOWANCE)
    to = Destination(into, budget)
    unpacked: Iterator[int]
    if file.name.lower().endswith(".zip"):
        unpacked = zip_members(archive, to, budget)
    else:
        unpacked = tar_members(archive, to, budget)
    for position in unpacked:
        if progress is not None:
            progress(min(position, size), size)
    if not to.files:
        raise DataError(f"{archive} is damaged or empty: it contains no files. Remove it and repeat the command.")
    counted = _census(into)
    if counted != (to.files, to.bytes):
        raise DataError(
            f"{into} has {counted[0]:,} files of {counted[1]:,} bytes, but {to.files:,} of {to.bytes:,} were written: "
            "something else changes files there. Nothing was kept; repeat the command."
        )
    if progress is not None:
        progress(size, size)


def _census(folder: Path) -> tuple[int, int]:
    """Number and total size of the files below a folder."""
    count = total = 0
    for parent, _, names in os.walk(folder):
        count += len(names)
        total += sum(os.lstat(f"{parent}/{name}").st_size for name in names)
    return count, total


def _merge(source: Path, target: Path) -> None:
    """Move the contents of a folder into another, replacing what an interrupted call has left there."""
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if entry.is_dir() and place.is_dir() and not place.is_symlink():
            _merge(entry, place)
        else:
            entry.replace(place)


def _marker(file: RemoteFile, folder: Path) -> Path:
    return folder / MARKERS / f"{file.name}.json"


def _unpacked_before(file: RemoteFile, folder: Path) -> object:
    """Contents of the marker of an archive of this name; None if there is no readable one."""
    with suppress(OSError, ValueError):
        return json.loads(_marker(file, folder).read_text(encoding="utf-8"))
    return None


def _facts(file: RemoteFile) -> dict[str, object]:
    return {"name": file.name, "size": file.size, "checksum": list(file.checksum) if file.checksum else file.url}


def _raise_disk(error: OSError, archive: Path, folder: Path) -> NoReturn:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DataError(
            f"The disk is full at {folder}. {archive.name} is kept: make room and repeat the command, or name another "
            "folder with --to."
        ) from None
    raise DataError(f"{error.filename or folder} cannot be written: {error.strerror or error}.") from None
