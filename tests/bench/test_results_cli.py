"""``bench results`` from end to end, within this process."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from vitobench.models.sources import zoo as zoo_source
from vitobench.results import records
from vitobench.results.store import Store

Bench = Callable[..., Any]


@pytest.fixture
def filled(two_models: Path) -> Store:
    """Two models on two tasks, in `bench-results`."""
    return Store(two_models)


def root(store: Store) -> Path:
    assert store.folder.local is not None
    return store.folder.local


def contents(store: Store) -> dict[str, bytes]:
    return {p.relative_to(root(store)).as_posix(): p.read_bytes() for p in root(store).rglob("*") if p.is_file()}


def units(store: Store, model: str = "", task: str = "") -> list[str]:
    return [e.name for u, e in store.unit_entries() if u.model.startswith(model) and u.task.startswith(task)]


def identity(store: Store, name: str) -> str:
    (found,) = (i for kind in ("models", "tasks") for i, r in records.kept(store, kind).items() if r["name"] == name)
    return found


def test_list_tells_what_is_there(filled: Store, bench_here: Bench) -> None:
    done = bench_here("results", "list", "--json")
    assert done.code == 0
    rows = json.loads(done.out)
    assert [(r["task"].partition("@")[0], r["model"].partition("@")[0]) for r in rows] == [
        ("micro-light", "other"), ("micro-light", "vito"), ("micro-val", "other"), ("micro-val", "vito")
    ]  # fmt: skip
    assert {(r["units"], r["partial"], r["images"]) for r in rows} == {(3, 0, 14)}
    assert sum(r["bytes"] for r in rows) == sum(p.stat().st_size for p in root(filled).rglob("*.parquet"))
    assert all(r["modified"].startswith("20") for r in rows)
    shown = bench_here("results", "list")
    assert shown.code == 0
    assert identity(filled, "vito") in shown.out
    assert "4 pairs of task and model" in shown.out


@pytest.mark.parametrize("digits", [0, 3, 16])
def test_list_narrows_by_name_identity_and_beginning(filled: Store, bench_here: Bench, digits: int) -> None:
    wanted = identity(filled, "vito")
    name = wanted[: len("vito@") + digits] if digits else "vito"
    rows = json.loads(bench_here("results", "list", "--json", "--model", name, "--task", "micro-val").out)
    assert [(r["model"], r["task"]) for r in rows] == [(wanted, identity(filled, "micro-val"))]
    assert json.loads(bench_here("results", "list", "--json", "--model", "vit").out) == []


def test_show_prints_records(filled: Store, bench_here: Bench) -> None:
    for name in ("vito", identity(filled, "vito")):
        shown = json.loads(bench_here("results", "show", name).out)
        assert shown["identity"] == identity(filled, "vito")
        assert shown["architecture"] == "micro-resnet8/average"
        assert [(p["images"], p["model"]) for p in shown["predictions"]] == [(14, identity(filled, "vito"))] * 2
    task = json.loads(bench_here("results", "show", "micro-val").out)
    assert (task["seed"], task["dataset"], len(task["predictions"])) == (0, "microworld/val", 2)
    last = json.loads(bench_here("results", "show", "last").out)
    assert last["status"] == "finished"
    assert last["units"] == {"asked": 12, "computed": 12, "missing": 0}
    assert json.loads(bench_here("results", "show", last["name"]).out) == last
    wrong = bench_here("results", "show", "vitoo")
    assert (wrong.code, wrong.out) == (2, "")
    assert "Did you mean 'vito'" in wrong.err


@pytest.mark.parametrize("name", ["all.parquet", "out/all.csv"])
def test_export_writes_one_file(filled: Store, bench_here: Bench, tmp_path: Path, name: str) -> None:
    done = bench_here("results", "export", name, "--model", "vito")
    assert done.code == 0, done.err
    assert f"28 predictions in {name}" in done.out
    frame = pd.read_parquet(name) if name.endswith("parquet") else pd.read_csv(name)
    assert len(frame) == 28
    assert set(frame["model"].astype(str)) == {identity(filled, "vito")}
    quiet = bench_here("results", "export", name, "--quiet")
    assert (quiet.code, quiet.out) == (0, "")


def test_export_refuses_what_it_cannot_do(filled: Store, bench_here: Bench, tmp_path: Path) -> None:
    for args, message in (
        (("all.txt",), "should end in .parquet or .csv"),
        (("all.csv", "--model", "vitoo"), "has no such predictions"),
    ):
        done = bench_here("results", "export", *args)
        assert done.code == 2
        assert message in done.err
    first = root(filled) / units(filled)[0]
    first.write_bytes(b"PAR1")
    done = bench_here("results", "export", "all.csv")
    assert done.code == 2
    assert f"{first.name} cannot be read" in done.err
    assert not list(tmp_path.glob("*all*"))


def test_export_takes_the_longest_of_units_that_overlap(filled: Store, bench_here: Bench) -> None:
    for name in units(filled, "vito", "micro-val"):
        if name.endswith("0000005-0000010.parquet"):
            filled.folder.write(name.replace("0000010", "0000007"), b"never read")
    done = bench_here("results", "export", "all.csv", "--model", "vito")
    assert done.code == 0, done.err
    assert "28 predictions" in done.out


def test_verify_says_that_all_is_well_or_exits_with_3(filled: Store, bench_here: Bench) -> None:
    done = bench_here("results", "verify")
    assert done.code == 0, done.out
    assert "No problems in bench-results: 12 units read." in done.out
    assert bench_here("results", "verify", "--quiet").out == ""
    none = bench_here("results", "verify", "--json")
    assert (none.code, json.loads(none.out)) == (0, [])
    (root(filled) / units(filled)[0]).write_bytes(b"x")
    filled.folder.write("predictions/notes.txt", b"x")
    before = contents(filled)
    bad = bench_here("results", "verify", "--json")
    assert bad.code == 3
    assert [(r["kind"], r["file"]) for r in json.loads(bad.out)] == [
        ("damaged", units(filled)[0]), ("foreign", "predictions/notes.txt")
    ]  # fmt: skip
    shown = bench_here("results", "verify")
    assert shown.code == 3
    assert "bench results prune --damaged --leftovers --store bench-results" in shown.err
    assert contents(filled) == before


def spoil(store: Store) -> dict[str, list[str]]:
    """One file of every kind that prune may remove."""
    damaged = units(store, "vito")[0]
    (root(store) / damaged).write_bytes(b"x")
    foreign = "predictions/notes.txt"
    store.folder.write(foreign, b"x")
    covered = units(store, "other")[0].replace("0000005", "0000003")
    store.folder.write(covered, b"x")
    aside = f"{damaged.rpartition('/')[0]}/.0000000-0000005.parquet.{uuid.uuid4().hex}"
    store.folder.write(aside, b"x")
    os.utime(root(store) / aside, (time.time() - 10_000,) * 2)
    return {"damaged": [damaged, foreign, covered], "leftovers": [aside, covered]}


@pytest.mark.parametrize("kind", ["damaged", "leftovers"])
def test_prune_removes_nothing_without_yes(filled: Store, bench_here: Bench, kind: str) -> None:
    expected = spoil(filled)[kind]
    before = contents(filled)
    told = bench_here("results", "prune", f"--{kind}")
    assert told.code == 0
    assert f"{len(expected)} files would be removed; add --yes" in told.out
    assert contents(filled) == before
    done = bench_here("results", "prune", f"--{kind}", "--yes")
    assert done.code == 0
    assert f"{len(expected)} files removed" in done.out
    assert before.keys() - contents(filled).keys() == set(expected)
    again = bench_here("results", "prune", f"--{kind}", "--yes")
    assert "0 files removed" in again.out


def test_what_was_pruned_as_damaged_is_made_again(filled: Store, bench_here: Bench) -> None:
    common = ("--model", "vito", "--task", "micro-val", "--task", "micro-light", "--baseline", "none")
    spoil(filled)
    score = bench_here("score", *common)
    assert score.code == 3
    assert "bench results prune --damaged --yes" in " ".join(score.out.split())
    for command in (
        ("results", "prune", "--damaged", "--leftovers", "--yes", "--quiet"),
        ("run", *common, "--quiet", "--device", "cpu"),
        ("results", "verify", "--quiet"),
        ("score", *common, "--quiet"),
    ):
        done = bench_here(*command)
        assert (done.code, done.out) == (0, ""), command


def test_prune_of_a_kind_is_narrowed_by_model_and_task(filled: Store, bench_here: Bench) -> None:
    damaged = spoil(filled)["damaged"]
    told = bench_here("results", "prune", "--damaged", "--model", "vito")
    assert "1 files would be removed" in told.out
    before = contents(filled)
    bench_here("results", "prune", "--damaged", "--leftovers", "--model", "vito", "--yes")
    assert before.keys() - contents(filled).keys() == {damaged[0]}
    bench_here("results", "prune", "--damaged", "--task", "micro-cue-conflict", "--yes")
    assert before.keys() - contents(filled).keys() == {damaged[0]}


def test_prune_of_a_model_removes_all_of_it_and_nothing_else(filled: Store, bench_here: Bench) -> None:
    gone = {*units(filled, "vito"), f"models/{identity(filled, 'vito')}.json"}
    before = contents(filled)
    assert bench_here("results", "prune", "--model", "vito").code == 0
    assert contents(filled) == before
    assert f"{len(gone)} files removed" in bench_here("results", "prune", "--model", "vito", "--yes").out
    assert before.keys() - contents(filled).keys() == gone
    # Nobody misses it.
    assert bench_here("score", "--quiet", "--baseline", "none").code == 0
    assert bench_here("results", "verify", "--quiet").code == 0
    assert "There is no model, task or run named 'vito'" in bench_here("results", "show", "vito").err


def test_prune_of_a_model_for_a_task_keeps_the_rest(filled: Store, bench_here: Bench) -> None:
    before = contents(filled)
    gone = set(units(filled, "vito", "micro-light"))
    bench_here("results", "prune", "--model", "vito", "--task", "micro-light", "--yes", "--quiet")
    assert before.keys() - contents(filled).keys() == gone
    bench_here("results", "prune", "--task", "micro-light", "--yes", "--quiet")
    assert {r["name"] for r in records.kept(filled, records.TASKS).values()} == {"micro-val"}
    assert units(filled, task="micro-light") == []


def test_predictions_of_earlier_weights_are_superseded(
    filled: Store, bench_here: Bench, zoo: Path, make_model: Callable[..., Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert "0 files would be removed" in bench_here("results", "prune", "--superseded").out
    folder = tmp_path / "newer"
    shutil.copytree(zoo, folder)
    make_model(folder, "vito", 99, "moclr")
    monkeypatch.setattr(zoo_source, "ZOO_FOLDER", folder)
    old = identity(filled, "vito")
    common = ("--task", "micro-val", "--baseline", "none", "--quiet", "--device", "cpu")
    assert bench_here("run", "--model", "vito", *common).code == 0
    # Another seed is another draw, and no newer one.
    assert bench_here("run", "--model", "vito", *common, "--seed", 1).code == 0
    gone = {*units(filled, old), f"models/{old}.json"}
    assert len(gone) == 7
    before = contents(filled)
    assert f"{len(gone)} files would be removed" in bench_here("results", "prune", "--superseded").out
    assert contents(filled) == before
    none = bench_here("results", "prune", "--superseded", "--model", "other", "--yes")
    assert "0 files removed" in none.out
    assert f"{len(gone)} files removed" in bench_here("results", "prune", "--superseded", "--yes").out
    assert before.keys() - contents(filled).keys() == gone
    assert bench_here("results", "verify", "--quiet").code == 0


def test_a_damaged_record_supersedes_nothing(filled: Store, bench_here: Bench) -> None:
    name = f"tasks/{identity(filled, 'micro-val')}.json"
    record = json.loads(filled.folder.read(name))
    filled.folder.write(name, json.dumps(record | {"version": 77}).encode())
    assert "0 files would be removed" in bench_here("results", "prune", "--superseded").out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("prune",), "Say what to remove: --damaged"),
        (("prune", "--yes"), "Say what to remove: --damaged"),
        (("list",), "There is no store at bench-results; start with `bench run`"),
        (("show", "last"), "There is no store"),
        (("export", "all.csv"), "There is no store"),
        (("verify",), "There is no store"),
        (("prune", "--damaged"), "There is no store"),
        (("migrate",), "There is no store"),
        (("list", "--store", "nonsense://a"), "A store is a folder, or a URL"),
        (("lst",), "No such command"),
        (("export",), "Missing argument"),
    ],
)
def test_mistakes_end_in_a_message(bench_here: Bench, tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    done = bench_here("results", *args)
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert list(tmp_path.glob("*")) == []


def test_a_store_behind_a_url_is_listed_scored_and_pruned(bench_here: Bench, small_tasks: None) -> None:
    url = f"memory://{uuid.uuid4().hex}/results"
    common = ("--task", "micro-val", "--baseline", "none", "--store", url)
    run = bench_here("run", "--model", "other", *common, "--device", "cpu", "--report", "page.html")
    assert run.code == 0, run.err
    (row,) = json.loads(bench_here("results", "list", "--json", "--store", url).out)
    assert (row["units"], row["images"]) == (3, 14)
    assert bench_here("results", "verify", "--store", url).code == 0
    assert bench_here("score", *common, "--quiet").code == 0
    assert bench_here("results", "export", "all.csv", "--store", url).code == 0
    assert bench_here("results", "prune", "--model", "other", "--yes", "--store", url).code == 0
    assert json.loads(bench_here("results", "list", "--json", "--store", url).out) == []
