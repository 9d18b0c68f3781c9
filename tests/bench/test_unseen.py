"""Unseen classes from end to end: rendered and listed images, scores from stored confidences and from logits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score, roc_curve

from vitobench.bench.planning import plan as plan_module
from vitobench.models import registry
from vitobench.results.inventory import verify
from vitobench.results.schema import BESIDE
from vitobench.results.store import Store
from vitobench.tasks.images.classes import imagenet_wnids
from vitobench.tasks.opening import open_source
from vitobench.tasks.registry import TASKS

Bench = Callable[..., Any]
MICRO = ("--task", "micro-val", "--task", "micro-unseen")
QUIET = ("--baseline", "none", "--device", "cpu", "--quiet")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units of ten images."""
    monkeypatch.setattr(plan_module, "SHARD", 10)
    for name, images in (("micro-val", 30), ("micro-unseen", 24), ("micro-empty", 12)):
        monkeypatch.setitem(TASKS, name, replace(TASKS[name], images=images))


def scores(bench_here: Bench, tmp_path: Path, code: int = 0) -> dict[tuple[str, str, str, str], dict[str, Any]]:
    done = bench_here("score", "--baseline", "none", "--json", "scores.json", "--quiet")
    assert done.code == code, done.err
    rows = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["scores"]
    return {(row["model"], row["task"], row["condition"], row["metric"]): row for row in rows}


def rows_of(store: Path, task: str, model: str) -> list[dict[str, Any]]:
    opened = Store(store)
    return [
        row
        for unit, entry in opened.unit_entries()
        if unit.task.startswith(f"{task}@") and unit.model.startswith(f"{model}@")
        for row in opened.checked(entry.name).to_pylist()
    ]


def logits_of(name: str, dataset: str, count: int) -> np.ndarray:
    model = registry.load(registry.resolve(name))
    pixels, _ = open_source(dataset, {}, count, 0).load(range(count), model.spec.preprocessing.geometry)
    return model.logits(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()


def test_numbers_are_those_of_the_logits_and_of_scikit_learn(bench_here: Bench, tmp_path: Path) -> None:
    done = bench_here("run", "--model", "vito", "--model", "other", *MICRO, *QUIET)
    assert done.code == 0, done.err
    found = scores(bench_here, tmp_path)
    parts = [logits_of("vito", f"microworld/{name}", n).astype(np.float64) for name, n in (("val", 30), ("unseen", 24))]
    known = np.repeat([1, 0], [30, 24])
    every = np.concatenate(parts)
    powers = np.exp(every - every.max(axis=1, keepdims=True))
    by_hand = {
        "softmax": powers.max(axis=1) / powers.sum(axis=1),
        "energy": np.log(powers.sum(axis=1)) + every.max(axis=1),
        "max_logit": every.max(axis=1),
    }
    for condition, score in by_hand.items():
        row = found["vito", "micro-unseen", condition, "auroc"]
        assert row["value"] == pytest.approx(roc_auc_score(known, score), abs=1e-3)
        assert row["ci_low"] < row["value"] < row["ci_high"]
        assert row["n"] == 54
        fpr, tpr, _ = roc_curve(1 - known, -score, drop_intermediate=False)
        expected = fpr[np.argmax(tpr >= 0.95)]
        assert found["vito", "micro-unseen", condition, "fpr95"]["value"] == pytest.approx(expected, abs=1 / 29)
    assert verify(Store(tmp_path / "bench-results")) == []
    done = bench_here("compare", "vito", "other", "--task", "micro-unseen", "--task", "micro-val", "--json", "c.json")
    assert done.code == 0, done.err
    rows = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))["comparisons"]
    pairs = {(r["condition"], r["metric"]): r for r in rows if r["task"] == "micro-unseen"}
    one, other = (found[name, "micro-unseen", "energy", "auroc"]["value"] for name in ("vito", "other"))
    assert pairs["energy", "auroc"]["difference"] == pytest.approx(one - other)
    assert pairs["softmax", "auroc"]["family"] == "primary"


