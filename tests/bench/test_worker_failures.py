"""What survives when something goes wrong in a run: models, images, conditions, disks, interruptions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vitobench.bench.engine import pixels as pixels_module
from vitobench.bench.engine import worker
from vitobench.bench.planning.asked import make_plan
from vitobench.bench.planning.plan import group
from vitobench.bench.settings import Settings
from vitobench.errors import CheckpointError, StoreError
from vitobench.identity import file_digest
from vitobench.models import registry
from vitobench.models.model import Model
from vitobench.models.sources import zoo as zoo_source
from vitobench.results.folder import LocalFolder
from vitobench.results.store import Store
from vitobench.tasks.images.source import LoadFailure
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tests.bench.runs import Run, predictions, scores, with_logits


def test_a_model_that_fails_midway_fails_alone(
    run_small: Run, stored_run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    undisturbed = stored_run("vito", "other", store=tmp_path / "whole")

    def fail(model: Model, logits: torch.Tensor, call: int) -> torch.Tensor:
        if model.spec.name == "other" and call > 9:
            raise RuntimeError("out of memory\nand more")
        return logits

    with monkeypatch.context() as patch:
        with_logits(patch, fail)
        broken = run_small("vito", "other")
    assert [(f.model, f.reason) for f in broken.data.failures] == [("other", "RuntimeError: out of memory")]
    assert 0 < broken.computed < broken.total
    others = [row for row in scores(broken) if "other" not in (row.get("model"), row.get("a"))]
    assert others == [row for row in scores(undisturbed) if "other" not in (row.get("model"), row.get("a"))]
    frame = predictions(tmp_path / "store")
    assert frame["error"].isna().all()
    assert scores(run_small("vito", "other")) == scores(undisturbed)


@pytest.mark.parametrize("error", [CheckpointError("the file is damaged"), RuntimeError("no kernel image")])
def test_a_model_that_cannot_be_loaded_fails_alone(
    run_small: Run, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    load = registry.load

    def refuse(spec: Any, progress: Any = None) -> Model:
        if spec.name == "other":
            raise error
        return load(spec)

    monkeypatch.setattr(registry, "load", refuse)
    outcome = run_small("vito", "other", suite=None, tasks=("micro-val", "micro-light"))
    assert [failure.model for failure in outcome.data.failures] == ["other"]
    assert str(error) in outcome.data.failures[0].reason
    assert outcome.computed == 2 * 6  # of vito and its baseline
    assert all(np.isnan(s.value) and s.n == 0 for s in outcome.data.scores if s.model == "other")
    assert all(np.isfinite(s.value) for s in outcome.data.scores if (s.model, s.metric) == ("vito", "top1"))


def test_logits_that_are_not_finite_are_named_and_never_a_decision(
    run_small: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def spoil(model: Model, logits: torch.Tensor, call: int) -> torch.Tensor:
        if model.spec.name == "other" and call == 1:
            logits = logits.clone()
            logits[1, 3] = float("nan")
            logits[2, 5] = float("inf")
        return logits

    with_logits(monkeypatch, spoil)
    outcome = run_small("vito", "other", suite=None, tasks=("micro-val",))
    assert {(f.model, f.task, f.image_id) for f in outcome.data.failures} == {
        ("other", "micro-val", "val-0-000001"),
        ("other", "micro-val", "val-0-000002"),
    }
    assert all("not finite" in f.reason for f in outcome.data.failures)
    frame = predictions(tmp_path / "store")
    bad = frame[frame["error"].notna()]
    assert bad["top1"].tolist() == [-1, -1]
    assert {(s.model, s.n) for s in outcome.data.scores} == {("other", 12), ("vito", 14), ("moclr", 14)}


def test_an_interrupted_run_keeps_its_units_and_ends_like_an_undisturbed_one(
    run_small: Run, stored_run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    undisturbed = stored_run("vito", store=tmp_path / "whole")

    def interrupt(model: Model, logits: torch.Tensor, call: int) -> torch.Tensor:
        if model.spec.name == "moclr" and call == 10:
            raise KeyboardInterrupt
        return logits

    with monkeypatch.context() as patch:
        with_logits(patch, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_small("vito")
    kept = sorted((tmp_path / "store" / "predictions").rglob("*"))
    assert {p.suffix for p in kept if p.is_file()} == {".parquet"}
    kept_units = sum(p.is_file() for p in kept)
    assert 0 < kept_units < 39
    partial = run_small("vito", compute=False)
    assert not partial.complete
    finished = run_small("vito")
    assert finished.complete
    assert finished.computed == 39 - kept_units
    assert scores(finished) == scores(undisturbed)


def test_images_that_cannot_be_read_are_named_and_left_out(
    run_small: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load = MicroSet.load

    def broken(self: MicroSet, indices: Any, geometry: Any) -> Any:
        images, failed = load(self, indices, geometry)
        return images, failed | {
            n: LoadFailure("truncated", False) for n, i in enumerate(indices) if i in (0, 6, 10, 11, 12, 13)
        }

    monkeypatch.setattr(MicroSet, "load", broken)
    outcome = run_small("other", suite=None, tasks=("micro-val", "micro-c"))
    named = {(f.task, f.image_id) for f in outcome.data.failures}
    assert named == {("micro-val", f"val-0-{n:06d}") for n in (0, 6, 10, 11, 12, 13)} | {
        ("micro-c", f"val-0-{n:06d}") for n in (0, 6, 10, 11)
    }
    assert {f.model for f in outcome.data.failures} == {"*"}
    assert {(s.task, s.n) for s in outcome.data.scores} == {("micro-val", 8), ("micro-c", 8)}
    frame = predictions(tmp_path / "store")
    assert set(frame.loc[frame["error"].notna(), "condition"]) == {"*"}
    assert run_small("other", suite=None, tasks=("micro-val", "micro-c")).computed == 0


def test_a_truncated_unit_is_named_with_its_model_and_the_rest_is_scored(run_small: Run, tmp_path: Path) -> None:
    tasks = {"suite": None, "tasks": ("micro-val",), "baselines": ()}
    run_small("other", **tasks)
    path = next((tmp_path / "store" / "predictions").rglob("0000005-0000010.parquet"))
    path.write_bytes(path.read_bytes()[:100])
    outcome = run_small("other", **tasks)
    (failure,) = outcome.data.failures
    assert failure.model == "other"
    assert str(path) in failure.reason
    assert {s.n for s in outcome.data.scores} == {9}
    path.unlink()
    assert run_small("other", **tasks).computed == 1


def test_a_condition_that_cannot_be_drawn_stops_no_other_and_is_tried_again(
    run_small: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    apply = pixels_module.apply_condition

    def refuse(images: np.ndarray, condition: Any, ids: Any, seed: int, depths: Any) -> np.ndarray:
        if condition.key == "fog/5":
            raise RuntimeError("no fog today")
        return apply(images, condition, ids, seed, depths)

    with monkeypatch.context() as patch:
        patch.setattr(pixels_module, "apply_condition", refuse)
        outcome = run_small("other", baselines=())
    assert {f.task for f in outcome.data.failures} == {"micro-c"}
    assert any(f.condition == "fog/5" and "no fog today" in f.reason for f in outcome.data.failures)
    whole = {s.task for s in outcome.data.scores if np.isfinite(s.value)}
    assert whole == {"micro-val", "micro-light", "micro-cue-conflict", "micro-c"}
    found = {s.condition: s for s in outcome.data.scores if (s.task, s.metric) == ("micro-c", "top1")}
    assert np.isnan(found["fog/5"].value)
    assert np.isnan(found["overall"].value)
    assert found["fog/2"].n == found["contrast"].n == 12
    assert not list((tmp_path / "store" / "predictions").glob("micro-c@*"))
    assert len(list((tmp_path / "store" / "partial").rglob("*.parquet"))) == 2 * 3  # with the reference
    again = run_small("other", baselines=())
    assert again.complete
    assert again.computed == 2 * 3
    assert not list((tmp_path / "store" / "partial").rglob("*.parquet"))


def test_a_single_condition_without_answer_is_named(run_small: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(model: Model, logits: torch.Tensor, call: int) -> torch.Tensor:
        return logits * float("nan") if call == 4 else logits  # the fourth condition, on the first unit

    with_logits(monkeypatch, spoil)
    outcome = run_small("other", suite=None, tasks=("micro-c",), baselines=(), limit=5)
    named = {(f.model, f.condition, f.image_id) for f in outcome.data.failures}
    assert named == {("*", "fog/5", f"val-0-{n:06d}") for n in range(5)}
    found = {(s.model, s.condition): s for s in outcome.data.scores if s.metric == "top1"}
    assert np.isnan(found[("other", "fog/5")].value)
    assert np.isnan(found[("other", "overall")].value)
    assert found[("other", "contrast")].n == 5


def test_a_batch_that_does_not_fit_is_halved(run_small: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = run_small("other", suite=None, tasks=("micro-val",), baselines=(), store=tmp_path / "whole")
    sizes = []
    original = Model.logits

    def cramped(self: Model, images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        if len(images) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return original(self, images)

    monkeypatch.setattr(Model, "logits", cramped)
    outcome = run_small("other", suite=None, tasks=("micro-val",), baselines=())
    assert outcome.complete
    assert scores(outcome) == scores(expected)
    assert sum(size > 2 for size in sizes) == 1, "the smaller batch holds for the rest of the run"


def test_a_full_disk_ends_the_run_and_keeps_what_was_good(
    run_small: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tasks: dict[str, Any] = {"suite": None, "tasks": ("micro-val",), "baselines": ()}
    written = []
    original = LocalFolder.write

    def write(self: LocalFolder, name: str, content: bytes) -> None:
        if name.startswith("predictions/"):
            written.append(name)
            if len(written) > 1:
                raise StoreError(f"{name} cannot be written: No space left on device. Free some space.")
        original(self, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "write", write)
        outcome = run_small("other", **tasks)
    assert outcome.computed == 1
    assert any("No space left on device" in f.reason for f in outcome.data.failures)
    assert {s.n for s in outcome.data.scores} == {5}
    assert run_small("other", **tasks).computed == 2


@pytest.mark.usefixtures("zoo", "small_tasks")
def test_a_worker_that_sees_other_weights_under_the_name_stores_nothing(
    tmp_path: Path, make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(("other",), tasks=("micro-val",), baselines=(), store=tmp_path / "store", device="cpu")
    plan, store = make_plan(settings, Store(settings.store)), Store(settings.store)
    job = worker.Job(settings, tuple(group(plan.missing(store))))
    there = file_digest(make_model(tmp_path / "elsewhere", "other", 5))
    monkeypatch.setattr(zoo_source, "ZOO_FOLDER", tmp_path / "elsewhere")  # as in a process of another installation
    reports = list(worker.Worker(job, "cpu").run(range(len(job.passes))))
    (failure,) = [failure for report in reports for failure in report.failures]
    assert failure.model == "other"
    assert there[:16] in failure.reason
    assert plan.models[0].weights_hash[:16] in failure.reason
    assert plan.missing(store) == plan.missing(Store(tmp_path / "empty"))


def test_a_pass_that_breaks_unforeseen_costs_no_other(run_small: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    original = worker.labels_for

    def broken(task: Any, source: Any, labels: np.ndarray) -> np.ndarray:
        if task.name == "micro-light":
            raise ZeroDivisionError("nobody thought of this")
        return original(task, source, labels)

    with monkeypatch.context() as patch:
        patch.setattr(worker, "labels_for", broken)
        outcome = run_small("other", baselines=())
    told = {(f.task, f.image_id) for f in outcome.data.failures if "nobody thought of this" in f.reason}
    assert told == {("micro-light", f"images {a} to {b}") for a, b in ((0, 4), (5, 9), (10, 13))}
    whole = {s.task for s in outcome.data.scores if s.metric == "top1" and np.isfinite(s.value)}
    assert {"micro-val", "micro-c", "micro-cue-conflict"} <= whole
    assert "micro-light" not in whole
    assert run_small("other", baselines=()).complete
