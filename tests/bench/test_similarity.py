"""Tasks of similarity from end to end: models and arrays of features, on rendered and on published triplets."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.bench.engine import triplets as engine
from vitobench.bench.importing import features as features_module
from vitobench.bench.planning import plan as plan_module
from vitobench.models import registry
from vitobench.results.inventory import verify
from vitobench.results.store import Store
from vitobench.tasks.microworld import triplets as micro
from vitobench.tasks.registry import SUITES, TASKS
from vitobench.tasks.similarity import COSINE, DOT
from vitobench.tasks.similarity.judgements import choice_shares, similarities, surprise
from vitobench.tests.tasks.similarity.ceiling import noise_ceiling

Bench = Callable[..., Any]
THINGS = Path(os.environ.get("VITOBENCH_TEST_DATA", "absent")) / "things"
MICRO = ("--task", "micro-triplets")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units of five triplets, arrays read seven at a time, and 40 that a transform is fitted on."""
    monkeypatch.setattr(plan_module, "SHARD", 5)
    monkeypatch.setattr(features_module, "_CHUNK", 7)
    monkeypatch.setattr(micro, "HELD_OUT", 40)
    monkeypatch.setitem(TASKS, "micro-triplets", replace(TASKS["micro-triplets"], images=12))


def scores(bench_here: Bench, tmp_path: Path, *args: object) -> dict[tuple[str, str, str], dict[str, Any]]:
    done = bench_here("score", "--baseline", "none", "--json", "scores.json", "--quiet", *args)
    assert done.code in (0, 3), done.err
    rows = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["scores"]
    return {(row["model"], row["condition"], row["metric"]): row for row in rows}


def run(bench_here: Bench, *args: object) -> None:
    done = bench_here("run", *args, "--baseline", "none", "--device", "cpu", "--quiet")
    assert done.code == 0, done.err


def test_a_models_numbers_are_those_of_its_features(bench_here: Bench, tmp_path: Path) -> None:
    run(bench_here, "--model", "vito", *MICRO)
    found = scores(bench_here, tmp_path)
    source = micro.MicroTriplets(12)
    model = registry.load(registry.resolve("vito"))
    import torch

    pictures, _ = source.pictures.load(range(36), model.spec.preprocessing.geometry)
    features = model.features(torch.from_numpy(pictures).permute(0, 3, 1, 2)).numpy().reshape(12, 3, -1)
    for kind in (COSINE, DOT):
        values = similarities(features, kind)
        agreed = float((choice_shares(values) * source.votes).sum() / source.votes.sum())
        row = found["vito", kind, "triplet_accuracy"]
        assert row["value"] == pytest.approx(agreed, abs=1e-9)
        assert row["ci_low"] < agreed < row["ci_high"]
        assert row["n"] == 12
        ceiled = found["vito", kind, "triplet_accuracy_ceiled"]["value"]
        assert ceiled == pytest.approx(agreed / noise_ceiling(source.votes), abs=1e-9)
    loss = surprise(similarities(features, DOT), source.votes).sum() / source.votes.sum()
    assert found["vito", "dot", "triplet_log_loss"]["value"] == pytest.approx(loss, rel=1e-4)
    assert ("vito", "cosine", "triplet_log_loss") not in found
    assert 0 < found["vito", "linear", "triplet_accuracy"]["value"] <= 1
    assert verify(Store(tmp_path / "bench-results")) == []


def test_only_what_is_missing_is_run_and_limits_agree(
    bench_here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(bench_here, "--model", "vito", *MICRO, "--limit", "5")
    few = scores(bench_here, tmp_path)
    looked: list[int] = []
    plain = engine.PassTriplets.numbers

    def counting(self: Any, task: Any, observer: Any, images: np.ndarray, positions: np.ndarray) -> Any:
        looked.append(len(images))
        return plain(self, task, observer, images, positions)

    monkeypatch.setattr(engine.PassTriplets, "numbers", counting)
    run(bench_here, "--model", "vito", *MICRO)
    assert looked == [5, 2]
    again = scores(bench_here, tmp_path, "--limit", "5")
    assert {key: row["value"] for key, row in again.items()} == {key: row["value"] for key, row in few.items()}


def test_a_model_without_a_classifier_takes_part_and_is_compared(
    bench_here: Bench, zoo: Path, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    path = make_model(tmp_path / "own", "plain", 9)
    with safe_open(path, "pt") as opened:
        tensors = {key: opened.get_tensor(key) for key in opened.keys() if not key.startswith("head")}  # noqa: SIM118
        card = json.loads(opened.metadata()["vitobench"])
    card |= {"label_space": "none", "num_classes": 0}
    save_file(tensors, tmp_path / "encoder.safetensors", metadata={"vitobench": json.dumps(card)})
    encoder = "file:encoder.safetensors"
    run(bench_here, "--model", encoder, "--model", "vito", *MICRO)
    found = scores(bench_here, tmp_path)
    assert np.isfinite(found[encoder, "cosine", "triplet_accuracy"]["value"])
    done = bench_here("compare", "vito", encoder, *MICRO, "--json", "c.json")
    assert done.code == 0, done.err
    rows = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))["comparisons"]
    main = [row for row in rows if row["family"] == "primary"]
    assert [(row["condition"], row["metric"], row["n"]) for row in main] == [("cosine", "triplet_accuracy", 12)]
    refused = bench_here("run", "--model", encoder, "--task", "micro-val", "--quiet")
    assert refused.code == 2
    assert "has no classifier" in refused.err