def test_a_unit_holds_two_more_numbers_and_older_ones_need_not(
    bench_here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench_here("run", "--model", "vito", *MICRO, "--task", "micro-empty", *QUIET).code == 0
    store = tmp_path / "bench-results"
    for row in rows_of(store, "micro-val", "vito") + rows_of(store, "micro-unseen", "vito"):
        assert set(BESIDE) <= row.keys()
        assert row["max_logit"] < row["energy"] < row["max_logit"] + np.log(16) + 1e-5
        # The softmax probability of the best class is the exponential of their difference.
        assert row["confidence"] == pytest.approx(np.exp(row["max_logit"] - row["energy"]), rel=1e-3)
    assert {row["label"] for row in rows_of(store, "micro-unseen", "vito")} == {-1}
    # Units of earlier versions lack the two numbers: what needs them has no score, and the rest stays.
    opened = Store(store)
    for unit, entry in list(opened.unit_entries()):
        if unit.task.startswith("micro-val@"):
            table: pa.Table = opened.checked(entry.name).drop_columns(list(BESIDE))
            columns = {name: table.column(name).to_pylist() for name in table.column_names}
            columns["top"] = np.array([columns[f"top{n}"] for n in range(1, 6)]).T
            (store / entry.name).unlink()
            task, model = columns["task"][0], columns["model"][0]
            opened.write_unit(task, model, unit.start, unit.stop, columns)
    found = scores(bench_here, tmp_path)
    assert {key[2] for key in found if key[1] == "micro-unseen"} == {"softmax"}
    assert found["vito", "micro-empty", "softmax", "auroc"]["n"] == 42


def test_logits_that_are_imported_have_the_same_numbers(bench_here: Bench, tmp_path: Path) -> None:
    assert bench_here("run", "--model", "vito", *MICRO, *QUIET).code == 0
    for task, dataset, count in (("micro-val", "val", 30), ("micro-unseen", "unseen", 24)):
        ids = open_source(f"microworld/{dataset}", {}, count, 0).image_ids
        logits = logits_of("vito", f"microworld/{dataset}", count)
        np.savez(tmp_path / f"{task}.npz", logits=logits, names=np.array(ids))
        done = bench_here("results", "import", f"{task}.npz", "--model", "copy", "--task", task)
        assert done.code == 0, done.err
    found = scores(bench_here, tmp_path)
    for (model, task, condition, metric), row in found.items():
        if model == "copy" and task == "micro-unseen":
            nearly = 1.5 / (30 * 24) if metric == "auroc" else 1 / 24  # one pair, or one image
            assert row["value"] == pytest.approx(found["vito", task, condition, metric]["value"], abs=nearly)
    assert {key[2] for key in found if key[:2] == ("copy", "micro-unseen")} == {"softmax", *BESIDE}


def test_shifted_images_that_are_stored_count_as_known_in_the_full_spectrum(
    bench_here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shifted = TASKS["micro-unseen-full-spectrum"].shifted
    for name in shifted:
        monkeypatch.setitem(TASKS, name, replace(TASKS[name], images=8))
    done = bench_here("run", "--model", "vito", *MICRO, "--task", shifted[0], *QUIET)
    assert done.code == 0, done.err
    plain = {key: row for key, row in scores(bench_here, tmp_path).items() if key[1].startswith("micro-unseen")}
    assert {key[1] for key in plain} == {"micro-unseen"}  # as long as others are lacking
    more = [word for name in (*shifted, "micro-unseen-full-spectrum") for word in ("--task", name)]
    done = bench_here("run", "--model", "vito", *MICRO, *more, *QUIET)
    assert done.code == 0, done.err
    found = scores(bench_here, tmp_path)
    assert {key: row for key, row in found.items() if key[1] == "micro-unseen"} == plain
    store = tmp_path / "bench-results"
    known = [row["confidence"] for name in ("micro-val", *shifted) for row in rows_of(store, name, "vito")]
    unseen = [row["confidence"] for row in rows_of(store, "micro-unseen", "vito")]
    assert (len(known), len(unseen)) == (30 + 4 * 8, 24)
    truth = np.repeat([1, 0], [len(known), len(unseen)])
    row = found["vito", "micro-unseen-full-spectrum", "softmax", "full_spectrum_auroc"]
    assert row["value"] == pytest.approx(roc_auc_score(truth, known + unseen), abs=1e-6)
    assert row["ci_low"] < row["value"] < row["ci_high"]
    assert row["n"] == len(truth)
    assert not any("full-spectrum" in unit.task for unit, _ in Store(store).unit_entries())


def test_without_predictions_of_known_images_there_is_no_number_but_a_reason(bench_here: Bench, tmp_path: Path) -> None:
    done = bench_here("run", "--model", "vito", "--task", "micro-unseen", *QUIET)
    assert done.code in (0, 3), done.err
    done = bench_here("score", "--baseline", "none", "--json", "scores.json")
    row = next(
        row
        for row in json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["scores"]
        if (row["condition"], row["metric"]) == ("softmax", "auroc")
    )
    assert row["value"] is None
    assert "micro-val has no predictions of this model" in done.out + done.err


# Lists of OpenOOD.


@pytest.fixture
def openood(tmp_path: Path) -> Path:
    root = tmp_path / "openood"
    (root / "benchmark_imglist" / "imagenet").mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = [f"ninco/class_{n % 3}/{n:03d}.jpg" for n in range(12)]
    for name in names:
        path = root / "images_largescale" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)).save(path)
    stray = root / "images_largescale" / "ninco" / "class_0" / "not-in-the-list.jpg"
    stray.write_bytes((root / "images_largescale" / names[0]).read_bytes())
    (root / "benchmark_imglist" / "imagenet" / "test_ninco.txt").write_text("".join(f"{n} -1\n" for n in names))
    return root


