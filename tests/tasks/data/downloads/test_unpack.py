"""Archives, good ones and ones made to do harm."""

from __future__ import annotations

import errno
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from vitobench.errors import DataError
from vitobench.tasks.data.downloads import members
from vitobench.tasks.data.downloads import unpack as unpack_module
from vitobench.tasks.data.downloads.publication import RemoteFile
from vitobench.tasks.data.downloads.unpack import is_unpacked, unpack

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


@pytest.mark.parametrize(
    ("name", "mode", "prefix"),
    [
        ("a.tar", "w", ""),
        ("a.tar", "w", "./"),
        ("a.tar.gz", "w:gz", ""),
        ("a.tgz", "w:gz", ""),
        ("plain.tar.gz", "w", ""),
    ],
)
def test_tar_archives_are_unpacked_by_content_whatever_their_name(
    tmp_path: Path, name: str, mode: str, prefix: str
) -> None:
    archive = make_tar(tmp_path / name, FILES, mode, prefix)
    told: list[tuple[int, int]] = []
    assert unpack(file_of(archive), archive, tmp_path / "to", lambda *x: told.append(x))
    assert tree(tmp_path / "to") == FILES
    assert told[-1][0] == told[-1][1] == archive.stat().st_size
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_zip_archives_are_unpacked(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"set/": b"", **FILES})
    assert unpack(file_of(archive), archive, tmp_path / "to")
    assert tree(tmp_path / "to") == FILES


