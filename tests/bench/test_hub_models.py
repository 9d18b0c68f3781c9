"""Checkpoints of transformers and zero-shot models of open_clip, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vitobench.bench.engine.worker import _decide
from vitobench.bench.planning.plan import predicts, takes
from vitobench.models import registry
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.tasks.images.classes import imagenet_wnids
from vitobench.tasks.microworld.vocabulary import CLASSES
from vitobench.tasks.registry import get_task
from vitobench.tasks.task import answered_by
from vitobench.tests.models.hub_checkpoints import save_open_clip, save_transformers

Bench = Callable[..., Any]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITOBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Folders of four classes, with two pictures each."""
    random, root = np.random.default_rng(0), tmp_path / "photographs"
    for wnid in imagenet_wnids()[::250]:
        (root / wnid).mkdir(parents=True)
        for number in range(2):
            pixels = random.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((111, 90 + number)).save(root / wnid / f"{number}.png")
    return root


def top1(rows: list[dict[str, Any]], model: str, task: str) -> float:
    (row,) = (row for row in rows if (row["model"], row["task"], row["metric"]) == (model, task, "top1"))
    return float(row["value"])


def test_checkpoints_of_both_libraries_run_on_micro_tasks(bench_here: Bench, small_tasks: None, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("open_clip")
    folder = save_transformers(tmp_path / "vit", "vit", dict(enumerate(CLASSES)))
    clip = save_open_clip(tmp_path / "clip")
    models = (f"hf:{folder}", f"openclip:{clip}?classes=microworld-16&templates=1")
    common = [part for name in models for part in ("--model", name)]
    common += ["--baseline", "none", "--task", "micro-val", "--task", "micro-light", "--device", "cpu"]
    done = bench_here("run", *common, "--json", "s.json")
    assert done.code == 0, done.err
    rows = json.loads((tmp_path / "s.json").read_text())["scores"]
    for name in models:
        model = registry.load(name)
        from vitobench.tasks.microworld.sets import MicroSet

        source = MicroSet("val", 14, 0)
        pixels, _ = source.load(range(14), model.spec.preprocessing.geometry)
        hits = model.logits(torch.from_numpy(pixels).permute(0, 3, 1, 2)).argmax(1).numpy() == source.labels[:14]
        assert top1(rows, name, "micro-val") == pytest.approx(hits.mean())
    again = bench_here("run", *common)
    assert "nothing computed" in again.out
    refused = bench_here("run", "--model", f"openclip:{clip}?templates=1", "--task", "micro-val")
    assert refused.code == 2
    said = " ".join(refused.err.split())
    assert "predicts imagenet-1k classes, and none of these tasks uses them: micro-val" in said
    assert "templates=1&classes=microworld-16' for the classes of micro-val" in said


def test_checkpoints_of_both_libraries_run_on_photographs(bench_here: Bench, photographs: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("open_clip")
    folder, clip = save_transformers(tmp_path / "resnet", "resnet"), save_open_clip(tmp_path / "clip", "siglip")
    models = (f"hf:{folder}", f"openclip:{clip}?templates=1")
    common = [part for name in models for part in ("--model", name)]
    done = bench_here(
        "run", *common, "--baseline", "none", "--task", "imagenet-val", "--data", f"imagenet={photographs}",
        "--device", "cpu", "--json", "s.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "s.json").read_text())
    assert {(row["model"], row["n"]) for row in found["scores"]} == {(name, 8) for name in models}
    assert not found["failures"]


def test_an_encoder_is_probed_and_its_head_runs(bench_here: Bench, small_tasks: None, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    folder = save_transformers(tmp_path / "dinov2", "dinov2")
    refused = bench_here("run", "--model", f"hf:{folder}", "--task", "micro-val")
    assert refused.code == 2
    assert "bench probe --model hf:" in " ".join(refused.err.split())
    vit = save_transformers(tmp_path / "vit", "vit")  # takes images of one size only
    pytest.importorskip("open_clip")
    clip = f"openclip:{save_open_clip(tmp_path / 'clip')}?templates=1"
    probed = ((f"hf:{folder}", "attentive"), (f"hf:{vit}", "linear"), (clip, "linear"))
    for number, (model, head) in enumerate(probed):
        done = bench_here(
            "probe", "--model", model, "--head", head, "--train", 64, "--held-out", 32, "--device", "cpu",
            "--output", f"runs/{number}",
        )  # fmt: skip
        assert done.code == 0, done.err
        done = bench_here("run", "--model", f"file:runs/{number}/{head}.safetensors", "--task", "micro-val")
        assert done.code == 0, done.err


def spec_of(label_space: str) -> ModelSpec:
    return ModelSpec("a", "file", "b", Preprocessing(), label_space, "0")


def test_a_model_may_answer_in_the_classes_that_a_task_asks_about() -> None:
    task = get_task("objectnet")
    assert takes(spec_of("objectnet"), task)
    assert takes(spec_of("imagenet-1k"), task)
    assert not predicts("entry-level-16", task)
    assert not predicts("objectnet", get_task("imagenet-val"))
    assert not predicts("imagenet-a", get_task("imagenet-a-1000"))
    alignment = get_task("alignment-sketch")
    for rule in ("mean", "max", "sum"):  # of merging, which they do not need
        assert predicts("entry-level-16", answered_by(alignment, rule))
    logits = torch.randn(5, 113, generator=torch.Generator().manual_seed(0))
    top, confidence, errors, _ = _decide(logits, task, spec_of("objectnet"))
    np.testing.assert_array_equal(top, logits.topk(5).indices.numpy())
    np.testing.assert_allclose(confidence, logits.softmax(1).amax(1).numpy(), rtol=1e-6)
    assert errors == [None] * 5
    wide = torch.full((5, 1000), -50.0)
    from vitobench.tasks.answer_spaces import answer_space

    for position, group in enumerate(answer_space("objectnet").groups):
        wide[:, list(group)] = logits[:, position : position + 1]
    merged = _decide(wide, task, spec_of("imagenet-1k"))
    np.testing.assert_array_equal(merged[0], top)
    np.testing.assert_allclose(merged[1], confidence, rtol=1e-6)