def test_listed_images_are_compared_with_those_of_imagenet(
    bench_here: Bench, openood: Path, classifier: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    for label in (0, 207):
        for n in range(5):
            path = tmp_path / "imagenet" / imagenet_wnids()[label] / f"{n}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)).save(path)
    (openood / "images_largescale" / "ninco" / "class_1" / "004.jpg").unlink()
    done = bench_here("run", "--model", classifier, "--task", "imagenet-val", "--task", "openood-ninco", *QUIET,
                      "--data", f"imagenet={tmp_path / 'imagenet'}", "--data", f"openood={openood}")  # fmt: skip
    assert done.code == 3, done.err  # one image of the list is absent, which is a hole and no other set
    row = scores(bench_here, tmp_path, 3)[classifier, "openood-ninco", "softmax", "auroc"]
    assert row["n"] == 10 + 11
    assert 0 <= row["value"] <= 1
    failures = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["failures"]
    assert "images_largescale/ninco/class_1/004.jpg" in [f["image_id"] for f in failures]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has none of the lists of openood"),
        ("", "names no image"),
        ("ninco/a.jpg 5\n", "row 1: 'ninco/a.jpg 5' is not PATH -1"),
        ("../a.jpg -1\n", "row 1: '../a.jpg -1' is not PATH -1"),
        ("ninco/a.jpg -1\nninco/a.jpg -1\n", "names images twice: ninco/a.jpg"),
        ("ninco/a.jpg -1\nninco/b.jpg -1\n", "none of the 2 images of test_ninco.txt, such as ninco/a.jpg"),
    ],
)
def test_lists_that_make_no_sense_are_named(
    bench_here: Bench, openood: Path, classifier: str, content: str | None, message: str
) -> None:
    path = openood / "benchmark_imglist" / "imagenet" / "test_ninco.txt"
    path.unlink()
    if content is not None:
        path.write_text(content)
    args = ("--model", classifier, "--task", "openood-ninco", "--data", f"openood={openood}", *QUIET)
    done = bench_here("run", *args)
    assert done.code == 2
    assert message in done.err.replace("\n", " ")
