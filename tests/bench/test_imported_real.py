"""Real predictions on ImageNet's 50,000 validation images, imported and held to numbers computed elsewhere.

ResNet50, DINO and SimCLR, from ImageNet-X (Idrissi et al. 2023); VITOBENCH_TEST_DATA names the folder that has
``imagenet-x/``. The annotations of ImageNet-X are those of the installed package, or lie in that folder too.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm
from torchmetrics.functional.classification import binary_calibration_error

from vitobench.bench.cli import main
from vitobench.bench.importing.predictions import Request, import_file
from vitobench.bench.planning import plan as plan_module
from vitobench.bench.scoring import parts
from vitobench.bench.settings import Settings
from vitobench.results.store import Store
from vitobench.tasks.confidences import aurra, rms_calibration_error
from vitobench.tasks.opening import paths_of
from vitobench.tasks.scoring.score import score_task

MODELS = ("ResNet50", "DINO", "SimCLR")


@pytest.fixture(scope="module")
def real() -> Path:
    where = os.environ.get("VITOBENCH_TEST_DATA")
    folder = Path(where or "") / "imagenet-x"
    if where is None or not folder.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with real predictions (imagenet-x/*.csv.gz)")
    return folder


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def store(real: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch_module: pytest.MonkeyPatch) -> Path:
    """All three models on ImageNet's labels and the reassessed ones: in large units, and with few bootstrap samples."""
    place = tmp_path_factory.mktemp("imported")
    monkeypatch_module.setattr(plan_module, "SHARD", 10_000)
    monkeypatch_module.setattr(parts, "score_task", partial(score_task, replicates=200))
    files = {"imagenet-val": "filename_label.csv.gz", "imagenet-real": "imagenet_real_labels.jsonl.gz"}
    for task, labels in files.items():
        for model in MODELS:
            settings = Settings(models=(), store=place)
            done = import_file(Request(real / f"{model}.csv.gz", model, task, None, real / labels, False, settings))
            assert (done.predictions, done.passed_over) == ((50_000, 0) if task == "imagenet-val" else (46_837, 3_163))
            assert done.problems == ()
    return place


@dataclass(frozen=True)
class Rows:
    """Stored predictions of one model on one task, ordered by image."""

    ids: np.ndarray
    correct: np.ndarray
    confidence: np.ndarray


def stored(place: Path, model: str, task: str = "imagenet-val") -> Rows:
    frame = pd.concat(
        pd.read_parquet(place / entry.name)
        for unit, entry in Store(place).unit_entries()
        if unit.model.startswith(f"{model}@") and unit.task.startswith(f"{task}@")
    ).sort_values("image_id")
    correct = (frame.top1 == frame.label).to_numpy(np.float64)
    return Rows(frame.image_id.to_numpy(str), correct, frame.confidence.to_numpy(np.float64))


@pytest.fixture(scope="module")
def every_score(
    store: Path, real: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str, str, str], dict[str, Any]]:
    """Also those of ImageNet-X, where there are annotations."""
    file = tmp_path_factory.mktemp("scores") / "scores.json"
    data = ["--data", f"imagenet-x={real}"] if paths_of("imagenet-x", {"imagenet-x": real}) else []
    main(["score", "--store", str(store), "--baseline", "none", "--json", str(file), "--quiet", *data])
    rows = json.loads(file.read_text(encoding="utf-8"))["scores"]
    return {(row["model"], row["task"], row["condition"], row["metric"]): row for row in rows}


