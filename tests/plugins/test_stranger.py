"""A package of a stranger is installed by pip, beside vitobench, and used through the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from vitobench.tests import processes
from vitobench.tests.processes import Ended

TOY = Path(__file__).parent / "toy_plugin"
Bench = Callable[..., Ended]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the toy plugin installed in it."""
    folder = tmp_path_factory.mktemp("site")
    source = folder / "source"
    shutil.copytree(TOY, source)  # a build writes into its source
    target = folder / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*pip, "--target", str(target), str(source)], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def bench(site: Path, tmp_path: Path) -> Bench:
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return partial(processes.bench, cwd=tmp_path, variables={"PYTHONPATH": os.pathsep.join(paths)})


def test_listings_show_what_plugins_give_and_what_is_wrong_with_them(bench: Bench) -> None:
    models = json.loads(bench("models", "--json").out)
    assert next(row for row in models if row["name"] == "vito")["source"] == "zoo"
    plugged = {row["name"]: row for row in models if row["source"] == "toy-plugin 1.4"}
    assert plugged["mean-colour"]["label_space"] == "microworld-16"
    assert plugged["mean-colour"]["problem"] == ""
    assert "RuntimeError: this plugin wants a library" in plugged["broken-model"]["problem"]
    assert "vitobench itself uses this name" in plugged["vito"]["problem"]

    tasks = json.loads(bench("tasks", "--json").out)
    plugged = {row["name"]: row for row in tasks if row["source"] == "toy-plugin 1.4"}
    assert plugged["mirrored"]["title"] == "In a mirror"
    assert "RuntimeError" in plugged["broken-task"]["problem"]
    assert "vitobench itself uses this name" in plugged["micro-val"]["problem"]
    assert len([row for row in tasks if row["source"] == "vitobench" and row["name"] == "micro-val"]) == 1

    shown = bench("tasks").out
    assert "mirrored" in shown
    assert "toy-plugin 1.4" in shown


def test_models_and_tasks_of_plugins_run_beside_others_and_stand_in_the_report(bench: Bench, tmp_path: Path) -> None:
    asked = ("--task", "micro-val", "--task", "mirrored", "--limit", 32)
    done = bench("run", "--model", "mean-colour", *asked, "--json", "scores.json", "--device", "cpu")
    assert done.code == 0, done.err + done.out
    found = json.loads((tmp_path / "scores.json").read_text())
    value = {
        (row["model"], row["task"]): row["value"]
        for row in found["scores"]
        if row["metric"] == "top1" and row["condition"] == "overall"
    }
    # A mirror does not change a mean colour; it need not leave another network's answers as they are.
    assert value["mean-colour", "mirrored"] == value["mean-colour", "micro-val"]
    assert value["supervised", "mirrored"] > 0.5
    (model,) = [record for record in found["models"] if record["name"] == "mean-colour"]
    assert model["extra"]["plugin"] == "toy-plugin 1.4"
    (task,) = [record for record in found["tasks"] if record["name"] == "mirrored"]
    assert task["plugin"] == "toy-plugin 1.4"
    page = (tmp_path / "bench-results/report.html").read_text(encoding="utf-8")
    for text in ("mean-colour", "In a mirror", "toy-plugin 1.4"):
        assert text in page

    again = bench("run", "--model", "mean-colour", *asked)
    assert "Nothing to run" in again.out
    assert bench("score").code == 0

    record = json.loads(next((tmp_path / "bench-results/tasks").glob("mirrored*.json")).read_text())
    assert record["plugin"] == "toy-plugin 1.4"


def test_worker_processes_find_plugins(bench: Bench) -> None:
    done = bench("run", "--model", "mean-colour", "--baseline", "none", "--task", "mirrored", "--limit", 8,
                 "--workers", 2, "--device", "cpu")  # fmt: skip
    assert done.code == 0, done.err + done.out


def test_a_plugin_that_fails_stops_nothing_else(bench: Bench, tmp_path: Path) -> None:
    done = bench(
        "run", "--model", "broken-model", "--model", "brittle-model", "--model", "mean-colour", "--baseline", "none",
        "--task", "shut-task", "--task", "micro-val", "--limit", 4, "--json", "scores.json", "--device", "cpu",
    )  # fmt: skip
    assert done.code == 3, done.err + done.out
    found = json.loads((tmp_path / "scores.json").read_text())
    assert {row["model"] for row in found["scores"] if row["value"] is not None} == {"mean-colour"}
    reasons = {(row["model"], row["task"]): row["reason"] for row in found["failures"]}
    assert "wants a library" in reasons["broken-model", "*"]
    assert "the images are not where they were" in reasons["*", "shut-task"]
    assert any(model == "brittle-model" and "weights are not where" in why for (model, _), why in reasons.items())


def test_a_broken_plugin_that_is_asked_for_alone_is_named(bench: Bench) -> None:
    done = bench("run", "--model", "broken-model", "--task", "micro-val")
    assert done.code == 2
    assert "broken-model of toy-plugin 1.4 failed: importing toy_plugin.broken" in done.err
    done = bench("run", "--model", "mean-colour", "--task", "broken-task")
    assert done.code == 2
    assert "broken-task of toy-plugin 1.4 failed" in done.err
