"""What is published where: files with sizes and checksums, where they are put, and whether they are intact."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError

# A published data set: where to get it, its size and licence, and how to check that it is complete.


LICENCES: dict[str, str] = {
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/ (no commercial use)",
    "MIT": "https://spdx.org/licenses/MIT.html, said of the repository that publishes it",
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "ImageNet terms": "https://image-net.org/download.php (non-commercial research and teaching)",
    "own terms": "the page of the set states its terms",
    "mixed": "differs between the files; see the notes",
    "not stated": "the authors state none",
    "not found": "none was found when this list was made; look at the page of the set",
}
"""Every licence that a `Publication` may name, with its address or an explanation."""

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".zip")


@dataclass(frozen=True)
class RemoteFile:
    """One file as it is published.

    Attributes:
        url: Direct link.
        name: Name of the local file.
        size: Bytes, or None if it is not published.
        md5: Hexadecimal, or None.
        sha256: Hexadecimal, or None.
        sha1: Hexadecimal, or None.
    """

    url: str
    name: str
    size: int | None = None
    md5: str | None = None
    sha256: str | None = None
    sha1: str | None = None

    @property
    def checksum(self) -> tuple[str, str] | None:
        """The strongest published checksum as ``(algorithm, hexadecimal)``, if there is one."""
        for algorithm, value in (("sha256", self.sha256), ("sha1", self.sha1), ("md5", self.md5)):
            if value is not None:
                return algorithm, value
        return None

    @property
    def is_archive(self) -> bool:
        """Whether it has to be unpacked."""
        return self.name.lower().endswith(_ARCHIVES)


@dataclass(frozen=True)
class Folder:
    """What an unpacked folder must contain.

    Attributes:
        path: Relative to the data folder; ``"."`` is the data folder itself.
        classes: Number of folders in it, or None if it is unknown or the folder holds images directly.
        images: Number of images in it at any depth, or None if it is unknown.
    """

    path: str
    classes: int | None = None
    images: int | None = None


@dataclass(frozen=True)
class Publication:
    """A data set as its authors publish it: what downloading and checking it need. `datasets.record.DataSet` adds more.

    Attributes:
        name: As in ``--data NAME=DIR``.
        title: Its name in the literature.
        page: Its web page.
        files: Files to download; empty if there is no direct link.
        size_bytes: Total download size, or None if the size of a file is unknown.
        licence: A key of `LICENCES`.
        citation: Authors, title, venue.
        gated: Whether one has to register or accept terms before downloading.
        notes: How to get it if it is gated, and what to know before using it.
        unpacks_to: Folder with the data, relative to where the archives are unpacked.
        folders: What the unpacked folders must contain, as far as it is known.
        required: Files that the data folder must contain.
        along: Names of other publications that are only useful with this one, and are downloaded with it.
    """

    name: str
    title: str
    page: str
    files: tuple[RemoteFile, ...]
    licence: str
    citation: str
    gated: bool = False
    notes: str = ""
    unpacks_to: str = "."
    folders: tuple[Folder, ...] = ()
    required: tuple[str, ...] = ()
    along: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int | None:
        """Total download size, or None if a size is unknown or nothing can be downloaded."""
        sizes = [file.size for file in self.files]
        return None if not sizes or None in sizes else sum(size for size in sizes if size is not None)

    @property
    def checksums(self) -> str:
        """Which of its files have a published checksum, in words."""
        with_one = sum(file.checksum is not None for file in self.files)
        if not self.files:
            return "nothing to download"
        if not with_one:
            return "no checksum published"
        kinds = sorted({file.checksum[0] for file in self.files if file.checksum is not None})
        scope = "" if with_one == len(self.files) else f" for {with_one} of {len(self.files)} files"
        return " and ".join(kinds) + scope


def readable_size(count: int | None) -> str:
    """Bytes in readable units: ``"22.6 GB"``; ``"not published"`` for None."""
    if count is None:
        return "not published"
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


# Paths of archives and unpacked data below the user's data folder.


ARCHIVES = "archives"


def file_place(publication: Publication, file: RemoteFile, root: Path) -> Path:
    """Where a downloaded file goes: archives into ``ROOT/archives/NAME``, other files straight into ``ROOT/NAME``."""
    if file.is_archive:
        return root / ARCHIVES / publication.name / file.name
    return root / publication.name / file.name


def unpack_place(publication: Publication, root: Path) -> Path:
    """Where archives are unpacked: ``ROOT/NAME``."""
    return root / publication.name


def data_place(publication: Publication, root: Path) -> Path:
    """The folder for ``--data NAME=DIR``."""
    return unpack_place(publication, root) / publication.unpacks_to


# Check whether a file on disk is the published one.


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
