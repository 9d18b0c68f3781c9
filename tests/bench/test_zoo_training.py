"""The models of the package: trained by one rule, published together or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vitobench.bench import zoo_training
from vitobench.bench.claims.training import Run
from vitobench.bench.zoo_training import ZOO, make_zoo, zoo_runs
from vitobench.errors import VitobenchError
from vitobench.models.pretraining.recipe import load_recipe
from vitobench.models.sources.zoo import ZooSource

TINY = ("clips=48", "batch=16", "monitor_every=0", "warmup=1", "precision=float32", "size=16")


def test_the_rule_is_one_budget_seed_0_and_recipes_as_they_are(tmp_path: Path) -> None:
    runs = zoo_runs(tmp_path)
    assert [run.method.name for run in runs] == list(ZOO)
    for run in runs:
        assert run.recipe == load_recipe(f"micro/{run.method.name}")
        assert run.seed == run.recipe.seed == 0
    assert len({(run.steps, run.recipe.batch, run.recipe.clips) for run in runs}) == 1


def test_models_are_trained_and_take_the_place_of_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def few(folder: Path, steps: int | None = None) -> list[Run]:
        runs = [run for run in zoo_runs(folder, steps) if run.method.name in ("moclr", "supervised")]
        return [replace(run, method=replace(run.method, settings=TINY)) for run in runs]

    zoo = tmp_path / "zoo"
    zoo.mkdir()
    for name in ("old.json", "old.safetensors", "old.md", "moclr.json", "__init__.py"):
        (zoo / name).write_text("of the last zoo")
    monkeypatch.setattr(zoo_training, "zoo_runs", few)
    monkeypatch.setattr("vitobench.models.pretraining.produce.CLEAN_IMAGES", 16)
    files = make_zoo(tmp_path / "runs", 1, steps=2, zoo=zoo)
    names = {f"{name}.{ending}" for name in ("moclr", "supervised") for ending in ("json", "md", "safetensors")}
    assert {path.name for path in files} == names
    assert {path.name for path in zoo.iterdir()} == names | {"__init__.py"}
    monkeypatch.setattr("vitobench.models.sources.zoo.ZOO_FOLDER", zoo)
    source = ZooSource()
    assert source.names() == ["moclr", "supervised"]
    spec = source.resolve("moclr")
    assert "48 photographs of the micro-world" in spec.training_data
    assert source.build(spec).head.out_features == 16

    monkeypatch.setattr("vitobench.bench.claims.training._train", None)  # nothing is left to train
    assert make_zoo(tmp_path / "runs", 1, steps=2, zoo=zoo) == files


def test_nothing_is_published_where_a_run_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo_training, "train_missing", lambda runs, *_: {runs[0]: "no room"})
    with pytest.raises(VitobenchError, match="vito: no room"):
        make_zoo(tmp_path, 1, zoo=tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()
