"""Stores, caches and room on the disk; and that looking leaves nothing behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import fsspec
import pytest

from vitobench.bench.doctor import places
from vitobench.bench.doctor.check import FAIL, OK, WARN, Check
from vitobench.bench.doctor.places import check_cache, check_room, check_store, nearest, unwritable
from vitobench.results.schema import SCHEMA_VERSION
from vitobench.results.store import Store


def rows(location: object) -> dict[str, Check]:
    return {check.name: check for check in check_store(str(location))}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.fixture
def filled(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.prepare()
    columns = {
        "condition": ["clean"], "severity": [0], "image_id": ["a"], "label": [0], "top": [[0, 1, 2, 3, 4]],
        "confidence": [0.5], "error": [None],
    }  # fmt: skip
    store.write_unit("task@1", "model@1", 0, 1, columns)
    return store


def test_a_store_that_is_not_there_is_no_fault_and_is_not_made(tmp_path: Path) -> None:
    found = rows(tmp_path / "new" / "store")
    assert [check.status for check in found.values()] == [OK, OK, OK]
    assert "not there yet" in found["store"].found
    assert everything(tmp_path) == {}


def test_a_store_is_read_and_left_as_it_was(filled: Store, tmp_path: Path) -> None:
    before = everything(tmp_path)
    found = rows(filled.location)
    assert "1 units of 1 models and 1 tasks" in found["store"].found
    assert found["store, writing"].found == "possible"
    assert everything(tmp_path) == before


def test_a_damaged_unit_fails(filled: Store) -> None:
    (unit,) = Path(filled.location).rglob("*.parquet")
    unit.write_bytes(b"PAR1")
    found = rows(filled.location)["store"]
    assert found.status == FAIL
    assert f"bench results verify --store {filled.location}" in found.advice


def test_another_schema_and_a_file_fail(tmp_path: Path) -> None:
    (tmp_path / "vitobench-store.json").write_text(json.dumps({"schema": SCHEMA_VERSION + 1}))
    assert rows(tmp_path)["store"].status == FAIL
    assert "is a file" in rows(tmp_path / "vitobench-store.json")["store"].found


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_fails(filled: Store) -> None:
    Path(filled.location).chmod(0o500)
    try:
        assert rows(filled.location)["store, writing"].status == FAIL
    finally:
        Path(filled.location).chmod(0o700)


def test_a_write_that_is_refused_fails(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(places.tempfile, "TemporaryFile", refuse)
    found = rows(filled.location)["store, writing"]
    assert (found.status, found.found) == (FAIL, "not possible: Permission denied")


def test_a_remote_store_is_written_to_and_left_as_it_was() -> None:
    url = "memory://doctor/store"
    absent = rows(url)["store, writing"]
    assert (absent.status, absent.found) == (WARN, "not tried")
    Store(url).prepare()
    memory = fsspec.filesystem("memory")
    before = memory.find("/doctor")
    assert rows(url)["store, writing"].found == "possible"
    assert memory.find("/doctor") == before
    assert rows("nonsense://x")["store"].status == FAIL


def test_the_nearest_folder_is_probed(tmp_path: Path) -> None:
    assert nearest(tmp_path / "a" / "b") == tmp_path
    assert unwritable(tmp_path / "a") == ""
    (tmp_path / "file").write_text("")
    assert unwritable(tmp_path / "file") == "it is a file"


@pytest.mark.parametrize(
    ("free", "needed", "status"),
    [(10**10, True, OK), (10**9, True, WARN), (10**6, True, FAIL), (10**6, False, WARN)],
)
def test_room(free: int, needed: bool, status: str) -> None:
    found = check_room("room", free, needed)
    assert (found.status, bool(found.advice)) == (status, status != OK)


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = check_cache("weights", tmp_path / "file", "HF_HOME")
    assert (found.status, found.advice) == (WARN, "set HF_HOME to a writable folder")


def test_caches_are_those_that_the_sources_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from huggingface_hub.constants import HF_HUB_CACHE

    from vitobench.models.sources.released import weights_file

    monkeypatch.setenv("VITOBENCH_CACHE", str(tmp_path))
    found = {variable: path for _, path, variable in places.caches()}
    published = weights_file("vito-videonet").parent
    assert found == {
        "TORCH_HOME": Path(torch.hub.get_dir()), "HF_HOME": Path(HF_HUB_CACHE), "VITOBENCH_CACHE": published
    }  # fmt: skip
