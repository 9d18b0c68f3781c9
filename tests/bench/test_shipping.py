"""The package's own layer, and the script that makes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitobench.bench import shipping
from vitobench.bench.planning.plan import BASELINE
from vitobench.bench.recomputing import recompute
from vitobench.bench.settings import Settings
from vitobench.errors import StoreError, VitobenchError
from vitobench.models.registry import resolve
from vitobench.results import records
from vitobench.results.inventory import holdings, verify
from vitobench.results.layers import SHIPPED
from vitobench.results.store import Store
from vitobench.tasks.registry import SUITES, get_task

TASKS = ("micro-val", "micro-light")


def make(folder: Path) -> int:
    return shipping.ship(folder, ["vito", "supervised"], TASKS, device="cpu")


def test_the_layer_is_made_from_what_the_package_has(zoo: Path, small_tasks: None, tmp_path: Path) -> None:
    folder = tmp_path / "shipped"
    size = make(folder)
    assert size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    store = Store(folder)
    assert not verify(store)
    assert {(h.task.partition("@")[0], h.model) for h in holdings(store)} == {
        (task, resolve(model).identity) for task in TASKS for model in ("vito", "supervised")
    }
    (run,) = records.runs(store)
    assert "command" not in run
    assert str(tmp_path) not in str(run)
    for holding in holdings(store):
        assert records.origin(store, [run], holding.task, holding.model)["version"]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert make(folder) == size
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    shipping.ship(folder, ["vito", "supervised"], (*TASKS, "micro-occlusion"), device="cpu")
    (run,) = records.runs(store)
    assert set(run["tasks"]) == {*TASKS, "micro-occlusion"}  # of all that is there, not of the first time
    for holding in holdings(store):
        assert records.origin(store, [run], holding.task, holding.model)["version"]


def test_a_layer_that_grew_too_large_is_refused(
    zoo: Path, small_tasks: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "LARGEST", 100)
    with pytest.raises(StoreError, match="the package spends"):
        make(tmp_path / "shipped")
    with pytest.raises(VitobenchError):
        shipping.ship(tmp_path / "other", ["vito", "nobody"], TASKS, device="cpu")


def test_every_suite_of_the_microworld_is_shipped() -> None:
    names = shipping.micro_tasks()
    assert {"micro-val", "micro-c", "micro-cue-conflict"} <= set(names)
    wanted = {name for suite in SUITES.values() for name in suite.tasks if get_task(name).world == "microworld"}
    assert set(names) == wanted


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="this checkout has no shipped predictions")
def test_shipped_predictions_are_those_of_the_shipped_weights() -> None:
    store = Store(SHIPPED)
    made_by = {name: record["source"] for name, record in records.kept(store, records.MODELS).items()}
    models = {holding.model for holding in holdings(store) if made_by[holding.model] != BASELINE}
    assert models == {resolve(n).identity for n in shipping.zoo_names()}
    found = recompute(store, 2, Settings((), tasks=("micro-val",), device="cpu"))
    assert len(found.units) == 2
    assert not [unit.problem for unit in found.units if unit.problem]
    assert sum(entry.size for entry in store.folder.files()) <= shipping.LARGEST
