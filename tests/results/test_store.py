import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitobench.errors import StoreError
from vitobench.results.schema import PREDICTION_COLUMNS, SCHEMA_VERSION
from vitobench.results.store import Store, safe_name

TASK, MODEL = "micro-c@0123456789abcdef", "file:/some where/a=b.safetensors?arch=timm:x@fedcba9876543210"


def columns(first: int, count: int, **changes: Any) -> dict[str, Any]:
    found = {
        "condition": ["fog"] * count,
        "severity": [3] * count,
        "image_id": [f"val-0-{n:06d}" for n in range(first, first + count)],
        "label": list(range(count)),
        "top1": [0] * count,
        "confidence": np.linspace(0.1, 0.9, count).tolist(),
        "error": [None] * count,
    }
    return found | changes


def files(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.prepare()
    return made


def test_what_is_written_is_read(store: Store) -> None:
    broken = columns(2, 2, error=[None, "truncated"], top1=[5, -1], confidence=[0.5, float("nan")])
    store.write_unit(TASK, MODEL, 0, 2, columns(0, 2))
    store.write_unit(TASK, MODEL, 2, 4, broken)
    assert store.has(TASK, MODEL, 0, 2)
    assert not store.has(TASK, MODEL, 0, 4)
    frame, problems = store.read_units(TASK, MODEL, [(0, 2), (2, 4)])
    assert problems == []
    assert tuple(frame.columns) == PREDICTION_COLUMNS
    assert frame["image_id"].astype(str).tolist() == [f"val-0-{n:06d}" for n in range(4)]
    assert frame["top1"].tolist() == [0, 0, 5, -1]
    assert frame["error"].isna().tolist() == [True, True, True, False]
    assert frame["error"].iloc[3] == "truncated"
    assert set(frame["model"].astype(str)) == {MODEL}
    assert set(frame["task"].astype(str)) == {TASK}
    np.testing.assert_allclose(frame["confidence"][:3], [0.1, 0.9, 0.5], rtol=1e-6)


def test_types_are_those_of_the_documentation(store: Store) -> None:
    store.write_unit(TASK, MODEL, 0, 3, columns(0, 3))
    schema = pq.read_schema(store.unit_path(TASK, MODEL, 0, 3))
    text = pa.dictionary(pa.int32(), pa.string())
    expected = {
        "model": text, "task": text, "condition": text, "severity": pa.int8(), "image_id": text,
        "label": pa.int16(), "top1": pa.int16(), "confidence": pa.float32(), "error": pa.string(),
    }  # fmt: skip
    assert {field.name: field.type for field in schema} == expected
    assert schema.metadata[b"vitobench.schema"] == str(SCHEMA_VERSION).encode()
    assert store.unit_path(TASK, MODEL, 0, 3).name == "0000000-0000003.parquet"


def test_an_empty_unit_is_a_unit(store: Store) -> None:
    store.write_unit(TASK, MODEL, 0, 1, columns(0, 0))
    frame, problems = store.read_units(TASK, MODEL, [(0, 1)])
    assert len(frame) == 0
    assert problems == []


def test_other_tools_read_the_folder(store: Store) -> None:
    store.write_unit(TASK, MODEL, 0, 3, columns(0, 3))
    store.write_unit(TASK, "vito@1111111111111111", 0, 3, columns(0, 3))
    store.write_unit(
        "micro-val@2222222222222222", MODEL, 0, 2, columns(0, 2, condition=["clean"] * 2, severity=[0] * 2)
    )
    (store.unit_path(TASK, MODEL, 0, 3).parent / ".0000003-0000006.parquet.half").write_bytes(b"PAR1")
    frame = pd.read_parquet(store.root / "predictions")
    assert len(frame) == 8
    assert set(PREDICTION_COLUMNS) == set(frame.columns)
    assert frame.groupby("model", observed=True).size().to_dict() == {MODEL: 5, "vito@1111111111111111": 3}


def test_duckdb_reads_the_folder(store: Store) -> None:
    import duckdb

    store.write_unit(TASK, MODEL, 0, 3, columns(0, 3))
    store.write_unit(TASK, "vito@1111111111111111", 0, 3, columns(0, 3))
    query = f"select count(*), count(distinct model) from read_parquet('{store.root}/predictions/**/*.parquet')"
    assert duckdb.sql(query).fetchall()[0] == (6, 2)


def test_a_damaged_unit_is_named_and_stops_no_other(store: Store) -> None:
    for start in (0, 2, 4, 6):
        store.write_unit(TASK, MODEL, start, start + 2, columns(start, 2))
    truncated, foreign = store.unit_path(TASK, MODEL, 0, 2), store.unit_path(TASK, MODEL, 2, 4)
    truncated.write_bytes(truncated.read_bytes()[:-30])
    pd.DataFrame({"a": [1]}).to_parquet(foreign)
    frame, problems = store.read_units(TASK, MODEL, [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)])
    assert frame["image_id"].astype(str).tolist() == [f"val-0-{n:06d}" for n in range(4, 8)]
    assert len(problems) == 3
    assert str(truncated) in problems[0]
    assert "delete it" in problems[0]
    assert str(foreign) in problems[1]
    assert problems[2] == "images 8 to 9 were not run"


