"""The same things are asked of every kind of folder: on this machine, of an object store, and of what can only move."""

from __future__ import annotations

import os
import pickle
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from vitobench.errors import StoreError
from vitobench.files import write_aside
from vitobench.results.folder import Entry, Folder, LocalFolder, RemoteFolder, open_folder
from vitobench.results.inventory import LEFTOVER, verify
from vitobench.results.store import Store


class MovingFileSystem(LocalFileSystem):  # type: ignore[misc]
    """Files behind a URL whose writing can be seen half done, as over SFTP."""

    protocol = "moving"
    cachable = False
    steps: list[str] = []  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix("moving://"))

    def pipe_file(self, path: str, value: bytes, **more: Any) -> None:
        self.steps.append(f"put {Path(path).name}")
        super().pipe_file(path, value, **more)

    def mv(self, path1: str, path2: str, **more: Any) -> None:
        self.steps.append(f"move {Path(path1).name} to {Path(path2).name}")
        super().mv(path1, path2, **more)


@pytest.fixture(autouse=True)
def moving() -> Iterator[list[str]]:
    fsspec.register_implementation("moving", MovingFileSystem, clobber=True)
    MovingFileSystem.steps.clear()
    yield MovingFileSystem.steps
    fsspec.get_filesystem_class("memory").store.clear()


@pytest.fixture(params=["local", "file", "memory", "moving"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    places: dict[str, str | Path] = {
        "local": tmp_path / "store",
        "file": f"file://{tmp_path}/store",
        "memory": f"memory://{uuid.uuid4().hex}/store/",
        "moving": f"moving://{tmp_path}/store",
    }
    return open_folder(places[request.param])


def test_a_place_decides_the_kind(tmp_path: Path) -> None:
    assert isinstance(open_folder(tmp_path), LocalFolder)
    assert open_folder(tmp_path).local == tmp_path
    assert open_folder(f"file://{tmp_path}").local == tmp_path
    assert open_folder("bench-results").location == "bench-results"
    remote = open_folder("memory://a/b/")
    assert isinstance(remote, RemoteFolder)
    assert remote.local is None
    assert remote.location == "memory://a/b"
    assert remote.path("c/d") == "memory://a/b/c/d"
    assert open_folder(tmp_path).path("c/d") == str(tmp_path / "c/d")


def test_a_folder_that_is_not_there_is_empty(folder: Folder) -> None:
    assert folder.names() == []
    assert folder.names("a/b") == []
    assert folder.files() == []
    assert not folder.exists("a")
    with pytest.raises(FileNotFoundError):
        folder.read("a")
    folder.remove("a/b")  # gone already


def test_what_is_written_is_read_listed_and_removed(folder: Folder) -> None:
    before = time.time()
    for name, content in (("mark", b"1"), ("a/b/c.bin", bytes(range(256))), ("a/b/d", b""), ("a/e", b"xyz")):
        folder.write(name, content)
        assert folder.read(name) == content
    assert folder.names() == ["a", "mark"]
    assert folder.names("a") == ["b", "e"]
    assert folder.names("a/b") == ["c.bin", "d"]
    assert folder.names("a/none") == []
    assert [(entry.name, entry.size) for entry in folder.files()] == [
        ("a/b/c.bin", 256), ("a/b/d", 0), ("a/e", 3), ("mark", 1)
    ]  # fmt: skip
    assert [entry.name for entry in folder.files("a/b")] == ["a/b/c.bin", "a/b/d"]
    assert all(before - 5 < entry.modified < time.time() + 5 for entry in folder.files())
    for name in ("mark", "a", "a/b", "a/b/c.bin"):
        assert folder.exists(name)
    assert not folder.exists("a/b/x")

    folder.write("mark", b"another")
    assert folder.read("mark") == b"another"
    folder.remove("a/b/c.bin")
    folder.remove("a/b/c.bin")
    assert not folder.exists("a/b/c.bin")
    assert folder.names("a/b") == ["d"]
    assert [entry.name for entry in folder.files()] == ["a/b/d", "a/e", "mark"]


def test_a_folder_goes_to_another_process(folder: Folder) -> None:
    folder.write("a", b"1")
    again = pickle.loads(pickle.dumps(folder))
    assert again.location == folder.location
    assert again.read("a") == b"1"


def test_what_another_writes_is_seen_at_once(folder: Folder) -> None:
    folder.write("a/b", b"1")
    assert folder.names("a") == ["b"]
    open_folder(folder.location).write("a/c", b"2")
    assert folder.names("a") == ["b", "c"]
    assert folder.exists("a/c")
    assert len(folder.files()) == 2


def test_a_local_folder_that_becomes_empty_is_removed_and_the_root_stays(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "store")
    folder.write("a/b/c", b"1")
    folder.write("a/d", b"1")
    folder.remove("a/b/c")
    assert folder.names("a") == ["d"]
    folder.remove("a/d")
    assert folder.names() == []
    assert (tmp_path / "store").is_dir()


def test_a_place_that_can_only_move_gets_files_aside_first(tmp_path: Path, moving: list[str]) -> None:
    folder = open_folder(f"moving://{tmp_path}/store")
    folder.write("a/b", b"1")
    (put, move) = moving
    aside = put.removeprefix("put ")
    assert aside.startswith(".b.")
    assert move == f"move {aside} to b"


def test_an_object_store_gets_files_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(f"memory://{uuid.uuid4().hex}")

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("an object store copies a file to move it")

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "mv", refused)
    folder.write("a/b", b"1")
    assert [entry.name for entry in folder.files()] == ["a/b"]


@pytest.mark.parametrize("step", ["pipe_file", "mv"])
@pytest.mark.parametrize(
    "error", [OSError("No space left on device"), ValueError("503 from afar"), KeyboardInterrupt()]
)
def test_a_failed_write_to_a_url_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    folder = open_folder(f"moving://{tmp_path}/store")
    folder.write("a/b", b"old")
    whole: Callable[..., None] = LocalFileSystem.pipe_file

    def fail(self: LocalFileSystem, path: str, value: Any, **_: Any) -> None:
        if step == "pipe_file":
            whole(self, path, value[:1])
        raise error

    monkeypatch.setattr(MovingFileSystem, step, fail)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else StoreError
    for name in ("a/b", "a/c"):
        with pytest.raises(expected) as caught:
            folder.write(name, b"new")
        if expected is StoreError:
            assert f"moving://{tmp_path}/store/{name} cannot be written: {error}." in str(caught.value)
    assert [entry.name for entry in folder.files()] == ["a/b"]
    assert folder.read("a/b") == b"old"


def test_a_failed_put_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(f"memory://{uuid.uuid4().hex}/store")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "pipe_file", fail)
    with pytest.raises(StoreError, match=r"memory://.*/store/a cannot be written: RuntimeError\."):
        folder.write("a", b"1")


