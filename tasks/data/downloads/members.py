"""Members of archives, one after the other, each judged before it is written."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from ....errors import DataError

BOMB_RATIO = 50
"""Images do not shrink, text does so tenfold: an archive that grows more than this is not a data set."""
BOMB_ALLOWANCE = 10_000_000


class Budget:
    """How many bytes an archive may unpack to.

    Args:
        name: The archive's name, for the message.
        limit: Bytes.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self._left = limit
        self._limit = limit

    def spend(self, count: int) -> None:
        """Take bytes off.

        Raises:
            DataError: There are none left.
        """
        self._left -= count
        if self._left < 0:
            raise DataError(
                f"{self.name} would unpack to more than {self._limit / 1e6:,.0f} MB, {BOMB_RATIO} times its size; it "
                "was not unpacked."
            )


def tar_members(archive: Path, into: Path, budget: Budget) -> Iterator[int]:
    """Unpack a tar archive; yield the position in the archive after each member.

    The published names lie about compression (ImageNet-V2's ``.tar.gz`` are not), so the content decides.

    Raises:
        DataError: A member that may not be unpacked.
    """
    if not hasattr(tarfile, "data_filter"):
        raise DataError("This Python cannot unpack archives safely; Python 3.11.4 or newer can.")
    with archive.open("rb") as opened, tarfile.open(fileobj=opened, mode="r:*") as tar:
        while (member := tar.next()) is not None:
            _refuse_name(budget.name, member.name)
            if not (member.isreg() or member.isdir() or member.islnk()):
                raise DataError(
                    f"{budget.name} holds {member.name}, which is neither a file nor a folder; it was not unpacked."
                )
            if member.islnk():
                _refuse_name(budget.name, member.linkname)
            budget.spend(member.size)
            try:
                tar.extract(member, into, filter="data")
            except tarfile.FilterError as error:
                raise DataError(f"{budget.name} was not unpacked: {error}.") from None
            # tarfile remembers every member: with the 750,000 of ImageNet-C's noise.tar, hundreds of megabytes.
            tar.members.clear()  # type: ignore[attr-defined]
            yield opened.tell()


def zip_members(archive: Path, into: Path, budget: Budget) -> Iterator[int]:
    """Unpack a zip archive; yield the compressed bytes done after each member.

    Raises:
        DataError: A member that may not be unpacked.
    """
    done = 0
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        for member in members:
            _refuse_name(budget.name, member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise DataError(
                    f"{budget.name} holds {member.filename}, which is neither a file nor a folder; it was not unpacked."
                )
            if member.flag_bits & 0x1:
                raise DataError(f"{budget.name} has a password; unpack it by hand.")
            budget.spend(member.file_size)
        for member in members:
            place = into / PurePosixPath(member.filename)
            if member.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                # zipfile reads no more than the declared size, which the budget has counted, and checks the CRC.
                with opened.open(member) as source, place.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
            done += member.compress_size
            yield done


def _refuse_name(archive: str, name: str) -> None:
    """Refuse names that could lead outside, on any system."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or PureWindowsPath(name).drive or ".." in parts:
        raise DataError(f"{archive} holds {name!r}, which leads outside its folder; it was not unpacked.")