@pytest.fixture(scope="module")
def scores(every_score: dict[tuple[str, str, str, str], dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {
        (model, task, metric): row for (model, task, where, metric), row in every_score.items() if where == "overall"
    }


@pytest.fixture(scope="module")
def compared(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    file = tmp_path_factory.mktemp("compared") / "compared.json"
    tasks = ("--task", "imagenet-val", "--task", "imagenet-real")
    main(["compare", "ResNet50", "DINO", *tasks, "--store", str(store), "--json", str(file), "--quiet"])
    rows = json.loads(file.read_text(encoding="utf-8"))["comparisons"]
    return {row["task"]: row for row in rows if (row["condition"], row["metric"]) == ("overall", "top1")}


@pytest.mark.parametrize(("model", "right"), [*zip(MODELS, (38_065, 38_377, 34_071), strict=True)])
def test_correct_by_the_labels(scores: Any, store: Path, model: str, right: int) -> None:
    row = scores[model, "imagenet-val", "top1"]
    assert (row["n"], round(row["value"] * 50_000, 6)) == (50_000, right)
    assert stored(store, model).correct.sum() == right


@pytest.mark.parametrize(("model", "right"), [*zip(MODELS, (38_855, 38_781, 35_433), strict=True)])
def test_correct_by_the_reassessed_labels(scores: Any, model: str, right: int) -> None:
    row = scores[model, "imagenet-real", "top1"]
    assert (row["n"], round(row["value"] * 46_837, 6)) == (46_837, right)


@pytest.mark.parametrize(
    ("model", "published", "kept"),
    [
        ("ResNet50", (0.055646, 0.930292), (0.055606, 0.930292)),
        ("DINO", (0.047363, 0.935133), (0.047347, 0.935133)),
        ("SimCLR", (0.069478, 0.887807), (0.069551, 0.887807)),
    ],
)
def test_calibration_and_aurra(
    scores: Any, store: Path, real: Path, model: str, published: tuple[float, float], kept: tuple[float, float]
) -> None:
    """RMS calibration error and AURRA, of the confidences of the file and of those that are kept.

    The convention (bins of 100, the last dropped, ties averaged) is the project's own. What differs is the rounding to
    12 bits: it makes ties, and shifts which confidences share a bin.
    """
    frame = pd.read_csv(real / f"{model}.csv.gz").sort_values("file_name")
    labels = pd.read_csv(real / "filename_label.csv.gz").set_index("file_name").label
    correct = (frame.predicted_class == labels.loc[frame.file_name].to_numpy()).to_numpy(np.float64)
    confidence = frame.predicted_probability.to_numpy()
    numbers = rms_calibration_error(confidence, correct), aurra(confidence, correct)
    assert [f"{number:.6f}" for number in numbers] == [f"{number:.6f}" for number in published]

    rows = stored(store, model)
    assert (rows.ids == frame.file_name.to_numpy(str)).all()
    assert (rows.correct == correct).all()
    assert (np.abs(rows.confidence / confidence - 1) <= 2.0**-13).all()
    scored = [scores[model, "imagenet-val", metric]["value"] for metric in ("rms_calibration_error", "aurra")]
    assert [f"{number:.6f}" for number in scored] == [f"{number:.6f}" for number in kept]
    assert np.abs(np.subtract(scored, published)).max() < 1e-4


def test_two_models_on_the_same_images(store: Path, compared: Any) -> None:
    a, b = stored(store, "ResNet50"), stored(store, "DINO")
    assert (a.ids == b.ids).all()
    n, only_a, only_b = len(a.ids), int((a.correct > b.correct).sum()), int((a.correct < b.correct).sum())
    assert (only_a, only_b) == (3_328, 3_640)
    row = compared["imagenet-val"]
    assert row["difference"] == pytest.approx((only_a - only_b) / n, abs=1e-12)
    assert f"{row['p']:.5f}" == "0.00019"
    assert row["test"] == "mcnemar-mid-p"
    # The standard error that pairing gives, which the interval is made from, against that of two samples.
    error = math.sqrt(only_a + only_b - (only_a - only_b) ** 2 / n) / n
    assert f"{error:.6f}" == "0.001669"
    assert (row["ci_high"] - row["ci_low"]) / (2 * 1.96) == pytest.approx(
        error, rel=0.25
    )  # not the .0027 of two samples
    pooled = (a.correct.mean() + b.correct.mean()) / 2
    z = (a.correct.mean() - b.correct.mean()) / math.sqrt(2 * pooled * (1 - pooled) / n)
    assert f"{2 * norm.sf(abs(z)):.3f}" == "0.020"
    agreed = (a.correct == b.correct).mean()
    chance = a.correct.mean() * b.correct.mean() + (1 - a.correct.mean()) * (1 - b.correct.mean())
    assert f"{(agreed - chance) / (1 - chance):.5f}" == "0.61309"


def test_dino_is_ahead_on_the_labels_and_behind_on_the_reassessed_ones(compared: Any) -> None:
    assert compared["imagenet-val"]["difference"] < 0 < compared["imagenet-real"]["difference"]
    assert compared["imagenet-val"]["verdict"] == "loss"
    assert compared["imagenet-real"]["difference"] == pytest.approx((38_855 - 38_781) / 46_837, abs=1e-12)
    assert compared["imagenet-real"]["verdict"] == "tie"


@pytest.mark.parametrize(
    ("model", "worst", "ece", "risk", "coverage"),
    [
        ("ResNet50", 0.41920, 0.037308, 0.13755, 0.54534),
        ("DINO", 0.40780, 0.027410, 0.12805, 0.56290),
        ("SimCLR", 0.31860, 0.049353, 0.214925, 0.38494),
    ],
)
def test_worst_classes_and_what_confidences_are_worth(
    scores: Any, real: Path, model: str, worst: float, ece: float, risk: float, coverage: float
) -> None:
    """By an independent script; the expected calibration error by torchmetrics, from the confidences of the file."""
    frame = pd.read_csv(real / f"{model}.csv.gz")
    labels = pd.read_csv(real / "filename_label.csv.gz").set_index("file_name").label
    right = (frame.predicted_class == labels.loc[frame.file_name].to_numpy()).to_numpy()
    said = torch.tensor(frame.predicted_probability.to_numpy())
    theirs = float(binary_calibration_error(said, torch.tensor(right).int(), n_bins=15, norm="l1"))
    assert theirs == pytest.approx(ece, abs=5e-7)
    found = {metric: scores[model, "imagenet-val", metric] for metric in ("ece", "risk_at_80", "coverage_at_5")}
    assert found["ece"]["value"] == pytest.approx(theirs, abs=3e-5)  # of rounded confidences
    assert found["risk_at_80"]["value"] == pytest.approx(risk, abs=5e-5)
    assert found["coverage_at_5"]["value"] == pytest.approx(coverage, abs=5e-4)
    assert all(row["ci_low"] < row["value"] < row["ci_high"] for row in found.values())
    assert scores[model, "imagenet-val", "worst_classes"]["value"] == pytest.approx(worst, abs=1e-12)


@pytest.mark.parametrize(
    ("model", "right", "ratios"),
    [
        ("ResNet50", 34_430, {"pose": 0.694739, "background": 1.141699, "texture": 2.393863, "subcategory": 2.105479}),
        ("DINO", 34_780, {"pose": 0.726197, "background": 1.067989, "texture": 2.150316, "subcategory": 1.954860}),
        ("SimCLR", 30_620, {"pose": 0.774029, "background": 1.086696, "texture": 2.058397, "subcategory": 1.618136}),
    ],
)
def test_imagenet_x(every_score: Any, model: str, right: int, ratios: dict[str, float]) -> None:
    if (model, "imagenet-x", "overall", "top1") not in every_score:
        pytest.skip("no annotations of ImageNet-X: pip install imagenet-x==0.0.7, or put them beside the predictions")
    whole = every_score[model, "imagenet-x", "overall", "top1"]
    assert (whole["n"], round(whole["value"] * 46_110, 6)) == (46_110, right)
    for factor, ratio in ratios.items():
        row = every_score[model, "imagenet-x", factor, "error_ratio"]
        assert f"{row['value']:.6f}" == f"{ratio:.6f}"
        assert row["ci_low"] < row["value"] < row["ci_high"]
    pose, texture = (every_score[model, "imagenet-x", factor, "error_ratio"]["n"] for factor in ("pose", "texture"))
    assert (pose, texture) == (15_064, 282)
    assert every_score[model, "imagenet-x-multi", "pose", "error_ratio"]["n"] == 39_974
