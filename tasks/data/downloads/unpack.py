"""Unpacking an archive from elsewhere: nothing may land outside its folder, fill the disk, or stay half done."""

from __future__ import annotations

import errno
import json
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from ....errors import DataError
from .checking import Progress
from .members import BOMB_ALLOWANCE, BOMB_RATIO, Budget, tar_members, zip_members
from .publication import RemoteFile

MARKERS = ".unpacked"
"""Folder with one file for each archive that was unpacked to the end."""


def is_unpacked(file: RemoteFile, folder: Path) -> bool:
    """Whether this very archive was unpacked there to the end."""
    with suppress(OSError, ValueError):
        kept = json.loads(_marker(file, folder).read_text(encoding="utf-8"))
        return bool(kept == _facts(file))
    return False


def unpack(file: RemoteFile, archive: Path, folder: Path, progress: Progress | None = None) -> bool:
    """Unpack a tar (compressed or not) or zip archive into a folder.

    Members go to a temporary folder inside, which is merged into the folder once all of them are there; then a marker
    with the archive's checksum is written, by which a repeated call knows that nothing is left to do.

    Args:
        file: What was published; its name says which kind of archive it is.
        archive: The archive on disk.
        folder: Where its members go; made if absent.
        progress: Told the bytes of the archive that are unpacked, and their total.

    Returns:
        Whether anything had to be done.

    Raises:
        DataError: A damaged archive; one with members that point outside, links, devices or a password; one that grows
            out of proportion; a full disk. The folder is left as it was.
    """
    if is_unpacked(file, folder):
        return False
    temporary = folder / f".unpacking-{file.name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if temporary.exists():
            shutil.rmtree(temporary)
        temporary.mkdir()
        try:
            _extract(file, archive, temporary, progress)
            _merge(temporary, folder)
            marker = _marker(file, folder)
            marker.parent.mkdir(exist_ok=True)
            marker.write_text(json.dumps(_facts(file)), encoding="utf-8")
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(":")
        raise DataError(
            f"{archive} is damaged ({reason}). Remove it and repeat the command, which downloads it again."
        ) from None
    except OSError as error:
        _raise_disk(error, archive, folder)
    return True


def _extract(file: RemoteFile, archive: Path, into: Path, progress: Progress | None) -> None:
    size = archive.stat().st_size
    free = shutil.disk_usage(into).free
    if free < size:
        raise DataError(
            f"{free / 1e9:.1f} GB are free in {into.parent}, and {file.name} needs {size / 1e9:.1f} GB or more. Make "
            "room, or name another folder with --to."
        )
    budget = Budget(file.name, BOMB_RATIO * size + BOMB_ALLOWANCE)
    unpacked: Iterator[int]
    if file.name.lower().endswith(".zip"):
        unpacked = zip_members(archive, into, budget)
    else:
        unpacked = tar_members(archive, into, budget)
    for position in unpacked:
        if progress is not None:
            progress(min(position, size), size)
    if progress is not None:
        progress(size, size)


def _merge(source: Path, target: Path) -> None:
    """Move what is in a folder into another; what an interrupted call has left there is replaced."""
    for entry in sorted(source.iterdir()):
        place = target / entry.name
        if entry.is_dir() and place.is_dir() and not place.is_symlink():
            _merge(entry, place)
        else:
            entry.replace(place)


def _marker(file: RemoteFile, folder: Path) -> Path:
    return folder / MARKERS / f"{file.name}.json"


def _facts(file: RemoteFile) -> dict[str, object]:
    return {"name": file.name, "size": file.size, "checksum": list(file.checksum) if file.checksum else file.url}


def _raise_disk(error: OSError, archive: Path, folder: Path) -> NoReturn:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DataError(
            f"The disk is full at {folder}. {archive.name} is kept: make room and repeat the command, or name another "
            "folder with --to."
        ) from None
    raise DataError(f"{error.filename or folder} cannot be written: {error.strerror or error}.") from None