def test_hard_links_inside_are_followed(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("set/a.JPEG")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("set/b.JPEG")
        link.type, link.linkname = tarfile.LNKTYPE, "set/a.JPEG"
        tar.addfile(link)
    unpack(file_of(archive), archive, tmp_path / "to")
    assert tree(tmp_path / "to") == {"set/a.JPEG": b"abc", "set/b.JPEG": b"abc"}


def test_a_second_call_does_nothing_and_another_archive_of_that_name_is_unpacked(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar", FILES)
    file, to = file_of(archive), tmp_path / "to"
    assert unpack(file, archive, to)
    (to / "set/n01/a.JPEG").unlink()
    assert not unpack(file, tmp_path / "not there any more.tar", to)
    assert not (to / "set/n01/a.JPEG").exists()
    other = RemoteFile(file.url, file.name, file.size, sha256="0" * 64)
    assert not is_unpacked(other, to)
    assert unpack(other, archive, to)
    assert (to / "set/n01/a.JPEG").exists()


def test_archives_that_share_folders_are_merged(tmp_path: Path) -> None:
    first = make_tar(tmp_path / "a.tar", {"noise/1/a.JPEG": b"1", "noise/readme": b"old"})
    second = make_tar(tmp_path / "b.tar", {"noise/2/a.JPEG": b"2", "noise/readme": b"new"})
    for archive in (first, second):
        unpack(file_of(archive), archive, tmp_path / "to")
    assert tree(tmp_path / "to") == {"noise/1/a.JPEG": b"1", "noise/2/a.JPEG": b"2", "noise/readme": b"new"}


@pytest.mark.parametrize("moment", ["extracting", "merging"])
def test_an_interruption_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    archive = make_tar(tmp_path / "a.tar", {**FILES, "other/d.JPEG": b"d"})
    file, to = file_of(archive), tmp_path / "to"
    calls = 0

    def stop(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise KeyboardInterrupt
        return self.rename(target)

    def stop_extracting(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        if moment == "merging":
            patched.setattr(Path, "replace", stop)
        unpack(file, archive, to, stop_extracting if moment == "extracting" else None)
    assert not is_unpacked(file, to)
    assert [p.name for p in to.iterdir()] == ([] if moment == "extracting" else ["other"])
    (to / ".unpacking-a.tar").mkdir()  # as a kill would leave it
    (to / ".unpacking-a.tar" / "half.JPEG").write_bytes(b"half")
    assert unpack(file, archive, to)
    assert tree(to) == {**FILES, "other/d.JPEG": b"d"}


@pytest.mark.parametrize(
    "name", ["../evil.txt", "set/../../evil.txt", "/tmp/vitobench-evil.txt", "..\\evil.txt", "C:/evil.txt", "\\evil"]
)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    make = make_tar if kind == "tar" else make_zip
    refused(make(tmp_path / f"a.{kind}", {"good.txt": b"", name: b"evil"}), tmp_path / "to", "leads outside its folder")
    assert not Path("/tmp/vitobench-evil.txt").exists()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"name": "link", "type": tarfile.SYMTYPE, "linkname": "/etc"}, "neither a file nor a folder"),
        ({"name": "link", "type": tarfile.SYMTYPE, "linkname": "good.txt"}, "neither a file nor a folder"),
        ({"name": "device", "type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, "neither a file nor a folder"),
        ({"name": "block", "type": tarfile.BLKTYPE}, "neither a file nor a folder"),
        ({"name": "pipe", "type": tarfile.FIFOTYPE}, "neither a file nor a folder"),
        ({"name": "hard", "type": tarfile.LNKTYPE, "linkname": "../../secret.txt"}, "leads outside"),
        ({"name": "hard", "type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}, "leads outside"),
    ],
)
def test_links_and_devices_in_tar_are_refused(tmp_path: Path, facts: dict[str, Any], message: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    refused(one_member(tmp_path / "a.tar", **facts), tmp_path / "to", message)


def test_a_file_that_turns_a_symlink_into_a_way_out_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        link = tarfile.TarInfo("images")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        member = tarfile.TarInfo("images/evil.txt")
        tar.addfile(member, io.BytesIO())
    refused(archive, tmp_path / "to", "neither a file nor a folder")
    assert not (tmp_path / "evil.txt").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_zip_are_refused(tmp_path: Path, kind: int) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        member = zipfile.ZipInfo("link")
        member.external_attr = (kind | 0o777) << 16
        opened.writestr(member, "/etc/passwd")
    refused(archive, tmp_path / "to", "neither a file nor a folder")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_archives_that_grow_out_of_proportion_are_refused(tmp_path: Path, kind: str) -> None:
    zeros = {f"{n}.bin": bytes(12_000_000) for n in range(2)}
    archive = tmp_path / f"a.{kind}"
    _ = make_zip(archive, zeros) if kind == "zip" else make_tar(archive, zeros, "w:gz")
    refused(archive, tmp_path / "to", f"{members.BOMB_RATIO} times its size")


def test_a_zip_that_lies_about_its_sizes_gives_no_more_than_it_declared(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"bomb.bin": bytes(1_000_000)})
    content = archive.read_bytes()
    declared = (1_000_000).to_bytes(4, "little")
    assert content.count(declared) == 2
    archive.write_bytes(content.replace(declared, (1000).to_bytes(4, "little")))
    refused(archive, tmp_path / "to", "is damaged")


def test_a_zip_with_a_password_is_left_to_the_user(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"a.txt": b"a"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(bytes(content))
    refused(archive, tmp_path / "to", "has a password")


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.zip"])
@pytest.mark.parametrize("damage", ["cut", "garbage"])
def test_damaged_archives_are_named(tmp_path: Path, name: str, damage: str) -> None:
    files = {f"set/{n}.bin": os.urandom(20_000) for n in range(5)}
    archive = tmp_path / name
    _ = make_zip(archive, files) if name.endswith("zip") else make_tar(archive, files, "w:gz" if "gz" in name else "w")
    content = archive.read_bytes()
    archive.write_bytes(content[:70_000] if damage == "cut" else b"garbage" * 1000)
    refused(archive, tmp_path / "to", "is damaged .* Remove it and repeat")


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_tar(tmp_path / "a.tar", FILES)

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(unpack_module, "_merge", full)
        refused(archive, tmp_path / "to", r"The disk is full at .*to\. a\.tar is kept")
    monkeypatch.setattr(unpack_module.shutil, "disk_usage", lambda path: type("usage", (), {"free": 10}))
    refused(archive, tmp_path / "to", "GB are free in .* Make room")


def test_many_members_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_tar(tmp_path / "a.tar", {f"{n}.bin": b"" for n in range(300)})
    longest = 0
    extract = tarfile.TarFile.extract

    def watch(self: tarfile.TarFile, *args: Any, **more: Any) -> None:
        nonlocal longest
        longest = max(longest, len(self.members))  # type: ignore[attr-defined]
        extract(self, *args, **more)

    monkeypatch.setattr(tarfile.TarFile, "extract", watch)
    unpack(file_of(archive), archive, tmp_path / "to")
    assert len(tree(tmp_path / "to")) == 300
    assert longest <= 2
