"""``bench results verify --recompute``: stored units are computed again and compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitobench.bench.recomputing import TOLERANCES, Agreement, compared, recompute
from vitobench.bench.run import Outcome
from vitobench.bench.settings import Settings
from vitobench.results.predictions import Predictions, gather
from vitobench.results.store import Store
from vitobench.results.unit_file import decode

Run = Callable[..., Outcome]
Bench = Callable[..., Any]
SETTINGS = Settings((), device="cpu", threads=2)


@pytest.fixture
def filled(stored_run: Run, tmp_path: Path) -> Path:
    stored_run("vito", suite=None, tasks=("micro-val", "micro-c"), baselines=())
    stored_run("other", suite=None, tasks=("micro-val",), baselines=(), store=tmp_path / "shared", seed=3)
    return tmp_path / "store"


def rewrite(store: Store, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Store a unit again, with sound digests, after a change of its columns."""
    table = decode(store.folder.read(name), name)
    columns = {key: table.column(key).to_pylist() for key in table.column_names}
    columns["top"] = np.array([columns[f"top{rank}"] for rank in range(1, 6)]).T
    change(columns)
    start, stop = map(int, name.rpartition("/")[2].removesuffix(".parquet").split("-"))
    store.write_unit(columns["task"][0], columns["model"][0], start, stop, columns)


def test_the_same_machine_agrees_with_itself(filled: Path, tmp_path: Path) -> None:
    store = Store(filled, [tmp_path / "shared"])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    found = recompute(store, 100, SETTINGS)
    assert len(found.units) == len(before)
    assert {unit.store for unit in found.units} == {str(filled), str(tmp_path / "shared")}
    for unit in found.units:
        assert not unit.problem
        assert unit.agreeing == unit.predictions > 0
        assert unit.largest == 0
    assert not found.skipped
    assert "0.002" in found.expected[0]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")} == before


def test_the_draw_is_seeded_and_can_be_limited(filled: Path, tmp_path: Path) -> None:
    store = Store(filled, [tmp_path / "shared"])
    first, second, other = (recompute(store, 3, replace(SETTINGS, seed=seed)) for seed in (1, 1, 2))
    assert len(first.units) == 3
    assert first == second
    assert {(u.task, u.start) for u in first.units} != {(u.task, u.start) for u in other.units}
    limited = recompute(store, 100, replace(SETTINGS, models=("vito",), tasks=("micro-c",)))
    assert {(u.model.partition("@")[0], u.task.partition("@")[0]) for u in limited.units} == {("vito", "micro-c")}


def test_a_unit_that_says_something_else_is_reported(bench_here: Bench, filled: Path) -> None:
    store = Store(filled)
    name = next(entry.name for unit, entry in store.unit_entries() if unit.task.startswith("micro-val"))

    def change(columns: dict[str, Any]) -> None:
        columns["top"][0] = [k for k in range(16) if k not in columns["top"][0]][:5]
        columns["confidence"][1] = 0.5 * columns["confidence"][1] + 0.01

    rewrite(store, name, change)
    assert bench_here("results", "verify", "--store", filled).code == 0  # its digests are right
    args = ("results", "verify", "--store", filled, "--recompute", 100, "--device", "cpu")
    done = bench_here(*args, "--json")
    assert done.code == 3
    wrong = [unit for unit in json.loads(done.out)["units"] if unit["problem"]]
    assert len(wrong) == 1
    assert wrong[0]["agreeing"] == wrong[0]["predictions"] - 1
    told = bench_here(*args)
    assert told.code == 3
    assert told.out.count("differs") == 1
    assert f"{wrong[0]['model']} on {wrong[0]['task']}, images 0 to 4: 1 of 5 predictions have another" in told.err
    assert bench_here(*args, "--quiet").err.strip() == told.err.strip()
    assert bench_here(*args, "--task", "micro-c").code == 0


def test_a_damaged_unit_and_one_of_another_model_are_said(bench_here: Bench, filled: Path, zoo: Path) -> None:
    store = Store(filled)
    (name, *_) = (entry.name for unit, entry in store.unit_entries() if unit.task.startswith("micro-c"))
    content = store.folder.read(name)
    store.folder.write(name, content[:-50])
    found = recompute(store, 100, replace(SETTINGS, tasks=("micro-c",)))
    (wrong,) = (unit for unit in found.units if unit.problem)
    assert name in wrong.problem
    done = bench_here("results", "verify", "--store", filled, "--recompute", 5, "--model", "nobody")
    assert done.code == 2
    assert "has no such predictions" in done.err
    done = bench_here("results", "verify", "--store", filled, "--model", "vito")
    assert done.code == 2
    assert "--model needs --recompute N" in done.err


def predictions(**changes: Any) -> Predictions:
    top = np.array([[3, 1, 2, 4, 5], [1, 2, 3, 4, 5]], np.int16)
    blank = Predictions(
        ("a", "b"), ("clean",), (), np.array([0, 1], np.int32), np.zeros(2, np.int32), np.zeros(2, np.int16), top,
        np.array([0.4, 0.9], np.float32), np.full(2, -1, np.int32),
    )  # fmt: skip
    return replace(blank, **changes)


BLANK = Agreement("s", "t", "m", 0, 2, tolerance=TOLERANCES["float32"])


def test_near_ties_may_change_places_and_nothing_else() -> None:
    swapped = np.array([[1, 3, 2, 4, 5], [1, 2, 3, 4, 5]], np.int16)
    near = compared(BLANK, predictions(), predictions(top=swapped, confidence=np.array([0.4005, 0.9], np.float32)))
    assert (near.agreeing, near.near_ties, near.problem) == (1, 1, "")
    assert near.largest == pytest.approx(0.0005, abs=1e-6)
    far = compared(BLANK, predictions(), predictions(top=swapped, confidence=np.array([0.45, 0.9], np.float32)))
    assert "another top class" in far.problem
    sure = np.array([0.9, 0.9], np.float32)  # with so much on one class, no other is near
    assert (
        "another top class"
        in compared(BLANK, predictions(confidence=sure), predictions(top=swapped, confidence=sure)).problem
    )
    strange = compared(BLANK, predictions(), predictions(top=np.full((2, 5), 9, np.int16)))
    assert "2 of 2" in strange.problem
    less = compared(BLANK, predictions(), predictions(confidence=np.array([0.4, 0.89], np.float32)))
    assert "more than the 0.002" in less.problem
    failed = compared(BLANK, predictions(), predictions(error=np.array([0, -1], np.int32), reasons=("why",)))
    assert "another top class" in failed.problem
    assert gather([]).image_ids == ()
    assert "other images" in compared(BLANK, predictions(), predictions(image_ids=("a", "c"))).problem


def test_numbers_are_compared_and_undefined_ones_count_as_equal() -> None:
    none = np.full(2, np.nan, np.float32)
    stored = predictions(confidence=none, numbers={"gradient spearman": np.array([0.1, np.nan], np.float32)})
    here = predictions(confidence=none, numbers={"gradient spearman": np.array([0.101, np.nan], np.float32)})
    assert compared(BLANK, stored, here).largest == pytest.approx(0.001, abs=1e-6)
    assert not compared(BLANK, stored, here).problem
    defined = predictions(confidence=none, numbers={"gradient spearman": np.array([0.1, 0.2], np.float32)})
    assert compared(BLANK, stored, defined).problem
