from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitobench.errors import StoreError
from vitobench.results import inventory as exporting
from vitobench.results.inventory import export
from vitobench.results.schema import PREDICTION_COLUMNS
from vitobench.results.store import Store

Columns = Callable[..., dict[str, Any]]


@pytest.fixture
def units(store: Store, names: tuple[str, str], columns: Columns) -> list[str]:
    store.write_unit(*names, 0, 3, columns(0, 3))
    failed = columns(
        3, 1, error=[None, 'it says "no", twice'], top=np.array([[1, 2], [-1, -1]]), confidence=[0.5, np.nan]
    )
    store.write_unit(*names, 3, 4, failed)
    return [store.unit_name(*names, 0, 3), store.unit_name(*names, 3, 4)]


def rows_of(store: Store, units: list[str]) -> list[dict[str, Any]]:
    return [row for name in units for row in pq.read_table(store.folder.path(name)).to_pylist()]


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()} for row in rows]


def test_parquet_holds_every_row_as_it_is(store: Store, units: list[str], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    target = tmp_path / "new" / "folder" / "all.parquet"
    assert export(store, units, target, lambda done, total: told.append((done, total))) == 8
    table = pq.read_table(target)
    assert tuple(table.column_names) == PREDICTION_COLUMNS
    assert table.schema.field("label").type == pa.int16()
    assert plain(table.to_pylist()) == plain(rows_of(store, units))
    assert told == [(1, 2), (2, 2)]
    assert [path.name for path in target.parent.iterdir()] == ["all.parquet"]
    assert len(pd.read_parquet(target)) == 8


def test_csv_holds_every_row_as_text(store: Store, units: list[str], tmp_path: Path) -> None:
    assert export(store, units, tmp_path / "all.csv") == 8
    frame = pd.read_csv(tmp_path / "all.csv")
    assert tuple(frame.columns) == PREDICTION_COLUMNS
    expected = pd.DataFrame(rows_of(store, units))
    for name in ("model", "task", "condition", "severity", "image_id", "label", "top1", "top2"):
        assert frame[name].tolist() == expected[name].tolist()
    assert frame["top5"].isna().tolist() == [False] * 6 + [True] * 2
    assert frame["error"].iloc[7] == 'it says "no", twice'
    assert frame["error"].isna().sum() == 7
    np.testing.assert_array_equal(frame["confidence"].astype(np.float32), expected["confidence"].astype(np.float32))


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_damaged_unit_leaves_no_half_file(store: Store, units: list[str], tmp_path: Path, suffix: str) -> None:
    path = Path(store.folder.path(units[1]))
    path.write_bytes(path.read_bytes()[:-8])
    target = tmp_path / "out" / f"all{suffix}"
    with pytest.raises(StoreError, match=r"0000003-0000004\.parquet cannot be read"):
        export(store, units, target)
    assert list(target.parent.iterdir()) == []
    # What was there stays.
    target.write_bytes(b"earlier")
    with pytest.raises(StoreError):
        export(store, units, target)
    assert target.read_bytes() == b"earlier"
    assert export(store, units[:1], target) == 6
    assert target.read_bytes() != b"earlier"


@pytest.mark.parametrize("name", ["all.json", "all", "all.parquet.gz", ".parquet"])
def test_another_ending_is_refused(store: Store, units: list[str], tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match=r"should end in \.parquet or \.csv"):
        export(store, units, tmp_path / "out" / name)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_place_that_cannot_be_written_says_so(store: Store, units: list[str], tmp_path: Path, suffix: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=rf"all\{suffix} cannot be written"):
        export(store, units, tmp_path / "file" / f"all{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(StoreError, match=r"is a folder; name a file"):
        export(store, units, tmp_path / f"folder{suffix}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", f"folder{suffix}", "store"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_interruption_leaves_nothing(store: Store, units: list[str], tmp_path: Path, error: BaseException) -> None:
    def stop(done: int, total: int) -> None:
        raise error

    expected = StoreError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected, match="No space left on device" if expected is StoreError else None):
        export(store, units, tmp_path / "out" / "all.csv", stop)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_whole_is_never_in_memory(
    store: Store, units: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    writer = exporting._writer

    def counting(suffix: str, path: Path, wanted: pa.Schema) -> Any:
        made = writer(suffix, path, wanted)

        class Counted:
            def __enter__(self) -> Counted:
                made.__enter__()
                return self

            def __exit__(self, *ended: Any) -> None:
                made.__exit__(*ended)

            def write_table(self, table: pa.Table) -> None:
                written.append(len(table))
                made.write_table(table)

        return Counted()

    monkeypatch.setattr(exporting, "_writer", counting)
    export(store, units, tmp_path / "all.parquet")
    assert written == [6, 2]
