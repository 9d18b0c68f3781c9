"""Check whether a file on disk is the published one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import DataError

if TYPE_CHECKING:
    from .publication import RemoteFile

Progress = Callable[[int, int], None]
"""Called with the number of finished bytes or images and their total, which is 0 if unknown."""

CHUNK = 1 << 20


class Checksum:
    """Computes the checksum of a file from its bytes and compares it with the published one.

    Args:
        file: The published file; if it has no checksum, nothing is computed.
    """

    def __init__(self, file: RemoteFile) -> None:
        published = file.checksum
        self._algorithm, self._expected = published if published is not None else ("", "")
        # Zenodo only publishes md5. That is fine here: the aim is to find damage, not a file forged by an attacker.
        self._state = hashlib.new(self._algorithm, usedforsecurity=False) if published is not None else None

    def update(self, data: bytes) -> None:
        """Add the next bytes."""
        if self._state is not None:
            self._state.update(data)

    def read(self, path: Path, progress: Progress | None = None, total: int = 0) -> int:
        """Add a whole file and return its size in bytes."""
        if self._state is None:
            return path.stat().st_size
        bytes_read = 0
        with path.open("rb") as opened:
            while data := opened.read(CHUNK):
                self._state.update(data)
                bytes_read += len(data)
                if progress is not None:
                    progress(bytes_read, total)
        return bytes_read

    def difference(self) -> str | None:
        """What is wrong, in words; None if the checksums agree or none is published."""
        if self._state is None or self._state.hexdigest() == self._expected.lower():
            return None
        return f"its {self._algorithm} is {self._state.hexdigest()}, but the published one is {self._expected}"


def difference(file: RemoteFile, path: Path, progress: Progress | None = None) -> str | None:
    """Compare a file on disk with what is published about it.

    Args:
        file: The published file.
        path: An existing file.
        progress: Called with the bytes read and their total.

    Returns:
        What is wrong in words, or None. A file passes if neither its size nor a checksum is published.

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
