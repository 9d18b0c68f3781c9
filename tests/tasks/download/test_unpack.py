"""Archives are unpacked whole or not at all, and never outside of their folder."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import stat
import tarfile
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vitobench.errors import DataError
from vitobench.tasks.download import members
from vitobench.tasks.download import unpack as unpack_module
from vitobench.tasks.download.publication import RemoteFile
from vitobench.tasks.download.unpack import is_unpacked, unpack
from vitobench.tasks.images.tar import TarReader
from vitobench.tests.tasks.download.archives import FILES, file_of, make_tar, make_zip, one_member, refused, tree


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


def test_a_second_call_does_nothing(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar", FILES)
    file, to = file_of(archive), tmp_path / "to"
    assert unpack(file, archive, to)
    (to / "set/n01/a.JPEG").unlink()
    assert not unpack(file, tmp_path / "not there any more.tar", to)
    assert not (to / "set/n01/a.JPEG").exists()


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
    refused(archive, tmp_path / "to", "is encrypted")


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


def test_many_members_do_not_fill_the_memory(tmp_path: Path) -> None:
    content = make_tar(tmp_path / "a.tar", {f"{n}.bin": b"x" for n in range(3000)}).read_bytes()
    opened = io.BytesIO(content)
    tracemalloc.start()
    count = sum(1 for _ in TarReader(opened))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 3000
    assert peak < 100_000  # a few blocks; 30 bytes for each member would be more


# What is marked as complete.


def test_an_archive_that_is_not_the_published_one_is_not_unpacked(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar", FILES)
    right = hashlib.sha256(archive.read_bytes()).hexdigest()
    file = RemoteFile("https://example.org/a.tar", "a.tar", archive.stat().st_size, sha256=right)
    archive.write_bytes(archive.read_bytes().replace(b"aaaa", b"aaab", 1))  # contents of a plain tar have no checksum
    with pytest.raises(DataError, match=r"a\.tar is not a\.tar as published: its sha256 is"):
        unpack(file, archive, tmp_path / "to")
    assert not (tmp_path / "to").exists()
    with pytest.raises(DataError, match="but the published one has 5"):
        unpack(replace(file, size=5), archive, tmp_path / "to")


def test_two_versions_of_an_archive_are_not_mixed(tmp_path: Path) -> None:
    first = make_tar(tmp_path / "a.tar", {"d/old.JPEG": b"1", "d/both.JPEG": b"1"})
    to = tmp_path / "to"
    old = file_of(first)
    unpack(old, first, to)
    second = make_tar(tmp_path / "a.tar", {"d/both.JPEG": b"2", "d/more.JPEG": b"2"})
    new = replace(file_of(second), sha256=hashlib.sha256(second.read_bytes()).hexdigest())
    with pytest.raises(DataError, match=r"holds another version of a\.tar .*a\.tar\.json says which.*Remove "):
        unpack(new, second, to)
    assert tree(to) == {"d/old.JPEG": b"1", "d/both.JPEG": b"1"}
    shutil.rmtree(to)
    unpack(new, second, to)
    assert tree(to) == {"d/both.JPEG": b"2", "d/more.JPEG": b"2"}
    (to / ".unpacked" / "a.tar.json").write_text('{"name":')  # a marker that was cut short is none
    assert unpack(new, second, to)
    assert is_unpacked(new, to)


def test_two_processes_do_not_unpack_one_archive_together(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    archive = make_tar(tmp_path / "a.tar", FILES)
    calls = []

    def second(done: int, total: int) -> None:
        calls.append(done)
        with pytest.raises(DataError, match=r"a\.tar is being unpacked by another process"):
            unpack(file_of(archive), archive, tmp_path / "to")

    assert unpack(file_of(archive), archive, tmp_path / "to", second)
    assert calls
    assert tree(tmp_path / "to") == FILES


def test_files_that_vanish_meanwhile_are_noticed(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar", FILES)

    def remove(done: int, total: int) -> None:
        (tmp_path / "to" / ".unpacking-a.tar" / "set/n01/a.JPEG").unlink(missing_ok=True)

    with pytest.raises(DataError, match="has 2 files of 7,001 bytes, but 3 of 12,001 were written"):
        unpack(file_of(archive), archive, tmp_path / "to", remove)
    assert list((tmp_path / "to").iterdir()) == []
