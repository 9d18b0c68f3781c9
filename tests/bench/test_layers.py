"""Runs, scores and listings over stores in layers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vitobench.bench import settings as settings_module
from vitobench.bench.cli.run import run_command
from vitobench.bench.run import Outcome
from vitobench.bench.settings import Settings
from vitobench.results import layers, records
from vitobench.results import store as store_module
from vitobench.results.store import Store

Run = Callable[..., Outcome]
Bench = Callable[..., Any]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def shared(stored_run: Run, tmp_path: Path) -> Path:
    """A colleague's store with two of the zoo's models."""
    assert stored_run("moclr", baselines=("supervised",), store=tmp_path / "shared").complete
    return tmp_path / "shared"


def test_what_a_layer_has_is_not_computed(run_small: Run, shared: Path, tmp_path: Path) -> None:
    before = contents(shared)
    everything = run_small("vito", "moclr", store=tmp_path / "alone", baselines=("supervised",))
    layered = run_small("vito", "moclr", baselines=("supervised",), also=(shared,))
    assert layered.complete
    assert (layered.computed, layered.total) == (everything.computed // 3, everything.total)
    assert layered.data.scores == everything.data.scores
    assert layered.data.comparisons == everything.data.comparisons
    assert contents(shared) == before
    own = Store(tmp_path / "store")
    assert {unit.model.partition("@")[0] for unit, _ in own.unit_entries()} == {"vito"}
    # What was asked is on record here, so that without the layer something is missing and not forgotten.
    assert {r["name"] for r in records.kept(own, records.MODELS).values()} == {"vito", "moclr", "supervised"}
    (layer,) = layered.data.run["layers"]
    assert (layer["store"], layer["models"]) == (str(shared), ["moclr", "supervised"])
    assert layer["version"]
    assert layer["date"]
    assert "layers" not in everything.data.run


def test_scores_read_layers_and_say_so_where_one_is_left_out(run_small: Run, shared: Path) -> None:
    ran = run_small("vito", baselines=("supervised",), also=(shared,))
    again = run_small("vito", baselines=("supervised",), also=(shared,))
    assert again.computed == 0
    scored = run_small(compute=False, also=(shared,), baselines=("supervised",))
    assert scored.complete
    # A layer answers what was asked, and no more: moclr is in it, and nobody asked for it here.
    assert {score.model for score in scored.data.scores} == {"vito", "supervised"}
    assert set(scored.data.scores) == set(ran.data.scores)
    named = run_small("moclr", compute=False, also=(shared,))
    assert {score.model for score in named.data.scores} >= {"moclr"}
    without = run_small(compute=False)
    assert any("were not run" in failure.reason for failure in without.data.failures)


def test_images_that_are_written_after_they_were_asked_for_are_known(
    run_small: Run, shared: Path, tmp_path: Path
) -> None:
    run_small("vito", baselines=(), suite=None, tasks=("micro-val",), limit=5, seed=7)
    (name,) = (path.name.removesuffix(".json.gz") for path in (tmp_path / "store" / "images").iterdir())
    asked = Store(tmp_path / "store").asked(name)
    assert not isinstance(asked, str)
    layered = Store(tmp_path / "later", [shared])
    assert isinstance(layered.asked(name), str)
    layered.own.keep_asked(name, asked)
    known = layered.asked(name)
    assert not isinstance(known, str)
    assert known.document() == asked.document()


def test_layers_alone_can_be_scored(run_small: Run, shared: Path) -> None:
    scored = run_small(compute=False, also=(shared,))
    assert scored.complete
    assert {score.model for score in scored.data.scores} == {"moclr", "supervised"}


def test_a_damaged_unit_of_a_layer_is_computed_here(run_small: Run, shared: Path) -> None:
    file = next(shared.glob("predictions/micro-c*/moclr*/*.parquet"))
    file.write_bytes(file.read_bytes()[:-100])
    outcome = run_small("moclr", baselines=("supervised",), also=(shared,))
    assert outcome.complete
    assert outcome.computed == 1


def test_recompute_reads_no_layer(run_small: Run, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = run_small("moclr", baselines=("supervised",), also=(shared,), recompute=True)
    assert outcome.computed == outcome.total
    assert "layers" not in outcome.data.run
    assert Settings(("m",), also=("x",)).layers[:1] == ("x",)
    monkeypatch.setattr(settings_module, "SHIPPED", shared)
    assert Settings(("m",), also=("x",)).layers == ("x", shared)
    assert Settings(("m",), also=("x",), recompute=True).layers == ()


def test_what_the_package_ships_is_read_and_not_asked(
    run_small: Run, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_module, "SHIPPED", shared)
    monkeypatch.setattr("vitobench.results.store.SHIPPED", shared)
    outcome = run_small("vito", baselines=("supervised",))
    assert outcome.computed == outcome.total // 2
    scored = run_small(compute=False)
    assert {score.model for score in scored.data.scores} == {"vito", "supervised"}
    with pytest.raises(Exception, match="There is no store at"):
        run_small(compute=False, store=tmp_path / "nowhere")


def test_options_reach_the_run(bench_here: Bench, shared: Path, small_tasks: None, tmp_path: Path) -> None:
    args = ("--model", "vito", "--baseline", "supervised", "--task", "micro-val", "--device", "cpu", "--also", shared)
    done = bench_here("run", *args, "--json", "scores.json", "--no-gallery")
    assert done.code == 0, done.err
    assert f"supervised: read from {shared}, computed with vitobench" in " ".join(done.out.split())
    page = (tmp_path / "bench-results" / "report.html").read_text(encoding="utf-8")
    assert page.count(f"supervised: read from {shared}") == 1
    assert json.loads((tmp_path / "scores.json").read_text())["run"]["layers"][0]["models"] == ["supervised"]

    done = bench_here("score")
    assert done.code == 3
    assert f"add --also {shared}" in " ".join(done.out.split())
    assert bench_here("score", "--also", shared).code == 0
    assert bench_here("compare", "vito", "supervised", "--task", "micro-val", "--also", shared, "--quiet").code == 0
    done = bench_here("run", *args, "--also", "nowhere")
    assert done.code == 0
    assert "The layer nowhere is skipped" in done.out
    assert "The layer nowhere is skipped" in bench_here("run", *args, "--also", "nowhere", "--quiet").err
    assert "The layer nowhere is skipped" in bench_here("plan", *args, "--also", "nowhere", "--no-measure").out
    done = bench_here("run", *args, "--store", shared)
    assert done.code == 2
    assert "both the store that is written" in done.err
    assert all(name in {p.name for p in run_command.params} for name in ("also", "recompute"))


def test_listings_say_where_predictions_come_from(
    bench_here: Bench, run_small: Run, shared: Path, tmp_path: Path
) -> None:
    run_small("vito", baselines=(), suite=None, tasks=("micro-val",))
    store = tmp_path / "store"
    done = bench_here("results", "list", "--store", store, "--also", shared, "--task", "micro-val")
    assert done.code == 0
    assert f"1: {store}, vitobench " in done.out
    assert f"2: {shared}, vitobench " in done.out
    rows = json.loads(
        bench_here("results", "list", "--store", store, "--also", shared, "--task", "micro-val", "--json").out
    )
    assert [(row["model"].partition("@")[0], row["store"]) for row in rows] == [
        ("vito", str(store)), ("moclr", str(shared)), ("supervised", str(shared))
    ]  # fmt: skip
    assert all(row["machine"] and row["version"] and row["date"] for row in rows)
    assert "from" not in rows[0]
    (only,) = json.loads(bench_here("results", "list", "--store", store, "--task", "micro-val", "--json").out)
    assert only == rows[0]
    assert " from" not in bench_here("results", "list", "--store", store).out
    exported = bench_here("results", "export", tmp_path / "all.csv", "--store", store, "--also", shared, "--quiet")
    assert exported.code == 0
    assert {line.split("@")[0].strip('"') for line in (tmp_path / "all.csv").read_text().splitlines()[1:]} == {
        "vito", "moclr", "supervised"
    }  # fmt: skip
    assert bench_here("results", "index", "--store", shared).code == 0
    assert (shared / "index.json").exists()


def test_records_of_a_layer_are_shown(bench_here: Bench, run_small: Run, shared: Path, tmp_path: Path) -> None:
    run_small("vito", baselines=(), suite=None, tasks=("micro-val",))
    store = tmp_path / "store"
    assert bench_here("results", "show", "moclr", "--store", store).code == 2
    record = json.loads(bench_here("results", "show", "moclr", "--store", store, "--also", shared).out)
    assert record["name"] == "moclr"
    assert {row["model"] for row in record["predictions"]} == {record["identity"]}


def test_a_run_that_layers_answer_wholly_leaves_a_store(
    bench_here: Bench, run_small: Run, shared: Path, tmp_path: Path
) -> None:
    ran = run_small("moclr", baselines=("supervised",), also=(shared,))
    assert (ran.computed, ran.complete) == (0, True)
    scored = run_small("moclr", compute=False, baselines=("supervised",), also=(shared,))
    assert set(scored.data.scores) == set(ran.data.scores)
    assert bench_here("results", "list", "--store", tmp_path / "store").code == 0


def test_of_the_package_is_listed_what_was_asked_here(
    bench_here: Bench, run_small: Run, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (settings_module, layers, store_module):
        monkeypatch.setattr(module, "SHIPPED", shared)
    ran = run_small("moclr", baselines=(), suite=None, tasks=("micro-val",))
    assert (ran.computed, ran.complete) == (0, True)
    store = tmp_path / "store"
    done = bench_here("results", "list", "--store", store)
    assert "1 pairs of task and model" in done.out
    assert "in the package" in " ".join(done.out.split())
    run_small("vito", baselines=(), suite=None, tasks=("micro-val",))
    assert "2: the package, vitobench" in " ".join(bench_here("results", "list", "--store", store).out.split())
    bench_here("results", "export", tmp_path / "all.csv", "--store", store, "--quiet")
    lines = (tmp_path / "all.csv").read_text().splitlines()[1:]
    assert {(line.split("@")[0].strip('"'), "micro-val@" in line) for line in lines} == {
        ("vito", True), ("moclr", True)
    }  # fmt: skip
    assert json.loads(bench_here("results", "show", "moclr", "--store", store).out)["name"] == "moclr"
    checked = bench_here("results", "verify", "--recompute", 2, "--device", "cpu", "--store", tmp_path / "nothing")
    assert checked.code == 0, checked.err
    assert "2 units: the same top-1 in " in checked.out
    assert bench_here("results", "list", "--store", tmp_path / "nothing").code == 2
