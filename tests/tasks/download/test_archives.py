"""What is in an archive: damage, odd members, extended headers, zip's own ways."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import random
import runpy
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vitobench.tasks.download import members
from vitobench.tasks.download import unpack as unpack_module
from vitobench.tasks.download.unpack import unpack
from vitobench.tests.tasks.download.archives import FILES, file_of, make_tar, make_zip, one_member, refused, tree

# Damage.


def random_files(count: int = 40, size: int = 3000) -> dict[str, bytes]:
    """Files that do not compress."""
    return {f"d/{n:03d}.JPEG": random.Random(n).randbytes(size) for n in range(count)}


HEADER_20 = 20 * (512 + 3072)
"""Where the header of the 21st of `random_files` begins in a tar."""


def _flip(content: bytes, at: int, bit: int = 0) -> bytes:
    damaged = bytearray(content)
    damaged[at] ^= 1 << bit
    return bytes(damaged)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        *((lambda x, at=at: _flip(x, HEADER_20 + at), r"d/019\.JPEG.*damaged") for at in (0, 105, 130, 150, 156, 260)),
        (lambda x: x[:HEADER_20] + bytes(512) + x[HEADER_20 + 512 :], r"after d/019\.JPEG something follows the zeros"),
        (lambda x: x[:HEADER_20] + x[HEADER_20 + 512 :], "the header is damaged"),
        (lambda x: x[:HEADER_20], r"after d/019\.JPEG it ends without the two blocks of zeros"),
        (lambda x: x[: HEADER_20 + 100], "it ends without the two blocks of zeros"),
        (lambda x: x[: HEADER_20 + 1000], "it ends within"),
        (lambda x: x[: 40 * 3584], "after d/039.JPEG it ends without the two blocks of zeros"),
        (lambda x: x[: 40 * 3584 + 512], "it ends within the two blocks of zeros"),
        (lambda x: x[: 40 * 3584 + 512] + b"x" + x[40 * 3584 + 513 :], "something follows the zeros"),
        (lambda x: x + b"\n", "something follows the zeros"),
        (lambda x: x + x, "something follows the zeros that end an archive: .* or another archive"),
        (lambda x: bytes(len(x)), "contains no files"),
        (lambda x: b"", "it ends without"),
    ],
)
def test_a_damaged_tar_is_no_shorter_tar(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    archive = make_tar(tmp_path / "a.tar", random_files())
    archive.write_bytes(damage(archive.read_bytes()))
    refused(archive, tmp_path / "to", message)


_PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("form", _PACK)
def test_several_compressed_streams_are_one_archive(tmp_path: Path, form: str) -> None:
    files = random_files(3)
    content = make_tar(tmp_path / "a.tar", files).read_bytes()
    archive = tmp_path / f"a.tar.{form}"
    for zeros in (b"", bytes(512)):
        archive.write_bytes(_PACK[form](content[:5000]) + zeros + _PACK[form](content[5000:]) + zeros)
        to = tmp_path / f"to{len(zeros)}"
        unpack(file_of(archive), archive, to)
        assert tree(to) == files


@pytest.mark.parametrize("form", _PACK)
@pytest.mark.parametrize("damage", ["middle", "trailer", "end", "cut", "garbage", "second"])
def test_the_checksums_of_compressed_streams_are_compared(tmp_path: Path, form: str, damage: str) -> None:
    """A reader that stops at the end of the tar finds most of these whole."""
    pack = _PACK[form]
    content = make_tar(tmp_path / "a.tar", random_files()).read_bytes()
    packed = pack(content)
    damaged = {
        "middle": _flip(packed, len(packed) // 2, 2),
        "trailer": _flip(packed, len(packed) - 6),
        "end": packed[:-1],
        "cut": packed[:-20],
        "garbage": packed + b"garbage",
        "second": pack(content) + _flip(pack(bytes(10_000)), 0),
    }[damage]
    archive = tmp_path / f"a.tar.{form}"
    archive.write_bytes(damaged)
    refused(archive, tmp_path / "to", f"is damaged .*{dict(gz='gzip', bz2='bzip2', xz='xz')[form]} stream")


@pytest.mark.parametrize(
    ("beginning", "form"),
    [(b"\x28\xb5\x2f\xfd", "zstd"), (b"\x5d\0\0\x80", "lzma"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"Rar!", "RAR")],
)
def test_forms_that_are_not_read_are_not_called_damaged(tmp_path: Path, beginning: bytes, form: str) -> None:
    archive = tmp_path / "a.tar.zst"
    archive.write_bytes(beginning + bytes(2000))
    refused(archive, tmp_path / "to", f"it is compressed with .*{form}.* Unpack it by hand")


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_random_damage_is_refused_or_harmless(form: str) -> None:
    """A small version of the benchmark, which says more about what is done."""
    benchmark = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "archive_damage.py"))
    counts, silent = benchmark["try_form"](form, 1, 32, per_archive=16)
    assert silent == []
    assert counts["flip: refused"] > 3
    assert counts["cut: refused"] > 3


# Members.


@pytest.mark.parametrize(
    ("name", "link", "message"),
    [
        ("d/l", "d/none", "a hard link to d/none, which is no file that comes before it"),
        ("d/l", "d/l", "which is no file that comes before it"),
        ("d/l", "d", "a hard link to d, which is a folder"),
        ("d/l", "later", "which is no file that comes before it"),
        ("d/a", "b", "holds d/a twice"),
        ("d", "b", "holds d twice"),
        ("d/a/l", "b", "holds d/a twice"),
    ],
)
def test_hard_links_to_what_is_no_file_are_refused(tmp_path: Path, name: str, link: str, message: str) -> None:
    archive = make_tar(tmp_path / "a.tar", {"d/a": b"a", "b": b"b"})
    with tarfile.open(archive, "a") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = tarfile.LNKTYPE, link
        tar.addfile(member)
        tar.addfile(tarfile.TarInfo("later"))
    refused(archive, tmp_path / "to", message)


def test_hard_links_to_hard_links_are_right_even_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_tar(tmp_path / "a.tar", {"d/a": b"abc"})
    with tarfile.open(archive, "a") as tar:
        for name, link in (("d/b", "d/a"), ("c", "./d/b")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.LNKTYPE, link
            tar.addfile(member)
    unpack(file_of(archive), archive, tmp_path / "one")

    def no_links(*args: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    unpack(file_of(archive), archive, tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two") == {"d/a": b"abc", "d/b": b"abc", "c": b"abc"}


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_large_header_is_refused_before_it_is_read(tmp_path: Path, kind: bytes) -> None:
    """The content is not there: reading it would be another error."""
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 1500 << 20
    archive = tmp_path / "a.tar"
    archive.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    refused(archive, tmp_path / "to", r"an extended header of 1,573 MB follows; those of up to 1 MB are read")


@pytest.mark.parametrize("folders", [False, True])
def test_many_empty_members_are_out_of_proportion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: bool
) -> None:
    monkeypatch.setattr(unpack_module, "BOMB_ALLOWANCE", 100_000)
    archive = tmp_path / "a.tar.gz"
    names = {f"{n}/a/b/c/d/e.JPEG": b"" for n in range(60)} if folders else {f"{n}.JPEG": b"" for n in range(300)}
    make_tar(archive, names, "w:gz")
    refused(archive, tmp_path / "to", f"{members.BOMB_RATIO} times its size")


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"/".join("a" * 65): b""}, "lies 65 folders deep"),
        ({"a/b": b"", "a": b""}, "holds a twice"),
        ({"a": b"", "a/b": b""}, "holds a twice"),
        ({".": b""}, "not a valid file name"),
        ({"set\\n01\\a.JPEG": b""}, "some systems read the backslash as part of a name"),
        ({".unpacked/b.tar.json": b"{}"}, "a name that bench reserves for itself"),
        ({"./.Unpacking-b.tar/a": b"{}"}, "a name that bench reserves for itself"),
    ],
)
def test_names_that_cannot_be_used_are_refused(
    tmp_path: Path, kind: str, files: dict[str, bytes], message: str
) -> None:
    make = make_tar if kind == "tar" else make_zip
    refused(make(tmp_path / f"a.{kind}", {"good.txt": b"", **files}), tmp_path / "to", message)


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused_unless_the_contents_are_the_same(tmp_path: Path, kind: str) -> None:
    def make(second: bytes) -> Path:
        archive = tmp_path / f"a.{kind}"
        with tarfile.open(archive, "w") if kind == "tar" else zipfile.ZipFile(archive, "w") as opened:
            for name, content in (("d/a", b"one"), ("./d/a", second)):
                if isinstance(opened, zipfile.ZipFile):
                    opened.writestr(name, content)
                else:
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    opened.addfile(member, io.BytesIO(content))
        return archive

    refused(make(b"two"), tmp_path / "to", "d/a twice, with different contents")
    archive = make(b"one")
    unpack(file_of(archive), archive, tmp_path / "to")
    assert tree(tmp_path / "to") == {"d/a": b"one"}


def test_names_that_differ_in_case_are_both_kept_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_tar(tmp_path / "a.tar", {"d/a": b"1", "d/A": b"1", "D/a": b"2"})
    if not (tmp_path / "A.TAR").exists():
        unpack(file_of(archive), archive, tmp_path / "to")
        assert tree(tmp_path / "to") == {"d/a": b"1", "d/A": b"1", "D/a": b"2"}
    # Where case does not count, a file of another name is already there, perhaps with the same content.
    same = make_tar(tmp_path / "b.tar", {"d/a": b"1"})
    with tarfile.open(same, "a") as tar:
        member = tarfile.TarInfo("d/a")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"1"))
    monkeypatch.setattr(members.Destination, "_is_there", lambda self, place: False)
    refused(same, tmp_path / "other", "or another name that this file system takes for the same")


def test_extended_headers_are_heeded(tmp_path: Path) -> None:
    """Long names, sizes above 8 GB in octal and remarks are all said there."""
    archive = tmp_path / "a.tar"
    name = "set/" + "d" * 120 + "/ä" + "f" * 120
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(archive, "w", format=form, pax_headers={"comment": "of git archive"}) as tar:
            member = tarfile.TarInfo(name)
            member.size = 3
            member.pax_headers = {"comment": "x" * 100_000}
            tar.addfile(member, io.BytesIO(b"abc"))
            link = tarfile.TarInfo("l" * 130)
            link.type, link.linkname = tarfile.LNKTYPE, name
            tar.addfile(link)
        to = tmp_path / str(form)
        unpack(file_of(archive), archive, to)
        assert tree(to) == {name: b"abc", "l" * 130: b"abc"}


def _extended(record: bytes, kind: bytes = tarfile.XHDTYPE, size: int = 3) -> bytes:
    """A tar by hand: an extended header with one record, and a member."""
    length = len(record) + 4  # of two digits, a space and a line feed
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, length
    body = b"%d " % length + record + b"\n"
    member = tarfile.TarInfo("a")
    member.size = size
    blocks = (header.tobuf(), body.ljust(512, b"\0"), member.tobuf(), b"abc".ljust(512, b"\0"), bytes(1024))
    return b"".join(blocks)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_extended(b"GNU.sparse.major=1"), "a is a sparse file|x is a sparse file"),
        (_extended(b"path=everything", tarfile.XGLTYPE), "gives all members the same name"),
        (_extended(b"size=1048576"), "it ends without|it ends within"),
        (_extended(b"size=three"), "size of a is not a number"),
        (_extended(b"path=a\0b"), "without a usable name"),
        (_extended(b"no equals sign"), "the extended header before byte .* is damaged"),
        (_extended(b"path=b").replace(b"10 path", b"11 path"), "the extended header before byte .* is damaged"),
        (_extended(b"path=b")[:1024] + _extended(b"path=b"), "two extended headers follow that say the same"),
        (_extended(b"path=b")[:1024] + bytes(1024), "an extended header follows, but no member"),
    ],
)
def test_extended_headers_that_make_no_sense_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(content)
    refused(archive, tmp_path / "to", message)


def test_the_size_in_an_extended_header_counts(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(_extended(b"size=000003", size=0))
    unpack(file_of(archive), archive, tmp_path / "to")
    assert tree(tmp_path / "to") == {"a": b"abc"}


@pytest.mark.parametrize("kind", [b"S", b"V", b"M", b"D", b"N", b"Z"])
def test_members_that_only_backups_have_are_refused(tmp_path: Path, kind: bytes) -> None:
    refused(one_member(tmp_path / "a.tar", name="odd", type=kind), tmp_path / "to", "odd is a .*Unpack it by hand")


def test_times_in_old_gnu_headers_are_no_part_of_the_name(tmp_path: Path) -> None:
    """``tar --format=gnu --incremental`` writes them where POSIX has the beginning of a name."""
    header = bytearray(tarfile.TarInfo("set/a.JPEG").tobuf(tarfile.GNU_FORMAT))
    header[345:357] = b"14717700000\0"
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    archive = tmp_path / "a.tar"
    archive.write_bytes(bytes(header) + bytes(1024))
    unpack(file_of(archive), archive, tmp_path / "to")
    assert tree(tmp_path / "to") == {"set/a.JPEG": b""}


# Zip.


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda x: x + b"\0", "something follows its end"),
        (lambda x: x + x, "bytes are missing or were put before it"),
        (lambda x: b"#!/bin/sh\n" + x, "bytes are missing or were put before it"),
        (lambda x: x[10:], "bytes are missing or were put before it"),
        (lambda x: x[:-1], "its end is not there|something follows its end"),
        (lambda x: x[:-14] + b"\x02\0\x02\0" + x[-10:], "has 3 members, its end says 2"),
        (lambda x: x[:-18] + b"\x01\0" + x[-16:], "one part of an archive of several"),
        # The header before the content: method, CRC, sizes, name, a password.
        (lambda x: _flip(x, 8), "the header of set/n01/a.JPEG differ"),
        (lambda x: _flip(x, 14), "the header of set/n01/a.JPEG differ"),
        (lambda x: _flip(x, 18), "the header of set/n01/a.JPEG differ"),
        (lambda x: _flip(x, 22), "the header of set/n01/a.JPEG differ"),
        (lambda x: _flip(x, 6), "the header of set/n01/a.JPEG differ"),
        (lambda x: _flip(x, 7, 3), "the header of set/n01/a.JPEG differ"),
        (lambda x: _flip(x, 32), "is damaged"),
        (lambda x: _flip(x, x.index(b"PK\1\2") + 24), "differ"),
        (lambda x: _flip(x, x.index(b"PK\1\2") + 46), "is damaged"),
        # Both headers say a size that the content does not have.
        (
            lambda x: x.replace((5000).to_bytes(4, "little"), (5001).to_bytes(4, "little")),
            "5,000 bytes instead of 5,001",
        ),
        (lambda x: _method(x, 9), "compressed by method 9; Python's zipfile does not read it. Unpack it by hand"),
    ],
)
def test_a_damaged_zip_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    archive = make_zip(tmp_path / "a.zip", FILES)
    archive.write_bytes(damage(archive.read_bytes()))
    refused(archive, tmp_path / "to", message)


def _method(content: bytes, method: int) -> bytes:
    changed = bytearray(content)
    for sign, place in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        changed[content.index(sign) + place] = method
    return bytes(changed)


def test_a_zip_with_a_remark_or_sizes_of_64_bits_is_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.comment = b"a remark"
        with opened.open("d/a", "w", force_zip64=True) as member:
            member.write(b"abc")
    unpack(file_of(archive), archive, tmp_path / "to")
    assert tree(tmp_path / "to") == {"d/a": b"abc"}


def test_a_zip_of_more_than_65535_members_says_so_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "a.zip"
    with monkeypatch.context() as patched, zipfile.ZipFile(archive, "w") as opened:
        patched.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)  # the form that such archives have, in small
        for name, content in FILES.items():
            opened.writestr(name, content)
        opened.close()
    content = archive.read_bytes()
    assert content.count(b"PK\6\6") == 1
    unpack(file_of(archive), archive, tmp_path / "to")
    assert tree(tmp_path / "to") == FILES
    at = content.index(b"PK\6\6")
    archive.write_bytes(content[: at + 24] + b"\2" + content[at + 25 : at + 32] + b"\2" + content[at + 33 :])
    refused(archive, tmp_path / "other", "has 3 members, its end says 2")