def test_features_of_an_array_score_as_the_model_itself(bench_here: Bench, tmp_path: Path) -> None:
    import torch

    run(bench_here, "--model", "other", *MICRO)
    source = micro.MicroTriplets(12)
    model = registry.load(registry.resolve("other"))
    order = np.random.default_rng(0).permutation(len(source.pictures))
    parts = np.array_split(order, 6)
    features = np.concatenate(
        [
            model.features(
                torch.from_numpy(source.pictures.load(part.tolist(), model.spec.preprocessing.geometry)[0]).permute(
                    0, 3, 1, 2
                )
            )
            for part in parts
        ]
    )
    names = np.array(source.picture_names)[order]
    np.savez(tmp_path / "f.npz", features=features, names=names)
    done = bench_here("results", "import", "f.npz", "--model", "copy", *MICRO, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["predictions"] == 12
    found = scores(bench_here, tmp_path)
    for kind in ("cosine", "dot", "linear"):
        own, copied = (found[name, kind, "triplet_accuracy"] for name in ("other", "copy"))
        assert copied["value"] == pytest.approx(own["value"], abs=0.03 if kind == "linear" else 1e-9)
    assert verify(Store(tmp_path / "bench-results")) == []


def test_bad_arrays_are_refused_and_nothing_is_written(bench_here: Bench, tmp_path: Path) -> None:
    names = micro.MicroTriplets(12).picture_names
    good = np.random.default_rng(0).normal(size=(len(names), 4))
    cases = {
        "no whole triplet": {"features": good[:2], "names": np.array(["a", "b"])},
        "several rows for 1 pictures": {"features": good[:4], "names": np.array([*names[:3], names[0]])},
        "has 3 rows of features and 4 names": {"features": good[:3], "names": np.array(names[:4])},
        "has the arrays values, names": {"values": good, "names": np.array(names)},
        "features of shape (12,)": {"features": good[:12, 0], "names": np.array(names[:12])},
        "9 triplets lack features of a picture": {"features": good[:9], "names": np.array(names[:9])},
    }
    for number, (message, arrays) in enumerate(cases.items()):
        np.savez(tmp_path / f"{number}.npz", **arrays)
        done = bench_here("results", "import", f"{number}.npz", "--model", "m", *MICRO)
        assert done.code != 0, message
        assert message in done.err, (message, done.err)
        assert not (tmp_path / "bench-results" / "predictions").exists()
    (tmp_path / "table.csv").write_text("file_name,predicted_class,predicted_probability\na,1,0.5\n")
    done = bench_here("results", "import", "table.csv", "--model", "m", *MICRO)
    assert "compares features" in done.err
    done = bench_here("results", "import", "5.npz", "--model", "m", *MICRO, "--partial")
    assert done.code == 3, done.err
    row = scores(bench_here, tmp_path)["m", "cosine", "triplet_accuracy"]
    assert row["n"] == 3


def test_an_array_of_constant_random_and_perfect_features(bench_here: Bench, tmp_path: Path) -> None:
    """Ties count as chance all the way to the score, and no model is above the ceiling."""
    source = micro.MicroTriplets(12)
    rng = np.random.default_rng(1)
    count = len(source.pictures)
    perfect = rng.normal(size=(count, 64))
    perfect /= np.linalg.norm(perfect, axis=1, keepdims=True)
    for triplet, choice in zip(source.judged.triplets, source.votes.argmax(axis=1), strict=True):
        a, b = np.delete(triplet, choice)
        perfect[b] = perfect[a]
    arrays = {"constant": np.ones((count, 8)), "perfect": perfect}
    for name, features in arrays.items():
        np.savez(tmp_path / f"{name}.npz", features=features, names=np.array(source.picture_names))
        assert bench_here("results", "import", f"{name}.npz", "--model", name, *MICRO).code == 0
    found = scores(bench_here, tmp_path)
    for kind in (COSINE, DOT):
        assert found["constant", kind, "triplet_accuracy"]["value"] == pytest.approx(1 / 3, abs=1e-12)
    assert found["perfect", "cosine", "triplet_accuracy_ceiled"]["value"] == pytest.approx(1.0)
    best = found["perfect", "cosine", "triplet_accuracy"]["value"]
    assert best == pytest.approx(noise_ceiling(source.votes))
    # Nothing can be fitted to features that are all alike, which is a hole and no number.
    hole = found["constant", "linear", "triplet_accuracy"]
    assert (hole["value"], hole["n"]) == (None, 0)


# Published triplets.


@pytest.mark.skipif(not THINGS.is_dir(), reason="needs the judgements of THINGS, see VITOBENCH_TEST_DATA")
def test_vice_on_the_real_judgements_from_file_to_score(bench_here: Bench, tmp_path: Path) -> None:
    import pandas as pd

    table = pd.read_csv(THINGS / "item_names.tsv", sep="\t")
    np.savez(
        tmp_path / "vice.npz",
        features=np.load(THINGS / "vice_embedding_things_1854x42.npy"),
        names=table["uniqueID"].to_numpy(dtype=np.str_),
    )
    data = ("--data", f"things={THINGS}")
    done = bench_here("results", "import", "vice.npz", "--model", "vice", "--task", "things", *data)
    assert done.code == 0, done.err
    found = scores(bench_here, tmp_path)
    assert found["vice", "dot", "triplet_accuracy"]["value"] == pytest.approx(0.63565, abs=5e-6)
    assert found["vice", "dot", "triplet_log_loss"]["value"] == pytest.approx(0.83652, abs=5e-6)
    ratio = found["vice", "dot", "triplet_accuracy"]["value"] / found["vice", "dot", "triplet_accuracy_ceiled"]["value"]
    assert ratio == pytest.approx(0.67221, abs=0.002)  # which weighs triplets, not judgements
    assert found["vice", "cosine", "triplet_accuracy"]["n"] == 1000
    assert ("vice", "linear", "triplet_accuracy") not in found


@pytest.fixture
def nights(tmp_path: Path) -> Path:
    """Thirty triplets of the split test, as many to fit on, and some that do not count."""
    rng = np.random.default_rng(2)
    root = tmp_path / "nights"
    rows = []
    for n in range(64):
        left = int(rng.integers(2))
        paths = [f"ref/{n}.png", f"distort/{n}_0.png", f"distort/{n}_1.png"]
        base = rng.integers(0, 256, (4, 4, 3))
        for at, path in enumerate(paths):
            near = at == 0 or (at == 1) == bool(left)
            pixels = base if near else rng.integers(0, 256, (4, 4, 3))
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.kron(pixels, np.ones((16, 16, 1))).astype(np.uint8)).save(root / path)
        split, votes = ("test", 6) if n < 30 else ("train", 8) if n < 60 else ("test", 5)
        rows.append([n, left, 1 - left, votes, *paths, split, True])
    heads = ["id", "left_vote", "right_vote", "votes", "ref_path", "left_path", "right_path", "split", "is_imagenet"]
    with (root / "data.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([heads, *rows])
    return root


def test_two_alternatives_and_a_picture_that_is_missing(
    bench_here: Bench, nights: Path, classifier: str, tmp_path: Path
) -> None:
    (nights / "distort" / "7_1.png").unlink()
    (nights / "ref" / "9.png").write_bytes(b"no picture")
    args = ("--model", classifier, "--task", "nights", "--data", f"nights={nights}")
    done = bench_here("run", *args, "--baseline", "none", "--device", "cpu", "--quiet")
    assert done.code == 3, done.err
    found = scores(bench_here, tmp_path)
    row = found[classifier, "cosine", "triplet_accuracy"]
    # The nearer picture is the same as the reference, so any features will do.
    assert (row["value"], row["n"]) == (1.0, 28)
    assert found[classifier, "linear", "triplet_accuracy"]["n"] == 28
    failures = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["failures"]
    reasons = {f["image_id"]: f["reason"] for f in failures}
    assert reasons["nights/7"] == "there is no picture of distort/7_1.png"
    assert reasons["nights/9"].startswith("ref/9.png: ")
    shutil.rmtree(tmp_path / "bench-results")
    for path in nights.glob("distort/*_1.png"):
        shutil.copy(path.with_name(path.name.replace("_1", "_0")), path)
    (nights / "ref" / "9.png").unlink()
    bench_here("run", *args, "--baseline", "none", "--device", "cpu", "--quiet")
    row = scores(bench_here, tmp_path)[classifier, "cosine", "triplet_accuracy"]
    assert row["value"] == pytest.approx(0.5, abs=1e-12)  # every pair of alternatives is the same picture


def test_only_judgements_of_pictures_are_similarity_and_take_arrays(bench_here: Bench, tmp_path: Path) -> None:
    assert SUITES["similarity"].tasks == ("micro-triplets", "things", "nights")
    np.savez(tmp_path / "f.npz", a=np.zeros(3))
    for task in (name for name, task in TASKS.items() if task.protocol is not None):
        done = bench_here("results", "import", "f.npz", "--model", "m", "--task", task)
        assert done.code == 2
        assert "stores numbers in place of classes" in done.err
    assert not (tmp_path / "bench-results").exists()
