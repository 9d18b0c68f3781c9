"""Files that a user names: whole or not at all, and nothing but a regular file is replaced."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from vitobench.errors import DataError, StoreError, VitobenchError
from vitobench.files import (
    check_output,
    check_output_folder,
    home_path,
    json_text,
    output_file,
    read_json,
    read_sealed_json,
    replacing,
    write_file,
    write_json,
    write_sealed_json,
)

OLD, NEW = b"what was there before", b"new\n"


def piecewise(path: Path, content: bytes) -> None:
    with output_file(path) as aside:
        aside.write_bytes(content)


WRITERS = pytest.mark.parametrize("write", [write_file, piecewise])
Write = Callable[[Path, bytes], None]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@WRITERS
def test_a_file_is_replaced_as_a_whole_and_keeps_its_permissions(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_bytes(OLD)
    path.chmod(0o640)
    with path.open("rb") as reader:
        write(path, NEW)
        assert reader.read() == OLD  # a reader has all of the old or all of the new
    assert path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert left(tmp_path) == ["out.json"]


@WRITERS
def test_a_new_file_has_the_permissions_of_any_new_file_and_its_folder_is_made(write: Write, tmp_path: Path) -> None:
    write(tmp_path / "a/b/out", NEW)
    (tmp_path / "other").touch()
    assert (tmp_path / "a/b/out").read_bytes() == NEW
    assert (tmp_path / "a/b/out").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert left(tmp_path / "a/b") == ["out"]


@WRITERS
@pytest.mark.parametrize("there", [True, False])
def test_links_are_followed_and_stay(write: Write, there: bool, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    target = tmp_path / "data/real"
    if there:
        target.write_bytes(OLD)
    (tmp_path / "near").symlink_to("data/real")
    (tmp_path / "far").symlink_to("near")
    write(tmp_path / "far", NEW)
    assert (tmp_path / "far").is_symlink()
    assert (tmp_path / "near").is_symlink()
    assert target.read_bytes() == NEW
    assert left(tmp_path / "data") == ["real"]


@WRITERS
def test_a_pipe_is_written_to_and_stays_a_pipe(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    (tmp_path / "link").symlink_to("pipe")
    read: list[bytes] = []
    for name in ("pipe", "link"):
        reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
        reader.start()
        check_output(tmp_path / name)
        write(tmp_path / name, NEW)
        reader.join(10)
    assert read == [NEW, NEW]
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert left(tmp_path) == ["link", "pipe"]


@WRITERS
def test_a_terminal_is_written_to(write: Write) -> None:
    ours, theirs = os.openpty()
    try:
        path = Path(os.ttyname(theirs))
        before = path.stat()
        write(path, b"12345")
        assert os.read(ours, 100) == b"12345"
        assert (path.stat().st_ino, path.stat().st_rdev) == (before.st_ino, before.st_rdev)
    finally:
        os.close(ours)
        os.close(theirs)


@WRITERS
def test_a_full_device_is_an_error_and_stays_a_device(write: Write) -> None:
    with pytest.raises(StoreError, match="/dev/full cannot be written: No space left on device"):
        write(Path("/dev/full"), NEW)
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
@pytest.mark.parametrize("piped", [True, False])
def test_standard_output_by_its_path_comes_after_what_was_printed(name: str, piped: bool, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    script = (
        "import sys\nfrom pathlib import Path\nfrom vitobench.files import write_file\n"
        "print('before')\nwrite_file(Path(sys.argv[1]), b'content\\n')\nprint('after')"
    )
    with (tmp_path / "out").open("wb") as out:
        stdout = subprocess.PIPE if piped else out
        command = [sys.executable, "-c", script, name]
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (done.stdout if piped else (tmp_path / "out").read_bytes()) == b"before\ncontent\nafter\n"


@WRITERS
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("folder", "folder is a folder; name a file"),
        ("link-to-folder", "is a folder; name a file"),
        ("file/below", "cannot be written: "),
        ("loop", "cannot be written: Too many levels of symbolic links"),
        ("n" * 300, "cannot be written: File name too long"),
        ("a/" * 2500 + "b", "cannot be written: File name too long"),
        ("nul\0", "cannot be written: "),
        ("half \ud800", "cannot be written: "),
    ],
)
def test_what_cannot_be_written_is_told_before_and_after(write: Write, name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "link-to-folder").symlink_to("folder")
    (tmp_path / "loop").symlink_to("loop")
    before = left(tmp_path)
    for refuse in (check_output, lambda path: write(path, NEW)):
        with pytest.raises(StoreError) as told:
            refuse(tmp_path / name)
        assert reason in str(told.value)
    assert left(tmp_path) == before
    assert (tmp_path / "file").read_bytes() == OLD


@WRITERS
def test_names_as_long_as_the_file_system_allows_can_be_written(write: Write, tmp_path: Path) -> None:
    for name in ("n" * 255, "é" * 127, os.fsdecode(b"\xff" * 255)):
        write(tmp_path / name, NEW)
        assert (tmp_path / name).read_bytes() == NEW


@WRITERS
def test_a_read_only_file_is_not_replaced(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    path.write_bytes(OLD)
    path.chmod(0o444)
    real, open_file = os.access, Path.open
    # Root may write everything; here the permissions count.
    monkeypatch.setattr(os, "access", lambda p, mode: real(p, mode) and not (Path(p) == path and mode & os.W_OK))

    def opened(self: Path, mode: str = "r", *args: object, **more: object) -> object:
        if self == path and "+" in mode:
            raise PermissionError(13, "Permission denied", str(self))
        return open_file(self, mode, *args, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(StoreError, match="it is read-only"):
        check_output(path)
    with pytest.raises(StoreError, match="cannot be written: Permission denied"):
        write(path, NEW)
    monkeypatch.undo()
    assert path.read_bytes() == OLD
    assert left(tmp_path) == ["out"]


@WRITERS
def test_a_file_that_cannot_be_replaced_is_written_in_place(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mounted"  # one file, mounted into a container, can be written but not renamed over
    path.write_bytes(OLD)
    number = path.stat().st_ino

    def busy(self: Path, target: object) -> None:
        raise OSError(16, "Device or resource busy", str(target))

    monkeypatch.setattr(Path, "replace", busy)
    write(path, NEW)
    assert path.read_bytes() == NEW
    assert path.stat().st_ino == number
    assert left(tmp_path) == ["mounted"]


def test_a_block_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(OLD)

    def fail() -> None:
        with output_file(path) as aside:
            aside.write_bytes(NEW)
            raise KeyError("half way")

    with pytest.raises(KeyError):
        fail()
    assert path.read_bytes() == OLD
    assert left(tmp_path) == ["out"]


def test_folders_for_files_are_checked_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    check_output_folder(tmp_path)
    check_output_folder(tmp_path / "a/b/c")
    with pytest.raises(StoreError, match="is a file; name a folder with --to"):
        check_output_folder(tmp_path / "file")
    with pytest.raises(StoreError, match="cannot be written"):
        check_output_folder(tmp_path / "file/below")
    assert left(tmp_path) == ["file"]


def test_home_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_path("~/a") == tmp_path / "a"
    assert home_path("a~") == Path("a~")
    with pytest.raises(VitobenchError, match="~nobody-of-this-name/a cannot be used"):
        home_path("~nobody-of-this-name/a")


def test_a_file_that_other_code_cannot_finish_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(OLD)

    def fail(aside: Path) -> None:
        aside.write_bytes(NEW)
        raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"), replacing(path) as aside:
        fail(aside)
    assert path.read_bytes() == OLD
    with replacing(path) as aside:
        aside.write_bytes(NEW)
        assert path.read_bytes() == OLD
    assert path.read_bytes() == NEW
    assert left(tmp_path) == ["state"]


@dataclass(frozen=True)
class Row:
    name: str
    value: float
    parts: tuple[float, ...] = ()


def test_json_has_records_as_objects_and_null_for_what_it_lacks(tmp_path: Path) -> None:
    rows = (Row("ä", 0.1), Row("b", float("nan"), (1.0, float("inf"))))
    meant = [{"name": "ä", "value": 0.1, "parts": []}, {"name": "b", "value": None, "parts": [1.0, None]}]
    assert json.loads(json_text({"rows": rows})) == {"rows": meant}
    write_json(tmp_path / "a/rows.json", rows)
    assert read_json(tmp_path / "a/rows.json") == meant
    assert (tmp_path / "a/rows.json").read_text(encoding="ascii").endswith("]\n")


def test_json_that_cannot_be_read_is_named_with_the_form_it_should_have(tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text('{"a": ')
    with pytest.raises(DataError, match=r"cut\.json is not JSON\. Expected a list\."):
        read_json(tmp_path / "cut.json", "a list")
    with pytest.raises(DataError, match=r"none\.json cannot be read: No such file or directory\.$"):
        read_json(tmp_path / "none.json")


def test_sealed_json_is_read_only_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a/facts.json"
    assert read_sealed_json(path) is None
    facts = {"values": [0.1, 1e-300], "name": "ä"}
    write_sealed_json(path, facts)
    assert read_sealed_json(path) == facts
    content = path.read_bytes()
    for damaged in (content[:-1], content.replace(b"0.1", b"0.2"), b"[]", b"{}", b"\xff"):
        path.write_bytes(damaged)
        assert read_sealed_json(path) is None
    path.unlink()
    (tmp_path / "a").rmdir()
    (tmp_path / "a").write_bytes(OLD)
    with pytest.raises(StoreError, match=r"facts\.json cannot be written: .* Something else has that name"):
        write_sealed_json(path, facts)
