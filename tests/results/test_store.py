import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitobench.errors import StoreError
from vitobench.results.layout import PARTIAL, PREDICTIONS, UnitName, parse_unit, safe_name
from vitobench.results.schema import PREDICTION_COLUMNS, SCHEMA_VERSION
from vitobench.results.store import Coverage, Store, read_version

Columns = Callable[..., dict[str, Any]]
TASK, MODEL = "micro-c@0123456789abcdef", "file:/some where/a=b.safetensors?arch=timm:x@fedcba9876543210"
OTHER = "vito@1111111111111111"


def files(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def root(store: Store) -> Path:
    assert store.folder.local is not None
    return store.folder.local


def unit_path(store: Store, start: int, stop: int, tree: str = PREDICTIONS) -> Path:
    return root(store) / store.unit_name(TASK, MODEL, start, stop, tree)


def test_what_is_written_is_read(store: Store, columns: Columns) -> None:
    top = np.tile(np.arange(5), (4, 1))
    top[3] = -1
    broken = columns(2, 2, error=[None] * 3 + ["truncated"], top=top, confidence=[0.5, 0.25, 1.0, float("nan")])
    store.write_unit(TASK, MODEL, 0, 2, columns(0, 2))
    store.write_unit(TASK, MODEL, 2, 4, broken)
    assert store.has(TASK, MODEL, 0, 2)
    assert not store.has(TASK, MODEL, 0, 4)
    found, problems = store.read(TASK, MODEL, [(0, 2), (2, 4)])
    assert problems == []
    assert found.image_ids == tuple(f"val-0-{n:06d}" for n in range(4))
    assert found.conditions == ("fog/3", "clean")
    assert found.reasons == ("truncated",)
    assert found.image.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found.condition.tolist() == [0, 1] * 4
    assert found.label.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found.top.tolist() == [*columns(0, 2)["top"].tolist(), *[[0, 1, 2, 3, 4]] * 3, [-1] * 5]
    assert found.error.tolist() == [-1] * 7 + [0]
    np.testing.assert_allclose(found.confidence, [*np.linspace(0.1, 0.9, 4), 0.5, 0.25, 1, np.nan], rtol=2**-12)


def test_types_are_those_of_the_documentation(store: Store, columns: Columns) -> None:
    store.write_unit(TASK, MODEL, 0, 3, columns(0, 3))
    schema = pq.read_schema(unit_path(store, 0, 3))
    text = pa.dictionary(pa.int32(), pa.string())
    expected = {
        "model": text, "task": text, "condition": text, "severity": pa.int8(), "image_id": text, "label": pa.int16(),
        "top1": pa.int16(), "top2": pa.int16(), "top3": pa.int16(), "top4": pa.int16(), "top5": pa.int16(),
        "confidence": pa.float32(), "error": pa.string(),
    }  # fmt: skip
    assert {field.name: field.type for field in schema} == expected
    assert tuple(schema.names) == PREDICTION_COLUMNS
    assert schema.metadata[b"vitobench.schema"] == str(SCHEMA_VERSION).encode()
    assert unit_path(store, 0, 3).name == "0000000-0000003.parquet"


def test_an_empty_unit_is_damaged(store: Store, columns: Columns) -> None:
    store.write_unit(TASK, MODEL, 0, 1, columns(0, 0))
    found, problems = store.read(TASK, MODEL, [(0, 1)])
    assert len(found) == 0
    assert found.top.shape == (0, 5)
    assert "it has 0 images instead of 1" in problems[0]


def test_pandas_reads_the_folder(store: Store, columns: Columns) -> None:
    store.write_unit(TASK, MODEL, 0, 3, columns(0, 3))
    store.write_unit(TASK, OTHER, 0, 3, columns(0, 3))
    store.write_unit("micro-val@2222222222222222", MODEL, 0, 2, columns(0, 2))
    (unit_path(store, 0, 3).parent / ".0000003-0000006.parquet.half").write_bytes(b"PAR1")
    frame = pd.read_parquet(root(store) / "predictions")
    assert len(frame) == 16
    assert set(PREDICTION_COLUMNS) == set(frame.columns)
    assert frame.groupby("model", observed=True).size().to_dict() == {MODEL: 10, OTHER: 6}
    # Packed by brotli, which every reader of the folder has to know.
    assert pq.ParquetFile(unit_path(store, 0, 3)).metadata.row_group(0).column(0).compression == "BROTLI"


def test_duckdb_reads_the_folder(store: Store, columns: Columns) -> None:
    import duckdb

    store.write_unit(TASK, MODEL, 0, 3, columns(0, 3))
    store.write_unit(TASK, OTHER, 0, 3, columns(0, 3))
    source = f"read_parquet('{root(store)}/predictions/**/*.parquet')"
    assert duckdb.sql(f"select count(*), count(distinct model) from {source}").fetchall()[0] == (12, 2)
    rows = duckdb.sql(f"select top1, top5, label from {source} where model = '{OTHER}' order by image_id, severity")
    assert [row[0] for row in rows.fetchall()] == [7, 0, 21, 14, 35, 28]


def test_names_of_any_length_are_seen_by_other_tools(store: Store, columns: Columns) -> None:
    # Readers of Parquet folders pass over names that begin with a dot or an underscore.
    for length in range(130, 170):
        model = "file:/" + "/".join(["ab"] * (length // 3)) + "x" * (length % 3) + "@0123456789abcdef"
        store.folder.write(store.unit_name(TASK, model, 0, 2), b"")
        assert not Path(store.unit_name(TASK, model, 0, 2)).parent.name.startswith((".", "_"))


def test_a_damaged_unit_is_named_and_stops_no_other(store: Store, columns: Columns) -> None:
    for start in (0, 2, 4, 6, 8):
        store.write_unit(TASK, MODEL, start, start + 2, columns(start, 2))
    truncated, foreign, newer = (unit_path(store, start, start + 2) for start in (0, 2, 6))
    truncated.write_bytes(truncated.read_bytes()[:-30])
    pd.DataFrame({"a": [1]}).to_parquet(foreign)
    table = pq.read_table(newer)
    pq.write_table(table.replace_schema_metadata({"vitobench.schema": "4"}), newer)
    found, problems = store.read(TASK, MODEL, [(n, n + 2) for n in range(0, 14, 2)])
    assert found.image_ids == tuple(f"val-0-{n:06d}" for n in (4, 5, 8, 9))
    assert len(problems) == 4
    assert str(truncated) in problems[0]
    assert f"bench results prune --damaged --yes --store {store.location}" in problems[0]
    assert str(foreign) in problems[1]
    assert "not written by vitobench" in problems[1]
    assert str(newer) in problems[2]
    assert f"schema 4, not {SCHEMA_VERSION}" in problems[2]
    assert problems[3] == "images 10 to 13 were not run"  # neighbours are told as one


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.drop_columns(["top1", "label"]),
        lambda t: t.set_column(t.schema.get_field_index("label"), "label", pa.array(["x"] * len(t))),
        lambda t: t.set_column(t.schema.get_field_index("label"), "label", pa.array([70_000] * len(t))),
        lambda t: t.set_column(t.schema.get_field_index("label"), "label", pa.nulls(len(t), pa.int16())),
        lambda t: t.set_column(
            t.schema.get_field_index("image_id"), "image_id", pa.array([None] + ["a"] * (len(t) - 1))
        ),
    ],
    ids=["absent", "text", "too large", "empty", "nameless"],
)
def test_a_unit_of_other_columns_is_named_too(
    store: Store, columns: Columns, change: Callable[[pa.Table], pa.Table]
) -> None:
    for start in (0, 2):
        store.write_unit(TASK, MODEL, start, start + 2, columns(start, 2))
    strange = unit_path(store, 2, 4)
    pq.write_table(change(pq.read_table(strange)).replace_schema_metadata({"vitobench.schema": "3"}), strange)
    found, problems = store.read(TASK, MODEL, [(0, 2), (2, 4)])
    assert len(found) == 4
    assert len(problems) == 1
    assert str(strange) in problems[0]


def test_nothing_read_is_an_empty_table(store: Store) -> None:
    found, problems = store.read(TASK, MODEL, [(0, 2)])
    assert len(found) == 0
    assert problems == ["images 0 to 1 were not run"]


def test_a_larger_unit_serves_a_smaller_limit_and_the_shortest_is_taken(store: Store, columns: Columns) -> None:
    store.write_unit(TASK, MODEL, 0, 6, columns(0, 6))
    found, problems = store.read(TASK, MODEL, [(0, 4)])
    assert (found.image_ids, problems) == (tuple(f"val-0-{n:06d}" for n in range(4)), [])
    coverage = Coverage({0: (100, 50), 100: (200,)})
    assert coverage.covering(0, 20) == 50
    assert coverage.covering(0, 50) == 50
    assert coverage.covering(0, 51) == 100
    assert not coverage.has(0, 101)
    assert not coverage.has(50, 60)


def test_a_whole_unit_stands_for_its_pieces(store: Store, columns: Columns) -> None:
    store.write_unit(TASK, MODEL, 0, 2, columns(0, 2))
    store.write_unit(TASK, MODEL, 0, 4, columns(0, 4), partial=True)
    store.write_unit(TASK, MODEL, 4, 6, columns(4, 2), partial=True)
    found, problems = store.read(TASK, MODEL, [(0, 4), (4, 6)])
    assert len(found.image_ids) == 6  # what is partial is scored, too, and said
    assert [line.split(";")[0] for line in problems] == [
        "images 0 to 3 are incomplete",
        "images 4 to 5 are incomplete",
    ]
    assert not store.coverage(TASK, MODEL).has(0, 4)  # and counts as missing
    assert files(root(store) / PREDICTIONS) == [
        unit_path(store, 0, 2).relative_to(root(store) / PREDICTIONS).as_posix()
    ]
    store.write_unit(TASK, MODEL, 0, 4, columns(0, 4))
    assert store.coverage(TASK, MODEL).stops == {0: (4,)}
    assert store.coverage(TASK, MODEL, PARTIAL).stops == {4: (6,)}
    store.write_unit(TASK, MODEL, 4, 6, columns(4, 2))
    assert files(root(store) / PARTIAL) == []


@pytest.mark.parametrize(
    "name",
    ["predictions/t/m/0-1.csv", "predictions/t/0000000-0000001.parquet", "elsewhere/t/m/0000000-0000001.parquet",
     "predictions/t/m/a-b.parquet", "predictions/t/m/00000000000001.parquet",
     "predictions/t/m/.0000000-0000001.parquet",
     "predictions/t/m/n/0000000-0000001.parquet"],
)  # fmt: skip
def test_only_names_of_units_are_units(name: str) -> None:
    assert parse_unit(name) is None


def test_the_name_of_a_unit_is_read_back(store: Store) -> None:
    for tree in (PREDICTIONS, PARTIAL):
        name = store.unit_name(TASK, MODEL, 100, 200, tree)
        assert parse_unit(name) == UnitName(safe_name(TASK), safe_name(MODEL), 100, 200)


def test_a_store_of_another_schema_is_refused(store: Store) -> None:
    mark = root(store) / "vitobench-store.json"
    assert json.loads(mark.read_text()) == {"schema": SCHEMA_VERSION}
    mark.write_text(json.dumps({"schema": 99}))
    with pytest.raises(StoreError, match=r"schema 99.*the version of vitobench that wrote it.*--store"):
        Store(root(store))
    mark.write_text(json.dumps({"schema": 1}))
    with pytest.raises(StoreError, match=r"schema 1.*bench results migrate --store"):
        Store(root(store))
    for damaged in ("", "[1]", "{}", '"x"', '{"schema": null}'):
        mark.write_text(damaged)
        with pytest.raises(StoreError, match="damaged"):
            Store(root(store))
    mark.unlink()
    assert read_version(root(store)) is None


def test_a_file_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(StoreError, match="is a file"):
        Store(path)
    with pytest.raises(StoreError, match="cannot be written"):
        Store(path / "below").prepare()
    mark = tmp_path / "store" / "vitobench-store.json"
    mark.mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be read"):
        Store(mark.parent)


def test_a_store_that_cannot_be_written_says_so(store: Store, columns: Columns) -> None:
    (root(store) / "predictions").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        store.write_unit(TASK, MODEL, 0, 2, columns(0, 2))


def test_a_store_that_can_no_longer_be_written_is_refused_before_the_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(root(store))
    store.prepare()
    assert files(root(store)) == before

    def fail(self: Path, content: bytes) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(StoreError, match=r"cannot be written: Permission denied"):
        store.prepare()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_read_only_folder_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            Store(tmp_path / "store").prepare()
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_nothing_behind(
    store: Store, columns: Columns, monkeypatch: pytest.MonkeyPatch, error: BaseException, step: str
) -> None:
    store.write_unit(TASK, MODEL, 0, 2, columns(0, 2))
    before = {name: (root(store) / name).read_bytes() for name in files(root(store))}
    write_bytes = Path.write_bytes

    def fail(self: Path, what: Any) -> None:
        if step == "write_bytes":
            write_bytes(self, what[: len(what) // 2])  # a disk fills up in the middle
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Path, step, fail)
        expected = StoreError if isinstance(error, OSError) else KeyboardInterrupt
        for start in (0, 2):
            with pytest.raises(expected) as caught:
                store.write_unit(TASK, MODEL, start, start + 2, columns(start, 2))
    if isinstance(error, OSError):
        assert "No space left on device" in str(caught.value)
    assert {name: (root(store) / name).read_bytes() for name in files(root(store))} == before
    store.write_unit(TASK, MODEL, 2, 4, columns(2, 2))
    assert store.has(TASK, MODEL, 2, 4)


def in_threads(*work: Callable[[], None]) -> None:
    """Run them side by side; what one of them raises is raised here."""
    errors: list[BaseException] = []

    def guarded(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_writers_of_one_unit_do_not_disturb_each_other(store: Store, columns: Columns) -> None:
    def write() -> None:
        for _ in range(10):
            store.write_unit(TASK, MODEL, 0, 50, columns(0, 50))
            found, problems = store.read(TASK, MODEL, [(0, 50)])
            assert (len(found), problems) == (100, [])

    in_threads(*[write] * 4)
    assert len(files(root(store) / "predictions")) == 1


def test_a_unit_that_a_larger_one_replaces_while_it_is_read_is_read_from_that(store: Store, columns: Columns) -> None:
    store.write_unit(TASK, MODEL, 0, 2, columns(0, 2))
    store.write_unit(TASK, MODEL, 2, 4, columns(2, 2), partial=True)
    listed = store.folder.names
    calls = 0

    def names(below: str = "") -> list[str]:
        nonlocal calls
        found = listed(below)
        calls += 1
        if calls == 2:  # both trees are listed; nothing has been read
            store.write_unit(TASK, MODEL, 0, 4, columns(0, 4))
            store.write_unit(TASK, MODEL, 2, 4, columns(2, 2))
        return found

    store.folder.names = names  # type: ignore[method-assign]
    found, problems = store.read(TASK, MODEL, [(0, 2), (2, 4)])
    assert problems == []
    assert found.image_ids == tuple(f"val-0-{n:06d}" for n in range(4))


def test_a_folder_that_is_tidied_away_under_a_writer_is_made_again(
    store: Store, columns: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The last partial unit of a model becomes whole, and its empty folder goes, just as another one is to be written.
    write_bytes = Path.write_bytes
    tidied: list[Path] = []

    def late(self: Path, content: bytes) -> int:
        if not tidied:
            tidied.append(self.parent)
            self.parent.rmdir()
        return write_bytes(self, content)

    monkeypatch.setattr(Path, "write_bytes", late)
    store.write_unit(TASK, MODEL, 0, 2, columns(0, 2), partial=True)
    assert tidied
    assert unit_path(store, 0, 2, PARTIAL).is_file()


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_others_may_read_what_the_umask_lets_them(store: Store, columns: Columns) -> None:
    mask = os.umask(0o022)
    try:
        store.write_unit(TASK, MODEL, 0, 2, columns(0, 2))
    finally:
        os.umask(mask)
    assert unit_path(store, 0, 2).stat().st_mode & 0o777 == 0o644


def test_names_become_safe_and_short_folders(store: Store, columns: Columns) -> None:
    assert safe_name("vito@0123456789abcdef") == "vito@0123456789abcdef"
    assert set("/=?:* ") & set(safe_name(MODEL)) == set()
    long = "file:" + "/a-rather-long-folder" * 30 + "/x.safetensors@0123456789abcdef"
    assert len(safe_name(long).encode()) <= 200
    assert safe_name(long).endswith("x.safetensors@0123456789abcdef")
    assert len(safe_name("file:" + "/模型" * 200 + "@0123456789abcdef").encode()) <= 200
    store.write_unit(TASK, long, 0, 2, columns(0, 2))
    assert store.has(TASK, long, 0, 2)
    assert store.read(TASK, long, [(0, 2)])[1] == []


def test_a_store_behind_a_url_is_a_store(columns: Columns) -> None:
    store = Store("memory://test_a_store_behind_a_url/results/")
    assert not store.exists()
    store.prepare()
    store.prepare()
    store.write_unit(TASK, MODEL, 0, 2, columns(0, 2), partial=True)
    store.write_unit(TASK, MODEL, 0, 4, columns(0, 4))
    again = Store(store.location)
    found, problems = again.read(TASK, MODEL, [(0, 4), (4, 6)])
    assert (len(found), problems) == (8, ["images 4 to 5 were not run"])
    assert [(unit.start, unit.stop) for unit, _ in again.unit_entries()] == [(0, 4)]
