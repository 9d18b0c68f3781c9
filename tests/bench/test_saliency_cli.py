"""Saliency tasks by ``bench saliency`` and ``bench run``: what is run, what is not run again, exit codes, files."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.bench.engine import maps
from vitobench.bench.planning import plan as plan_module
from vitobench.models.sources import packages
from vitobench.results.store import Store
from vitobench.tasks.registry import TASKS


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units of five images, and tasks of 24."""
    monkeypatch.setattr(plan_module, "SHARD", 5)
    for name in ("micro-saliency", "micro-saliency-smoothgrad"):
        monkeypatch.setitem(TASKS, name, replace(TASKS[name], images=24))


def spoken(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Model, number of images and samples of every call of a network."""
    calls: list[tuple[str, int, int]] = []
    plain = maps.model_maps

    def counting(model, images, labels, image_ids, samples):
        calls.append((model.spec.name, len(images), samples))
        return plain(model, images, labels, image_ids, samples)

    monkeypatch.setattr(maps, "model_maps", counting)
    return calls


def test_models_are_compared_with_object_masks_and_with_one_another(figures: None, bench_here, tmp_path: Path) -> None:
    args = ("saliency", "--model", "vito", "--model", "moclr", "--limit", 12, "--json", "s.json")
    done = bench_here(*args)
    assert done.code == 0, done.err
    assert "object mask" in done.out
    assert "human" not in done.out.lower()
    assert "people" not in done.out
    found = spoken(tmp_path / "s.json")
    keys = {(row["model"], row["condition"]) for row in found["scores"]}
    assert keys == {(model, "gradient") for model in ("vito", "moclr", "centre", "mean map")}
    assert all((row["n"], row["task"]) == (12, "micro-saliency") for row in found["scores"])
    pairs = {(row["a"], row["b"]) for row in found["comparisons"]}
    assert pairs == {("vito", "moclr"), *((model, b) for model in ("vito", "moclr") for b in ("centre", "mean map"))}
    # Five pairs, one main metric each: Holm multiplies the smallest of five p-values by five.
    primary = [row for row in found["comparisons"] if row["family"] == "primary"]
    assert [row["metric"] for row in primary] == ["alignment"] * 5
    smallest = min(primary, key=lambda row: row["p"])
    assert smallest["p_adjusted"] == pytest.approx(min(1.0, 5 * smallest["p"]))
    assert {row["verdict"] for row in found["comparisons"]} <= {"win", "loss", "tie"}
    assert found["tasks"][0]["ceiling"] == 1
    assert found["failures"] == []
    assert len(list((tmp_path / "bench-results" / "predictions").rglob("*.parquet"))) == 4 * 3
    assert not (tmp_path / "bench-results" / "saliency").exists()


def test_only_what_is_missing_is_run(bench_here, tmp_path: Path, asked: list) -> None:
    assert "36 maps computed" in bench_here("saliency", "--model", "vito", "--limit", 12, "--json", "a.json").out
    asked.clear()
    assert "nothing computed" in bench_here("saliency", "--model", "vito", "--limit", 12).out
    # A smaller limit is part of what is there; a larger one adds the last unit anew and the next.
    bench_here("saliency", "--model", "vito", "--limit", 7)
    assert asked == []
    bench_here("saliency", "--model", "vito", "--model", "moclr", "--limit", 17)
    assert sorted(asked) == [
        ("moclr", 2, 0),
        ("moclr", 5, 0),
        ("moclr", 5, 0),
        ("moclr", 5, 0),
        ("vito", 2, 0),
        ("vito", 5, 0),
    ]
    asked.clear()
    bench_here("saliency", "--model", "vito", "--limit", 12, "--smooth", 2)
    assert asked == [("vito", 5, 2), ("vito", 5, 2), ("vito", 2, 2)]
    asked.clear()
    bench_here("saliency", "--model", "vito", "--limit", 5, "--smooth", 3)  # other samples are another task
    assert asked == [("vito", 5, 3)]
    # The rows of a limit are the same whether they were run alone or as part of more.
    bench_here("saliency", "--model", "vito", "--limit", 12, "--json", "b.json")
    assert spoken(tmp_path / "a.json")["scores"] == spoken(tmp_path / "b.json")["scores"]


def test_an_interrupted_run_goes_on(bench_here, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Store.write_unit
    calls = []

    def stops(*args, **more):
        calls.append(args)
        if len(calls) == 5:
            raise KeyboardInterrupt
        plain(*args, **more)

    monkeypatch.setattr(Store, "write_unit", stops)
    done = bench_here("saliency", "--model", "vito", "--limit", 15)
    assert done.code == 130
    monkeypatch.setattr(Store, "write_unit", plain)
    done = bench_here("saliency", "--model", "vito", "--limit", 15)
    assert done.code == 0, done.err
    assert "maps computed" in done.out
    assert "45 maps" not in done.out


def test_one_model_that_fails_costs_the_others_nothing(bench_here, tmp_path: Path, monkeypatch) -> None:
    plain = maps.model_maps

    def fails(model, *rest):
        if model.spec.name == "moclr":
            raise RuntimeError("no gradient for some operation")
        return plain(model, *rest)

    monkeypatch.setattr(maps, "model_maps", fails)
    done = bench_here("saliency", "--model", "moclr", "--model", "vito", "--limit", 7, "--json", "s.json", "--quiet")
    assert done.code == 3
    assert done.err.strip() == "Missing: moclr, every task: RuntimeError: no gradient for some operation"
    models = {row["model"] for row in spoken(tmp_path / "s.json")["scores"] if row["value"] is not None}
    assert models == {"vito", "centre", "mean map"}


def test_a_damaged_unit_is_told_and_what_is_left_is_scored(bench_here, tmp_path: Path) -> None:
    bench_here("saliency", "--model", "vito", "--limit", 10)
    (unit,) = (tmp_path / "bench-results" / "predictions").glob("*/vito*/0000000-*.parquet")
    whole = unit.read_bytes()
    unit.write_bytes(b"nothing")
    done = bench_here("saliency", "--model", "vito", "--limit", 10, "--quiet", "--json", "s.json")
    assert done.code == 3
    assert "`bench results prune --damaged --yes --store bench-results` removes it" in done.err
    assert {row["n"] for row in spoken(tmp_path / "s.json")["scores"] if row["model"] == "vito"} == {5}
    changed = bytearray(whole)
    changed[len(changed) // 2] ^= 1
    unit.write_bytes(changed)
    assert "has changed" in bench_here("results", "verify").out or bench_here("results", "verify").code == 3
    assert bench_here("results", "prune", "--damaged", "--yes").code == 0
    assert not unit.exists()
    assert bench_here("saliency", "--model", "vito", "--limit", 10).code == 0
    assert bench_here("results", "verify").code == 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--model", "nobody"), "There is no model named 'nobody'"),
        (("--model", "vito", "--limit", "0"), "--limit 0 leaves no image"),
        (("--model", "vito", "--data", "imagenet=x"), "There is no data set with maps named 'imagenet'"),
        (
            ("--model", "vito", "--data", "clickme=absent"),
            "vito predicts microworld-16 classes, and none of these tasks uses them: clickme",
        ),
        (("--model", "vito", "--figure", "x.gif"), "the name must end in .png, .svg, .pdf"),
        (("--model", "vito", "--json", "."), "is a folder"),
        (("--model", "vito", "--device", "nowhere"), "The device 'nowhere' cannot be used"),
        ((), "Missing option '--model'"),
    ],
)
def test_mistakes_end_in_one_message(bench_here, args: tuple[str, ...], words: str) -> None:
    done = bench_here("saliency", *args)
    assert done.code == 2
    assert words in done.err


@pytest.mark.skipif(not packages.installed(), reason="the package with the weights is not installed")
def test_a_model_of_photographs_without_maps_is_told_how_to_bring_them(bench_here) -> None:
    done = bench_here("saliency", "--model", "efficientnet-lite0")
    assert done.code == 2
    assert "--data clickme=DIR" in done.err


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_figure_is_written(bench_here, tmp_path: Path, kind: str) -> None:
    done = bench_here("saliency", "--model", "vito", "--limit", 5, "--figure", f"f.{kind}")
    assert done.code == 0, done.err
    content = (tmp_path / f"f.{kind}").read_bytes()
    assert len(content) > 10_000
    if kind == "svg":
        assert b"object mask" in content


def test_two_workers_run_the_task_and_every_command_knows_it(
    figures: None, bench_here, zoo_folder: Path, tmp_path: Path
) -> None:
    name = f"file:{zoo_folder / 'other.safetensors'}"  # by its path: workers are processes of their own
    run = ("run", "--model", name, "--task", "micro-saliency", "--limit", 12, "--baseline", "none")
    done = bench_here(*run, "--workers", 2, "--json", "two.json")
    assert done.code == 0, done.err
    assert "centre" in (tmp_path / "bench-results" / "report.html").read_text(encoding="utf-8")
    assert bench_here(*run, "--store", "one", "--json", "one.json").code == 0
    assert spoken(tmp_path / "one.json")["scores"] == spoken(tmp_path / "two.json")["scores"]
    # The front of the same task finds it all there.
    assert "nothing computed" in bench_here("saliency", "--model", name, "--limit", 12).out

    rows = sorted(json.loads(bench_here("results", "list", "--json").out), key=lambda row: row["model"])
    assert [(row["model"].partition("@")[0], row["images"]) for row in rows] == [
        ("centre", 12), (name, 12), ("mean map", 12),
    ]  # fmt: skip
    assert bench_here("results", "verify").code == 0
    assert bench_here("score", "--json", "s.json", "--baseline", "none").code == 0
    assert spoken(tmp_path / "s.json")["scores"] == spoken(tmp_path / "two.json")["scores"]
    compared = bench_here("compare", name, "centre", "--json", "c.json")
    assert compared.code == 0, compared.err
    assert {row["condition"] for row in spoken(tmp_path / "c.json")["comparisons"]} == {"gradient"}
    assert bench_here("results", "export", "p.csv", "--model", name).code == 0
    first = (tmp_path / "p.csv").read_text().splitlines()[0]
    assert first.endswith('"gradient spearman","gradient dice","gradient iou","error"')
    assert bench_here("results", "prune", "--model", "centre", "--yes").code == 0
    left = {row["model"].partition("@")[0] for row in json.loads(bench_here("results", "list", "--json").out)}
    assert left == {"mean map", name}


def test_images_shared_with_a_task_of_classes_are_read_once(bench_here, tmp_path: Path) -> None:
    both = ("--task", "micro-val", "--task", "micro-saliency", "--limit", 5, "--baseline", "none")
    done = bench_here("run", "--model", "vito", *both, "--json", "s.json")
    assert done.code == 0, done.err
    assert "not measured" not in done.out  # a baseline of maps has no accuracy, and nothing of it is missing
    tasks = {(row["model"], row["task"]) for row in spoken(tmp_path / "s.json")["scores"]}
    assert tasks == {("vito", "micro-val"), *((model, "micro-saliency") for model in ("vito", "centre", "mean map"))}


@pytest.mark.skipif(not packages.installed(), reason="the package with the weights is not installed")
def test_people_s_maps_in_a_folder(bench_here, tmp_path: Path) -> None:
    photos = Path(os.environ.get("VITOBENCH_TEST_DATA", "")) / "photos"
    if "VITOBENCH_TEST_DATA" not in os.environ or not photos.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with real photographs (photos/nXXXXXXXX/*.JPEG)")
    chosen = [next(iter(sorted(folder.iterdir()))) for folder in sorted(photos.iterdir())[:3]]
    for path in chosen:
        for name in ("images", "maps"):
            (tmp_path / "set" / name / path.parent.name).mkdir(parents=True)
        (tmp_path / "set" / "images" / path.parent.name / path.name).symlink_to(path)
        with Image.open(path) as image:
            size = image.size
        clicks = np.random.default_rng(0).random((size[1] // 4, size[0] // 4))
        np.savez(tmp_path / "set" / "maps" / path.parent.name / f"{path.stem}.npz", heatmap=clicks)
    (tmp_path / "set" / "images" / chosen[0].parent.name / "broken.JPEG").write_bytes(b"no image")
    broken = tmp_path / "set" / "maps" / chosen[0].parent.name / "broken.npz"
    np.savez(broken, heatmap=np.eye(8))
    args = ("saliency", "--model", "efficientnet-lite0", "--model", "vito", "--data", "clickme=set", "--json", "s.json")
    done = bench_here(*args)
    assert done.code == 3
    assert "people's map" in done.out
    assert "4 images with a map" in done.out
    assert "vito predicts microworld-16 classes" in done.out
    assert "broken.JPEG" in done.out
    found = spoken(tmp_path / "s.json")
    rows = {(row["model"], row["metric"]): row for row in found["scores"]}
    assert rows["efficientnet-lite0", "spearman"]["n"] == 3
    alignment, correlation = rows["efficientnet-lite0", "alignment"], rows["efficientnet-lite0", "spearman"]
    assert alignment["value"] == pytest.approx(correlation["value"] / 0.65753)
    assert bench_here("results", "verify").code == 0
