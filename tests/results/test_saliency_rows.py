"""Rows of saliency in a store: what is written comes back, damaged shards are told, larger ones replace smaller."""

from pathlib import Path

import numpy as np
import pytest

from vitobench.results.saliency import folder, read_rows, shards, write_shard
from vitobench.results.store import Store

WHO = ("micro-saliency@abc", "file:a/b.safetensors@123", "maps-1")


def rows(first: int, stop: int) -> list[dict[str, object]]:
    out: list[dict[str, object]] = []
    for k in range(first, stop):
        base = {"image_id": f"i{k}", "label": k % 16}
        if k == 3:
            out.append({**base, "map": "", "error": "damaged"})
            continue
        for name in ("gradient", "attention"):
            out.append({**base, "map": name, "spearman": k / 100, "dice": float("nan"), "iou": 0.5})
    return out


def test_rows_come_back_by_map(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    write_shard(store, *WHO, 0, 5, rows(0, 5))
    write_shard(store, *WHO, 5, 8, rows(5, 8))
    found, problems = read_rows(store, *WHO, [(0, 5), (5, 7)], [f"i{k}" for k in range(7)])
    assert problems == []
    assert sorted(found) == ["attention", "gradient"]
    gradient = found["gradient"]
    assert gradient.image_ids.tolist() == ["i0", "i1", "i2", "i4", "i5", "i6"]
    assert gradient.values[:, 0] == pytest.approx([0, 0.01, 0.02, 0.04, 0.05, 0.06])
    assert np.isnan(gradient.values[:, 1]).all()
    assert gradient.errors == {"i3": "damaged"}


def test_a_larger_shard_takes_the_place_of_a_smaller(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    write_shard(store, *WHO, 0, 2, rows(0, 2))
    write_shard(store, *WHO, 0, 5, rows(0, 5))
    assert shards(store, *WHO) == {0: (5,)}
    found, _ = read_rows(store, *WHO, [(0, 2)], ["i0", "i1"])
    assert len(found["gradient"].image_ids) == 2
    write_shard(store, *WHO, 0, 2, rows(0, 2))
    assert shards(store, *WHO) == {0: (2, 5)}
    found, problems = read_rows(store, *WHO, [(0, 4)], ["i0", "i1", "i2"])
    assert (len(found["gradient"].image_ids), problems) == (3, [])


def test_missing_and_damaged_shards_are_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    write_shard(store, *WHO, 0, 5, rows(0, 5))
    path = tmp_path / "s" / folder(*WHO) / "0000000-0000005.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-50])
    found, problems = read_rows(store, *WHO, [(0, 5), (5, 10)], ["i0"])
    assert found == {}
    assert "images 0 to 4" in problems[0]
    assert f"{path} cannot be read" in problems[0]
    assert "images 5 to 9: was not run" in problems[1]


def test_a_shard_of_failures_alone_keeps_their_reasons(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    write_shard(store, *WHO, 3, 4, rows(3, 4))
    found, problems = read_rows(store, *WHO, [(3, 4)], ["i3"])
    assert problems == []
    (only,) = found.values()
    assert (len(only.image_ids), only.errors) == (0, {"i3": "damaged"})