def test_a_unit_with_columns_of_other_types_is_named_too(store: Store) -> None:
    store.write_unit(TASK, MODEL, 0, 2, columns(0, 2))
    strange = store.unit_path(TASK, MODEL, 2, 4)
    pd.DataFrame({name: ["x"] for name in PREDICTION_COLUMNS}).to_parquet(strange)
    frame, problems = store.read_units(TASK, MODEL, [(0, 2), (2, 4)])
    assert len(frame) == 2
    assert len(problems) == 1
    assert str(strange) in problems[0]


def test_nothing_read_is_an_empty_table(store: Store) -> None:
    frame, problems = store.read_units(TASK, MODEL, [(0, 2)])
    assert tuple(frame.columns) == PREDICTION_COLUMNS
    assert len(frame) == 0
    assert len(problems) == 1


def test_a_store_of_another_schema_is_refused(store: Store) -> None:
    mark = store.root / "vitobench-store.json"
    assert json.loads(mark.read_text()) == {"schema": SCHEMA_VERSION}
    mark.write_text(json.dumps({"schema": 99}))
    with pytest.raises(StoreError, match=r"schema 99.*--store"):
        Store(store.root)
    for damaged in ("", "[1]", "{}", '"x"'):
        mark.write_text(damaged)
        with pytest.raises(StoreError, match="damaged"):
            Store(store.root)


def test_a_file_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(StoreError, match="is a file"):
        Store(path)
    with pytest.raises(StoreError, match="cannot be written"):
        Store(path / "below").prepare()


def test_a_store_that_cannot_be_written_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (store.root / "predictions").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        store.write_unit(TASK, MODEL, 0, 2, columns(0, 2))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StoreError, match="cannot be written"):
        Store(store.root).prepare()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_read_only_folder_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            Store(tmp_path / "store").prepare()
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_nothing_behind(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    before = files(store.root)

    def fail(self: Path, target: Path) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        expected = StoreError if isinstance(error, OSError) else KeyboardInterrupt
        with pytest.raises(expected) as caught:
            store.write_unit(TASK, MODEL, 0, 2, columns(0, 2))
    if isinstance(error, OSError):
        assert "No space left on device" in str(caught.value)
    assert files(store.root) == before
    store.write_unit(TASK, MODEL, 0, 2, columns(0, 2))
    assert store.has(TASK, MODEL, 0, 2)


def test_writers_of_one_unit_do_not_disturb_each_other(store: Store) -> None:
    errors: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(10):
                store.write_unit(TASK, MODEL, 0, 50, columns(0, 50))
                _, problems = store.read_units(TASK, MODEL, [(0, 50)])
                assert problems == []
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(files(store.root / "predictions")) == 1
    assert len(store.read_units(TASK, MODEL, [(0, 50)])[0]) == 50


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_others_may_read_what_the_umask_lets_them(store: Store) -> None:
    mask = os.umask(0o022)
    try:
        store.write_unit(TASK, MODEL, 0, 2, columns(0, 2))
    finally:
        os.umask(mask)
    assert store.unit_path(TASK, MODEL, 0, 2).stat().st_mode & 0o777 == 0o644


def test_names_become_safe_and_short_folders(store: Store) -> None:
    assert safe_name("vito@0123456789abcdef") == "vito@0123456789abcdef"
    assert set("/=?:* ") & set(safe_name(MODEL)) == set()
    long = "file:" + "/a-rather-long-folder" * 30 + "/x.safetensors@0123456789abcdef"
    assert len(safe_name(long).encode()) <= 200
    assert safe_name(long).endswith("x.safetensors@0123456789abcdef")
    assert len(safe_name("file:" + "/模型" * 200 + "@0123456789abcdef").encode()) <= 200
    store.write_unit(TASK, long, 0, 2, columns(0, 2))
    assert store.has(TASK, long, 0, 2)


def test_the_record_of_a_run_is_json(store: Store) -> None:
    path = store.write_run("20260101T000000Z-abcd", {"seed": 1, "a": [1, None]})
    assert path == store.root / "runs" / "20260101T000000Z-abcd.json"
    assert json.loads(path.read_text()) == {"seed": 1, "a": [1, None]}
