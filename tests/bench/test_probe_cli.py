"""From a checkpoint to a benchmark on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vitobench.bench.curve import find_checkpoints

Bench = Callable[..., "object"]
SMALL = ("--train", 64, "--held-out", 32, "--device", "cpu")


def test_every_output_runs_by_its_name_alone(bench_here: Bench, small_tasks: None, tmp_path: Path) -> None:
    for head in ("linear", "knn", "attentive"):
        done = bench_here("probe", "--model", "other", "--head", head, *SMALL)
        assert done.code == 0, done.err
        assert "n = 32 held-out images" in done.out
    assert len(list((tmp_path / "runs/features").iterdir())) == 4  # features and tokens, of two parts
    tuned = ("finetune", "--model", "file:runs/probe-other/linear.safetensors", "--batch", 16, *SMALL)
    done = bench_here(*tuned, "--steps", 2)
    assert done.code == 0, done.err
    files = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "runs").glob("*/*.safetensors"))
    assert files == ["runs/finetune-linear/last.safetensors"] + [
        f"runs/probe-other/{head}.safetensors" for head in ("attentive", "knn", "linear")
    ]
    for file in files:
        done = bench_here(
            "run", "--model", f"file:{file}", "--task", "micro-val", "--json", "s.json", "--device", "cpu"
        )
        assert done.code == 0, done.err
        scores = json.loads((tmp_path / "s.json").read_text())["scores"]
        assert {(row["model"], row["n"]) for row in scores} == {(f"file:{file}", 14)}


def test_a_folder_of_checkpoints_is_a_curve(bench_here: Bench, small_tasks: None, tmp_path: Path) -> None:
    train = ("finetune", "--model", "other", "--batch", 16, *SMALL, "--output", "run", "--every", 2, "--quiet")
    assert bench_here(*train, "--steps", 4).code == 0
    (tmp_path / "run/notes.safetensors").write_bytes(b"nothing")
    ask = ("curve", "run", "--task", "micro-val", "--task", "micro-cue-conflict", "--json", "c.json", "--device", "cpu")
    done = bench_here(*ask)
    assert done.code == 0, done.err
    rows = [line.split() for line in done.out.splitlines() if line.strip()[:1] in ("2", "4")]
    found = json.loads((tmp_path / "c.json").read_text())
    assert [row["step"] for row in found["checkpoints"]] == [2, 4]
    assert found["checkpoints"][1]["model"] == "file:run/step-000004.safetensors"
    top1 = [p for p in found["points"] if (p["task"], p["condition"], p["metric"]) == ("micro-val", "overall", "top1")]
    assert [p["step"] for p in top1] == [2, 4]
    assert [row[1] for row in rows] == [f"{100 * p['value']:.1f}" for p in top1]
    assert all(p["ci_low"] <= p["value"] <= p["ci_high"] for p in top1)
    assert "notes.safetensors" in done.out
    again = bench_here(*ask)
    assert "nothing computed" in again.out
    assert json.loads((tmp_path / "c.json").read_text())["points"] == found["points"]
    # The store knows the step, for figures.
    records = [json.loads(path.read_text()) for path in (tmp_path / "bench-results/models").glob("*.json")]
    assert sorted(record["training_step"] for record in records) == [2, 4]
    # A part of the run on another disk, and a link back into the run.
    (tmp_path / "disk").mkdir()
    (tmp_path / "run/step-000004.safetensors").rename(tmp_path / "disk/step-000004.safetensors")
    (tmp_path / "run/last.safetensors").unlink()
    (tmp_path / "run/part").symlink_to("../disk")
    (tmp_path / "run/part/run").symlink_to("../run")
    assert dict(find_checkpoints(tmp_path / "run").steps) == {
        2: f"file:{tmp_path}/run/step-000002.safetensors",
        4: f"file:{tmp_path}/run/part/step-000004.safetensors",
    }


def test_a_curve_alone_equals_a_run(bench_here: Bench, small_tasks: None, tmp_path: Path) -> None:
    train = ("finetune", "--model", "other", "--batch", 16, *SMALL, "--output", "run", "--quiet", "--steps", 2)
    assert bench_here(*train).code == 0
    same = ("--suite", "robustness", "--device", "cpu", "--quiet")
    assert bench_here("curve", "run", *same, "--store", "a", "--json", "a.json").code == 0
    model = ("--model", "file:run/last.safetensors")
    assert bench_here("run", *model, "--baseline", "none", *same, "--store", "b", "--json", "b.json").code == 0
    points = json.loads((tmp_path / "a.json").read_text())["points"]
    scores = json.loads((tmp_path / "b.json").read_text())["scores"]
    own = [row for row in scores if row["model"] == model[1]]
    assert [{k: v for k, v in point.items() if k != "step"} for point in points] == own
    assert {point["step"] for point in points} == {2}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("curve", "absent", "--task", "micro-val"), "There is no folder absent"),
        (("curve", ".", "--task", "micro-val"), "states its step"),
        (("probe", "--model", "othr"), "Did you mean 'other'"),
        (("probe", "--model", "other", "--data", "photos"), "imagefolder=DIR"),
        (("probe", "--model", "other", "--data", "imagefolder=absent"), "does not exist"),
        (("probe", "--model", "other", "--train", 3), "too few to fit a head"),
        (("finetune", "--model", "other", "--steps", 2, "--epochs", 2), "give only one of them"),
        (("finetune", "--model", "other", "--train", 5), "do not fill a batch"),
        (("finetune", "--model", "other", "--device", "nonsense"), "cannot be used"),
    ],
)
def test_mistakes_are_explained(bench_here: Bench, args: tuple[object, ...], message: str) -> None:
    done = bench_here(*args)
    assert done.code == 2
    assert message in " ".join(done.err.split())


def test_two_trainings_in_one_folder_are_refused(bench_here: Bench, tmp_path: Path) -> None:
    for seed in (1, 2):
        train = ("finetune", "--model", "other", "--batch", 16, *SMALL, "--steps", 1, "--quiet", "--seed", seed)
        assert bench_here(*train, "--output", f"runs/{seed}").code == 0
    done = bench_here("curve", "runs", "--task", "micro-val")
    assert done.code == 2
    assert "both from step 1" in " ".join(done.err.split())
