"""``bench saliency``: what is run, what is not run again, exit codes, files."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.bench import saliency as saliency_module
from vitobench.bench import saliency_worker
from vitobench.models.sources import packages


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of five images, and a task of 24."""
    from dataclasses import replace

    from vitobench.tasks.alignment.saliency import tasks

    monkeypatch.setattr(saliency_module, "SHARD", 5)
    monkeypatch.setattr(tasks, "MICRO", replace(tasks.MICRO, images=24))


def spoken(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_models_are_compared_with_object_masks_and_with_one_another(bench_here, tmp_path: Path) -> None:
    args = ("saliency", "--model", "vito", "--model", "moclr", "--limit", 12, "--json", "s.json")
    done = bench_here(*args)
    assert done.code == 0, done.err
    assert "object mask" in done.out
    assert "human" not in done.out.lower()
    assert "people" not in done.out
    found = spoken(tmp_path / "s.json")
    keys = {(row["observer"], row["map"]) for row in found["scores"]}
    assert keys == {("vito", "gradient"), ("moclr", "gradient"), ("centre", "centre"), ("mean map", "mean map")}
    assert all(row["n"] == 12 for row in found["scores"])
    assert found["task"]["ceiling"] == 1
    assert found["failures"] == []
    shards = sorted((tmp_path / "bench-results" / "saliency").rglob("*.parquet"))
    assert len(shards) == 4 * 3
    assert len(list((tmp_path / "bench-results" / "saliency").rglob("facts.json"))) == 3


def test_only_what_is_missing_is_run(bench_here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "36 maps computed" in bench_here("saliency", "--model", "vito", "--limit", 12, "--json", "a.json").out
    asked: list[tuple[str, int]] = []
    plain = saliency_worker.model_maps

    def counting(model, images, *rest):
        asked.append((model.spec.name, len(images)))
        return plain(model, images, *rest)

    monkeypatch.setattr(saliency_worker, "model_maps", counting)
    assert "nothing computed" in bench_here("saliency", "--model", "vito", "--limit", 12).out
    assert asked == []
    # A smaller limit is part of what is there; a larger one adds the last shard anew and the next.
    bench_here("saliency", "--model", "vito", "--limit", 7)
    assert asked == []
    bench_here("saliency", "--model", "vito", "--model", "moclr", "--limit", 17)
    assert asked == [("moclr", 5), ("moclr", 5), ("vito", 5), ("moclr", 5), ("vito", 2), ("moclr", 2)]
    asked.clear()
    bench_here("saliency", "--model", "vito", "--limit", 12, "--smooth", 2)
    assert asked == [("vito", 5), ("vito", 5), ("vito", 2)]
    # The rows of a limit are the same whether they were run alone or as part of more.
    bench_here("saliency", "--model", "vito", "--limit", 12, "--json", "b.json")
    assert spoken(tmp_path / "a.json")["scores"] == spoken(tmp_path / "b.json")["scores"]


def test_an_interrupted_run_goes_on(bench_here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = saliency_worker.write_shard
    calls = []

    def stops(*args, **more):
        calls.append(args)
        if len(calls) == 5:
            raise KeyboardInterrupt
        plain(*args, **more)

    monkeypatch.setattr(saliency_worker, "write_shard", stops)
    done = bench_here("saliency", "--model", "vito", "--limit", 15)
    assert done.code == 130
    assert "repeat the command to continue" in done.err
    monkeypatch.setattr(saliency_worker, "write_shard", plain)
    done = bench_here("saliency", "--model", "vito", "--limit", 15)
    assert (done.code, "25 maps computed" in done.out) == (0, True), done.out


def test_one_model_that_fails_costs_the_others_nothing(bench_here, tmp_path: Path, monkeypatch) -> None:
    plain = saliency_worker.model_maps

    def fails(model, *rest):
        if model.spec.name == "moclr":
            raise RuntimeError("no gradient for some operation")
        return plain(model, *rest)

    monkeypatch.setattr(saliency_worker, "model_maps", fails)
    done = bench_here("saliency", "--model", "moclr", "--model", "vito", "--limit", 7, "--json", "s.json", "--quiet")
    assert done.code == 3
    assert done.err.strip() == "Missing: moclr: no gradient for some operation"
    assert {row["observer"] for row in spoken(tmp_path / "s.json")["scores"]} == {"vito", "centre", "mean map"}


def test_a_damaged_shard_is_told_and_what_is_left_is_scored(bench_here, tmp_path: Path) -> None:
    bench_here("saliency", "--model", "vito", "--limit", 10)
    (shard,) = (tmp_path / "bench-results" / "saliency").glob("*/vito*/maps-1/0000000-*.parquet")
    shard.write_bytes(b"nothing")
    done = bench_here("saliency", "--model", "vito", "--limit", 10, "--quiet", "--json", "s.json")
    assert done.code == 3
    assert "`bench results prune --damaged --yes --store bench-results` removes it" in done.err
    assert {row["n"] for row in spoken(tmp_path / "s.json")["scores"] if row["observer"] == "vito"} == {5}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--model", "nobody"), "There is no model named 'nobody'"),
        (("--model", "vito", "--limit", "0"), "--limit 0 leaves no image"),
        (("--model", "vito", "--data", "imagenet=x"), "There is no data set with maps named 'imagenet'"),
        (
            ("--model", "vito", "--data", "clickme=absent"),
            "vito predicts microworld-16 classes, but clickme needs",
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


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_figure_is_written(bench_here, tmp_path: Path, kind: str) -> None:
    done = bench_here("saliency", "--model", "vito", "--limit", 5, "--figure", f"f.{kind}")
    assert done.code == 0, done.err
    content = (tmp_path / f"f.{kind}").read_bytes()
    assert len(content) > 10_000
    if kind == "svg":
        assert b"object mask" in content


def test_other_commands_live_with_the_rows(bench_here) -> None:
    bench_here("saliency", "--model", "vito", "--limit", 5)
    for command in (("results", "list"), ("results", "verify")):
        assert bench_here(*command).code in (0, 2)


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
    assert "vito predicts microworld-16 classes" in done.out
    assert "broken.JPEG" in done.out
    found = spoken(tmp_path / "s.json")
    rows = {(row["observer"], row["metric"]): row for row in found["scores"]}
    assert rows["efficientnet-lite0", "spearman"]["n"] == 3
    alignment, correlation = rows["efficientnet-lite0", "alignment"], rows["efficientnet-lite0", "spearman"]
    assert alignment["value"] == pytest.approx(correlation["value"] / 0.65753)
