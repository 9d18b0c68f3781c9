"""The run itself: what is computed, how often, and what is never computed again."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from vitobench.bench.engine import pixels as pixels_module
from vitobench.bench.engine import worker
from vitobench.bench.planning.asked import make_plan
from vitobench.bench.planning.plan import group
from vitobench.bench.settings import Settings
from vitobench.models.model import Model
from vitobench.results.store import Store
from vitobench.tasks.images.source import LoadFailure
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tests.bench.runs import KEYS, Run, predictions, scores, with_logits


@pytest.fixture
def pixels(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], set[str]]:
    """Hashes of the pixels of every (condition, image) that reached the models."""
    seen: dict[tuple[str, str], set[str]] = {}
    original = pixels_module.apply_condition

    def recorded(images: np.ndarray, condition: Any, ids: Any, seed: int, depths: Any) -> np.ndarray:
        out = original(images, condition, ids, seed, depths)
        for image_id, image in zip(ids, out, strict=True):
            seen.setdefault((condition.key, image_id), set()).add(hashlib.sha256(image.tobytes()).hexdigest())
        return out

    monkeypatch.setattr(pixels_module, "apply_condition", recorded)
    return seen


def test_images_are_read_once_and_corrupted_once_for_all_models_and_tasks(
    run_small: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Counter[str] = Counter()
    drawn: Counter[tuple[str, str]] = Counter()
    load, apply = MicroSet.load, pixels_module.apply_condition

    def counted_load(self: MicroSet, indices: Any, geometry: Any) -> Any:
        read.update(self.image_ids[i] for i in indices)
        return load(self, indices, geometry)

    def counted_apply(images: np.ndarray, condition: Any, ids: Any, seed: int, depths: Any) -> np.ndarray:
        drawn.update((condition.key, image_id) for image_id in ids)
        return apply(images, condition, ids, seed, depths)

    monkeypatch.setattr(MicroSet, "load", counted_load)
    monkeypatch.setattr(pixels_module, "apply_condition", counted_apply)
    outcome = run_small("vito", "other")
    assert outcome.complete
    assert outcome.computed == outcome.total == 4 * 13
    assert set(read.values()) == set(drawn.values()) == {1}
    assert len(read) == 14 + 14 + 20
    assert len(drawn) == (14 + 14 + 20) + 6 * 12
    again = run_small("vito", "other")
    assert again.computed == 0
    assert set(read.values()) == {1}


def test_every_row_that_was_asked_is_there(stored_run: Run, tmp_path: Path) -> None:
    stored_run("vito")
    frame = predictions(tmp_path / "store")
    assert not frame.duplicated(KEYS).any()
    assert frame["error"].isna().all()
    assert frame.groupby("model").size().to_list() == [14 + 14 + 20 + 6 * 12] * 3
    assert frame["confidence"].between(1 / 16, 1).all()
    assert frame["label"].between(0, 15).all()
    index = frame["image_id"].str[-6:].astype(int)
    assert (frame["label"] == index % 16).all()
    assert frame["top1"].nunique() > 3


def test_batches_workers_and_order_change_no_pixel_and_no_decision(
    run_small: Run, tmp_path: Path, pixels: dict[tuple[str, str], set[str]]
) -> None:
    first = run_small("vito", "other")
    everything = len(pixels)
    tasks = ("micro-cue-conflict", "micro-light", "micro-c", "micro-val")
    variants: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (("other", "vito"), {"batch": 3, "threads": 1, "store": tmp_path / "b"}),
        (("vito", "other"), {"suite": None, "tasks": tasks, "batch": 1, "threads": 4, "store": tmp_path / "c"}),
    ]
    expected = predictions(tmp_path / "store")
    for models, more in variants:
        outcome = run_small(*models, **more)
        frame = predictions(more["store"])
        exact = ["model", "task", "condition", "severity", "image_id", "label", "top1"]
        pd.testing.assert_frame_equal(frame[exact], expected[exact])
        np.testing.assert_allclose(frame["confidence"], expected["confidence"], atol=3e-4)
        assert scores(outcome) == scores(first)
    assert len(pixels) == everything
    assert {len(hashes) for hashes in pixels.values()} == {1}


def test_a_unit_of_one_image_and_another_limit_give_the_same_pixels(
    run_small: Run, tmp_path: Path, pixels: dict[tuple[str, str], set[str]]
) -> None:
    run_small("other", limit=7)
    run_small("other", limit=1, store=tmp_path / "b")
    run_small("other")
    assert {len(hashes) for hashes in pixels.values()} == {1}


def test_a_limit_that_grows_gives_the_scores_of_a_fresh_run(run_small: Run, stored_run: Run, tmp_path: Path) -> None:
    small = run_small("vito", limit=8)
    assert {s.n for s in small.data.scores if s.task == "micro-val"} == {8}
    grown = run_small("vito")
    assert grown.computed < grown.total
    fresh = stored_run("vito", store=tmp_path / "fresh")
    assert scores(grown) == scores(fresh)
    assert scores(run_small("vito", limit=8, compute=False)) == scores(small)


def test_a_model_added_runs_alone_and_changes_no_number(run_small: Run, stored_run: Run) -> None:
    before = stored_run("vito")
    after = run_small("vito", "other")
    assert after.computed == 13
    kept = [row for row in scores(after) if "other" not in (row.get("model"), row.get("a"), row.get("b"))]
    assert kept == scores(before)


def test_another_seed_gives_other_images(run_small: Run, tmp_path: Path) -> None:
    tasks: dict[str, Any] = {"suite": None, "tasks": ("micro-val", "micro-light", "micro-cue-conflict")}
    run_small("other", baselines=(), **tasks)
    run_small("other", baselines=(), **tasks, seed=1, store=tmp_path / "b")
    a, b = predictions(tmp_path / "store"), predictions(tmp_path / "b")
    assert not set(a["image_id"]) & set(b["image_id"])
    assert not set(a["task"]) & set(b["task"])


def test_a_run_that_stored_everything_is_on_record(run_small: Run, tmp_path: Path) -> None:
    import json

    run_small("other", suite=None, tasks=("micro-val",), baselines=())
    run_small("other", suite=None, tasks=("micro-val",), baselines=())
    records = sorted((tmp_path / "store" / "runs").glob("*.json"))
    assert len(records) == 2
    assert json.loads(records[1].read_text())["units"] == {"asked": 3, "computed": 0, "missing": 0}
    found = json.loads(records[0].read_text())
    assert found["units"] == {"asked": 3, "computed": 3, "missing": 0}
    assert found["effort"]["images"] == 14
    assert found["models"]["other"].startswith("other@")
    assert {"python", "torch", "numpy", "vitobench"} <= set(found["versions"])
    assert found["failures"] == []
    assert found["status"] == "finished"


def test_a_long_pass_stores_what_it_has_and_goes_on_from_there(
    run_small: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tasks: dict[str, Any] = {"suite": None, "tasks": ("micro-c",), "baselines": (), "limit": 5}
    undisturbed = run_small("other", **tasks, store=tmp_path / "whole")
    monkeypatch.setattr(worker, "SPILL_SECONDS", 0.0)
    monkeypatch.setattr(worker, "_SPILL_SHARE", 1e9)

    def interrupt(model: Model, logits: torch.Tensor, call: int) -> torch.Tensor:
        if model.spec.name == "other" and call == 4:
            raise KeyboardInterrupt
        return logits

    with monkeypatch.context() as patch:
        with_logits(patch, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_small("other", **tasks)
    assert not list((tmp_path / "store").glob("predictions/**/*.parquet"))
    begun = run_small("other", compute=False, **tasks)
    assert any("incomplete" in f.reason for f in begun.data.failures)
    asked: Counter[str] = Counter()

    def counted(model: Model, logits: torch.Tensor, call: int) -> torch.Tensor:
        asked[model.spec.name] += 1
        return logits

    with monkeypatch.context() as patch:
        with_logits(patch, counted)
        finished = run_small("other", **tasks)
    assert finished.complete
    assert asked == {"other": 3, "supervised": 3}  # six conditions, three of them were stored
    assert scores(finished) == scores(undisturbed)
    assert not list((tmp_path / "store").glob("partial/**/*.parquet"))


def test_what_another_run_has_stored_meanwhile_is_not_run_again(
    run_small: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tasks: dict[str, Any] = {"suite": None, "tasks": ("micro-val",), "baselines": ()}
    asked: Counter[str] = Counter()
    begun = []

    def race(model: Model, logits: torch.Tensor, call: int) -> torch.Tensor:
        asked[model.spec.name] += 1
        if not begun:
            begun.append(True)
            assert run_small("other", **tasks).complete  # all of it, while the first pass is being answered
        return logits

    with_logits(monkeypatch, race)
    outcome = run_small("other", **tasks)
    assert outcome.complete
    assert asked["other"] == 1 + 3
    frame = predictions(tmp_path / "store")
    assert len(frame) == 14
    assert not frame.duplicated(KEYS).any()


@pytest.mark.parametrize(("threads", "parts"), [(1, 5), (2, 5), (5, 5), (16, 15), (200, 100)])
@pytest.mark.usefixtures("zoo")
def test_every_thread_reads_a_part_of_a_pass(
    threads: int, parts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(("other",), tasks=("micro-val",), baselines=(), limit=100, store=tmp_path / "store")
    (work,) = group(make_plan(settings, Store(settings.store)).missing(Store(settings.store)))
    read: list[range] = []

    def load(source: MicroSet, part: range, geometry: Any) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        read.append(part)
        return np.stack([np.full((64, 64, 3), n, np.uint8) for n in part]), {}

    monkeypatch.setattr(MicroSet, "uses_all_cores", False)
    monkeypatch.setattr(MicroSet, "load", load)
    with ThreadPoolExecutor(threads) as pool:
        images, failed = pixels_module.PassPixels(work, pool, threads, 0).images()
    assert sorted(n for part in read for n in part) == list(range(100))
    assert len(read) == parts
    assert images[:, 0, 0, 0].tolist() == list(range(100))
    assert not failed
