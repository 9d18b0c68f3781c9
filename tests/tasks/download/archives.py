"""Archives that tests make, and what must be true of one that is refused."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from vitobench.errors import DataError
from vitobench.tasks.download.publication import RemoteFile
from vitobench.tasks.download.unpack import is_unpacked, unpack

FILES = {"set/n01/a.JPEG": b"a" * 5000, "set/n01/b.JPEG": b"b" * 7000, "set/n02/c.JPEG": b"c"}


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the markers."""
    found = (p for p in folder.rglob("*") if p.is_file() and ".unpacked" not in p.parts)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w", prefix: str = "") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return path


def one_member(path: Path, **facts: Any) -> Path:
    """A tar with an ordinary file and then one odd member."""
    member = tarfile.TarInfo()
    for name, value in facts.items():
        setattr(member, name, value)
    with tarfile.open(path, "w") as tar:
        good = tarfile.TarInfo("good.txt")
        tar.addfile(good, io.BytesIO())
        tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def file_of(path: Path) -> RemoteFile:
    return RemoteFile(f"https://example.org/{path.name}", path.name, path.stat().st_size)


def refused(archive: Path, folder: Path, message: str) -> None:
    """Unpacking raises, leaves no trace in the folder and touches nothing beside it."""
    before = {p: p.read_bytes() for p in archive.parent.rglob("*") if p.is_file()}
    with pytest.raises(DataError, match=message) as caught:
        unpack(file_of(archive), archive, folder)
    assert archive.name in str(caught.value)
    assert list(folder.iterdir()) == []
    assert {p: p.read_bytes() for p in archive.parent.rglob("*") if p.is_file()} == before
    assert not is_unpacked(file_of(archive), folder)
