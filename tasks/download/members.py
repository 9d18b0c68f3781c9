"""Read the members of archives one by one, checking each before it is written."""

from __future__ import annotations

import filecmp
import os
import shutil
import stat
import struct
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from ...errors import DataError
from ..images.tar import CHUNK, TarReader, UnsupportedTarError

BOMB_RATIO = 50
"""Images hardly compress and text compresses tenfold: an archive that grows more than this is not a data set."""
BOMB_ALLOWANCE = 10_000_000
ENTRY_BYTES = 4096
"""What each file or folder counts in addition to its content: even an empty one takes about this much disk space."""
DEEPEST = 64
"""Maximum depth of nested folders. Published data sets have fewer than ten."""
OWN_NAMES = ".unpack"
"""Prefix of the files that `unpack` itself keeps in the folder: an archive may not contain such names."""

_LARGEST_DIRECTORY = 200_000_000
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _SIZES_LATER, _UTF_8 = 0x1, 0x8, 0x800
_IN_ZIP64 = 0xFFFFFFFF
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


class Budget:
    """The number of bytes an archive may unpack to: contents, headers, and `ENTRY_BYTES` for each file and folder.

    Args:
        name: The archive's name, for the message.
        limit: Bytes.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self._left = limit
        self._limit = limit

    def spend(self, count: int) -> None:
        """Subtract bytes.

        Raises:
            DataError: The budget is used up.
        """
        self._left -= count
        if self._left < 0:
            raise DataError(
                f"{self.name} would unpack to more than {self._limit / 1e6:,.0f} MB (each file and folder counts as "
                f"{ENTRY_BYTES:,} bytes or more), {BOMB_RATIO} times its size; it was not unpacked."
            )


class Destination:
    """An empty folder into which members are written; no file is ever overwritten.

    Args:
        into: The folder.
        budget: Charged for everything written.

    Attributes:
        files: Files written so far.
        bytes: Their total size.
    """

    def __init__(self, into: Path, budget: Budget) -> None:
        self.files = 0
        self.bytes = 0
        self._into = into
        self._budget = budget
        self._folders: set[tuple[str, ...]] = {()}

    def folder(self, name: str) -> None:
        """Create a folder and its parents."""
        self._make(self._parts(name))

    def file(self, name: str, size: int, content: Iterable[bytes]) -> None:
        """Write a file. A file that occurs twice with the same content counts once.

        Raises:
            DataError: The content does not have the declared size, or another file has the same name.
        """
        place = self._place(name)
        try:
            n_bytes = _write(place, content)
        except FileExistsError:
            second_copy = self._into / ".again"
            n_bytes = _write(second_copy, content)
            identical = self._is_there(place) and filecmp.cmp(place, second_copy, shallow=False)
            second_copy.unlink()
            if not identical:
                raise self._taken(name) from None
        else:
            self.files += 1
            self.bytes += n_bytes
        if n_bytes != size:
            raise DataError(
                f"{self._budget.name} is damaged: {name} has {n_bytes:,} bytes instead of {size:,}. Remove it and "
                "repeat the command, which downloads it again."
            )

    def hard_link(self, name: str, link: str) -> None:
        """Give an already written file a second name.

        Raises:
            DataError: There is no such file, or the new name is taken.
        """
        target = self._into.joinpath(*self._parts(link))
        place = self._place(name)
        if not self._is_there(target):
            target_is = "a folder" if target.is_dir() else "no file that comes before it in the archive"
            raise DataError(
                f"{self._budget.name} holds {name}, a hard link to {link}, which is {target_is}; it was not unpacked."
            )
        size = target.stat().st_size
        self._budget.spend(size)
        if os.path.lexists(place):
            raise self._taken(name)
        try:
            os.link(target, place)
        except OSError:  # not every file system has links, and those that have limit their number
            shutil.copyfile(target, place)
        self.files += 1
        self.bytes += size

    def _place(self, name: str) -> Path:
        parts = self._parts(name)
        if not parts:
            raise DataError(f"{self._budget.name} holds {name!r}, which is not a valid file name; it was not unpacked.")
        self._make(parts[:-1])
        self._budget.spend(ENTRY_BYTES)
        return self._into.joinpath(*parts)

    def _parts(self, name: str) -> tuple[str, ...]:
        """The parts of a name, once it is known to be safe on every operating system."""
        archive = self._budget.name
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if name.startswith(("/", "\\")) or PureWindowsPath(name).drive or ".." in parts:
            raise DataError(f"{archive} holds {name!r}, which leads outside its folder; it was not unpacked.")
        if "\\" in name:
            raise DataError(
                f"{archive} holds {name!r}: some systems read the backslash as part of a name, others as the end of a "
                "folder's. It was not unpacked; unpack it by hand."
            )
        if len(parts) > DEEPEST:
            raise DataError(
                f"{archive} holds {name[:60]!r}…, which lies {len(parts)} folders deep; up to {DEEPEST} are unpacked."
            )
        if parts and parts[0].lower().startswith((OWN_NAMES, ".again")):
            raise DataError(f"{archive} holds {name!r}, a name that bench reserves for itself; it was not unpacked.")
        return parts

    def _make(self, parts: tuple[str, ...]) -> None:
        if parts in self._folders:
            return
        self._make(parts[:-1])
        self._budget.spend(ENTRY_BYTES)
        try:
            self._into.joinpath(*parts).mkdir()
        except FileExistsError:
            raise self._taken("/".join(parts)) from None
        self._folders.add(parts)

    def _is_there(self, place: Path) -> bool:
        """Whether a file of exactly this name was written; some file systems ignore case and find other spellings."""
        return place.is_file() and place.name in os.listdir(place.parent)  # noqa: PTH208

    def _taken(self, name: str) -> DataError:
        return DataError(
            f"{self._budget.name} holds {name} twice, with different contents, or another name that this file system "
            "takes for the same. Only one of them could be kept; it was not unpacked."
        )


def tar_members(archive: Path, to: Destination, budget: Budget) -> Iterator[int]:
    """Unpack a tar archive; yield the position in the archive after each member.

    The content decides how it is compressed, because published names can be wrong: ImageNet-V2's ``.tar.gz`` files
    are plain tar archives.

    Raises:
        DataError: A member that may not be unpacked, or an unsupported format.
        UnreadableTarError: A damaged archive.
    """
    with archive.open("rb") as opened:
        try:
            reader = TarReader(opened, budget.spend)
            for member in reader:
                if member.kind == "folder":
                    to.folder(member.name)
                elif member.kind == "file":
                    to.file(member.name, member.size, reader.content())
                elif member.kind == "hard link":
                    to.hard_link(member.name, member.link)
                else:
                    leads = f" to {member.link}" if member.link else ""
                    raise DataError(
                        f"{budget.name} holds {member.name}, which is neither a file nor a folder (a {member.kind}"
                        f"{leads}); it was not unpacked."
                    )
                yield opened.tell()
        except UnsupportedTarError as error:
            raise DataError(f"{budget.name} was not unpacked: {error}. Unpack it by hand.") from None


def zip_members(archive: Path, to: Destination, budget: Budget) -> Iterator[int]:
    """Unpack a zip archive; yield the compressed bytes read after each member.

    Raises:
        DataError: A member that may not be unpacked, or an unsupported format.
        zipfile.BadZipFile: A damaged archive.
    """
    position = 0
    with archive.open("rb") as opened:
        count = _members_said(opened, budget)
        with zipfile.ZipFile(opened) as contents:
            members = contents.infolist()
            if len(members) != count:
                raise zipfile.BadZipFile(f"its directory has {len(members):,} members, its end says {count:,}")
            for member in members:  # all of them before the first is written
                _judge(member, budget)
            for member in members:
                _compare_headers(opened, member)
                if member.is_dir():
                    to.folder(member.filename)
                else:
                    # zipfile checks the CRC and never reads more than the declared size, which `_judge` has budgeted.
                    with contents.open(member) as source:
                        to.file(member.filename, member.file_size, iter(lambda: source.read(CHUNK), b""))
                position += member.compress_size
                yield position


def _judge(member: zipfile.ZipInfo, budget: Budget) -> None:
    """Reject a member that cannot be unpacked safely; charge the budget for any other."""
    name = member.filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{budget.name} holds {name}, which is neither a file nor a folder; it was not unpacked.")
    if member.flag_bits & _ENCRYPTED:
        raise DataError(f"{budget.name} is encrypted; unpack it by hand.")
    if member.compress_type not in _METHODS:
        raise DataError(
            f"{budget.name} holds {name}, which is compressed by method {member.compress_type}; Python's zipfile does "
            "not read it. Unpack it by hand."
        )
    if "\0" in member.orig_filename or (member.is_dir() and member.file_size):
        raise zipfile.BadZipFile(f"{name} is not a usable file name")
    budget.spend(member.file_size)


def _members_said(opened: BinaryIO, budget: Budget) -> int:
    """The number of members according to the end record of a zip file.

    This checks what zipfile tolerates: data before or after the archive, or a truncated directory. Any of these means
    that the archive is not the published one.
    """
    size = opened.seek(0, os.SEEK_END)
    tail_at = max(0, size - _END.size - 0xFFFF - _LOCATOR_64.size)
    opened.seek(tail_at)
    tail = opened.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + _END.size:
        raise zipfile.BadZipFile("its end is not there")
    _, disk, first_disk, on_this_disk, count, length, start, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise zipfile.BadZipFile("something follows its end")
    end = tail_at + at
    locator = at - _LOCATOR_64.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        end_64 = _LOCATOR_64.unpack_from(tail, locator)[2]
        if end_64 + _END_64.size + _LOCATOR_64.size != end:
            raise zipfile.BadZipFile("its end is damaged")
        opened.seek(end_64)
        _, _, _, _, disk, first_disk, on_this_disk, count, length, start = _END_64.unpack(opened.read(_END_64.size))
        end = end_64
    if disk or first_disk or on_this_disk != count:
        raise DataError(f"{budget.name} is one part of an archive of several; join and unpack them by hand.")
    if start + length != end:
        raise zipfile.BadZipFile("bytes are missing or were put before it")
    if length > _LARGEST_DIRECTORY:
        raise DataError(
            f"{budget.name} has a directory of {length / 1e6:,.0f} MB; at most {_LARGEST_DIRECTORY / 1e6:.0f} MB are "
            "read."
        )
    return int(count)


def _compare_headers(opened: BinaryIO, member: zipfile.ZipInfo) -> None:
    """Compare a member's entry in the directory with the header before its content; zipfile only uses the directory."""
    opened.seek(member.header_offset)
    header = opened.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        raise zipfile.BadZipFile(f"the header of {member.filename} is cut short")
    _, _, flags, method, _, _, crc, packed, size, _, _ = _LOCAL.unpack(header)
    pairs = [(flags & (_ENCRYPTED | _UTF_8), member.flag_bits & (_ENCRYPTED | _UTF_8)), (method, member.compress_type)]
    if not (flags | member.flag_bits) & _SIZES_LATER:
        pairs += [(crc, member.CRC)]
        pairs += [(packed, member.compress_size)] if packed != _IN_ZIP64 else []
        pairs += [(size, member.file_size)] if size != _IN_ZIP64 else []
    uncompressed = member.compress_type == zipfile.ZIP_STORED
    if any(a != b for a, b in pairs) or (uncompressed and member.compress_size != member.file_size):
        raise zipfile.BadZipFile(f"the directory and the header of {member.filename} differ")


def _write(place: Path, content: Iterable[bytes]) -> int:
    """Write a file that must not exist; return its size."""
    size = 0
    with place.open("xb") as target:
        for piece in content:
            size += target.write(piece)
    return size
