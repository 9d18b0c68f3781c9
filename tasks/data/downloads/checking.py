"""Whether a file on disk is the published one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import DataError

if TYPE_CHECKING:
    from .publication import RemoteFile

Progress = Callable[[int, int], None]
"""Told how many bytes or images are done, and of how many; 0 where that is not known."""

CHUNK = 1 << 20


class Checksum:
    """The published checksum of a file, computed while its bytes pass by.

    Args:
        file: Whose checksum; without a published one, nothing is computed.
    """

    def __init__(self, file: RemoteFile) -> None:
        published = file.checksum
        self._algorithm, self._expected = published if published is not None else ("", "")
        # md5 is what Zenodo publishes: it finds damage, and a file swapped by an attacker is not the concern here.
        self._state = hashlib.new(self._algorithm, usedforsecurity=False) if published is not None else None

    def update(self, data: bytes) -> None:
        """Take in the next bytes."""
        if self._state is not None:
            self._state.update(data)

    def read(self, path: Path, progress: Progress | None = None, total: int = 0) -> int:
        """Take in a whole file; return how many bytes it has."""
        if self._state is None:
            return path.stat().st_size
        done = 0
        with path.open("rb") as opened:
            while data := opened.read(CHUNK):
                self._state.update(data)
                done += len(data)
                if progress is not None:
                    progress(done, total)
        return done

    def difference(self) -> str | None:
        """What is wrong, in words; None where all is well or no checksum is published."""
        if self._state is None or self._state.hexdigest() == self._expected.lower():
            return None
        return f"its {self._algorithm} is {self._state.hexdigest()}, but the published one is {self._expected}"


def difference(file: RemoteFile, path: Path, progress: Progress | None = None) -> str | None:
    """Compare a file on disk with what is published about it.

    Args:
        file: What is published.
        path: An existing file.
        progress: Told the bytes read.

    Returns:
        What is wrong in words, or None. A file of which neither size nor checksum is published passes.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            return f"it has {size:,} bytes, but the published one has {file.size:,}"
        checksum = Checksum(file)
        checksum.read(path, progress, size)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
    return checksum.difference()