def test_whatever_a_file_system_raises_is_an_error_of_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(f"memory://{uuid.uuid4().hex}/store")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no credentials")

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "cat_file", fail)
    with pytest.raises(OSError, match="no credentials"):
        folder.read("a")
    with pytest.raises(StoreError, match=r"vitobench-store.json cannot be read: no credentials"):
        Store(folder.location)


def test_what_cannot_be_removed_is_an_error(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("a/b", b"1")

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", fail)
    for kind in ("memory", "moving"):
        monkeypatch.setattr(fsspec.get_filesystem_class(kind), "rm_file", fail)
    with pytest.raises(StoreError, match=r"a/b cannot be removed: .*Operation not permitted"):
        folder.remove("a/b")
    assert folder.read("a/b") == b"1"


def test_what_cannot_be_listed_is_an_error(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("a/b", b"1")

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", fail)
    for kind in ("memory", "moving"):
        for step in ("ls", "find", "exists"):
            monkeypatch.setattr(fsspec.get_filesystem_class(kind), step, fail)
    with pytest.raises(StoreError, match=r"a cannot be listed: .*Permission denied"):
        folder.names("a")
    if folder.local is None:
        for ask in (folder.files, folder.exists):
            with pytest.raises(StoreError, match=r"a cannot be listed: .*Permission denied"):
                ask("a")


def test_an_unknown_protocol_names_the_way_out() -> None:
    with pytest.raises(StoreError, match=r"nonsense://a.*nonsense\. A store is a folder.*pip install s3fs"):
        open_folder("nonsense://a/b")


def test_a_local_write_makes_its_folders_and_names_a_file_in_the_way(tmp_path: Path) -> None:
    write_aside(tmp_path / "a/b/c", b"1")
    assert os.listdir(tmp_path / "a/b") == ["c"]  # noqa: PTH208
    with pytest.raises(StoreError, match=r"c/d cannot be written: (Not a directory|File exists)"):
        write_aside(tmp_path / "a/b/c/d", b"1")


def test_a_file_whose_age_nobody_knows_is_not_called_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(f"memory://{uuid.uuid4().hex}/store")
    store.prepare()
    name = f"predictions/a@1/b@2/.0000000-0000001.parquet.{uuid.uuid4().hex}"
    for modified, kinds in ((0.0, []), (1.0, [LEFTOVER]), (time.time(), [])):
        monkeypatch.setattr(store.folder, "files", lambda below="", m=modified: [Entry(name, 5, m)])
        assert [problem.kind for problem in verify(store)] == kinds
